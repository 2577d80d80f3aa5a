// Package value holds dynamically typed values as JSON and Python literals have
// them: arguments of tool calls, initial configurations, states, results.
//
// A value is one of: nil, bool, int64, *big.Int (only outside int64's range),
// float64, string, *List, *Dict. Lists and dicts are mutable and compared by
// content; two references to one list alias it, as in Python. Worlds add private
// kinds of their own. Nothing here evaluates text.
package value

// List is a mutable sequence.
type List struct{ Items []any }

// NewList returns a list of the items.
func NewList(items ...any) *List { return &List{Items: items} }

// Dict is a mutable mapping that keeps insertion order. Keys are hashable
// values: nil, bool, int64, *big.Int, float64, string; keys that are equal in
// Python (1, 1.0, True) are one key. The zero value is an empty dict.
type Dict struct {
	keys  []any
	vals  []any
	index map[any]int // built when the dict grows past a few entries
}
