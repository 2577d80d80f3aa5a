package python

import (
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"ballast/value"
)

// MustHash raises Python's error for keys that cannot be hashed.
func MustHash(v any) {
	if t, ok := v.(*value.Tuple); ok {
		for _, x := range t.Items {
			MustHash(x)
		}
	} else if !value.Hashable(v) {
		Raise(TypeError, "unhashable type: '%s'", value.TypeName(v))
	}
}

// Lookup is d.get(key) with Python's complaint about unhashable keys.
func Lookup(d *value.Dict, key any) (any, bool) {
	if _, ok := key.(string); !ok {
		MustHash(key)
	}
	return d.Get(key)
}

// Contains is x in container.
func Contains(container, x any) bool {
	switch c := container.(type) {
	case string:
		s, ok := x.(string)
		if !ok {
			Raise(TypeError, "'in <string>' requires string as left operand, not %s", value.TypeName(x))
		}
		return strings.Contains(c, s)
	case *value.List:
		return IndexOf(c.Items, x) >= 0
	case *value.Tuple:
		return IndexOf(c.Items, x) >= 0
	case *value.Dict:
		_, ok := Lookup(c, x)
		return ok
	case value.Bytes:
		if b, ok := x.(value.Bytes); ok {
			return strings.Contains(string(c), string(b))
		}
		if n, ok := Integer(x); ok {
			if n < 0 || n > 255 {
				Raise(ValueError, "byte must be in range(0, 256)")
			}
			return strings.IndexByte(string(c), byte(n)) >= 0
		}
		Raise(TypeError, "a bytes-like object is required, not '%s'", value.TypeName(x))
	}
	Raise(TypeError, "argument of type '%s' is not iterable", value.TypeName(container))
	return false
}

// IndexOf returns the first position of an equal item, or -1.
func IndexOf(items []any, x any) int {
	return slices.IndexFunc(items, func(y any) bool { return value.Equal(y, x) })
}

// Iterate is list(v).
func Iterate(v any) []any {
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
	Raise(TypeError, "'%s' object is not iterable", value.TypeName(v))
	return nil
}

// Length is len(v).
func Length(v any) int64 {
	switch v := v.(type) {
	case *value.List:
		return int64(len(v.Items))
	case *value.Tuple:
		return int64(len(v.Items))
	case *value.Dict:
		return int64(v.Len())
	case string:
		return int64(RuneCount(v))
	case value.Bytes:
		return int64(len(v))
	}
	Raise(TypeError, "object of type '%s' has no len()", value.TypeName(v))
	return 0
}

// RuneCount is the length of a text in code points, lone surrogates included.
func RuneCount(s string) int {
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

// Integer returns v as an int64 if it is a bool or a small int.
func Integer(v any) (int64, bool) {
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

// IsNumber is isinstance(v, (int, float)).
func IsNumber(v any) bool {
	switch v.(type) {
	case bool, int64, *big.Int, float64:
		return true
	}
	return false
}

// IsInt is isinstance(v, int).
func IsInt(v any) bool {
	_, float := v.(float64)
	return !float && IsNumber(v)
}

// BigInt returns an int kind as a big.Int, not to be changed.
func BigInt(v any) *big.Int {
	if b, ok := v.(*big.Int); ok {
		return b
	}
	n, _ := Integer(v)
	return big.NewInt(n)
}

// ToFloat converts a number to float, or raises OverflowError.
func ToFloat(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		if math.IsInf(f, 0) {
			Raise(OverflowError, "int too large to convert to float")
		}
		return f
	}
	n, _ := Integer(v)
	return float64(n)
}

// Operands raises the error of operands that an operator does not take.
func Operands(op string, a, b any) {
	Raise(TypeError, "unsupported operand type(s) for %s: '%s' and '%s'", op, value.TypeName(a), value.TypeName(b))
}

// Add is a + b; op is "+" or "+=", for the error text.
func Add(op string, a, b any) any {
	if IsNumber(a) && IsNumber(b) {
		if !IsInt(a) || !IsInt(b) {
			return ToFloat(a) + ToFloat(b)
		}
		x, ok1 := Integer(a)
		y, ok2 := Integer(b)
		if s := x + y; ok1 && ok2 && (s > x) == (y > 0) {
			return s
		}
		return value.Int(new(big.Int).Add(BigInt(a), BigInt(b)))
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return x + y
		}
		Raise(TypeError, "can only concatenate str (not \"%s\") to str", value.TypeName(b))
	case *value.List:
		if y, ok := b.(*value.List); ok {
			return &value.List{Items: append(append([]any(nil), x.Items...), y.Items...)}
		}
		Raise(TypeError, "can only concatenate list (not \"%s\") to list", value.TypeName(b))
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok {
			return &value.Tuple{Items: append(append([]any(nil), x.Items...), y.Items...)}
		}
		Raise(TypeError, "can only concatenate tuple (not \"%s\") to tuple", value.TypeName(b))
	case value.Bytes:
		if y, ok := b.(value.Bytes); ok {
			return x + y
		}
		Raise(TypeError, "can't concat %s to bytes", value.TypeName(b))
	}
	Operands(op, a, b)
	return nil
}

// Sub is a - b; op is "-" or "-=".
func Sub(op string, a, b any) any {
	if !IsNumber(a) || !IsNumber(b) {
		Operands(op, a, b)
	}
	if !IsInt(a) || !IsInt(b) {
		return ToFloat(a) - ToFloat(b)
	}
	x, ok1 := Integer(a)
	y, ok2 := Integer(b)
	if s := x - y; ok1 && ok2 && (s < x) == (y > 0) {
		return s
	}
	return value.Int(new(big.Int).Sub(BigInt(a), BigInt(b)))
}

// MaxRepeat bounds what a repetition of a sequence may make.
const MaxRepeat = 1 << 20

// Mul is a * b.
func Mul(a, b any) any {
	if IsNumber(a) && IsNumber(b) {
		if !IsInt(a) || !IsInt(b) {
			return ToFloat(a) * ToFloat(b)
		}
		x, ok1 := Integer(a)
		y, ok2 := Integer(b)
		if ok1 && ok2 && x == int64(int32(x)) && y == int64(int32(y)) {
			return x * y
		}
		return value.Int(new(big.Int).Mul(BigInt(a), BigInt(b)))
	}
	if isSequence(b) && !isSequence(a) {
		a, b = b, a
		if !IsInt(b) {
			return repeatError(b)
		}
		return repeat(a, b)
	}
	if isSequence(a) {
		if !IsInt(b) {
			return repeatError(b)
		}
		return repeat(a, b)
	}
	Operands("*", a, b)
	return nil
}

func repeatError(by any) any {
	Raise(TypeError, "can't multiply sequence by non-int of type '%s'", value.TypeName(by))
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
	n, ok := Integer(by)
	if !ok && BigInt(by).Sign() > 0 {
		Raise(OverflowError, "cannot fit 'int' into an index-sized integer")
	}
	n = max(n, 0)
	if n > 0 && Length(seq) > MaxRepeat/n {
		Raise(OtherError, "") // a MemoryError has no text
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

// Div is a / b of numbers.
func Div(a, b any) any {
	if !IsNumber(a) || !IsNumber(b) {
		Operands("/", a, b)
	}
	if !IsInt(a) || !IsInt(b) {
		x, y := ToFloat(a), ToFloat(b)
		if y == 0 {
			Raise("ZeroDivisionError", "float division by zero")
		}
		return x / y
	}
	y := BigInt(b)
	if y.Sign() == 0 {
		Raise("ZeroDivisionError", "division by zero")
	}
	if x, ok := Integer(a); ok && y.IsInt64() && Abs64(x) <= 1<<53 && Abs64(y.Int64()) <= 1<<53 {
		return float64(x) / float64(y.Int64())
	}
	f, _ := new(big.Rat).SetFrac(BigInt(a), y).Float64()
	if math.IsInf(f, 0) {
		Raise(OverflowError, "integer division result too large for a float")
	}
	return f
}

// Abs64 is the absolute value of n.
func Abs64(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// Compare orders a and b for the operator op, whose error text it raises. nan is
// true if no order holds.
func Compare(op string, a, b any) (c int, nan bool) {
	if IsNumber(a) && IsNumber(b) {
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
	Raise(TypeError, "'%s' not supported between instances of '%s' and '%s'", op, value.TypeName(a), value.TypeName(b))
	return 0, false
}

// compareItems compares at the first difference, as Python does.
func compareItems(op string, a, b []any) (int, bool) {
	for i := range min(len(a), len(b)) {
		if !value.Equal(a[i], b[i]) {
			return Compare(op, a[i], b[i])
		}
	}
	return len(a) - len(b), false
}

// Less is a < b.
func Less(a, b any) bool { c, nan := Compare("<", a, b); return !nan && c < 0 }

// Greater is a > b.
func Greater(a, b any) bool { c, nan := Compare(">", a, b); return !nan && c > 0 }

// AtMost is a <= b.
func AtMost(a, b any) bool { c, nan := Compare("<=", a, b); return !nan && c <= 0 }

// AtLeast is a >= b.
func AtLeast(a, b any) bool { c, nan := Compare(">=", a, b); return !nan && c >= 0 }

// Absolute is abs(v).
func Absolute(v any) any {
	switch v := v.(type) {
	case float64:
		return math.Abs(v)
	case int64:
		if v != math.MinInt64 {
			return Abs64(v)
		}
		return new(big.Int).Abs(big.NewInt(v))
	case *big.Int:
		return new(big.Int).Abs(v)
	case bool:
		n, _ := Integer(v)
		return n
	}
	Raise(TypeError, "bad operand type for abs(): '%s'", value.TypeName(v))
	return nil
}

// Attribute raises the error of a missing attribute.
func Attribute(v any, name string) {
	Raise("AttributeError", "'%s' object has no attribute '%s'", value.TypeName(v), name)
}

// Item is v[key] for a string key.
func Item(v any, key any) any {
	switch v := v.(type) {
	case *value.Dict:
		x, ok := Lookup(v, key)
		if !ok {
			Raise("KeyError", "%s", value.Repr(key))
		}
		return x
	case string:
		Raise(TypeError, "string indices must be integers, not '%s'", value.TypeName(key))
	case *value.List:
		Raise(TypeError, "list indices must be integers or slices, not %s", value.TypeName(key))
	case *value.Tuple:
		Raise(TypeError, "tuple indices must be integers or slices, not %s", value.TypeName(key))
	case value.Bytes:
		Raise(TypeError, "byte indices must be integers or slices, not %s", value.TypeName(key))
	}
	Raise(TypeError, "'%s' object is not subscriptable", value.TypeName(v))
	return nil
}

// SetItem is v[key] = x for a string key.
func SetItem(v, key, x any) {
	switch d := v.(type) {
	case *value.Dict:
		MustHash(key)
		d.Set(key, x)
		return
	case *value.List:
		Raise(TypeError, "list indices must be integers or slices, not %s", value.TypeName(key))
	}
	Raise(TypeError, "'%s' object does not support item assignment", value.TypeName(v))
}
