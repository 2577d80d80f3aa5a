package value

import (
	"math"
	"math/big"
)

// Dict is a mutable mapping that keeps insertion order. Keys are hashable
// values: nil, bool, int64, *big.Int, float64, string, Bytes, *Tuple of those;
// keys that are equal in Python (1, 1.0, true) are one key, which keeps the form
// it was first set with. The zero value is an empty dict.
type Dict struct {
	keys  []any
	vals  []any
	index map[any]int // of large dicts; kept up by writes, so that reads are safe together
}

// indexFrom is the size from which a dict looks keys up by hash; below it, a
// walk over the keys is faster than making the index.
const indexFrom = 40

// NewDict returns a dict of alternating keys and values.
func NewDict(pairs ...any) *Dict {
	n := len(pairs) / 2
	d := &Dict{keys: make([]any, 0, n), vals: make([]any, 0, n)}
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// MakeDict returns an empty dict with room for n entries.
func MakeDict(n int) *Dict { return &Dict{keys: make([]any, 0, n), vals: make([]any, 0, n)} }

// Hashable reports whether v can be a key.
func Hashable(v any) bool {
	switch v := v.(type) {
	case nil, bool, int64, *big.Int, float64, string, Bytes:
		return true
	case *Tuple:
		for _, x := range v.Items {
			if !Hashable(x) {
				return false
			}
		}
		return true
	}
	return false
}

type (
	nilKey   struct{}
	bigKey   string // decimal digits
	tupleKey string // the parts, each with its length
)

// hashKey maps keys that are equal in Python to equal Go values.
func hashKey(k any) any {
	switch k := k.(type) {
	case string, int64, Bytes:
		return k
	case nil:
		return nilKey{}
	case bool:
		if k {
			return int64(1)
		}
		return int64(0)
	case float64:
		if k == math.Trunc(k) && !math.IsInf(k, 0) {
			if k >= -1<<63 && k < 1<<63 {
				return int64(k)
			}
			b, _ := big.NewFloat(k).Int(nil)
			return bigKey(b.Text(62))
		}
		return k
	case *big.Int:
		return bigKey(k.Text(62))
	case *Tuple:
		var b []byte
		for _, x := range k.Items {
			b = AppendRepr(b, hashed(x))
			b = append(b, 0)
		}
		return tupleKey(b)
	}
	panic("value: unhashable key")
}

// hashed is hashKey for a part of a tuple, as a value that has a repr.
func hashed(x any) any {
	switch k := hashKey(x).(type) {
	case nilKey:
		return nil
	case bigKey:
		return "#" + string(k)
	case tupleKey:
		return "(" + string(k)
	default:
		return k
	}
}

// find returns the position of key, or -1.
func (d *Dict) find(key any) int {
	if d.index != nil {
		if i, ok := d.index[hashKey(key)]; ok {
			return i
		}
		return -1
	}
	if s, ok := key.(string); ok {
		return d.scan(s)
	}
	h := hashKey(key)
	for i, k := range d.keys {
		if hashKey(k) == h {
			return i
		}
	}
	return -1
}

// scan is find for text in a small dict.
func (d *Dict) scan(s string) int {
	for i, k := range d.keys {
		if t, ok := k.(string); ok && s == t {
			return i
		}
	}
	return -1
}

// GetString is Get for a text key, without making an interface of it.
func (d *Dict) GetString(key string) (any, bool) {
	i := -1
	if d.index == nil {
		i = d.scan(key)
	} else if j, ok := d.index[key]; ok {
		i = j
	}
	if i < 0 {
		return nil, false
	}
	return d.vals[i], true
}

// Get returns the value of key.
func (d *Dict) Get(key any) (any, bool) {
	if i := d.find(key); i >= 0 {
		return d.vals[i], true
	}
	return nil, false
}

// Set gives key a value; a new key goes last. It panics on an unhashable key.
func (d *Dict) Set(key, val any) {
	if i := d.find(key); i >= 0 {
		d.vals[i] = val
		return
	}
	d.keys = append(d.keys, key)
	d.vals = append(d.vals, val)
	if d.index != nil {
		d.index[hashKey(key)] = len(d.keys) - 1
	} else {
		d.reindex()
	}
}

// reindex makes the index of a large dict.
func (d *Dict) reindex() {
	d.index = nil
	if len(d.keys) < indexFrom {
		return
	}
	d.index = make(map[any]int, 2*len(d.keys))
	for i, k := range d.keys {
		d.index[hashKey(k)] = i
	}
}

// Add is Set for a key that the caller knows to be new.
func (d *Dict) Add(key, val any) {
	d.keys = append(d.keys, key)
	d.vals = append(d.vals, val)
	if len(d.keys) >= indexFrom {
		if d.index == nil {
			d.reindex()
		} else {
			d.index[hashKey(key)] = len(d.keys) - 1
		}
	}
}

// Merge sets the keys of other that d lacks.
func (d *Dict) Merge(other *Dict) {
	for _, k := range d.keys {
		if other.find(k) >= 0 { // some are known: one by one
			for i, k := range other.keys {
				if d.find(k) < 0 {
					d.Set(k, other.vals[i])
				}
			}
			return
		}
	}
	d.keys = append(d.keys, other.keys...)
	d.vals = append(d.vals, other.vals...)
	d.reindex()
}

// Delete removes key and reports whether it was there.
func (d *Dict) Delete(key any) bool {
	i := d.find(key)
	if i < 0 {
		return false
	}
	d.keys = append(d.keys[:i], d.keys[i+1:]...)
	d.vals = append(d.vals[:i], d.vals[i+1:]...)
	d.reindex()
	return true
}

// Clear removes all keys.
func (d *Dict) Clear() { *d = Dict{} }

// Len returns the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Keys returns the keys in order; the slice is the dict's own: read only.
func (d *Dict) Keys() []any { return d.keys }

// At returns the i-th key and its value.
func (d *Dict) At(i int) (key, val any) { return d.keys[i], d.vals[i] }

// Clone returns a deep copy.
func (d *Dict) Clone() *Dict {
	c := &Dict{keys: append([]any(nil), d.keys...), vals: make([]any, len(d.vals))}
	for i, v := range d.vals {
		c.vals[i] = Clone(v)
	}
	c.reindex()
	return c
}

// Copy returns a shallow copy: the values are shared.
func (d *Dict) Copy() *Dict {
	c := &Dict{keys: append([]any(nil), d.keys...), vals: append([]any(nil), d.vals...)}
	c.reindex()
	return c
}
