package acebench

import (
	"fmt"
	"slices"
	"strings"

	"ballast/value"
	"ballast/world/python"
)

// Verdict is what a reply is worth.
type Verdict struct {
	Correct bool
	Kind    string // the original's error_type; "" where it is correct or Crash
	Error   any    // the original's words: text, or a *value.List; only of Explain
	Again   bool   // right by an alternative of gold after one by which it is wrong: the original lists it as wrong, too
	Crash   string // the exception that ends the original's run of the whole category; the reply is wrong
}

// Check judges the reply to a single-turn item in a format.
func Check(it *Item, format, reply string, m Mend) Verdict { return judge(it, format, reply, m, false) }

// Explain is Check with the words of the error.
func Explain(it *Item, format, reply string, m Mend) Verdict {
	return judge(it, format, reply, m, true)
}

// words are an error, made only where somebody reads them.
type words func() any

// one is a list of one text.
func one(format string, args ...any) any { return value.NewList(fmt.Sprintf(format, args...)) }

// result is the outcome of a test: ok, or its kind of error.
type result struct {
	ok    bool
	again bool // see Verdict
	kind  string
	error words
}

var right = result{ok: true}

func wrong(kind string, w words) result { return result{kind: kind, error: w} }

// crash ends the original; it is recovered in judge.
type crash struct{ text string }

func raise(format string, args ...any) { panic(crash{fmt.Sprintf(format, args...)}) }

func judge(it *Item, format, reply string, m Mend, explain bool) (v Verdict) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case crash:
			v = Verdict{Crash: r.text}
		case value.DigitsError:
			v = Verdict{Crash: "ValueError: " + r.Error()}
		default:
			panic(r)
		}
	}()
	var r result
	if Special(it.Category) {
		r = declined(it, format, reply, m)
	} else {
		r = (&checker{it, m}).reply(format, reply)
	}
	v = Verdict{Correct: r.ok, Again: r.again, Kind: r.kind}
	if explain && r.error != nil {
		v.Error = r.error()
	}
	return v
}

// checker checks the calls of one reply.
type checker struct {
	it    *Item
	mends Mend
}

// reply decodes a reply and tries the alternatives of gold; the error is that of the first.
func (c *checker) reply(format, reply string) result {
	calls, f := decoded(c.it.Category, format, reply, c.mends)
	if f != nil {
		return wrong("wrong_output_format", func() any { return one("Invalid syntax. Failed to decode AST. %s", f.text) })
	}
	gold, list := c.it.Gold.(*value.List)
	if !list {
		return c.calls(calls, c.it.Gold.(*value.Dict))
	}
	first := right
	for i, g := range gold.Items {
		r := c.calls(calls, g.(*value.Dict))
		if r.ok {
			r.again = i > 0
			return r
		}
		if i == 0 {
			first = r
		}
	}
	return first
}

// wanted is one call of gold.
type wanted struct {
	key  string // as gold has it
	name string // without the number
	args *value.Dict
}

// calls compares a set of calls with one alternative of gold.
func (c *checker) calls(calls []call, gold *value.Dict) result {
	if len(calls) != gold.Len() {
		return wrong("wrong functions number", func() any { return one("The number of functions does not match the answer.") })
	}
	want := make([]wanted, gold.Len())
	for i := range want {
		k, v := gold.At(i)
		key := k.(string)
		want[i] = wanted{key, unnumbered(key), v.(*value.Dict)}
	}
	if r := sameNames(calls, want); !r.ok {
		return r
	}
	if c.mends.has(MendTwice) {
		return c.matched(calls, want)
	}
	for i := range want {
		r := c.any(calls, &want[i])
		if !r.ok && len(want) > 1 {
			r.error = func() any {
				return one("Parallel function call failed; excepted %s, real: %s", reprWanted(want), reprCalls(calls))
			}
		}
		if !r.ok {
			return r
		}
	}
	return right
}

// any looks for a call that answers one of gold. Its result is that of the last call.
func (c *checker) any(calls []call, w *wanted) (r result) {
	for _, got := range calls {
		if got.name != any(w.name) {
			r = wrong("simple_function_checker:unclear", func() any { return value.NewList() })
			continue
		}
		if r = c.call(got, w); r.ok {
			break
		}
	}
	return r
}

// matched answers every call of gold by a call of its own.
func (c *checker) matched(calls []call, want []wanted) result {
	last := right
	fits := make([][]bool, len(want))
	for i := range want {
		fits[i] = make([]bool, len(calls))
		for k, got := range calls {
			if got.name != any(want[i].name) {
				continue
			}
			if r := c.call(got, &want[i]); r.ok {
				fits[i][k] = true
			} else {
				last = r
			}
		}
	}
	owner := make([]int, len(calls)) // of each call, the one of gold, counted from 1
	for i := range want {
		if !augment(fits, owner, i, make([]bool, len(calls))) {
			if last.ok { // all fit, and there are too few
				last = wrong("simple_function_checker:unclear", func() any { return value.NewList() })
			}
			return last
		}
	}
	return right
}

// augment finds a call for i, and moves others where that needs it.
func augment(fits [][]bool, owner []int, i int, tried []bool) bool {
	for k, fit := range fits[i] {
		if !fit || tried[k] {
			continue
		}
		tried[k] = true
		if owner[k] == 0 || augment(fits, owner, owner[k]-1, tried) {
			owner[k] = i + 1
			return true
		}
	}
	return false
}

// unnumbered is a key of gold without the number behind its last underscore.
func unnumbered(key string) string {
	n := strings.TrimRight(key, "0123456789")
	if len(n) == len(key) || !strings.HasSuffix(n, "_") {
		return key
	}
	return n[:len(n)-1]
}

// sameNames compares how often each function is called.
func sameNames(calls []call, want []wanted) result {
	count := func(name any) (got, wanted int) {
		for i := range calls {
			if calls[i].name == name {
				got++
			}
			if any(want[i].name) == name {
				wanted++
			}
		}
		return got, wanted
	}
	extra := func(name any) result {
		return wrong("function_mismatch", func() any { return one("extra function detected: %s is not in the ground truth", pyStr(name)) })
	}
	for i := range calls {
		if _, n := count(calls[i].name); n == 0 {
			return extra(calls[i].name)
		}
	}
	for i := range want {
		if n, _ := count(want[i].name); n == 0 {
			return extra(want[i].name)
		}
	}
	for i := range calls {
		if got, n := count(calls[i].name); got != n {
			return wrong("function_mismatch", func() any {
				return one("incorrect count for function %s: [expected: %d, actual: %d]", pyStr(calls[i].name), n, got)
			})
		}
	}
	return right
}

func reprWanted(want []wanted) string {
	l := value.NewList()
	for _, w := range want {
		l.Items = append(l.Items, value.NewDict(w.name, w.args))
	}
	return value.Repr(l)
}

func reprCalls(calls []call) string {
	l := value.NewList()
	for _, c := range calls {
		l.Items = append(l.Items, c.dict())
	}
	return value.Repr(l)
}

// documented is the function that a call of gold is judged by, as Item.Documented has it.
func (c *checker) documented(w *wanted) *Function {
	if !c.mends.has(MendDocs) {
		return c.it.Documented(w.key)
	}
	var best *Function
	for i := range c.it.Functions {
		switch f := &c.it.Functions[i]; {
		case f.Name == w.name:
			return f
		case strings.Contains(w.key, f.Name) && (best == nil || len(f.Name) > len(best.Name)):
			best = f
		}
	}
	return best
}

// call compares one call with one of gold of the same name.
func (c *checker) call(got call, w *wanted) result {
	f := c.documented(w)
	if f == nil {
		raise("TypeError: 'NoneType' object is not subscriptable")
	}
	schema, _ := f.Doc.Member("parameters").(*value.Dict)
	if schema == nil {
		raise("KeyError: 'parameters'")
	}
	args, isDict := got.args.(*value.Dict)
	empty := isDict && args.Len() == 0
	noParam := wrong("wrong_param", func() any { return value.NewList() })
	switch {
	case got.loose && c.mends.has(MendLiterals):
		return noParam
	case empty && schema.Len() == 0:
		return right
	case empty != (schema.Len() == 0):
		return noParam
	}
	properties := schema.Member("properties")
	if !schema.Has("properties") {
		raise("KeyError: 'properties'")
	}
	if value.Equal(w.args, properties) {
		return right
	}
	if w.args.Len() == 0 {
		return noParam
	}
	if any(f.Name) != got.name && !c.mends.has(MendDocs) {
		return wrong("wrong_function_name", func() any {
			return value.NewList(value.NewDict("wrong_function", value.NewDict("expected", f.Name, "real", got.name)))
		})
	}
	return c.arguments(got.args, w, f.Name, schema)
}

// arguments compares the arguments of a call, in the order of the original's tests.
func (c *checker) arguments(args any, w *wanted, function string, schema *value.Dict) result {
	if !schema.Has("required") {
		raise("KeyError: 'required'")
	}
	lacks := func(param any) result {
		return wrong("lack_args", func() any { return "lack required_params: " + pyStr(param) })
	}
	for _, param := range elements(schema.Member("required")) {
		if !contains(args, param) {
			return lacks(param)
		}
	}
	given, ok := args.(*value.Dict)
	if !ok {
		raise("AttributeError: '%s' object has no attribute 'items'", value.TypeName(args))
	}
	properties := schema.Object("properties")
	for i := range given.Len() {
		k, v := given.At(i)
		param, _ := k.(string)
		spec, known := properties.Member(param).(*value.Dict)
		if k == nil || !known || !w.args.Has(param) {
			return wrong("addition_args", func() any { return "addition params: " + pyStr(k) })
		}
		if r := c.argument(argument{param, function, spec}, v, w.args.Member(param)); !r.ok {
			return r
		}
	}
	if c.mends.has(MendOptional) {
		for _, k := range w.args.Keys() {
			if !given.Has(k.(string)) {
				return lacks(k)
			}
		}
	}
	return right
}

// elements is what Python iterates over.
func elements(v any) (items []any) {
	if e := python.Try(func() { items = python.Iterate(v) }); e != nil {
		raise("%s: %s", e.Kind, e.Text)
	}
	return items
}

// contains is Python's in: of an object its keys, of text a part of it, of a list its items.
func contains(container, x any) bool {
	switch c := container.(type) {
	case *value.Dict:
		if !value.Hashable(x) {
			raise("TypeError: unhashable type: '%s'", value.TypeName(x))
		}
		_, ok := c.Get(x)
		return ok
	case *value.List:
		return slices.ContainsFunc(c.Items, func(y any) bool { return value.Equal(x, y) })
	case string:
		s, ok := x.(string)
		if !ok {
			raise("TypeError: 'in <string>' requires string as left operand, not %s", value.TypeName(x))
		}
		return strings.Contains(c, s)
	}
	raise("TypeError: argument of type '%s' is not iterable", value.TypeName(container))
	return false
}
