package value

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// AppendFloat appends Python's repr of a float: the shortest digits that read
// back, an exponent below 1e-4 and from 1e16, and always a point or exponent.
func AppendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	a := math.Abs(f)
	if a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	// At most three decimals are the usual case. If n/100 is f, it is the shortest:
	// no two decimals of up to 15 digits are one float. The same goes for n/1000.
	if a < 1e12 {
		if n := int64(a*100 + 0.5); float64(n)/100 == a {
			return appendCents(dst, n, math.Signbit(f), false)
		}
	}
	if a < 1e11 {
		if n := int64(a*1000 + 0.5); float64(n)/1000 == a {
			return append(appendCents(dst, n/10, math.Signbit(f), true), '0'+byte(n%10))
		}
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[n:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendCents appends n/100 with one decimal or two, or always two.
func appendCents(dst []byte, n int64, minus, two bool) []byte {
	if minus {
		dst = append(dst, '-')
	}
	dst = strconv.AppendInt(dst, n/100, 10)
	tens, ones := byte(n/10%10), byte(n%10)
	if ones == 0 && !two {
		return append(dst, '.', '0'+tens)
	}
	return append(dst, '.', '0'+tens, '0'+ones)
}

// DigitsError is Python's refusal to convert a huge integer to decimal text.
type DigitsError struct{}

// Error is the text of the error. It is CPython's.
func (DigitsError) Error() string {
	return "Exceeds the limit (4300 digits) for integer string conversion; use sys.set_int_max_str_digits() to increase the limit"
}

// TooLong reports whether an integer has more than MaxDigits decimal digits.
func TooLong(b *big.Int) bool {
	if n := b.BitLen(); n < 14280 { // 10**4299 has 14,281 bits
		return false
	} else if n > 14290 {
		return true
	}
	return len(new(big.Int).Abs(b).String()) > MaxDigits
}

// appendBig appends the digits of b; like Python it refuses more than MaxDigits.
func appendBig(dst []byte, b *big.Int) []byte {
	if TooLong(b) {
		panic(DigitsError{})
	}
	return b.Append(dst, 10)
}

// DecodeRune reads one code point of s, lone surrogates included. Bytes that are
// neither come back as U+FFFD of width 1.
func DecodeRune(s string) (rune, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 && s[0] == 0xED && s[1] >= 0xA0 && s[1] <= 0xBF && s[2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, n
}

// appendRune appends one code point, lone surrogates included.
func appendRune(dst []byte, r rune) []byte {
	if r >= 0xD800 && r < 0xE000 {
		return append(dst, 0xED, 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

// AppendJSON appends json.dumps(v). It fails as json.dumps does: on a kind that
// JSON lacks, a key that JSON lacks, an integer of more than MaxDigits digits.
func AppendJSON(dst []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string:
		return AppendQuoted(dst, v), nil
	case bool:
		return strconv.AppendBool(dst, v), nil
	case int64:
		return strconv.AppendInt(dst, v, 10), nil
	case float64:
		return appendJSONFloat(dst, v), nil
	case *big.Int:
		if TooLong(v) {
			return dst, DigitsError{}
		}
		return v.Append(dst, 10), nil
	case *List:
		return appendJSONItems(dst, v.Items)
	case *Tuple:
		return appendJSONItems(dst, v.Items)
	case *Dict:
		if v.more != nil && v.more.json != "" {
			return append(dst, v.more.json...), nil
		}
		dst = append(dst, '{')
		var err error
		for i := range v.entries {
			e := &v.entries[i]
			if i > 0 {
				dst = append(dst, ", "...)
			}
			if dst, err = appendJSONKey(dst, e.key); err != nil {
				return dst, err
			}
			dst = append(dst, ": "...)
			if dst, err = AppendJSON(dst, e.val); err != nil {
				return dst, err
			}
		}
		return append(dst, '}'), nil
	case JSONer:
		return v.AppendJSON(dst)
	}
	return dst, fmt.Errorf("Object of type %s is not JSON serializable", TypeName(v))
}

// JSON returns json.dumps(v); see AppendJSON.
func JSON(v any) (string, error) {
	b, err := AppendJSON(nil, v)
	return string(b), err
}

func appendJSONItems(dst []byte, items []any) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i, x := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst, err = AppendJSON(dst, x); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func appendJSONFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	return AppendFloat(dst, f)
}

func appendJSONKey(dst []byte, k any) ([]byte, error) {
	switch k := k.(type) {
	case string:
		return AppendQuoted(dst, k), nil
	case nil, bool, int64, float64, *big.Int:
		dst, err := AppendJSON(append(dst, '"'), k)
		return append(dst, '"'), err
	}
	return dst, fmt.Errorf("keys must be str, int, float, bool or None, not %s", TypeName(k))
}

// TypeName returns Python's name of v's type.
func TypeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case Bytes:
		return "bytes"
	case Custom:
		return v.TypeName()
	}
	panic(fmt.Sprintf("value: foreign kind %T", v))
}

// Repr returns Python's repr(v). An integer of more than MaxDigits digits
// panics with DigitsError, which a world turns into the tool's error.
func Repr(v any) string {
	if s, ok := v.(string); ok {
		return string(appendReprString(make([]byte, 0, len(s)+2), s))
	}
	return string(AppendRepr(nil, v))
}

// AppendRepr appends Python's repr(v); see Repr.
func AppendRepr(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "None"...)
	case bool:
		if v {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case *big.Int:
		return appendBig(dst, v)
	case float64:
		return AppendFloat(dst, v)
	case string:
		return appendReprString(dst, v)
	case *List:
		return append(appendReprItems(append(dst, '['), v.Items), ']')
	case *Tuple:
		dst = appendReprItems(append(dst, '('), v.Items)
		if len(v.Items) == 1 {
			dst = append(dst, ',')
		}
		return append(dst, ')')
	case *Dict:
		dst = append(dst, '{')
		for i := range v.entries {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = AppendRepr(dst, v.entries[i].key)
			dst = append(dst, ": "...)
			dst = AppendRepr(dst, v.entries[i].val)
		}
		return append(dst, '}')
	case Bytes:
		return appendReprBytes(dst, string(v))
	case Custom:
		return v.AppendRepr(dst)
	}
	panic(fmt.Sprintf("value: foreign kind %T", v))
}

func appendReprItems(dst []byte, items []any) []byte {
	for i, x := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = AppendRepr(dst, x)
	}
	return dst
}

// quoteFor picks Python's quote: single unless only single quotes occur.
func quoteFor(s string) byte {
	q := byte('\'')
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return '\''
		case '\'':
			q = '"'
		}
	}
	return q
}

func appendReprString(dst []byte, s string) []byte {
	q := quoteFor(s)
	dst = append(dst, q)
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			dst = appendReprByte(dst, c, q)
			i++
			continue
		}
		r, n := DecodeRune(s[i:])
		switch {
		case unicode.IsPrint(r) && !(r == utf8.RuneError && n == 1):
			dst = append(dst, s[i:i+n]...)
		case r <= 0xFF:
			dst = append(dst, '\\', 'x', hex[r>>4], hex[r&15])
		case r <= 0xFFFF:
			dst = appendU(dst, r)
		default:
			dst = fmt.Appendf(dst, "\\U%08x", r)
		}
		i += n
	}
	return append(dst, q)
}

func appendReprByte(dst []byte, c, quote byte) []byte {
	switch {
	case c == quote || c == '\\':
		return append(dst, '\\', c)
	case c == '\n':
		return append(dst, '\\', 'n')
	case c == '\r':
		return append(dst, '\\', 'r')
	case c == '\t':
		return append(dst, '\\', 't')
	case c < ' ' || c >= 0x7F:
		return append(dst, '\\', 'x', hex[c>>4], hex[c&15])
	}
	return append(dst, c)
}

func appendReprBytes(dst []byte, s string) []byte {
	q := quoteFor(s)
	dst = append(dst, 'b', q)
	for i := 0; i < len(s); i++ {
		dst = appendReprByte(dst, s[i], q)
	}
	return append(dst, q)
}
