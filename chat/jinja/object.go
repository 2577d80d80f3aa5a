package jinja

import (
	"fmt"
	"math/big"

	"ballast/value"
)

// The kinds of values that Jinja adds to those of package value.
type (
	// undefined is what has no value, and why.
	undefined struct{ why string }
	// namespace is what {% set ns.x = … %} can change.
	namespace struct {
		vars          *value.Dict
		reads, writes *int
	}
	// macro is a macro and where it was defined.
	macro struct {
		*macroDef
		home *scope
	}
	// function is a method bound to its value, or a global function.
	function struct {
		name string
		do   func(r *run, a args) any
	}
	// generator yields items once.
	generator struct {
		items  []any
		err    *Error // what Python meets when it takes the first item
		broken bool   // a loop that left it early took an unknown number of items
	}
	// view is a range, or a dict's keys, values or items.
	view struct {
		kind  string
		items []any
	}
	// markup is text that was marked as safe. It can be printed and joined; most
	// of what else Python does with it escapes other texts, and is refused.
	markup struct{ text string }
	// loopState is the variable loop.
	loopState struct {
		items []any
		at    int
	}
)

// missing is the argument that a call left out.
type missing struct{}

// TypeName is the name of the type, in Python's words.
func (*undefined) TypeName() string { return "Undefined" }
func (*namespace) TypeName() string { return "Namespace" }
func (*macro) TypeName() string     { return "Macro" }
func (*function) TypeName() string  { return "function" }
func (*generator) TypeName() string { return "generator" }
func (v *view) TypeName() string    { return v.kind }
func (*markup) TypeName() string    { return "Markup" }
func (*loopState) TypeName() string { return "LoopContext" }

// AppendRepr appends what repr gives. visit refuses all but undefined and views before.
func (*undefined) AppendRepr(dst []byte) []byte { return append(dst, "Undefined"...) }
func (*namespace) AppendRepr(dst []byte) []byte { return dst }
func (*macro) AppendRepr(dst []byte) []byte     { return dst }
func (*function) AppendRepr(dst []byte) []byte  { return dst }
func (*generator) AppendRepr(dst []byte) []byte { return dst }
func (v *view) AppendRepr(dst []byte) []byte {
	return append(value.AppendRepr(append(append(dst, v.kind...), '('), value.NewList(v.items...)), ')')
}
func (*markup) AppendRepr(dst []byte) []byte    { return dst }
func (*loopState) AppendRepr(dst []byte) []byte { return dst }

// EqualTo compares as Python does.
func (*undefined) EqualTo(other any) bool   { return isUndefined(other) }
func (n *namespace) EqualTo(other any) bool { return any(n) == other }
func (m *macro) EqualTo(other any) bool     { return any(m) == other }
func (f *function) EqualTo(other any) bool  { return any(f) == other }
func (g *generator) EqualTo(other any) bool { return any(g) == other }
func (v *view) EqualTo(other any) bool      { return any(v) == other }
func (m *markup) EqualTo(other any) bool    { return any(m) == other }
func (l *loopState) EqualTo(other any) bool { return any(l) == other }

// fail is what Python does with an undefined value in most places.
func (u *undefined) fail() { panic(failed("%s", u.why)) }

// truth is bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case *undefined:
		return false
	case *markup:
		return v.text != ""
	case *view:
		n, _ := length(v)
		return n > 0
	}
	return value.Truth(v)
}

// length is len(v) where there is one.
func length(v any) (int, bool) {
	switch v := v.(type) {
	case string:
		return runeLen(v), true
	case *value.List:
		return len(v.Items), true
	case *value.Tuple:
		return len(v.Items), true
	case *value.Dict:
		return v.Len(), true
	case *undefined:
		return 0, true
	case *view:
		return len(v.items), true
	case *loopState:
		return len(v.items), true
	case *markup:
		return runeLen(v.text), true
	}
	return 0, false
}

// iterate lists what a loop over v yields.
func (r *run) iterate(v any) []any {
	n, _ := length(v)
	r.times(n, 16)
	switch v := v.(type) {
	case string:
		out := make([]any, 0, n)
		for _, c := range chars(v) {
			out = append(out, c)
		}
		return out
	case *value.List:
		return v.Items
	case *value.Tuple:
		return v.Items
	case *value.Dict:
		return v.Keys()
	case *undefined:
		return nil
	case *view:
		return v.items
	case *generator:
		if v.broken {
			panic(unsupported("the rest of a filter's items after a loop that was left with break"))
		}
		if v.err != nil {
			panic(v.err)
		}
		items := v.items
		v.items = nil
		return items
	case *loopState, *markup:
		panic(unsupported("a loop over a value of type %s", value.TypeName(v)))
	}
	panic(failed("there is no loop over a value of type %s", value.TypeName(v)))
}

// lazily is a generator of the items that list makes. Its error counts only when they are taken.
func lazily(list func() []any) *generator {
	g := &generator{}
	func() {
		defer func() {
			if e := recover(); e != nil {
				own, ok := e.(*Error)
				if !ok {
					panic(e)
				}
				g.err = own
			}
		}()
		g.items = list()
	}()
	return g
}

// visit refuses what cannot be walked to its end: values that nest too deep, and those
// that are larger than the limits let them be when every reference counts. With text it
// refuses what Python shows with an address too.
func (r *run) visit(v any, depth int, text bool) {
	if depth > 900 { // Python's own recursion ends near 1000
		panic(failed("a value nests too deep"))
	}
	var items []any
	switch v := v.(type) {
	case *value.List:
		items = v.Items
	case *value.Tuple:
		items = v.Items
	case *view:
		if items = v.items; text && v.kind == "range" {
			panic(unsupported("the text of a range"))
		}
	case *value.Dict:
		for i := range v.Len() {
			k, x := v.At(i)
			r.visit(k, depth+1, text)
			r.visit(x, depth+1, text)
		}
	case *big.Int:
		if value.TooLong(v) {
			panic(failed("an integer of more than %d digits", value.MaxDigits))
		}
	case string:
		r.charge(len(v))
	case *undefined:
	case value.Custom:
		if text {
			panic(unsupported("the text of a value of type %s", value.TypeName(v)))
		}
	}
	for _, x := range items {
		r.visit(x, depth+1, text)
	}
	r.step()
	r.charge(8)
}

// str is str(v).
func (r *run) str(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *undefined:
		return ""
	case *markup:
		return v.text
	}
	r.visit(v, 0, true)
	return value.Repr(v)
}

// plain copies the data, with ints as int64. It refuses values that are not those of JSON and
// Python literals.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, *big.Int, float64, string:
		return v
	case int:
		return int64(v)
	case *value.List:
		return &value.List{Items: plainAll(v.Items)}
	case *value.Tuple:
		return &value.Tuple{Items: plainAll(v.Items)}
	case *value.Dict:
		out := value.MakeDict(v.Len())
		for i := range v.Len() {
			k, x := v.At(i)
			out.Set(plain(k), plain(x))
		}
		return out
	}
	panic(unsupported("a value of Go's type %s", fmt.Sprintf("%T", v)))
}

func plainAll(items []any) []any {
	out := make([]any, len(items))
	for i, x := range items {
		out[i] = plain(x)
	}
	return out
}
