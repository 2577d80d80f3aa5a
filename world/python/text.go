package python

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast/value"
)

// IsSpace is Python's str.isspace for one code point.
func IsSpace(r rune) bool {
	switch {
	case r < 0x80:
		return r == ' ' || r >= '\t' && r <= '\r' || r >= 0x1C && r <= 0x1F
	case r == 0x85 || r == 0x2028 || r == 0x2029:
		return true
	}
	return unicode.Is(unicode.Zs, r)
}

// Lower is v.lower().
func Lower(v any) any {
	switch v := v.(type) {
	case string:
		return LowerText(v)
	case value.Bytes:
		return value.Bytes(LowerASCII(string(v)))
	}
	Attribute(v, "lower")
	return nil
}

// LowerASCII lowers the letters of ASCII.
func LowerASCII(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// LowerText is Python's str.lower: full case mapping with the final sigma.
func LowerText(s string) string {
	ascii, upper := true, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		ascii = ascii && c < utf8.RuneSelf
		upper = upper || c >= 'A' && c <= 'Z'
	}
	if ascii {
		if !upper {
			return s
		}
		return LowerASCII(s)
	}
	b := make([]byte, 0, len(s)+8)
	for i := 0; i < len(s); {
		r, n := value.DecodeRune(s[i:])
		switch {
		case r == 0x130: // dotted capital I: the only one with two code points
			b = append(b, "i\u0307"...)
		case r == 0x3A3 && finalSigma(s, i, i+n):
			b = append(b, "\u03c2"...)
		case r >= 0xD800 && r < 0xE000 || r == utf8.RuneError:
			b = append(b, s[i:i+n]...)
		default:
			b = utf8.AppendRune(b, unicode.ToLower(r))
		}
		i += n
	}
	return string(b)
}

// finalSigma: a cased letter before, none after, ignorable ones not counting.
func finalSigma(s string, start, end int) bool {
	before := false
	for i := start; i > 0; {
		r, n := utf8.DecodeLastRuneInString(s[:i])
		i -= n
		if !ignorable(r) {
			before = cased(r)
			break
		}
	}
	if !before {
		return false
	}
	for _, r := range s[end:] {
		if !ignorable(r) {
			return !cased(r)
		}
	}
	return true
}

func cased(r rune) bool {
	return unicode.In(r, unicode.Lu, unicode.Ll, unicode.Lt, unicode.Other_Lowercase, unicode.Other_Uppercase)
}

func ignorable(r rune) bool {
	return unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
		strings.ContainsRune("'.:\u00b7\u0387\u055f\u05f4\u2018\u2019\u2024\u2027\ufe13\ufe52\ufe55\uff07\uff0e\uff1a", r)
}

// Strip is s.strip() of white space.
func Strip(s string) string { return strings.TrimFunc(s, IsSpace) }
