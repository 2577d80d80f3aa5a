package bfcl

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast/value"
	"ballast/world/python"
)

// splitLines appends s.splitlines() to lines: Python knows more line ends than
// "\n".
func splitLines(lines []string, s string) []string {
	start := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && value.Visible(s[i:i+8]) {
			i += 8
			continue
		}
		if c := s[i]; c >= ' ' && c < 0xC2 { // most are
			i++
			continue
		}
		n := lineEnd(s[i:])
		if n == 0 {
			i++
			continue
		}
		lines = append(lines, s[start:i])
		i += n
		start = i
	}
	if start < len(s) {
		lines = append(lines, s[start:])
	}
	return lines
}

// lineEnd returns the length of the line end that s begins with, or 0.
func lineEnd(s string) int {
	switch c := s[0]; {
	case c > '\r' && c < 0x1C || c > 0x1E && c < 0xC2:
		return 0
	case c == '\r' && len(s) > 1 && s[1] == '\n':
		return 2
	case c >= '\n' && c <= '\r' || c >= 0x1C && c <= 0x1E:
		return 1
	case c == 0xC2 && len(s) > 1 && s[1] == 0x85:
		return 2
	case c == 0xE2 && len(s) > 2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9):
		return 3
	}
	return 0
}

// countWords is len(s.split()).
func countWords(s string) int64 {
	n, inside := int64(0), false
	for _, r := range s {
		if python.IsSpace(r) {
			inside = false
		} else if !inside {
			inside = true
			n++
		}
	}
	return n
}

// parseFloat is float(s) for text, after Python's grammar.
func parseFloat(s string) (float64, bool) {
	t := asciiDigits(python.Strip(s))
	body := strings.TrimLeft(t, "+-")
	if len(t)-len(body) > 1 || body == "" {
		return 0, false
	}
	switch python.LowerASCII(body) {
	case "inf", "infinity":
		if t[0] == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	case "nan":
		return math.NaN(), true
	}
	for i := 0; i < len(body); i++ {
		c := body[i]
		digit := func(j int) bool { return j >= 0 && j < len(body) && body[j] >= '0' && body[j] <= '9' }
		if c == '_' && !(digit(i-1) && digit(i+1)) || !digit(i) && c != '_' && !strings.ContainsRune(".eE+-", rune(c)) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64)
	if err != nil && err.(*strconv.NumError).Err != strconv.ErrRange {
		return 0, false
	}
	return f, true
}

// asciiDigits replaces the decimal digits of other scripts.
func asciiDigits(s string) string {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return strings.Map(func(r rune) rune {
				if d, ok := decimalDigit(r); ok {
					return '0' + rune(d)
				}
				return r
			}, s)
		}
	}
	return s
}

// decimalDigit returns the value of a decimal digit (category Nd), whose ranges
// come in tens from zero to nine.
func decimalDigit(r rune) (int, bool) {
	if r < utf8.RuneSelf {
		return int(r - '0'), r >= '0' && r <= '9'
	}
	if !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	if r >= 0x1D7CE && r <= 0x1D7FF { // five alphabets in a row
		return int(r-0x1D7CE) % 10, true
	}
	zero := r
	for unicode.Is(unicode.Nd, zero-1) && r-zero < 9 {
		zero--
	}
	return int(r - zero), true
}

// float is float(v).
func float(v any) float64 {
	switch v := v.(type) {
	case string:
		f, ok := parseFloat(v)
		if !ok {
			python.Raise(python.ValueError, "could not convert string to float: %s", value.Repr(v))
		}
		return f
	case value.Bytes:
		f, ok := parseFloat(string(v))
		if !ok {
			python.Raise(python.ValueError, "could not convert string to float: %s", value.Repr(v))
		}
		return f
	}
	if !python.IsNumber(v) {
		python.Raise(python.TypeError, "float() argument must be a string or a real number, not '%s'", value.TypeName(v))
	}
	return python.ToFloat(v)
}

// fixed2 is f"{f:.2f}".
func fixed2(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	return strconv.FormatFloat(f, 'f', 2, 64)
}

// isDigits is s.isdigit(): decimal digits and those that int() does not read,
// like superscripts.
func isDigits(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		_, ok := decimalDigit(r)
		return !ok && !otherDigit(r)
	})
}

// otherDigits are the digits of Unicode that are not decimal (Numeric_Type=Digit),
// as ranges.
var otherDigits = [][2]rune{
	{0xB2, 0xB3}, {0xB9, 0xB9}, {0x1369, 0x1371}, {0x19DA, 0x19DA}, {0x2070, 0x2070}, {0x2074, 0x2079},
	{0x2080, 0x2089}, {0x2460, 0x2468}, {0x2474, 0x247C}, {0x2488, 0x2490}, {0x24EA, 0x24EA}, {0x24F5, 0x24FD},
	{0x24FF, 0x24FF}, {0x2776, 0x277E}, {0x2780, 0x2788}, {0x278A, 0x2792}, {0x10A40, 0x10A43},
	{0x10E60, 0x10E68}, {0x11052, 0x1105A}, {0x1F100, 0x1F10A},
}

func otherDigit(r rune) bool {
	return slices.ContainsFunc(otherDigits, func(d [2]rune) bool { return r >= d[0] && r <= d[1] })
}
