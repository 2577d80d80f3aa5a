package bfcl

import (
	"slices"

	"ballast/value"
)

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
