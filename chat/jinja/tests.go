package jinja

import (
	"math/big"
	"strings"

	"ballast/value"
)

// test is a test of v.
type test func(r *run, v any, a args) (bool, error)

// otherTests are those that Jinja has and this package lacks.
const otherTests = " escaped "

func (r *run) evalTest(e *testExpr, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	a, err := r.args(e.args, s)
	if err != nil {
		return nil, err
	}
	yes, err := r.check(e.name, v, a)
	return yes != e.negate, err
}

func (r *run) check(name string, v any, a args) (bool, error) {
	t := r.tables.tests[name]
	switch {
	case t != nil:
	case strings.Contains(otherTests, " "+name+" "):
		return false, unsupported("the test '%s'", name)
	default:
		return false, failed("no test named '%s'", name)
	}
	if _, ok := v.(*markup); ok && name != "defined" && name != "undefined" {
		return false, unsupported("the test '%s' of text that was marked as safe", name)
	}
	return t(r, v, a)
}

// kind is a test of nothing but the value.
func kind(name string, is func(v any) bool) test {
	return func(r *run, v any, a args) (bool, error) {
		_, err := a.bind(name)
		return is(v), err
	}
}

func ordered(op string) test {
	return func(r *run, v any, a args) (bool, error) {
		p, err := a.bind(op, "other", "/")
		if err != nil {
			return false, err
		}
		return r.order(op, v, p[0])
	}
}

func divides(name string, by, rest int64) test {
	return func(r *run, v any, a args) (bool, error) {
		d := any(by)
		if by == 0 {
			p, err := a.bind(name, "num")
			if err != nil {
				return false, err
			}
			d = p[0]
		} else if _, err := a.bind(name); err != nil {
			return false, err
		}
		m, err := r.arith("%", v, d)
		if err != nil {
			return false, err
		}
		return r.equal(m, rest)
	}
}

// same is Python's "is".
func same(r *run, v any, a args) (bool, error) {
	p, err := a.bind("sameas", "other")
	if err != nil {
		return false, err
	}
	switch x := v.(type) {
	case nil, bool:
		return v == p[0], nil
	case *value.List, *value.Tuple, *value.Dict, *namespace, *macro:
		return v == p[0], nil
	case int64:
		y, ok := p[0].(int64)
		if !ok || x != y {
			return false, nil
		}
		if x >= -5 && x <= 256 {
			return true, nil
		}
	default:
		if value.TypeName(v) != value.TypeName(p[0]) {
			return false, nil
		}
	}
	return false, unsupported("the test 'sameas' of values of type %s", value.TypeName(v))
}

func casing(name string, is func(rune) bool) test {
	return func(r *run, v any, a args) (bool, error) {
		if _, err := a.bind(name); err != nil {
			return false, err
		}
		s, err := r.str(v)
		return cased(s, is), err
	}
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

func isNumber(v any) bool { return isBool(v) || isFloat(v) || isInteger(v) }

func isBool(v any) bool {
	_, ok := v.(bool)
	return ok
}

func testTable() map[string]test {
	t := map[string]test{
		"defined": kind("defined", func(v any) bool { return !isUndefined(v) }), "undefined": kind("undefined", isUndefined),
		"none": kind("none", func(v any) bool { return v == nil }), "boolean": kind("boolean", isBool),
		"true":  kind("true", func(v any) bool { return v == true }),
		"false": kind("false", func(v any) bool { return v == false }), "integer": kind("integer", isInteger), "float": kind("float", isFloat),
		"number": kind("number", isNumber),
		"string": kind("string", func(v any) bool { _, ok := v.(string); return ok }),
		"mapping": kind("mapping", func(v any) bool {
			_, ok := v.(*value.Dict)
			return ok
		}),
		"sequence": kind("sequence", func(v any) bool {
			switch v.(type) {
			case string, *value.List, *value.Tuple, *value.Dict, *span, *undefined:
				return true
			}
			return false
		}),
		"iterable": kind("iterable", func(v any) bool {
			switch v.(type) {
			case string, *value.List, *value.Tuple, *value.Dict, *span, *undefined, *view, *generator, *loopState:
				return true
			}
			return false
		}),
		"callable": kind("callable", func(v any) bool {
			switch v := v.(type) {
			case *function, *macro, *undefined, *loopState:
				return true
			case *counter:
				return v.sep != nil
			}
			return false
		}),
		"odd": divides("odd", 2, 1), "even": divides("even", 2, 0), "divisibleby": divides("divisibleby", 0, 0),
		"sameas": same, "lower": casing("lower", isLower), "upper": casing("upper", isUpper),
		"in": func(r *run, v any, a args) (bool, error) {
			p, err := a.bind("in", "seq")
			if err != nil {
				return false, err
			}
			return r.contains(p[0], v)
		},
		"filter": func(r *run, v any, a args) (bool, error) {
			return named(v, a, func(name string) bool { return r.tables.filters[name] != nil }, otherFilters)
		},
		"test": func(r *run, v any, a args) (bool, error) {
			return named(v, a, func(name string) bool { return r.tables.tests[name] != nil }, otherTests)
		},
	}
	for op, names := range map[string]string{
		"==": "== eq equalto", "!=": "!= ne", "<": "< lt lessthan", "<=": "<= le", ">": "> gt greaterthan", ">=": ">= ge",
	} {
		for _, name := range strings.Fields(names) {
			t[name] = ordered(op)
		}
	}
	return t
}

func named(v any, a args, known func(string) bool, others string) (bool, error) {
	if _, err := a.bind("filter"); err != nil {
		return false, err
	}
	switch v.(type) {
	case *value.List, *value.Dict:
		return false, failed("a value of type %s is the name of nothing", value.TypeName(v))
	}
	name, ok := v.(string)
	return ok && (known(name) || strings.Contains(others, " "+name+" ")), nil
}
