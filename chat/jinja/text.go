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
func isSpace(r rune) bool {
	switch {
	case r >= 9 && r <= 13, r >= 0x1c && r <= 0x20, r == 0x85, r == 0xa0, r == 0x1680, r >= 0x2000 && r <= 0x200a:
		return true
	}
	return r == 0x2028 || r == 0x2029 || r == 0x202f || r == 0x205f || r == 0x3000
}

func isSpaceAt(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return isSpace(r)
}

// appendRune appends one code point, lone surrogates as package value writes them.
func appendRune(dst []byte, r rune) []byte {
	if r >= 0xD800 && r < 0xE000 {
		return append(dst, 0xED, 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
	return utf8.AppendRune(dst, r)
}

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
func lower(s string) string { return mapped(s, strings.ToLower, cases.Lower(language.Und).String) }

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

// sigma says that the lower case of a text depends on where its Σ stand, in a way that
// is not known here.
func sigma(name, s string) error {
	if strings.Contains(s, "Σ") && (name == "title" || strings.Contains(s, "\u0345")) {
		return unsupported("%s of a text with Σ", name)
	}
	return nil
}

// capitalize is str.capitalize.
func capitalize(s string) string {
	if s == "" {
		return s
	}
	_, w := value.DecodeRune(s)
	return titleChar(s[:w]) + strings.TrimPrefix(lower(s), lower(s[:w]))
}

// title is str.title: the first cased character after one that is not is in title case.
func title(s string) string {
	var b strings.Builder
	inside := false
	for _, c := range chars(s) {
		r, _ := value.DecodeRune(c)
		cased := isCased(r)
		switch {
		case inside:
			b.WriteString(lower(c))
		default:
			b.WriteString(titleChar(c))
		}
		inside = cased
	}
	return b.String()
}

func isLower(r rune) bool { return unicode.IsLower(r) || unicode.Is(unicode.Other_Lowercase, r) }

func isUpper(r rune) bool { return unicode.IsUpper(r) || unicode.Is(unicode.Other_Uppercase, r) }

func isCased(r rune) bool { return isUpper(r) || isLower(r) || unicode.IsTitle(r) }

// splitSpace is str.split without a separator.
func splitSpace(s string, most int) []string {
	var out []string
	for {
		s = strings.TrimLeftFunc(s, isSpace)
		if s == "" {
			return out
		}
		end := strings.IndexFunc(s, isSpace)
		if most >= 0 && len(out) == most || end < 0 {
			return append(out, s)
		}
		out = append(out, s[:end])
		s = s[end:]
	}
}

// rsplitSpace is str.rsplit without a separator.
func rsplitSpace(s string, most int) []string {
	var out []string
	for {
		s = strings.TrimRightFunc(s, isSpace)
		if s == "" {
			break
		}
		at := strings.LastIndexFunc(s, isSpace)
		if most >= 0 && len(out) == most || at < 0 {
			out = append(out, s)
			break
		}
		_, w := utf8.DecodeRuneInString(s[at:])
		out = append(out, s[at+w:])
		s = s[:at]
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out
}

// splitLines is str.splitlines.
func splitLines(s string, keep bool) []string {
	var out []string
	for s != "" {
		end, w := len(s), 0
		for i := 0; i < len(s); {
			r, n := value.DecodeRune(s[i:])
			if r >= 10 && r <= 13 || r >= 0x1c && r <= 0x1e || r == 0x85 || r == 0x2028 || r == 0x2029 {
				if end, w = i, n; r == '\r' && strings.HasPrefix(s[i+1:], "\n") {
					w = 2
				}
				break
			}
			i += n
		}
		line := s[:end]
		if keep {
			line = s[:end+w]
		}
		out = append(out, line)
		s = s[end+w:]
	}
	return out
}
