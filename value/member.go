package value

// Members of objects from outside, which may be missing or of another kind. They are those of
// text keys, and a nil dict has none.

// Member is the value of key, nil where there is none.
func (d *Dict) Member(key string) any {
	if d == nil {
		return nil
	}
	v, _ := d.GetString(key)
	return v
}

// Has says whether there is a value of key, which may be null.
func (d *Dict) Has(key string) bool {
	if d == nil {
		return false
	}
	_, ok := d.GetString(key)
	return ok
}

// Object is the object of key, nil where it is none.
func (d *Dict) Object(key string) *Dict {
	o, _ := d.Member(key).(*Dict)
	return o
}

// Array holds the items of the list of key, nil where it is none.
func (d *Dict) Array(key string) []any {
	if l, ok := d.Member(key).(*List); ok {
		return l.Items
	}
	return nil
}

// Text is the text of key, "" where it is none.
func (d *Dict) Text(key string) string {
	s, _ := d.Member(key).(string)
	return s
}

// EqualJSON compares values as JSON has them: numbers by value, true and 1 not, objects without
// regard to order. Python's tuples are lists.
func EqualJSON(a, b any) bool {
	switch x := a.(type) {
	case *Dict:
		y, ok := b.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i := range x.Len() {
			k, v := x.At(i)
			w, ok := y.Get(k)
			if !ok || !EqualJSON(v, w) {
				return false
			}
		}
		return true
	case *List, *Tuple:
		items, _ := Sequence(a)
		others, ok := Sequence(b)
		if !ok || len(items) != len(others) {
			return false
		}
		for i := range items {
			if !EqualJSON(items[i], others[i]) {
				return false
			}
		}
		return true
	}
	_, isBool := a.(bool)
	_, otherBool := b.(bool)
	return isBool == otherBool && Equal(a, b)
}

// Sequence holds the items of a list or a tuple; false for any other value.
func Sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case *List:
		return v.Items, true
	case *Tuple:
		return v.Items, true
	}
	return nil, false
}
