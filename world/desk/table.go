package desk

import (
	"slices"
	"strings"
)

// named is a thing with a name that is unique in its table.
type named interface {
	comparable
	key() string
}

// table holds things sorted by name. Tables are small (tens of entries), and
// keeping them sorted makes equality one pass and answers independent of the
// order in which things were made.
type table[T named] []T

// at returns the position of a name and whether it is there.
func (t table[T]) at(name string) (int, bool) {
	return slices.BinarySearchFunc(t, name, func(e T, name string) int { return strings.Compare(e.key(), name) })
}

// add inserts an entry and reports whether its name was free.
func (t *table[T]) add(e T) bool {
	i, taken := t.at(e.key())
	if taken {
		return false
	}
	*t = slices.Insert(*t, i, e)
	return true
}

// remove drops an entry and reports whether it was there.
func (t *table[T]) remove(name string) bool {
	i, ok := t.at(name)
	if ok {
		*t = slices.Delete(*t, i, i+1)
	}
	return ok
}

// equal reports whether both hold the same things.
func (t table[T]) equal(o table[T]) bool { return slices.Equal(t, o) }

// names lists the names of the entries that fit, or says that there are none.
func (t table[T]) names(fits func(e T) bool) string {
	var names []string
	for _, e := range t {
		if fits(e) {
			names = append(names, e.key())
		}
	}
	return joined(names)
}

// set is a table of a state, and what an answer calls an entry that it lacks.
type set[S any, T named] struct {
	kind string
	in   func(s S) *table[T]
}

// with makes a function of what is done to the entry that the first argument names.
func with[S any, T named](of set[S, T], do func(s S, e *T, a args) string) func(s S, a args) string {
	return func(s S, a args) string {
		t := *of.in(s)
		i, ok := t.at(a[0].str)
		if !ok {
			return missing(of.kind, a[0].str)
		}
		return do(s, &t[i], a)
	}
}

// remove makes the function that drops the entry that the first argument names.
func remove[S any, T named](of set[S, T]) func(s S, a args) string {
	return func(s S, a args) string {
		if !of.in(s).remove(a[0].str) {
			return missing(of.kind, a[0].str)
		}
		return "ok"
	}
}

// bag is a sorted multiset of texts.
type bag []string

// add inserts one text.
func (b *bag) add(s string) {
	i, _ := slices.BinarySearch(*b, s)
	*b = slices.Insert(*b, i, s)
}

// has reports whether the text is in the bag.
func (b bag) has(s string) bool {
	_, ok := slices.BinarySearch(b, s)
	return ok
}

// remove drops one text and reports whether it was there.
func (b *bag) remove(s string) bool {
	i, ok := slices.BinarySearch(*b, s)
	if ok {
		*b = slices.Delete(*b, i, i+1)
	}
	return ok
}

// pair joins two texts to one bag entry. No text of a call holds the separator.
func pair(a, b string) string { return a + "\x00" + b }
