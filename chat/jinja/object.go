package jinja

import (
	"errors"
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
		vars   *value.Dict
		writes *int
		reads  *int
	}
	// macro is a macro and where it was defined.
	macro struct {
		*macroDef
		home *scope
	}
	// function is a method bound to its value, or a global function.
	function struct {
		name string
		do   func(r *run, a args) (any, error)
	}
	// generator yields items once.
	generator struct {
		items  []any
		err    error // what Python meets when it takes the first item
		broken bool  // a loop that left it early took an unknown number of items
	}
	// span is a range.
	span struct{ start, stop, step int }
	// view is a dict's keys, values or items.
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
		depth int
		last  *[]any // what changed saw
		again func(any) (string, error)
	}
	// counter is a cycler or joiner.
	counter struct {
		items []any
		at    int
		sep   any
	}
)

// missing is the argument that a call left out.
type missing struct{}

// args are the arguments of a call.
type args struct {
	pos   []any
	names []string
	named []any
}

// TypeName implements value.Custom, here and below.
func (*undefined) TypeName() string { return "Undefined" }
func (*namespace) TypeName() string { return "Namespace" }
func (*macro) TypeName() string     { return "Macro" }
func (*function) TypeName() string  { return "function" }
func (*generator) TypeName() string { return "generator" }
func (*span) TypeName() string      { return "range" }
func (v *view) TypeName() string    { return v.kind }
func (*markup) TypeName() string    { return "Markup" }
func (*loopState) TypeName() string { return "LoopContext" }
func (*counter) TypeName() string   { return "Cycler" }

// AppendRepr implements value.Custom, here and below. What Python shows with an address is refused
// before (see visit).
func (*undefined) AppendRepr(dst []byte) []byte { return append(dst, "Undefined"...) }
func (n *namespace) AppendRepr(dst []byte) []byte {
	return append(value.AppendRepr(append(dst, "<Namespace "...), n.vars), '>')
}
func (m *macro) AppendRepr(dst []byte) []byte {
	if m.name == "" { // the body of a call block
		return append(dst, "<Macro anonymous>"...)
	}
	return fmt.Appendf(dst, "<Macro %s>", value.Repr(m.name))
}
func (*function) AppendRepr(dst []byte) []byte  { return dst }
func (*generator) AppendRepr(dst []byte) []byte { return dst }
func (s *span) AppendRepr(dst []byte) []byte {
	if s.step == 1 {
		return fmt.Appendf(dst, "range(%d, %d)", s.start, s.stop)
	}
	return fmt.Appendf(dst, "range(%d, %d, %d)", s.start, s.stop, s.step)
}
func (v *view) AppendRepr(dst []byte) []byte {
	return append(value.AppendRepr(append(append(dst, v.kind...), '('), value.NewList(v.items...)), ')')
}
func (*markup) AppendRepr(dst []byte) []byte { return dst }
func (l *loopState) AppendRepr(dst []byte) []byte {
	return fmt.Appendf(dst, "<LoopContext %d/%d>", l.at+1, len(l.items))
}
func (*counter) AppendRepr(dst []byte) []byte { return dst }

// EqualTo implements value.Custom, here and below.
func (*undefined) EqualTo(other any) bool {
	_, ok := other.(*undefined)
	return ok
}
func (n *namespace) EqualTo(other any) bool { return any(n) == other }
func (m *macro) EqualTo(other any) bool     { return any(m) == other }
func (f *function) EqualTo(other any) bool  { return any(f) == other }
func (g *generator) EqualTo(other any) bool { return any(g) == other }
func (s *span) EqualTo(other any) bool {
	o, ok := other.(*span)
	return ok && s.len() == o.len() && (s.len() == 0 || s.start == o.start && (s.len() == 1 || s.step == o.step))
}
func (v *view) EqualTo(other any) bool      { return any(v) == other }
func (m *markup) EqualTo(other any) bool    { return any(m) == other }
func (l *loopState) EqualTo(other any) bool { return any(l) == other }
func (c *counter) EqualTo(other any) bool   { return any(c) == other }

func (u *undefined) fail() error { return failed("%s", u.why) }

func (n *namespace) set(name string, v any) error {
	if name[0] == '_' {
		return failed("the namespace's attribute '%s' starts with an underscore", name)
	}
	n.vars.Set(name, v)
	*n.writes++
	return nil
}

func (s *span) len() int {
	switch {
	case s.step > 0 && s.start < s.stop:
		return (s.stop-s.start-1)/s.step + 1
	case s.step < 0 && s.start > s.stop:
		return (s.start-s.stop-1)/-s.step + 1
	}
	return 0
}

func (s *span) items() []any {
	out := make([]any, s.len())
	for i := range out {
		out[i] = int64(s.start + i*s.step)
	}
	return out
}

// kindOf is the kind of a value of package value, or empty.
func kindOf(v any) string {
	switch v.(type) {
	case nil, bool, int64, *big.Int, float64, string, *value.List, *value.Tuple, *value.Dict, value.Custom:
		return value.TypeName(v)
	}
	return ""
}

// truth is bool(v).
func truth(v any) (bool, error) {
	switch v := v.(type) {
	case nil:
		return false, nil
	case bool:
		return v, nil
	case int64:
		return v != 0, nil
	case float64:
		return v != 0, nil
	case string:
		return v != "", nil
	case *value.List:
		return len(v.Items) > 0, nil
	case *value.Tuple:
		return len(v.Items) > 0, nil
	case *value.Dict:
		return v.Len() > 0, nil
	case *undefined:
		return false, nil
	case *span:
		return v.len() > 0, nil
	case *view:
		return len(v.items) > 0, nil
	case *markup:
		return v.text != "", nil
	}
	return true, nil
}

// length is len(v).
func length(v any) (int, error) {
	switch v := v.(type) {
	case string:
		return runeLen(v), nil
	case *value.List:
		return len(v.Items), nil
	case *value.Tuple:
		return len(v.Items), nil
	case *value.Dict:
		return v.Len(), nil
	case *undefined:
		return 0, nil
	case *span:
		return v.len(), nil
	case *view:
		return len(v.items), nil
	case *loopState:
		return len(v.items), nil
	case *markup:
		return runeLen(v.text), nil
	}
	return 0, failed("a value of type %s has no length", value.TypeName(v))
}

// iterate lists what a loop over v yields.
func (r *run) iterate(v any) ([]any, error) {
	n, err := length(v)
	if err == nil {
		if err := r.times(n, 16); err != nil {
			return nil, err
		}
	}
	switch v := v.(type) {
	case string:
		out := make([]any, 0, n)
		for _, c := range chars(v) {
			out = append(out, c)
		}
		return out, nil
	case *value.List:
		return v.Items, nil
	case *value.Tuple:
		return v.Items, nil
	case *value.Dict:
		return v.Keys(), nil
	case *undefined:
		return nil, nil
	case *span:
		return v.items(), nil
	case *view:
		return v.items, nil
	case *generator:
		if v.broken {
			return nil, unsupported("the rest of a filter's items after a loop that was left with break")
		}
		items := v.items
		v.items = nil
		return items, v.err
	case *loopState, *markup:
		return nil, unsupported("a loop over a value of type %s", value.TypeName(v))
	}
	return nil, failed("there is no loop over a value of type %s", value.TypeName(v))
}

// lazily is a generator of items whose error counts only when they are taken.
func lazily(items []any, err error) (any, error) {
	if e := (*Error)(nil); err != nil && !errors.As(err, &e) {
		return nil, err
	}
	return &generator{items: items, err: err}, nil
}

// visit refuses what cannot be walked to its end: values that nest too deep, and those
// that are larger than the limits let them be when every reference counts. With addresses it
// refuses what Python shows with an address.
func (r *run) visit(v any, depth int, addresses bool) error {
	if depth > 900 { // Python's own recursion ends near 1000
		return failed("a value nests too deep")
	}
	var items []any
	switch v := v.(type) {
	case *value.List:
		items = v.Items
	case *value.Tuple:
		items = v.Items
	case *view:
		items = v.items
	case *value.Dict:
		for i := range v.Len() {
			k, x := v.At(i)
			if err := r.visit(k, depth+1, addresses); err != nil {
				return err
			}
			if err := r.visit(x, depth+1, addresses); err != nil {
				return err
			}
		}
	case *namespace:
		return r.visit(v.vars, depth+1, addresses)
	case *big.Int:
		if value.TooLong(v) {
			return failed("an integer of more than %d digits", maxDigits)
		}
	case *function, *generator, *counter, *markup:
		if addresses {
			return unsupported("the text of a value of type %s", value.TypeName(v))
		}
	case string:
		if err := r.charge(len(v)); err != nil {
			return err
		}
	}
	for _, x := range items {
		if err := r.visit(x, depth+1, addresses); err != nil {
			return err
		}
	}
	if err := r.step(); err != nil {
		return err
	}
	return r.charge(8)
}

// str is str(v).
func (r *run) str(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case *undefined:
		return "", nil
	case *markup:
		return v.text, nil
	}
	if err := r.visit(v, 0, true); err != nil {
		return "", err
	}
	return value.Repr(v), nil
}
