package jinja

import (
	"fmt"
	"strings"

	"ballast/value"
)

func (r *run) test(e expr, s *scope) (bool, error) {
	v, err := r.eval(e, s)
	if err != nil {
		return false, err
	}
	return truth(v)
}

// eval is the value of an expression.
func (r *run) eval(e expr, s *scope) (any, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	switch e := e.(type) {
	case *constExpr:
		return e.value, nil
	case *nameExpr:
		if v, ok := s.get(e.name); ok {
			return v, nil
		}
		if f := r.tables.globals[e.name]; f != nil {
			return f, nil
		}
		return &undefined{"'" + e.name + "' is undefined"}, nil
	case *listExpr:
		items, err := r.evalAll(e.items, s)
		if err != nil {
			return nil, err
		}
		if e.tuple {
			return &value.Tuple{Items: items}, nil
		}
		return &value.List{Items: items}, nil
	case *dictExpr:
		return r.dict(e, s)
	case *attrExpr:
		of, err := r.eval(e.of, s)
		if err != nil {
			return nil, err
		}
		return r.attr(of, e.name)
	case *itemExpr:
		v, err := r.evalAll([]expr{e.of, e.key}, s)
		if err != nil {
			return nil, err
		}
		return r.item(v[0], v[1])
	case *sliceExpr:
		return r.slice(e, s)
	case *unaryExpr:
		v, err := r.eval(e.of, s)
		if err != nil {
			return nil, err
		}
		return unary(e.op, v)
	case *binExpr:
		return r.bin(e, s)
	case *concatExpr:
		return r.concat(e, s)
	case *compareExpr:
		return r.compare(e, s)
	case *condExpr:
		return r.cond(e, s)
	case *callExpr:
		f, err := r.eval(e.of, s)
		if err != nil {
			return nil, err
		}
		a, err := r.args(e.args, s)
		if err != nil {
			return nil, err
		}
		return r.call(f, a)
	case *filterExpr:
		return r.evalFilter(e, s)
	case *testExpr:
		return r.evalTest(e, s)
	}
	panic(fmt.Sprintf("jinja: expression %T", e))
}

func (r *run) evalAll(list []expr, s *scope) ([]any, error) {
	if err := r.times(len(list), 16); err != nil {
		return nil, err
	}
	out := make([]any, len(list))
	for i, e := range list {
		v, err := r.eval(e, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (r *run) dict(e *dictExpr, s *scope) (any, error) {
	if err := r.times(len(e.keys), 40); err != nil {
		return nil, err
	}
	d := value.MakeDict(len(e.keys))
	for i := range e.keys {
		kv, err := r.evalAll([]expr{e.keys[i], e.values[i]}, s)
		if err != nil {
			return nil, err
		}
		if !value.Hashable(kv[0]) {
			return nil, r.unhashable(kv[0])
		}
		d.Set(kv[0], kv[1])
	}
	return d, nil
}

func (r *run) unhashable(v any) error {
	if _, ok := v.(value.Custom); ok {
		return unsupported("a value of type %s as a key", value.TypeName(v))
	}
	return failed("a value of type %s cannot be a key", value.TypeName(v))
}

func (r *run) cond(e *condExpr, s *scope) (any, error) {
	yes, err := r.test(e.test, s)
	switch {
	case err != nil:
		return nil, err
	case yes:
		return r.eval(e.then, s)
	case e.other == nil:
		return &undefined{"an expression with if but without else has no value"}, nil
	}
	return r.eval(e.other, s)
}

func (r *run) bin(e *binExpr, s *scope) (any, error) {
	a, err := r.eval(e.left, s)
	if err != nil {
		return nil, err
	}
	if e.op == "and" || e.op == "or" {
		yes, err := truth(a)
		if err != nil {
			return nil, err
		}
		if yes == (e.op == "or") {
			return a, nil
		}
		return r.eval(e.right, s)
	}
	b, err := r.eval(e.right, s)
	if err != nil {
		return nil, err
	}
	return r.arith(e.op, a, b)
}

func (r *run) concat(e *concatExpr, s *scope) (any, error) {
	var b strings.Builder
	for _, part := range e.parts {
		v, err := r.eval(part, s)
		if err != nil {
			return nil, err
		}
		text, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.charge(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

func (r *run) compare(e *compareExpr, s *scope) (any, error) {
	a, err := r.eval(e.first, s)
	if err != nil {
		return nil, err
	}
	for i, op := range e.ops {
		b, err := r.eval(e.rest[i], s)
		if err != nil {
			return nil, err
		}
		yes, err := r.order(op, a, b)
		if err != nil || !yes {
			return false, err
		}
		a = b
	}
	return true, nil
}

// args evaluates the arguments of a call.
func (r *run) args(list *argList, s *scope) (a args, err error) {
	if a.pos, err = r.evalAll(list.pos, s); err != nil {
		return a, err
	}
	if a.named, err = r.evalAll(list.named, s); err != nil {
		return a, err
	}
	a.names = append(a.names, list.names...)
	if list.star != nil {
		v, err := r.eval(list.star, s)
		if err != nil {
			return a, err
		}
		items, err := r.iterate(v)
		if err != nil {
			return a, err
		}
		if err := r.times(len(items), 16); err != nil {
			return a, err
		}
		a.pos = append(a.pos, items...)
	}
	if list.stars != nil {
		v, err := r.eval(list.stars, s)
		if err != nil {
			return a, err
		}
		d, ok := v.(*value.Dict)
		if !ok {
			return a, failed("the argument after ** is no mapping but of type %s", value.TypeName(v))
		}
		for i := range d.Len() {
			k, v := d.At(i)
			name, ok := k.(string)
			if !ok {
				return a, failed("an argument's name is no text")
			}
			a.names = append(a.names, name)
			a.named = append(a.named, v)
		}
	}
	seen := map[string]bool{}
	for _, name := range a.names {
		if seen[name] {
			return a, failed("two arguments are called %s", name)
		}
		seen[name] = true
	}
	return a, nil
}

func (r *run) call(f any, a args) (any, error) {
	switch f := f.(type) {
	case *function:
		return f.do(r, a)
	case *macro:
		return r.callMacro(f, a)
	case *undefined:
		return nil, f.fail()
	case *loopState:
		v, err := a.bind("loop", "iterable")
		if err != nil {
			return nil, err
		}
		if f.again == nil {
			return nil, failed("the loop is not recursive")
		}
		return f.again(v[0])
	case *counter:
		if f.sep == nil {
			return nil, failed("a cycler cannot be called")
		}
		if _, err := a.bind("joiner"); err != nil {
			return nil, err
		}
		if f.at++; f.at == 1 {
			return "", nil
		}
		return f.sep, nil
	}
	return nil, failed("a value of type %s cannot be called", value.TypeName(f))
}

// bind puts arguments in the order of the parameters. A parameter that ends in "?" may be
// missing; those before "/" have no names.
func (a args) bind(of string, params ...string) ([]any, error) {
	slash := 0
	for i, p := range params {
		if p == "/" {
			slash = i
			params = append(append([]string{}, params[:i]...), params[i+1:]...)
			break
		}
	}
	if len(a.pos) > len(params) {
		return nil, failed("%s takes %d arguments, not %d", of, len(params), len(a.pos))
	}
	out := make([]any, len(params))
	for i, p := range params {
		out[i] = missing{}
		if i < len(a.pos) {
			out[i] = a.pos[i]
			continue
		}
		for k, name := range a.names {
			if i >= slash && name == strings.TrimSuffix(p, "?") {
				out[i] = a.named[k]
			}
		}
		if out[i] == (missing{}) && !strings.HasSuffix(p, "?") {
			return nil, failed("%s lacks its argument %s", of, p)
		}
	}
	for _, name := range a.names {
		known := false
		for i, p := range params {
			known = known || i >= slash && i >= len(a.pos) && strings.TrimSuffix(p, "?") == name
		}
		if !known {
			return nil, failed("%s does not take the argument %s", of, name)
		}
	}
	return out, nil
}
