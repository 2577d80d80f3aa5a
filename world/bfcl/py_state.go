package bfcl

import (
	"slices"

	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// config reads a configuration, with the class's defaults for what it lacks.
type config struct{ *value.Dict }

// get is scenario.get(key, missing).
func (c config) lookup(key string, missing any) any {
	if v, ok := c.GetString(key); ok {
		return v
	}
	return missing
}

// shared is an attribute that holds a container of the configuration, or of the
// state that this one is a copy of, until the first write, which copies it. The
// zero value holds None.
type shared struct {
	v     any
	owned bool
}

// share returns an attribute that must be copied before it is written to.
func share(v any) shared { return shared{v: v} }

// dict returns the attribute as a dict for reading; where it is none, Python
// would miss the method.
func (s *shared) dict(method string) *value.Dict {
	d, ok := s.v.(*value.Dict)
	if !ok {
		python.Attribute(s.v, method)
	}
	return d
}

// writeDict returns the dict for writing to its own entries, not below them.
func (s *shared) writeDict(method string) *value.Dict {
	d := s.dict(method)
	if !s.owned {
		d = d.CopyMore()
		s.v, s.owned = d, true
	}
	return d
}

// list returns the attribute as a list for reading.
func (s *shared) list(method string) *value.List {
	l, ok := s.v.(*value.List)
	if !ok {
		python.Attribute(s.v, method)
	}
	return l
}

// writeList returns the list for writing to its own items, not below them.
func (s *shared) writeList(method string) *value.List {
	l := s.list(method)
	if !s.owned {
		c := value.MakeList(len(l.Items) + 2)
		c.Items = append(c.Items, l.Items...)
		l = c
		s.v, s.owned = l, true
	}
	return l
}

// removeAt deletes the item at i.
func removeAt(l *value.List, i int) { l.Items = append(l.Items[:i], l.Items[i+1:]...) }

// public names the attributes of a state that the checker compares, in order.
type public interface {
	public() []any // alternating names and values
}

// field is an attribute that the checker compares: its name, which is also its key in a
// configuration, where a state keeps it, and what it is where the configuration lacks it.
type field[S any] struct {
	name    string
	at      func(s S) *any
	missing any
}

type fields[S any] []field[S]

// load sets all attributes of a state that has no other.
func (l fields[S]) load(s S, c config) {
	for i := range l {
		*l[i].at(s) = c.lookup(l[i].name, l[i].missing)
	}
}

// differ names the first attribute in which two states differ, or "". The long context is
// the last one.
func (l fields[S]) differ(s, o S, long bool) string {
	for i := range l {
		if !value.Equal(*l[i].at(s), *l[i].at(o)) {
			return l[i].name
		}
	}
	if long {
		return "long_context"
	}
	return ""
}

// list lists the names and values, and more of them.
func (l fields[S]) list(s S, more ...any) []any {
	var out []any
	for i := range l {
		out = append(out, l[i].name, *l[i].at(s))
	}
	return append(out, more...)
}

// disown makes a copy of a state ready to be written to: it has a core of its own,
// and its containers and random numbers are shared with the original.
func disown(k *core, r *random, containers ...*shared) {
	*k = core{}
	if r != nil {
		r.shared = true
	}
	for _, c := range containers {
		c.owned = false
	}
}

// differences names the attributes in which two states of one class
// differ, sorted.
func differences(a, b world.State) (names []string) {
	x, y := a.(public).public(), b.(public).public()
	for i := 0; i < len(x); i += 2 {
		if !value.Equal(x[i+1], y[i+1]) {
			names = append(names, x[i].(string))
		}
	}
	slices.Sort(names)
	return names
}

// dump is Dump for a state that lists its attributes.
func dump(s public) any { return value.NewDict(s.public()...) }

// answer writes what a method returns: text as it is, a dict as JSON, all else
// as its repr.
func (k *core) answer(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case *value.Dict:
		return k.json(v)
	}
	return k.said(value.AppendRepr(k.begin(), v))
}

// plusOne is v += 1.
func plusOne(v any) any { return python.Add("+=", v, int64(1)) }

// set is a Python set of ints, in the order of adding. It is not changed once it
// is made.
type set struct{ items []int64 }

func (*set) TypeName() string { return "set" }

// AppendRepr writes the items in ascending order; Python's order is arbitrary.
func (s *set) AppendRepr(dst []byte) []byte {
	items := s.sorted()
	if len(items) == 0 {
		return append(dst, "set()"...)
	}
	b := value.AppendRepr(nil, &value.List{Items: items})
	return append(append(append(dst, '{'), b[1:len(b)-1]...), '}')
}

// EqualTo compares the items.
func (s *set) EqualTo(other any) bool {
	o, ok := other.(*set)
	if !ok || len(s.items) != len(o.items) {
		return false
	}
	return slices.Equal(s.items, o.items) || // the usual case
		slices.Equal(slices.Sorted(slices.Values(s.items)), slices.Sorted(slices.Values(o.items)))
}

func (s *set) has(n int64) bool { return slices.Contains(s.items, n) }

// with returns the set with one item more, which it lacks.
func (s *set) with(n int64) *set {
	if len(s.items) >= 4 {
		return &set{append(slices.Clip(s.items), n)}
	}
	m := new(struct {
		set
		room [4]int64
	})
	m.items = append(append(m.room[:0], s.items...), n)
	return &m.set
}

func (s *set) sorted() []any {
	items := make([]any, 0, len(s.items))
	for _, n := range slices.Sorted(slices.Values(s.items)) {
		items = append(items, n)
	}
	return items
}
