package bfcl

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"ballast/value"
)

// hashable raises Python's error for keys that cannot be hashed.
func hashable(v any) {
	if t, ok := v.(*value.Tuple); ok {
		for _, x := range t.Items {
			hashable(x)
		}
	} else if !value.Hashable(v) {
		raise(typeError, "unhashable type: '%s'", value.TypeName(v))
	}
}

// lookup is d.get(key) with Python's complaint about unhashable keys.
func lookup(d *value.Dict, key any) (any, bool) {
	if _, ok := key.(string); !ok {
		hashable(key)
	}
	return d.Get(key)
}

// contains is x in container.
func contains(container, x any) bool {
	switch c := container.(type) {
	case string:
		s, ok := x.(string)
		if !ok {
			raise(typeError, "'in <string>' requires string as left operand, not %s", value.TypeName(x))
		}
		return strings.Contains(c, s)
	case *value.List:
		return indexOf(c.Items, x) >= 0
	case *value.Tuple:
		return indexOf(c.Items, x) >= 0
	case *value.Dict:
		_, ok := lookup(c, x)
		return ok
	case value.Bytes:
		if b, ok := x.(value.Bytes); ok {
			return strings.Contains(string(c), string(b))
		}
		if n, ok := integer(x); ok {
			if n < 0 || n > 255 {
				raise(valueError, "byte must be in range(0, 256)")
			}
			return strings.IndexByte(string(c), byte(n)) >= 0
		}
		raise(typeError, "a bytes-like object is required, not '%s'", value.TypeName(x))
	}
	raise(typeError, "argument of type '%s' is not iterable", value.TypeName(container))
	return false
}

// indexOf returns the first position of an equal item, or -1.
func indexOf(items []any, x any) int {
	return slices.IndexFunc(items, func(y any) bool { return value.Equal(y, x) })
}

// iterate is list(v).
func iterate(v any) []any {
	switch v := v.(type) {
	case *value.List:
		return v.Items
	case *value.Tuple:
		return v.Items
	case *value.Dict:
		return v.Keys()
	case string:
		items := make([]any, 0, len(v))
		for v != "" {
			_, n := value.DecodeRune(v)
			items = append(items, v[:n])
			v = v[n:]
		}
		return items
	case value.Bytes:
		items := make([]any, len(v))
		for i := range items {
			items[i] = int64(v[i])
		}
		return items
	}
	raise(typeError, "'%s' object is not iterable", value.TypeName(v))
	return nil
}

// length is len(v).
func length(v any) int64 {
	switch v := v.(type) {
	case *value.List:
		return int64(len(v.Items))
	case *value.Tuple:
		return int64(len(v.Items))
	case *value.Dict:
		return int64(v.Len())
	case string:
		return int64(runeCount(v))
	case value.Bytes:
		return int64(len(v))
	}
	raise(typeError, "object of type '%s' has no len()", value.TypeName(v))
	return 0
}

func runeCount(s string) int {
	n := utf8.RuneCountInString(s)
	if n == len(s) || utf8.ValidString(s) {
		return n
	}
	for n = 0; s != ""; n++ {
		_, size := value.DecodeRune(s)
		s = s[size:]
	}
	return n
}

// integer returns v as an int64 if it is a bool or a small int.
func integer(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// isNumber is isinstance(v, (int, float)).
func isNumber(v any) bool {
	switch v.(type) {
	case bool, int64, *big.Int, float64:
		return true
	}
	return false
}

func isInt(v any) bool {
	_, float := v.(float64)
	return !float && isNumber(v)
}

// bigInt returns an int kind as a big.Int, not to be changed.
func bigInt(v any) *big.Int {
	if b, ok := v.(*big.Int); ok {
		return b
	}
	n, _ := integer(v)
	return big.NewInt(n)
}

// toFloat converts a number to float, or raises OverflowError.
func toFloat(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		if math.IsInf(f, 0) {
			raise(overflowError, "int too large to convert to float")
		}
		return f
	}
	n, _ := integer(v)
	return float64(n)
}

func operands(op string, a, b any) {
	raise(typeError, "unsupported operand type(s) for %s: '%s' and '%s'", op, value.TypeName(a), value.TypeName(b))
}

// add is a + b; op is "+" or "+=", for the error text.
func add(op string, a, b any) any {
	if isNumber(a) && isNumber(b) {
		if !isInt(a) || !isInt(b) {
			return toFloat(a) + toFloat(b)
		}
		x, ok1 := integer(a)
		y, ok2 := integer(b)
		if s := x + y; ok1 && ok2 && (s > x) == (y > 0) {
			return s
		}
		return value.Int(new(big.Int).Add(bigInt(a), bigInt(b)))
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return x + y
		}
		raise(typeError, "can only concatenate str (not \"%s\") to str", value.TypeName(b))
	case *value.List:
		if y, ok := b.(*value.List); ok {
			return &value.List{Items: append(append([]any(nil), x.Items...), y.Items...)}
		}
		raise(typeError, "can only concatenate list (not \"%s\") to list", value.TypeName(b))
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok {
			return &value.Tuple{Items: append(append([]any(nil), x.Items...), y.Items...)}
		}
		raise(typeError, "can only concatenate tuple (not \"%s\") to tuple", value.TypeName(b))
	case value.Bytes:
		if y, ok := b.(value.Bytes); ok {
			return x + y
		}
		raise(typeError, "can't concat %s to bytes", value.TypeName(b))
	}
	operands(op, a, b)
	return nil
}

// sub is a - b; op is "-" or "-=".
func sub(op string, a, b any) any {
	if !isNumber(a) || !isNumber(b) {
		operands(op, a, b)
	}
	if !isInt(a) || !isInt(b) {
		return toFloat(a) - toFloat(b)
	}
	x, ok1 := integer(a)
	y, ok2 := integer(b)
	if s := x - y; ok1 && ok2 && (s < x) == (y > 0) {
		return s
	}
	return value.Int(new(big.Int).Sub(bigInt(a), bigInt(b)))
}

// maxRepeat bounds what a repetition of a sequence may make.
const maxRepeat = 1 << 20

// mul is a * b.
func mul(a, b any) any {
	if isNumber(a) && isNumber(b) {
		if !isInt(a) || !isInt(b) {
			return toFloat(a) * toFloat(b)
		}
		x, ok1 := integer(a)
		y, ok2 := integer(b)
		if ok1 && ok2 && x == int64(int32(x)) && y == int64(int32(y)) {
			return x * y
		}
		return value.Int(new(big.Int).Mul(bigInt(a), bigInt(b)))
	}
	if isSequence(b) && !isSequence(a) {
		a, b = b, a
		if !isInt(b) {
			return repeatError(b)
		}
		return repeat(a, b)
	}
	if isSequence(a) {
		if !isInt(b) {
			return repeatError(b)
		}
		return repeat(a, b)
	}
	operands("*", a, b)
	return nil
}

func repeatError(by any) any {
	raise(typeError, "can't multiply sequence by non-int of type '%s'", value.TypeName(by))
	return nil
}

func isSequence(v any) bool {
	switch v.(type) {
	case string, *value.List, *value.Tuple, value.Bytes:
		return true
	}
	return false
}

func repeat(seq, by any) any {
	n, ok := integer(by)
	if !ok && bigInt(by).Sign() > 0 {
		raise(overflowError, "cannot fit 'int' into an index-sized integer")
	}
	n = max(n, 0)
	if n > 0 && length(seq) > maxRepeat/n {
		raise(otherError, "") // a MemoryError has no text
	}
	items := func(s []any) (out []any) {
		for range n {
			out = append(out, s...)
		}
		return out
	}
	switch s := seq.(type) {
	case string:
		return strings.Repeat(s, int(n))
	case value.Bytes:
		return value.Bytes(strings.Repeat(string(s), int(n)))
	case *value.List:
		return &value.List{Items: items(s.Items)}
	}
	return &value.Tuple{Items: items(seq.(*value.Tuple).Items)}
}

// div is a / b of numbers.
func div(a, b any) any {
	if !isNumber(a) || !isNumber(b) {
		operands("/", a, b)
	}
	if !isInt(a) || !isInt(b) {
		x, y := toFloat(a), toFloat(b)
		if y == 0 {
			raise("ZeroDivisionError", "float division by zero")
		}
		return x / y
	}
	y := bigInt(b)
	if y.Sign() == 0 {
		raise("ZeroDivisionError", "division by zero")
	}
	if x, ok := integer(a); ok && y.IsInt64() && abs64(x) <= 1<<53 && abs64(y.Int64()) <= 1<<53 {
		return float64(x) / float64(y.Int64())
	}
	f, _ := new(big.Rat).SetFrac(bigInt(a), y).Float64()
	if math.IsInf(f, 0) {
		raise(overflowError, "integer division result too large for a float")
	}
	return f
}

func abs64(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// compare orders a and b for the operator op, whose error text it raises. nan is
// true if no order holds.
func compare(op string, a, b any) (c int, nan bool) {
	if isNumber(a) && isNumber(b) {
		c, ok := value.CompareNumbers(a, b)
		return c, !ok
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), false
		}
	case value.Bytes:
		if y, ok := b.(value.Bytes); ok {
			return strings.Compare(string(x), string(y)), false
		}
	case *value.List:
		if y, ok := b.(*value.List); ok {
			return compareItems(op, x.Items, y.Items)
		}
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok {
			return compareItems(op, x.Items, y.Items)
		}
	}
	raise(typeError, "'%s' not supported between instances of '%s' and '%s'", op, value.TypeName(a), value.TypeName(b))
	return 0, false
}

// compareItems compares at the first difference, as Python does.
func compareItems(op string, a, b []any) (int, bool) {
	for i := range min(len(a), len(b)) {
		if !value.Equal(a[i], b[i]) {
			return compare(op, a[i], b[i])
		}
	}
	return len(a) - len(b), false
}

func less(a, b any) bool    { c, nan := compare("<", a, b); return !nan && c < 0 }
func greater(a, b any) bool { c, nan := compare(">", a, b); return !nan && c > 0 }
func atMost(a, b any) bool  { c, nan := compare("<=", a, b); return !nan && c <= 0 }
func atLeast(a, b any) bool { c, nan := compare(">=", a, b); return !nan && c >= 0 }

// absolute is abs(v).
func absolute(v any) any {
	switch v := v.(type) {
	case float64:
		return math.Abs(v)
	case int64:
		if v != math.MinInt64 {
			return abs64(v)
		}
		return new(big.Int).Abs(big.NewInt(v))
	case *big.Int:
		return new(big.Int).Abs(v)
	case bool:
		n, _ := integer(v)
		return n
	}
	raise(typeError, "bad operand type for abs(): '%s'", value.TypeName(v))
	return nil
}

// attribute raises the error of a missing attribute.
func attribute(v any, name string) {
	raise("AttributeError", "'%s' object has no attribute '%s'", value.TypeName(v), name)
}

// item is v[key] for a string key.
func item(v any, key any) any {
	switch v := v.(type) {
	case *value.Dict:
		x, ok := lookup(v, key)
		if !ok {
			raise("KeyError", "%s", value.Repr(key))
		}
		return x
	case string:
		raise(typeError, "string indices must be integers, not '%s'", value.TypeName(key))
	case *value.List:
		raise(typeError, "list indices must be integers or slices, not %s", value.TypeName(key))
	case *value.Tuple:
		raise(typeError, "tuple indices must be integers or slices, not %s", value.TypeName(key))
	case value.Bytes:
		raise(typeError, "byte indices must be integers or slices, not %s", value.TypeName(key))
	}
	raise(typeError, "'%s' object is not subscriptable", value.TypeName(v))
	return nil
}

// setItem is v[key] = x for a string key.
func setItem(v, key, x any) {
	switch d := v.(type) {
	case *value.Dict:
		hashable(key)
		d.Set(key, x)
		return
	case *value.List:
		raise(typeError, "list indices must be integers or slices, not %s", value.TypeName(key))
	}
	raise(typeError, "'%s' object does not support item assignment", value.TypeName(v))
}
