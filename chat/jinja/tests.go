package jinja

import (
	"math/big"
	"strings"

	"ballast/value"
)

// otherTests are those that Jinja has and this package lacks.
const otherTests = " callable divisibleby escaped filter lower sameas test upper "

// comparisons are the tests that compare, with their operators.
var comparisons = map[string]string{
	"==": "==", "eq": "==", "equalto": "==", "!=": "!=", "ne": "!=", "<": "<", "lt": "<", "lessthan": "<", "<=": "<=", "le": "<=",
	">": ">", "gt": ">", "greaterthan": ">", ">=": ">=", "ge": ">=", "in": "in",
}

// tests look at nothing but the value.
var tests = map[string]func(r *run, v any) bool{
	"defined":   func(_ *run, v any) bool { return !isUndefined(v) },
	"undefined": func(_ *run, v any) bool { return isUndefined(v) },
	"none":      func(_ *run, v any) bool { return v == nil },
	"boolean":   func(_ *run, v any) bool { return v == true || v == false },
	"true":      func(_ *run, v any) bool { return v == true },
	"false":     func(_ *run, v any) bool { return v == false },
	"integer":   func(_ *run, v any) bool { return isInteger(v) },
	"float":     func(_ *run, v any) bool { return isFloat(v) },
	"number":    func(_ *run, v any) bool { return isNumber(v) },
	"string":    func(_ *run, v any) bool { _, ok := v.(string); return ok },
	"mapping":   func(_ *run, v any) bool { _, ok := v.(*value.Dict); return ok },
	"odd":       func(r *run, v any) bool { return r.equal(r.arith("%", v, int64(2)), int64(1)) },
	"even":      func(r *run, v any) bool { return r.equal(r.arith("%", v, int64(2)), int64(0)) },
	"sequence": func(_ *run, v any) bool {
		switch v := v.(type) {
		case string, *value.List, *value.Tuple, *value.Dict, *undefined:
			return true
		case *view:
			return v.kind == "range"
		}
		return false
	},
	"iterable": func(_ *run, v any) bool {
		switch v.(type) {
		case string, *value.List, *value.Tuple, *value.Dict, *undefined, *view, *generator, *loopState:
			return true
		}
		return false
	},
}

// check is a test of v.
func (r *run) check(name string, v any, a args) bool {
	op, compares := comparisons[name]
	is := tests[name]
	switch {
	case strings.Contains(otherTests, " "+name+" "):
		panic(unsupported("the test '%s'", name))
	case is == nil && !compares:
		panic(failed("no test named '%s'", name))
	}
	if _, ok := v.(*markup); ok && name != "defined" && name != "undefined" {
		panic(unsupported("the test '%s' of text that was marked as safe", name))
	}
	if compares {
		return r.order(op, v, a.bind(name, "other", "/")[0])
	}
	a.bind(name)
	return is(r, v)
}

func isUndefined(v any) bool {
	_, ok := v.(*undefined)
	return ok
}

func isInteger(v any) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

func isFloat(v any) bool {
	_, ok := v.(float64)
	return ok
}

func isNumber(v any) bool { return isFloat(v) || isInteger(v) || v == true || v == false }
