package jinja

import (
	"fmt"
	"math/big"
	"strings"

	"ballast/value"
)

// index is v as the index of a sequence.
func index(v any) (int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return int(v), true
	case *big.Int: // beyond every sequence
		return v.Sign() * (1<<62 - 1), true
	}
	return 0, false
}

// item is v[key], or an attribute where there is no such item.
func (r *run) item(of, key any) (any, error) {
	switch of := of.(type) {
	case *undefined:
		return nil, of.fail()
	case *markup:
		return nil, unsupported("an item of text that was marked as safe")
	}
	if v, ok := lookup(of, key); ok {
		return v, nil
	}
	if name, ok := key.(string); ok {
		if v, ok, err := r.attribute(of, name); err != nil || ok {
			return v, err
		}
	}
	return &undefined{fmt.Sprintf("a value of type %s has no item %s", value.TypeName(of), brief(key))}, nil
}

func brief(key any) string {
	switch key := key.(type) {
	case string, int64, bool, nil:
		if s := value.Repr(key); len(s) < 80 {
			return s
		}
	}
	return "of that kind"
}

// lookup is v[key] where there is one.
func lookup(of, key any) (any, bool) {
	if d, ok := of.(*value.Dict); ok {
		if !value.Hashable(key) {
			return nil, false
		}
		return d.Get(key)
	}
	i, ok := index(key)
	if !ok {
		return nil, false
	}
	n, err := length(of)
	if err != nil {
		return nil, false
	}
	if i < 0 {
		i += n
	}
	if i < 0 || i >= n {
		return nil, false
	}
	switch of := of.(type) {
	case string:
		s := of[offset(of, i):]
		return s[:offset(s, 1)], true
	case *value.List:
		return of.Items[i], true
	case *value.Tuple:
		return of.Items[i], true
	case *span:
		return int64(of.start + i*of.step), true
	}
	return nil, false
}

// attr is v.name: an attribute that Python's type has, or an item.
func (r *run) attr(of any, name string) (any, error) {
	if u, ok := of.(*undefined); ok && !strings.HasPrefix(name, "__") {
		return nil, u.fail()
	}
	if v, ok, err := r.attribute(of, name); err != nil || ok {
		return v, err
	}
	if v, ok := lookup(of, name); ok {
		return v, nil
	}
	return &undefined{fmt.Sprintf("a value of type %s has no attribute '%s'", value.TypeName(of), name)}, nil
}

// slice is v[start:stop:step].
func (r *run) slice(e *sliceExpr, s *scope) (any, error) {
	of, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	var bounds [3]*int
	for i, b := range []expr{e.start, e.stop, e.step} {
		if b == nil {
			continue
		}
		v, err := r.eval(b, s)
		if err != nil {
			return nil, err
		}
		if v == nil {
			continue
		}
		n, ok := index(v)
		if !ok {
			return nil, failed("a slice has a bound of type %s", value.TypeName(v))
		}
		bounds[i] = &n
	}
	return r.cut(of, bounds)
}

func (r *run) cut(of any, bounds [3]*int) (any, error) {
	switch v := of.(type) {
	case *undefined:
		return nil, v.fail()
	case string, *value.List, *value.Tuple:
	case *span:
		return nil, unsupported("a slice of a range")
	case *markup:
		return nil, unsupported("a slice of a value of type %s", value.TypeName(of))
	default:
		return nil, failed("a value of type %s has no slices", value.TypeName(of))
	}
	n, _ := length(of)
	from, to, step := 0, n, 1
	if bounds[2] != nil {
		if step = *bounds[2]; step == 0 {
			return nil, failed("a slice has the step 0")
		}
	}
	low, high := 0, n
	if step < 0 {
		low, high = -1, n-1
		from, to = n-1, -1
	}
	clip := func(b *int, otherwise int) int {
		if b == nil {
			return otherwise
		}
		i := *b
		if i < 0 {
			i += n
		}
		return min(max(i, low), high)
	}
	from, to = clip(bounds[0], from), clip(bounds[1], to)
	if text, ok := of.(string); ok && step == 1 {
		if from >= to {
			return "", nil
		}
		if err := r.charge(to - from); err != nil {
			return nil, err
		}
		rest := text[offset(text, from):]
		return rest[:offset(rest, to-from)], nil
	}
	items, err := r.iterate(of)
	if err != nil {
		return nil, err
	}
	var out []any
	if err := r.times(n, 16); err != nil {
		return nil, err
	}
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		if out = append(out, items[i]); step > n || -step > n {
			break
		}
	}
	switch of.(type) {
	case string:
		var b strings.Builder
		for _, c := range out {
			b.WriteString(c.(string))
		}
		return b.String(), nil
	case *value.Tuple:
		return &value.Tuple{Items: out}, nil
	}
	return &value.List{Items: out}, nil
}
