package acebench

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast/value"
)

// kinds of tokens of Python.
const (
	tokEnd = iota
	tokName
	tokNumber
	tokString // all of one literal, with its prefix
	tokOp
)

// token is a token of Python's expressions.
type token struct {
	kind     int
	text     string
	from, to int
	line     int
	apart    bool // a line end outside of brackets stands before it
}

// tokens reads the tokens of an expression. Comments and blanks between them are left out.
func tokens(text string) (list []token, f *fault) {
	var open []byte
	line, odd, apart := 1, 0, false // odd is the line of a character that no token begins with
	fail := func(format string, args ...any) (out []token, f *fault) {
		return nil, &fault{fmt.Sprintf(format, args...) + fmt.Sprintf(" (<unknown>, line %d)", line)}
	}
	for i := 0; i < len(text); {
		c := text[i]
		start := i
		if n, lines := blank(text[i:]); n > 0 {
			apart = apart || c == '\n' && len(open) == 0
			i, line = i+n, line+lines
			continue
		}
		t := token{line: line, from: start, apart: apart && len(list) > 0}
		apart = false
		var why string
		switch {
		case isDigit(c) || c == '.' && i+1 < len(text) && isDigit(text[i+1]):
			t.kind = tokNumber
			if i, why = number(text, i); why != "" {
				return fail("%s", why)
			}
		case c == '"' || c == '\'' || nameStart(text[i:]):
			n := nameLength(text[i:])
			if i += n; i < len(text) && (text[i] == '"' || text[i] == '\'') && prefix(text[start:i]) {
				end, lines := stringEnd(text, i)
				if end < 0 {
					return fail("unterminated string literal (detected at line %d)", line)
				}
				t.kind, i, line = tokString, end, line+lines
			} else if n == 0 {
				return fail("invalid syntax")
			} else {
				t.kind = tokName
			}
		default:
			t.kind = tokOp
			n := operator(text[i:])
			if n == 0 { // Python looks for other faults behind it first
				if odd == 0 {
					odd = line
				}
				_, n = utf8.DecodeRuneInString(text[i:])
			}
			i += n
			switch c {
			case '(', '[', '{':
				open = append(open, c)
			case ')', ']', '}':
				if len(open) == 0 {
					return fail("unmatched '%c'", c)
				}
				if o := open[len(open)-1]; o+1 != c && o+2 != c {
					return fail("closing parenthesis '%c' does not match opening parenthesis '%c'", c, o)
				}
				open = open[:len(open)-1]
			}
			if len(open) > value.MaxDepth {
				return fail("too many nested parentheses")
			}
		}
		t.text, t.to = text[start:i], i
		list = append(list, t)
	}
	if len(open) > 0 {
		return fail("'%c' was never closed", open[len(open)-1])
	}
	if odd > 0 {
		line = odd
		return fail("invalid syntax")
	}
	return append(list, token{line: line, from: len(text), to: len(text)}), nil
}

// blank is the length of what means nothing at the beginning of s: a blank, a line end, a comment.
func blank(s string) (n, lines int) {
	switch c := s[0]; {
	case c == '\n':
		return 1, 1
	case c == ' ' || c == '\t' || c == '\f' || c == '\r':
		return 1, 0
	case c == '\\' && strings.HasPrefix(s[1:], "\n"):
		return 2, 1
	case c == '#':
		if n = strings.IndexByte(s, '\n'); n < 0 {
			n = len(s)
		}
		return n, 0
	}
	return 0, 0
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number finds the end of a number, and says what is wrong with it.
func number(text string, i int) (end int, why string) {
	start := i
	for i < len(text) {
		c := text[i]
		sign := (c == '+' || c == '-') && i > start && text[i-1]|0x20 == 'e' && !based(text[start:i])
		if !isDigit(c) && c != '.' && c != '_' && !(c|0x20 >= 'a' && c|0x20 <= 'z') && !sign {
			break
		}
		i++
	}
	s := text[start:i]
	if last := s[len(s)-1] | 0x20; last == 'j' && !based(s) {
		s = s[:len(s)-1]
	}
	if _, err := value.ParseLiteral(s); err != nil && !strings.Contains(err.Error(), "limit") {
		if strings.Contains(err.Error(), "leading zeros") {
			return i, "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers"
		}
		return i, "invalid decimal literal"
	}
	return i, ""
}

func based(s string) bool { return len(s) > 1 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 }

func nameStart(s string) bool {
	r, _ := utf8.DecodeRuneInString(s)
	return r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r)
}

// nameLength is the length of the name that s begins with.
func nameLength(s string) int {
	for i, r := range s {
		begins := r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nl, r)
		if !begins && (i == 0 || !unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc)) {
			return i
		}
	}
	return len(s)
}

// prefix says that a name may stand before a string.
func prefix(s string) bool {
	switch strings.ToLower(s) {
	case "", "r", "b", "u", "f", "rb", "br", "fr", "rf":
		return true
	}
	return false
}

// stringEnd is the end of the string literal whose quotes begin at i, -1 where it has none, and how many lines end
// in it.
func stringEnd(text string, i int) (end, lines int) {
	quote, long := text[i:i+1], false
	if q := strings.Repeat(quote, 3); strings.HasPrefix(text[i:], q) {
		quote, long = q, true
	}
	for i += len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\':
			if i++; i < len(text) && text[i] == '\n' {
				lines++
			}
		case text[i] == '\n' && !long:
			return -1, lines
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote), lines
		case text[i] == '\n':
			lines++
		}
	}
	return -1, lines
}

var operators = []string{"**=", "//=", "...", "<<=", ">>=", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", ":=", "->", "+=", "-="}

// operator is the length of the operator or bracket that s begins with, 0 for none.
func operator(s string) int {
	for _, o := range operators {
		if strings.HasPrefix(s, o) {
			return len(o)
		}
	}
	if strings.IndexByte("()[]{},:;.+-*/%@&|^~<>=", s[0]) >= 0 {
		return 1
	}
	return 0
}
