package acebench

import (
	"strings"

	"ballast/value"
	"ballast/world/python"
)

// strip is Python's str.strip().
func strip(s string) string { return python.Strip(s) }

// noSpace takes all white space out, as "".join(s.split()) does.
func noSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if python.IsSpace(r) {
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
			return python.LowerText(strings.Map(kept, s))
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
