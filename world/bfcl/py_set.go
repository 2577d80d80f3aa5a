package bfcl

import (
	"slices"

	"ballast/value"
)

// set is a Python set of ints.
type set struct{ items map[int64]bool }

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
	for n := range s.items {
		if !o.items[n] {
			return false
		}
	}
	return true
}

func (s *set) add(n int64) {
	if s.items == nil {
		s.items = make(map[int64]bool)
	}
	s.items[n] = true
}

func (s *set) sorted() []any {
	ints := make([]int64, 0, len(s.items))
	for n := range s.items {
		ints = append(ints, n)
	}
	slices.Sort(ints)
	items := make([]any, len(ints))
	for i, n := range ints {
		items[i] = n
	}
	return items
}
