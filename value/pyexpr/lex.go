package pyexpr

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast/value"
)

// kind of a token.
type kind uint8

const (
	tokEnd kind = iota
	tokName
	tokKeyword
	tokNumber
	tokString
	tokOp
	tokNewline
	tokIndent
	tokBad // what follows cannot be read; the lexer has the error
)

// token is one token: where it stands in the text.
type token struct {
	kind       kind
	start, end int32
	line       int32
}

// bracket is one that is open.
type bracket struct {
	c    byte
	line int
}

// lexer cuts a text into tokens, as CPython's tokenizer does.
type lexer struct {
	text  string
	pos   int
	line  int
	open  []bracket
	begun bool // a token stands on the line, or before it inside brackets
	err   *SyntaxError
	quiet bool // err counts only where the parser comes to it
}

// keywords of Python 3.10, soft ones left out.
var keywords = map[string]bool{
	"False": true, "None": true, "True": true, "and": true, "as": true, "assert": true, "async": true, "await": true, "break": true,
	"class": true, "continue": true, "def": true, "del": true, "elif": true, "else": true, "except": true, "finally": true,
	"for": true, "from": true, "global": true, "if": true, "import": true, "in": true, "is": true, "lambda": true, "nonlocal": true,
	"not": true, "or": true, "pass": true, "raise": true, "return": true, "try": true, "while": true, "with": true, "yield": true,
}

// IsKeyword reports whether Python 3.10 reserves the name.
func IsKeyword(name string) bool { return keywords[name] }

func (l *lexer) fail(line int, format string, args ...any) token {
	l.err = &SyntaxError{fmt.Sprintf(format, args...), line}
	return l.bad()
}

func (l *lexer) bad() token {
	return token{kind: tokBad, start: int32(l.pos), end: int32(l.pos), line: int32(l.line)}
}

// neverClosed is the error of the innermost bracket that is open.
func (l *lexer) neverClosed() *SyntaxError {
	o := l.open[len(l.open)-1]
	return &SyntaxError{fmt.Sprintf("'%c' was never closed", o.c), o.line}
}

func (l *lexer) make(k kind, start int) token {
	l.begun = true
	return token{kind: k, start: int32(start), end: int32(l.pos), line: int32(l.line)}
}

func (l *lexer) at(i int) byte {
	if l.pos+i < len(l.text) {
		return l.text[l.pos+i]
	}
	return 0
}

// next returns the next token.
func (l *lexer) next() token {
	if l.err != nil {
		return l.bad()
	}
	if t, ok := l.blank(); ok {
		return t
	}
	start := l.pos
	c := l.text[l.pos]
	switch {
	case c >= '0' && c <= '9', c == '.' && digit(l.at(1)):
		return l.number()
	case c == '"' || c == '\'':
		return l.str(start)
	case c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= utf8.RuneSelf:
		return l.word()
	}
	return l.operator()
}

// blank skips what separates tokens. A line's end outside of brackets is a token, and so
// is an indented beginning.
func (l *lexer) blank() (token, bool) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == ' ' || c == '\t' || c == '\f':
			from := l.pos
			for l.at(0) == ' ' || l.at(0) == '\t' || l.at(0) == '\f' {
				l.pos++
			}
			if l.begun || len(l.open) > 0 || strings.IndexByte("\n#\x00", l.at(0)) >= 0 || strings.Trim(l.text[from:l.pos], "\f") == "" {
				continue
			}
			return l.make(tokIndent, l.pos), true
		case c == '#':
			for l.pos < len(l.text) && l.text[l.pos] != '\n' {
				l.pos++
			}
		case c == '\n':
			l.pos++
			if ended := l.begun && len(l.open) == 0; ended {
				t := l.make(tokNewline, l.pos-1)
				l.begun = false
				l.line++
				return t, true
			}
			l.line++
		case c == '\\':
			l.quiet = true
			if l.at(1) != '\n' {
				return l.fail(l.line, "unexpected character after line continuation character"), true
			}
			if l.pos += 2; l.pos == len(l.text) {
				return l.fail(l.line, "unexpected EOF while parsing"), true
			}
			l.quiet = false
			l.line++
		default:
			return token{}, false
		}
	}
	if len(l.open) > 0 {
		l.quiet, l.err = true, l.neverClosed()
		return l.bad(), true
	}
	if l.begun {
		t := l.make(tokNewline, l.pos)
		l.begun = false
		return t, true
	}
	return token{kind: tokEnd, start: int32(l.pos), end: int32(l.pos), line: int32(l.line)}, true
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

// word reads a name, a keyword or a string with a prefix.
func (l *lexer) word() token {
	start := l.pos
	for l.pos < len(l.text) {
		c := l.text[l.pos]
		if c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || digit(c) {
			l.pos++
			continue
		}
		if (c == '"' || c == '\'') && l.pos-start <= 2 && prefixes[strings.ToLower(l.text[start:l.pos])] {
			return l.str(start)
		}
		if c < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(l.text[l.pos:])
		if !(unicode.IsLetter(r) || unicode.Is(unicode.Nl, r) || l.pos > start && unicode.In(r, unicode.Mn, unicode.Mc, unicode.Nd, unicode.Pc)) {
			if unicode.IsPrint(r) {
				return l.fail(l.line, "invalid character '%c' (U+%04X)", r, r)
			}
			return l.fail(l.line, "invalid non-printable character U+%04X", r)
		}
		l.pos += n
	}
	t := l.make(tokName, start)
	if keywords[l.text[start:l.pos]] {
		t.kind = tokKeyword
	}
	return t
}

var prefixes = map[string]bool{
	"r": true, "u": true, "b": true, "br": true, "rb": true, "f": true, "fr": true, "rf": true,
}

// str reads a string literal, whose prefix begins at start.
func (l *lexer) str(start int) token {
	q, line := l.text[l.pos], l.line
	long := l.at(1) == q && l.at(2) == q
	if l.pos++; long {
		l.pos += 2
	} else if l.at(0) == q { // the empty string
		l.pos++
		return l.make(tokString, start)
	}
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == '\n' && !long:
			return l.fail(line, "unterminated string literal (detected at line %d)", l.line)
		case c == '\n':
			l.line++
		case c == '\\':
			if l.pos++; l.at(0) == '\n' {
				l.line++
			}
		case c == q && !long:
			l.pos++
			return l.make(tokString, start)
		case c == q && l.at(1) == q && l.at(2) == q:
			l.pos += 3
			t := l.make(tokString, start)
			t.line = int32(line)
			return t
		}
		l.pos++
	}
	l.pos = len(l.text)
	if long {
		return l.fail(line, "unterminated triple-quoted string literal (detected at line %d)", l.line)
	}
	return l.fail(line, "unterminated string literal (detected at line %d)", l.line)
}

var pairs = map[byte]byte{')': '(', ']': '[', '}': '{'}

// operators of more than one character, the longest first.
var operators = []string{
	"**=", "...", "//=", ">>=", "<<=", "**", "//", ">>", "<<", "==", "!=", "<=", ">=", ":=", "->", "+=", "-=", "*=", "/=", "%=", "&=", "|=",
	"^=", "@=", "<>",
}

// operator reads an operator or a bracket; a character that is none becomes one that fits nowhere.
func (l *lexer) operator() token {
	start := l.pos
	for _, op := range operators {
		if strings.HasPrefix(l.text[l.pos:], op) {
			l.pos += len(op)
			return l.make(tokOp, start)
		}
	}
	c := l.text[l.pos]
	switch c {
	case '(', '[', '{':
		if len(l.open) >= value.MaxDepth {
			return l.fail(l.line, "too many nested parentheses")
		}
		l.open = append(l.open, bracket{c, l.line})
	case ')', ']', '}':
		n := len(l.open)
		if n == 0 {
			return l.fail(l.line, "unmatched '%c'", c)
		}
		if o := l.open[n-1]; o.c != pairs[c] {
			where := ""
			if o.line != l.line {
				where = fmt.Sprintf(" on line %d", o.line)
			}
			return l.fail(l.line, "closing parenthesis '%c' does not match opening parenthesis '%c'%s", c, o.c, where)
		}
		l.open = l.open[:n-1]
	}
	l.pos++
	return l.make(tokOp, start)
}
