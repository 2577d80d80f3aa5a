package jinja

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"ballast/value"
)

// eval is the value of an expression.
func (r *run) eval(e expr, s *scope) any {
	r.step()
	switch e := e.(type) {
	case *constExpr:
		return e.value
	case *nameExpr:
		if v, ok := s.get(e.name); ok {
			return v
		}
		if do := globals[e.name]; do != nil {
			return &function{e.name, do}
		}
		return &undefined{"'" + e.name + "' is undefined"}
	case *listExpr:
		if e.tuple {
			return &value.Tuple{Items: r.evalAll(e.items, s)}
		}
		return &value.List{Items: r.evalAll(e.items, s)}
	case *dictExpr:
		r.times(len(e.keys), 40)
		d := value.MakeDict(len(e.keys))
		for i := range e.keys {
			kv := r.evalAll([]expr{e.keys[i], e.values[i]}, s)
			hashable(kv[0])
			d.Set(kv[0], kv[1])
		}
		return d
	case *attrExpr:
		return r.attr(r.eval(e.of, s), e.name)
	case *itemExpr:
		of := r.eval(e.of, s)
		return r.item(of, r.eval(e.key, s))
	case *sliceExpr:
		return r.slice(e, s)
	case *unaryExpr:
		return unary(e.op, r.eval(e.of, s))
	case *binExpr:
		return r.bin(e, s)
	case *concatExpr:
		var b strings.Builder
		for _, part := range e.parts {
			text := r.str(r.eval(part, s))
			r.charge(len(text))
			b.WriteString(text)
		}
		return b.String()
	case *compareExpr:
		a := r.eval(e.first, s)
		for i, op := range e.ops {
			b := r.eval(e.rest[i], s)
			if !r.order(op, a, b) {
				return false
			}
			a = b
		}
		return true
	case *condExpr:
		switch {
		case truth(r.eval(e.test, s)):
			return r.eval(e.then, s)
		case e.other == nil:
			return &undefined{"an expression with if but without else has no value"}
		}
		return r.eval(e.other, s)
	case *callExpr:
		f := r.eval(e.of, s)
		return r.call(f, r.args(e.args, s))
	case *filterExpr:
		v := r.eval(e.of, s)
		return r.filter(e.name, v, r.args(e.args, s))
	case *testExpr:
		v := r.eval(e.of, s)
		return r.check(e.name, v, r.args(e.args, s)) != e.negate
	}
	panic(fmt.Sprintf("jinja: expression %T", e))
}

func (r *run) evalAll(list []expr, s *scope) []any {
	r.times(len(list), 16)
	out := make([]any, len(list))
	for i, e := range list {
		out[i] = r.eval(e, s)
	}
	return out
}

func (r *run) bin(e *binExpr, s *scope) any {
	a := r.eval(e.left, s)
	if e.op != "and" && e.op != "or" {
		return r.arith(e.op, a, r.eval(e.right, s))
	}
	if truth(a) == (e.op == "or") {
		return a
	}
	return r.eval(e.right, s)
}

// hashable refuses what cannot be a key.
func hashable(v any) {
	if _, ok := v.(value.Custom); ok {
		panic(unsupported("a value of type %s as a key", value.TypeName(v)))
	}
	if !value.Hashable(v) {
		panic(failed("a value of type %s cannot be a key", value.TypeName(v)))
	}
}

// args are the arguments of a call.
type args struct {
	pos   []any
	names []string
	named []any
}

func (r *run) args(list *argList, s *scope) args {
	return args{r.evalAll(list.pos, s), list.names, r.evalAll(list.named, s)}
}

func (r *run) call(f any, a args) any {
	for i, name := range a.names {
		if slices.Contains(a.names[:i], name) {
			panic(failed("two arguments are called %s", name))
		}
	}
	switch f := f.(type) {
	case *function:
		return f.do(r, a)
	case *macro:
		return r.callMacro(f, a)
	case *undefined:
		f.fail()
	}
	panic(failed("a value of type %s cannot be called", value.TypeName(f)))
}

// bind puts arguments in the order of the parameters. A parameter that ends in "?" may be
// missing, one that ends in "-" is Python's but not known here. Those before "/" have no names.
func (a args) bind(of string, params ...string) []any {
	slash := max(slices.Index(params, "/"), 0)
	params = slices.DeleteFunc(slices.Clone(params), func(p string) bool { return p == "/" })
	if len(a.pos) > len(params) {
		panic(failed("%s takes %d arguments, not %d", of, len(params), len(a.pos)))
	}
	out := make([]any, len(params))
	used := 0
	for i, p := range params {
		name := strings.TrimRight(p, "?-")
		out[i] = missing{}
		if i < len(a.pos) {
			out[i] = a.pos[i]
		} else if k := slices.Index(a.names, name); k >= 0 && i >= slash {
			out[i] = a.named[k]
			used++
		}
		switch is := out[i] != (missing{}); {
		case is && strings.HasSuffix(p, "-"):
			panic(unsupported("the argument %s of %s", name, of))
		case !is && name == p:
			panic(failed("%s lacks its argument %s", of, name))
		}
	}
	if used < len(a.names) {
		panic(failed("%s does not take all of the arguments %s", of, strings.Join(a.names, ", ")))
	}
	return out
}

// text is an argument that must be a text.
func text(of string, v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *markup:
		panic(unsupported("%s with text that was marked as safe", of))
	}
	panic(failed("%s takes a text, not a value of type %s", of, value.TypeName(v)))
}

// number is an argument that must be an integer.
func number(of string, v any, otherwise int) int {
	switch n := v.(type) {
	case missing:
		return otherwise
	case int64:
		return int(n)
	case bool:
		return int(toInt(n))
	case *big.Int:
		panic(unsupported("%s with such a large number", of))
	}
	panic(failed("%s takes an integer, not a value of type %s", of, value.TypeName(v)))
}

// flag is an argument that is true or not, which may be missing.
func flag(v any) bool { return v != (missing{}) && truth(v) }

// item is v[key], or an attribute where there is no such item.
func (r *run) item(of, key any) any {
	switch of := of.(type) {
	case *undefined:
		of.fail()
	case *markup:
		panic(unsupported("an item of text that was marked as safe"))
	}
	if v, ok := lookup(of, key); ok {
		return v
	}
	if name, ok := key.(string); ok {
		if v, ok := r.attribute(of, name); ok {
			return v
		}
		return &undefined{fmt.Sprintf("a value of type %s has no item %.80q", value.TypeName(of), name)}
	}
	return &undefined{fmt.Sprintf("a value of type %s has no such item", value.TypeName(of))}
}

// lookup is v[key] where there is one.
func lookup(of, key any) (any, bool) {
	var items []any
	switch of := of.(type) {
	case *value.Dict:
		if !value.Hashable(key) {
			return nil, false
		}
		return of.Get(key)
	case *value.List:
		items = of.Items
	case *value.Tuple:
		items = of.Items
	case *view:
		if of.kind != "range" {
			return nil, false
		}
		items = of.items
	}
	n, _ := length(of)
	i, ok := key.(int64)
	if yes, is := key.(bool); is {
		i, ok = toInt(yes), true
	}
	if i < 0 {
		i += int64(n)
	}
	if !ok || i < 0 || i >= int64(n) {
		return nil, false
	}
	if s, ok := of.(string); ok {
		s = s[offset(s, int(i)):]
		return s[:offset(s, 1)], true
	}
	if items == nil {
		return nil, false
	}
	return items[i], true
}

// attr is v.name: an attribute that Python's type has, or an item.
func (r *run) attr(of any, name string) any {
	if u, ok := of.(*undefined); ok && !strings.HasPrefix(name, "__") {
		u.fail()
	}
	if v, ok := r.attribute(of, name); ok {
		return v
	}
	if v, ok := lookup(of, name); ok {
		return v
	}
	return &undefined{fmt.Sprintf("a value of type %s has no attribute '%s'", value.TypeName(of), name)}
}

// slice is v[start:stop:step].
func (r *run) slice(e *sliceExpr, s *scope) any {
	of := r.eval(e.of, s)
	var bounds [3]any
	for i, b := range []expr{e.start, e.stop, e.step} {
		if bounds[i] = (missing{}); b != nil {
			if v := r.eval(b, s); v != nil {
				bounds[i] = v
			}
		}
	}
	switch v := of.(type) {
	case *undefined:
		v.fail()
	case string, *value.List, *value.Tuple:
	case *view, *markup:
		panic(unsupported("a slice of a value of type %s", value.TypeName(of)))
	default:
		if constant(e.of) { // which Jinja computes in another way, and finds undefined
			panic(unsupported("a slice of a constant of type %s", value.TypeName(of)))
		}
		panic(failed("a value of type %s has no slices", value.TypeName(of)))
	}
	n, _ := length(of)
	step := number("a slice", bounds[2], 1)
	low, high, from, to := 0, n, 0, n
	switch {
	case step == 0:
		panic(failed("a slice has the step 0"))
	case step < 0:
		low, high, from, to = -1, n-1, n-1, -1
	}
	clip := func(b any, otherwise int) int {
		if b == (missing{}) {
			return otherwise
		}
		i := number("a slice", b, 0)
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	from, to = clip(bounds[0], from), clip(bounds[1], to)
	r.charge(n)
	if text, ok := of.(string); ok && step == 1 {
		rest := text[offset(text, min(from, to)):]
		return rest[:offset(rest, max(to-from, 0))]
	}
	items := r.iterate(of)
	var out []any
	r.times(n, 16)
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if out = append(out, items[i]); step > n || -step > n {
			break
		}
	}
	switch of.(type) {
	case string:
		return joined(out)
	case *value.Tuple:
		return &value.Tuple{Items: out}
	}
	return &value.List{Items: out}
}
