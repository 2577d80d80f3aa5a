package value

import (
	"math"
	"math/big"
	"slices"
)

// Dict is a mutable mapping that keeps insertion order. Keys are hashable
// values: nil, bool, int64, *big.Int, float64, string, Bytes, *Tuple of those;
// keys that are equal in Python (1, 1.0, true) are one key, which keeps the form
// it was first set with. The zero value is an empty dict.
type Dict struct {
	entries []entry
	more    *more // of large dicts, and frozen ones
}

// more is what few dicts need.
type more struct {
	index map[any]int // of large dicts; kept up by writes, so that reads are safe together
	json  string      // of frozen dicts
}

// index returns the index of a large dict, or nil.
func (d *Dict) index() map[any]int {
	if d.more == nil {
		return nil
	}
	return d.more.index
}

type entry struct{ key, val any }

// indexFrom is the size from which a dict looks keys up by hash; below it, a
// walk over the keys is faster than making the index.
const indexFrom = 40

// NewDict returns a dict of alternating keys and values.
func NewDict(pairs ...any) *Dict {
	d := MakeDict(len(pairs) / 2)
	for i := 0; i+1 < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// Record is NewDict for keys that the caller knows to be different.
func Record(pairs ...any) *Dict {
	n := len(pairs) / 2
	d := MakeDict(n)
	d.entries = d.entries[:n]
	for i := range d.entries {
		d.entries[i] = entry{pairs[2*i], pairs[2*i+1]}
	}
	if n >= indexFrom {
		d.reindex()
	}
	return d
}

// Dicts with room for their entries.
type (
	roomFor1 struct {
		Dict
		room [1]entry
	}
	roomFor2 struct {
		Dict
		room [2]entry
	}
	roomFor3 struct {
		Dict
		room [3]entry
	}
	roomFor4 struct {
		Dict
		room [4]entry
	}
	roomFor5 struct {
		Dict
		room [5]entry
	}
	roomFor7 struct {
		Dict
		room [7]entry
	}
)

// MakeDict returns an empty dict with room for n entries, small ones in one
// piece of memory.
func MakeDict(n int) *Dict {
	switch n {
	case 0:
		return &Dict{}
	case 1:
		m := new(roomFor1)
		m.entries = m.room[:0]
		return &m.Dict
	case 2:
		m := new(roomFor2)
		m.entries = m.room[:0]
		return &m.Dict
	case 3:
		m := new(roomFor3)
		m.entries = m.room[:0]
		return &m.Dict
	case 4:
		m := new(roomFor4)
		m.entries = m.room[:0]
		return &m.Dict
	case 5:
		m := new(roomFor5)
		m.entries = m.room[:0]
		return &m.Dict
	case 6, 7:
		m := new(roomFor7)
		m.entries = m.room[:0]
		return &m.Dict
	}
	return &Dict{entries: make([]entry, 0, n)}
}

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
	case Keyed:
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
	case Keyed:
		return k.Key()
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
	if index := d.index(); index != nil {
		if i, ok := index[hashKey(key)]; ok {
			return i
		}
		return -1
	}
	switch k := key.(type) {
	case string:
		return d.scan(k)
	case int64:
		for i := range d.entries { // keys are mostly of one kind
			if n, ok := d.entries[i].key.(int64); ok && n == k {
				return i
			}
		}
	}
	h := hashKey(key)
	for i := range d.entries {
		if hashKey(d.entries[i].key) == h {
			return i
		}
	}
	return -1
}

// scan is find for text in a small dict.
func (d *Dict) scan(s string) int {
	for i := range d.entries {
		// Keys of one length often differ in the last byte.
		t, ok := d.entries[i].key.(string)
		if ok && len(s) == len(t) && (s == "" || s[len(s)-1] == t[len(s)-1] && s == t) {
			return i
		}
	}
	return -1
}

// GetString is Get for a text key, without making an interface of it.
func (d *Dict) GetString(key string) (any, bool) {
	i := -1
	if index := d.index(); index == nil {
		i = d.scan(key)
	} else if j, ok := index[key]; ok {
		i = j
	}
	if i < 0 {
		return nil, false
	}
	return d.entries[i].val, true
}

// Get returns the value of key.
func (d *Dict) Get(key any) (any, bool) {
	if i := d.find(key); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

// Set gives key a value; a new key goes last. It panics on an unhashable key.
func (d *Dict) Set(key, val any) {
	if i := d.find(key); i >= 0 {
		d.warm()
		d.entries[i].val = val
		return
	}
	d.Add(key, val)
}

// Add is Set for a key that the caller knows to be new.
func (d *Dict) Add(key, val any) {
	d.entries = append(d.entries, entry{key, val})
	if index := d.index(); index != nil {
		index[hashKey(key)] = len(d.entries) - 1
	} else if d.more != nil || len(d.entries) >= indexFrom {
		d.reindex()
	}
}

// reindex makes the index of a large dict. Whoever writes to a frozen dict comes
// here, or to Set of a key that there is.
func (d *Dict) reindex() {
	d.warm()
	d.more = nil
	if len(d.entries) < indexFrom {
		return
	}
	d.more = &more{index: make(map[any]int, 2*len(d.entries))}
	for i := range d.entries {
		d.more.index[hashKey(d.entries[i].key)] = i
	}
}

// warm panics if the dict is frozen.
func (d *Dict) warm() {
	if d.more != nil && d.more.json != "" {
		panic("value: a frozen dict is written to")
	}
}

// Reserve makes room for n entries in an empty dict.
func (d *Dict) Reserve(n int) {
	if len(d.entries) == 0 && n > cap(d.entries) {
		d.entries = make([]entry, 0, n)
	}
}

// Merge sets the keys of other that d lacks.
func (d *Dict) Merge(other *Dict) {
	for i := range d.entries {
		if other.find(d.entries[i].key) < 0 {
			continue
		}
		for _, e := range other.entries { // some are known: one by one
			if d.find(e.key) < 0 {
				d.Add(e.key, e.val)
			}
		}
		return
	}
	d.entries = append(d.entries, other.entries...)
	d.reindex()
}

// Delete removes key and reports whether it was there.
func (d *Dict) Delete(key any) bool {
	i := d.find(key)
	if i < 0 {
		return false
	}
	d.entries = slices.Delete(d.entries, i, i+1)
	d.reindex()
	return true
}

// Freeze keeps the JSON of a dict that, with all that is in it, is never written to
// from now on. Dicts of many keys stay as they are.
func (d *Dict) Freeze() {
	if s, err := JSON(d); err == nil && d.more == nil {
		d.more = &more{json: s}
	}
}

// Clear removes all keys.
func (d *Dict) Clear() { *d = Dict{} }

// Len returns the number of keys.
func (d *Dict) Len() int { return len(d.entries) }

// Keys returns the keys in order, in a new slice.
func (d *Dict) Keys() []any {
	keys := make([]any, len(d.entries))
	for i := range d.entries {
		keys[i] = d.entries[i].key
	}
	return keys
}

// At returns the i-th key and its value.
func (d *Dict) At(i int) (key, val any) { return d.entries[i].key, d.entries[i].val }

// Clone returns a deep copy.
func (d *Dict) Clone() *Dict {
	c := d.Copy()
	for i := range c.entries {
		c.entries[i].val = Clone(c.entries[i].val)
	}
	return c
}

// Copy returns a shallow copy: the values are shared.
func (d *Dict) Copy() *Dict { return d.cloneFor(0) }

// CopyMore is Copy with room for one entry more.
func (d *Dict) CopyMore() *Dict { return d.cloneFor(1) }

func (d *Dict) cloneFor(more int) *Dict {
	c := MakeDict(len(d.entries) + more)
	c.entries = c.entries[:len(d.entries)]
	copy(c.entries, d.entries)
	if len(c.entries) >= indexFrom {
		c.reindex()
	}
	return c
}

// Assign makes d a shallow copy of other, with room for one entry more.
func (d *Dict) Assign(other *Dict) {
	d.warm()
	d.more = nil
	d.entries = append(make([]entry, 0, len(other.entries)+1), other.entries...)
	if len(d.entries) >= indexFrom {
		d.reindex()
	}
}
