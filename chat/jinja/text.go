package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"

	"ballast/value"
)

// isSpace is Python's str.isspace of one character.
func isSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// runeLen is len(s) in Python.
func runeLen(s string) int {
	if isASCII(s) {
		return len(s)
	}
	n := 0
	for i := 0; i < len(s); n++ {
		_, w := value.DecodeRune(s[i:])
		i += w
	}
	return n
}

// chars are the characters of a text.
func chars(s string) []string {
	out := make([]string, 0, len(s))
	for i := 0; i < len(s); {
		_, w := value.DecodeRune(s[i:])
		out = append(out, s[i:i+w])
		i += w
	}
	return out
}

// offset is where the nth character starts, at most the text's length.
func offset(s string, n int) int {
	i := 0
	for ; n > 0 && i < len(s); n-- {
		_, w := value.DecodeRune(s[i:])
		i += w
	}
	return i
}

// The mappings of single characters are those of Unicode's special casing, as in Python.
func upper(s string) string { return mapped(s, strings.ToUpper, cases.Upper(language.Und).String) }
func lower(s string) string {
	if strings.Contains(s, "Σ") && strings.Contains(s, "\u0345") {
		panic(unsupported("the lower case of a text with Σ and U+0345"))
	}
	return mapped(s, strings.ToLower, cases.Lower(language.Und).String)
}

func mapped(s string, ascii, all func(string) string) string {
	if isASCII(s) {
		return ascii(s)
	}
	return all(s)
}

func titleChar(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	if t := cases.Title(language.Und, cases.NoLower).String(s); t != s {
		return t
	}
	return strings.ToTitle(s)
}

// capitalize is str.capitalize.
func capitalize(s string) string {
	if s == "" {
		return s
	}
	_, w := value.DecodeRune(s)
	return titleChar(s[:w]) + strings.TrimPrefix(lower(s), lower(s[:w]))
}

// splitLines is str.splitlines.
func splitLines(s string) []string {
	var out []string
	for s != "" {
		end, w := strings.IndexFunc(s, isLineEnd), 1
		switch {
		case end < 0:
			end, w = len(s), 0
		case strings.HasPrefix(s[end:], "\r\n"):
			w = 2
		case s[end] >= utf8.RuneSelf:
			_, w = utf8.DecodeRuneInString(s[end:])
		}
		out = append(out, s[:end])
		s = s[end+w:]
	}
	return out
}

func isLineEnd(r rune) bool {
	return r >= 10 && r <= 13 || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029
}
