package acebench

import (
	"strings"
	"unicode"

	"ballast/value"
)

// isSpace says whether Python's str.isspace holds of a character: what is white space to Unicode, and the
// four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// strip is Python's str.strip().
func strip(s string) string { return strings.TrimFunc(s, isSpace) }

// noSpace takes all white space out, as "".join(s.split()) does.
func noSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if isSpace(r) {
			return -1
		}
		return r
	}, s)
}

// pyStr is Python's str(): of text the text itself, else its repr.
func pyStr(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return value.Repr(v)
}

// Standard is standard, for who compares it with the original's.
func Standard(s string) string { return standard(s) }

// standard is how the original writes a text before it compares it: without the characters that it
// ignores, in Python's lower case, and with ' as ".
func standard(s string) string {
	for i := range len(s) { // most texts need no rune of theirs looked at
		if s[i] >= 0x80 {
			return lower(strings.Map(kept, s))
		}
	}
	b := make([]byte, 0, len(s))
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ' || c == ',' || c == '.' || c == '/' || c == '-' || c == '_' || c == '*' || c == '^':
		case c == '\'':
			b = append(b, '"')
		case c >= 'A' && c <= 'Z':
			b = append(b, c|0x20)
		default:
			b = append(b, c)
		}
	}
	return string(b)
}

func kept(r rune) rune {
	switch r {
	case ' ', ',', '.', '/', '-', '_', '*', '^':
		return -1
	case '\'':
		return '"'
	}
	return r
}

// lower is Python's str.lower(): that of Unicode, by which İ becomes two characters, and Σ ends words as ς.
func lower(s string) string {
	var b strings.Builder
	runes := []rune(s)
	for i, r := range runes {
		switch r {
		case 'İ':
			b.WriteString("i\u0307")
		case 'Σ':
			if cased(runes, i, -1) && !cased(runes, i, 1) {
				b.WriteRune('ς')
			} else {
				b.WriteRune('σ')
			}
		default:
			b.WriteRune(unicode.ToLower(r))
		}
	}
	return b.String()
}

// cased says that the next character in a direction that is not ignored is one with case.
func cased(runes []rune, i, step int) bool {
	for i += step; i >= 0 && i < len(runes); i += step {
		switch r := runes[i]; {
		case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk),
			strings.ContainsRune("':.\u00b7\u2018\u2019\u2024\u2027", r):
		default:
			return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r)
		}
	}
	return false
}
