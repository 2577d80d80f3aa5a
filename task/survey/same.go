package survey

import (
	"strings"
	"time"

	"ballast/env/expect"
	"ballast/value"
)

// Compare says what results are compared without.
type Compare struct {
	Ignore []string  // keys of objects
	Today  time.Time // results that have its date will change tomorrow; zero: no date counts
}

// Stable is what two results of one call have in common, so far as it can be expected: of values the
// keys that are equal in both, of texts all or nothing. ok is false where nothing is left. whole
// says that nothing had to be left out.
func (c Compare) Stable(a, b string) (v any, whole, ok bool) {
	x, isX := Parse(a)
	y, isY := Parse(b)
	if isX != isY {
		return nil, false, false
	}
	if !isX {
		x, y = strings.TrimSpace(a), strings.TrimSpace(b)
	}
	whole = true
	v, ok = c.common(x, y, &whole)
	return v, whole && ok, ok
}

// Expected is Stable as graders can compare it: a value where the result is JSON, else the whole text.
func (c Compare) Expected(a, b string) (v any, whole, ok bool) {
	v, whole, ok = c.Stable(a, b)
	if _, err := value.ParseJSON([]byte(a)); ok && err != nil {
		v = strings.TrimSpace(a)
		ok = whole && v == strings.TrimSpace(b)
	}
	return v, whole, ok
}

// Values is Stable for values.
func (c Compare) Values(a, b any) (v any, whole, ok bool) {
	whole = true
	v, ok = c.common(a, b, &whole)
	return v, whole && ok, ok
}

// Same says whether two results say the same.
func (c Compare) Same(a, b string) bool {
	_, whole, ok := c.Stable(a, b)
	return whole && ok
}

// common is what two values have in common. Keys to ignore go without a word; whole becomes false
// where anything else goes.
func (c Compare) common(a, b any, whole *bool) (any, bool) {
	switch x := a.(type) {
	case *value.Dict:
		y, ok := b.(*value.Dict)
		if !ok {
			*whole = false
			return nil, false
		}
		return c.dicts(x, y, whole)
	case *value.List:
		y, ok := b.(*value.List)
		if !ok || len(x.Items) != len(y.Items) {
			*whole = false
			return nil, false
		}
		out := &value.List{}
		for i := range x.Items {
			v, ok := c.common(x.Items[i], y.Items[i], whole)
			if !ok {
				return nil, false
			}
			out.Items = append(out.Items, v)
		}
		return out, true
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok && value.Equal(x, y) {
			return value.NewList(x.Items...), true
		}
		*whole = false
		return nil, false
	}
	if !value.Equal(a, b) || isBool(a) != isBool(b) || c.datedValue(a) {
		*whole = false
		return nil, false
	}
	return a, true
}

// isBool: Python has true == 1, and JSON has not.
func isBool(v any) bool { _, is := v.(bool); return is }

func (c Compare) dicts(x, y *value.Dict, whole *bool) (any, bool) {
	out, ignored := &value.Dict{}, 0
	for i := range x.Len() {
		k, v := x.At(i)
		if c.ignores(k) {
			ignored++
			continue
		}
		w, has := y.Get(k)
		if !has {
			*whole = false
			continue
		}
		if v, ok := c.common(v, w, whole); ok {
			out.Set(k, v)
		}
	}
	for i := range y.Len() {
		if k, _ := y.At(i); !c.ignores(k) {
			if _, has := x.Get(k); !has {
				*whole = false
			}
		}
	}
	if out.Len() == 0 && x.Len() > 0 && ignored < x.Len() {
		return nil, false
	}
	return out, true
}

func (c Compare) ignores(key any) bool {
	for _, k := range c.Ignore {
		if k == key {
			return true
		}
	}
	return false
}

// datedValue says whether a value is a text with the date of today.
func (c Compare) datedValue(v any) bool {
	s, ok := v.(string)
	return ok && c.Dated(s)
}

// Dated says whether a text has the date of today, or of the days beside it, which it is elsewhere.
func (c Compare) Dated(s string) bool {
	if c.Today.IsZero() {
		return false
	}
	for _, t := range []time.Time{c.Today, c.Today.AddDate(0, 0, -1), c.Today.AddDate(0, 0, 1)} {
		for _, layout := range []string{"2006-01-02", "2006/01/02", "Jan 02 2006", "January 2, 2006", "Jan 2 15:04", "02 Jan 2006"} {
			if strings.Contains(s, t.Format(layout)) {
				return true
			}
		}
	}
	return false
}

// Holds says whether a result already is as a state wants it, to the grader of tasks.
func Holds(result string, want any) bool {
	r := expect.Result{Returns: want, Whole: true}
	return r.Differs(result) == ""
}
