package acebench

import (
	"strings"
	"unicode"
)

// isSpace says whether Python's str.isspace holds of a character: what is white space to Unicode, and the
// four separators of ASCII.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// strip is Python's str.strip().
func strip(s string) string { return strings.TrimFunc(s, isSpace) }
