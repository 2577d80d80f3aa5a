// Package value holds dynamically typed values as JSON and Python literals have
// them: arguments of tool calls, initial configurations, states, results.
//
// A value is one of: nil, bool, int64, *big.Int (only outside int64's range),
// float64, string, *List, *Dict; Python literals may also hold *Tuple and Bytes.
// Worlds add private kinds of their own, which implement Custom. Lists and dicts
// are mutable and compared by content; two references to one list alias it, as
// in Python. Strings hold UTF-8, and lone surrogates (which JSON and Python can
// write as \ud800) in the three bytes that UTF-8 would give them.
//
// The contract is Python's: JSON equals json.dumps, Repr equals repr, Equal
// equals ==, byte for byte. Nothing here evaluates text: a call in Python syntax
// is read by a literal parser that knows no names.
//
// Parsers answer bad text with an error that says what and where, and hostile
// text (deep nesting, numbers of a million digits) within time linear in its
// length. A value of a kind that is not listed is a bug of the caller and panics.
package value

import (
	"math"
	"math/big"
)

// MaxDepth is the deepest nesting of brackets that the parsers accept; Python's
// own limit for source text.
const MaxDepth = 200

// MaxDigits is the longest decimal integer that is converted from or to text;
// CPython's default limit.
const MaxDigits = 4300

// List is a mutable sequence.
type List struct{ Items []any }

// NewList returns a list of the items.
func NewList(items ...any) *List { return &List{Items: items} }

// MakeList returns an empty list with room for n items, few of them in one piece
// of memory.
func MakeList(n int) *List {
	switch {
	case n == 0:
		return &List{}
	case n == 1:
		m := new(struct {
			List
			room [1]any
		})
		m.Items = m.room[:0]
		return &m.List
	case n <= 3:
		m := new(struct {
			List
			room [3]any
		})
		m.Items = m.room[:0]
		return &m.List
	case n <= 6:
		m := new(struct {
			List
			room [6]any
		})
		m.Items = m.room[:0]
		return &m.List
	}
	return &List{Items: make([]any, 0, n)}
}

// Tuple is an immutable sequence, which only Python literals can hold.
type Tuple struct{ Items []any }

// Bytes is a Python bytes literal.
type Bytes string

// Custom is a kind of value that another package adds.
type Custom interface {
	TypeName() string             // Python's type(v).__name__
	AppendRepr(dst []byte) []byte // Python's repr
	EqualTo(other any) bool       // Python's ==
}

// Keyed is a Custom kind that may be a key of a Dict. Key is comparable, and the same for values that are equal: for one that
// equals a whole number it is that one, as an int64.
type Keyed interface{ Key() any }

// JSONer is a Custom kind that has a JSON form.
type JSONer interface {
	AppendJSON(dst []byte) ([]byte, error)
}

// Clone returns a deep copy: lists and dicts are copied, all else is shared.
func Clone(v any) any {
	switch v := v.(type) {
	case *List:
		l := MakeList(len(v.Items))
		for _, x := range v.Items {
			l.Items = append(l.Items, Clone(x))
		}
		return l
	case *Tuple:
		items := make([]any, len(v.Items))
		for i, x := range v.Items {
			items[i] = Clone(x)
		}
		return &Tuple{Items: items}
	case *Dict:
		return v.Clone()
	}
	return v
}

// Equal is Python's ==: numbers compare by value over all numeric kinds
// (1 == 1.0 == true), dicts without regard to order, NaN differs from itself.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && x == y
	case bool, int64, float64, *big.Int:
		return equalNumber(a, b)
	case *List:
		y, ok := b.(*List)
		return ok && (x == y || equalItems(x.Items, y.Items))
	case *Tuple:
		y, ok := b.(*Tuple)
		return ok && (x == y || equalItems(x.Items, y.Items))
	case *Dict:
		y, ok := b.(*Dict)
		return ok && (x == y || equalDict(x, y))
	case Bytes:
		y, ok := b.(Bytes)
		return ok && x == y
	case Custom:
		return x.EqualTo(b)
	}
	panic("value: Equal of a foreign kind")
}

func equalItems(a, b []any) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}

func equalDict(a, b *Dict) bool {
	if len(a.entries) != len(b.entries) {
		return false
	}
	for i := range a.entries {
		e := &a.entries[i]
		if f := &b.entries[i]; f.key == e.key { // the same order is the usual case
			if !Equal(e.val, f.val) {
				return false
			}
			continue
		}
		v, ok := b.Get(e.key)
		if !ok || !Equal(e.val, v) {
			return false
		}
	}
	return true
}

func equalNumber(a, b any) bool {
	if c, ok := b.(Custom); ok {
		return c.EqualTo(a)
	}
	c, ok := CompareNumbers(a, b)
	return ok && c == 0
}

// CompareNumbers compares two numbers (bool, int64, *big.Int, float64) exactly:
// -1, 0, 1. ok is false if one is no number or is NaN.
func CompareNumbers(a, b any) (c int, ok bool) {
	x, kx := number(a)
	y, ky := number(b)
	switch {
	case kx == notNumber || ky == notNumber:
		return 0, false
	case kx == isInt && ky == isInt:
		return order(x.i < y.i, x.i > y.i), true
	case kx == isFloat && ky == isFloat:
		if math.IsNaN(x.f) || math.IsNaN(y.f) {
			return 0, false
		}
		return order(x.f < y.f, x.f > y.f), true
	case kx == isFloat:
		c, ok = compareFloat(x.f, b)
		return c, ok
	case ky == isFloat:
		c, ok = compareFloat(y.f, a)
		return -c, ok
	}
	return bigOf(a).Cmp(bigOf(b)), true
}

type anyNumber struct {
	i int64
	f float64
}

const (
	notNumber = iota
	isInt
	isFloat
	isBig
)

func number(v any) (anyNumber, int) {
	switch v := v.(type) {
	case int64:
		return anyNumber{i: v}, isInt
	case float64:
		return anyNumber{f: v}, isFloat
	case bool:
		if v {
			return anyNumber{i: 1}, isInt
		}
		return anyNumber{}, isInt
	case *big.Int:
		return anyNumber{}, isBig
	}
	return anyNumber{}, notNumber
}

func bigOf(v any) *big.Int {
	switch v := v.(type) {
	case *big.Int:
		return v
	case int64:
		return big.NewInt(v)
	case bool:
		if v {
			return big.NewInt(1)
		}
	}
	return new(big.Int)
}

// compareFloat compares a float with an integer kind without rounding either.
func compareFloat(f float64, integer any) (int, bool) {
	if math.IsNaN(f) {
		return 0, false
	}
	if math.IsInf(f, 0) {
		return order(f < 0, f > 0), true
	}
	if x, kind := number(integer); kind == isInt && x.i > -1<<53 && x.i < 1<<53 {
		g := float64(x.i)
		return order(f < g, f > g), true
	}
	return new(big.Float).SetFloat64(f).Cmp(new(big.Float).SetInt(bigOf(integer))), true
}

func order(less, more bool) int {
	switch {
	case less:
		return -1
	case more:
		return 1
	}
	return 0
}

// Int returns b as int64 where it fits, as *big.Int otherwise.
func Int(b *big.Int) any {
	if b.IsInt64() {
		return b.Int64()
	}
	return b
}

// Truth is Python's bool(v); of a kind that is Custom it is true.
func Truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *List:
		return len(v.Items) > 0
	case *Tuple:
		return len(v.Items) > 0
	case *Dict:
		return v.Len() > 0
	case Bytes:
		return v != ""
	}
	return true
}
