package jinja

import (
	"fmt"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast/value"
)

// Kinds of tokens.
const (
	tokData     = iota // text outside of tags
	tokBlock           // {%
	tokBlockEnd        // %}
	tokVar             // {{
	tokVarEnd          // }}
	tokName
	tokString
	tokNumber
	tokOp
	tokEnd // of the source
)

// token is one token; value is the constant of a string or number.
type token struct {
	kind  int
	text  string
	value any
	line  int
}

// is says whether the token is this operator or name.
func (t token) is(text string) bool { return (t.kind == tokOp || t.kind == tokName) && t.text == text }

func (t token) String() string {
	switch t.kind {
	case tokEnd:
		return "the end of the template"
	case tokString:
		return "a string"
	case tokBlockEnd:
		return "'%}'"
	case tokVarEnd:
		return "'}}'"
	}
	return "'" + t.text + "'"
}

var (
	floatRE  = regexp.MustCompile(`^[0-9]+(?:_[0-9]+)*(?:(?:\.[0-9]+(?:_[0-9]+)*)?[eE][+-]?[0-9]+(?:_[0-9]+)*|\.[0-9]+(?:_[0-9]+)*)`)
	intRE    = regexp.MustCompile(`^(?:0[bB](?:_?[01])+|0[oO](?:_?[0-7])+|0[xX](?:_?[0-9a-fA-F])+|[1-9](?:_?[0-9])*|0(?:_?0)*)`)
	nameRE   = regexp.MustCompile(`^[_\pL\pN\p{Mn}\p{Mc}]+`)
	stringRE = regexp.MustCompile(`^(?s:'[^'\\]*(?:\\.[^'\\]*)*'|"[^"\\]*(?:\\.[^"\\]*)*")`)
	rawRE    = regexp.MustCompile(`^\{%([-+]?)\s*raw\s*(-?)%\}`)
	endRawRE = regexp.MustCompile(`\{%([-+]?)\s*endraw\s*([-+]?)%\}`)
	lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")
)

// lexer cuts a source into tokens, with trim_blocks and lstrip_blocks.
type lexer struct {
	src   string
	pos   int
	line  int
	fresh bool // the last tag ate the end of its line
	out   []token
}

func lex(source string) ([]token, error) {
	source = strings.TrimSuffix(lineEnds.Replace(source), "\n")
	l := &lexer{src: source, line: 1, fresh: true}
	for l.pos < len(l.src) {
		at := l.nextTag()
		if at < 0 {
			l.data(l.src[l.pos:])
			l.pos = len(l.src)
			break
		}
		if err := l.tag(at); err != nil {
			return nil, err
		}
	}
	l.add(token{kind: tokEnd})
	return l.out, nil
}

func (l *lexer) nextTag() int {
	for i := l.pos; ; i++ {
		n := strings.IndexByte(l.src[i:], '{')
		if n < 0 || i+n+1 >= len(l.src) {
			return -1
		}
		if i += n; strings.IndexByte("{%#", l.src[i+1]) >= 0 {
			return i
		}
	}
}

func (l *lexer) add(t token) {
	t.line = l.line
	l.out = append(l.out, t)
}

func (l *lexer) data(text string) {
	if text != "" {
		l.add(token{kind: tokData, text: text})
	}
}

// skip moves to at and counts lines.
func (l *lexer) skip(at int) {
	l.line += strings.Count(l.src[l.pos:at], "\n")
	l.pos = at
}

// before is text in front of a tag with this sign.
func (l *lexer) before(text string, sign byte, variable bool) string {
	switch {
	case sign == '-':
		return strings.TrimRightFunc(text, isSpace)
	case sign != '+' && !variable:
		if start := strings.LastIndexByte(text, '\n') + 1; (start > 0 || l.fresh) && strings.TrimLeftFunc(text[start:], isSpace) == "" {
			return text[:start]
		}
	}
	return text
}

func (l *lexer) sign(at int) byte {
	if at < len(l.src) && (l.src[at] == '-' || l.src[at] == '+') {
		return l.src[at]
	}
	return 0
}

// tag reads the tag at a position, its text before and all its tokens.
func (l *lexer) tag(at int) error {
	text := l.src[l.pos:at]
	if m := rawRE.FindStringSubmatch(l.src[at:]); m != nil {
		return l.raw(text, at, m)
	}
	sign := l.sign(at + 2)
	l.data(l.before(text, sign, l.src[at+1] == '{'))
	inside := at + 2
	if sign != 0 {
		inside++
	}
	switch l.src[at+1] {
	case '#':
		n := strings.Index(l.src[inside:], "#}")
		if n < 0 {
			l.skip(at)
			return syntaxError(l.line, "a comment has no end '#}'")
		}
		n += inside
		last := byte(0)
		if n > inside {
			last = l.src[n-1]
		}
		l.skip(n + 2)
		l.after(last)
		return nil
	case '%':
		l.skip(inside)
		l.add(token{kind: tokBlock})
		return l.inside('%')
	}
	l.skip(inside)
	l.add(token{kind: tokVar})
	return l.inside('}')
}

// after is behind the end of a block or comment whose sign before the end is last.
func (l *lexer) after(last byte) {
	at := l.pos
	switch {
	case last == '-':
		at = len(l.src) - len(strings.TrimLeftFunc(l.src[at:], isSpace))
	case last != '+' && strings.HasPrefix(l.src[at:], "\n"):
		at++
	}
	l.skip(at)
	l.fresh = at > 0 && l.src[at-1] == '\n'
}

func (l *lexer) raw(text string, at int, begin []string) error {
	first := byte(0)
	if begin[1] != "" {
		first = begin[1][0]
	}
	l.data(l.before(text, first, false))
	start := at + len(begin[0])
	l.fresh = false
	if begin[2] == "-" {
		start = len(l.src) - len(strings.TrimLeftFunc(l.src[start:], isSpace))
		l.fresh = l.src[start-1] == '\n'
	}
	l.skip(start)
	m := endRawRE.FindStringSubmatchIndex(l.src[start:])
	if m == nil {
		return syntaxError(l.line, "a raw block has no end")
	}
	var sign, last byte
	if m[3] > m[2] {
		sign = l.src[start+m[2]]
	}
	if m[5] > m[4] {
		last = l.src[start+m[4]]
	}
	l.data(l.before(l.src[start:start+m[0]], sign, false))
	l.skip(start + m[1])
	l.after(last)
	return nil
}

// inside reads the tokens of a tag up to its end, whose first character is given.
func (l *lexer) inside(end byte) error {
	var open []byte
	for {
		if l.pos >= len(l.src) {
			return syntaxError(l.line, "a tag has no end")
		}
		rest := l.src[l.pos:]
		if len(open) == 0 && l.ended(rest, end) {
			return nil
		}
		switch c := rest[0]; {
		case isSpaceAt(rest):
			l.skip(len(l.src) - len(strings.TrimLeftFunc(rest, isSpace)))
		case c == '"' || c == '\'':
			s := stringRE.FindString(rest)
			if s == "" {
				return syntaxError(l.line, "a string has no end")
			}
			text, err := unescape(s[1 : len(s)-1])
			if err != nil {
				err.Line = l.line
				return err
			}
			l.add(token{kind: tokString, text: s, value: text})
			l.skip(l.pos + len(s))
		case c >= '0' && c <= '9':
			if err := l.number(rest); err != nil {
				return err
			}
		default:
			if s := nameAt(rest); s != "" {
				l.add(token{kind: tokName, text: s})
				l.skip(l.pos + len(s))
				continue
			}
			op := opAt(rest)
			if op == "" {
				r, _ := utf8.DecodeRuneInString(rest)
				return syntaxError(l.line, "unexpected character %q", r)
			}
			var err error
			if open, err = l.balance(open, op); err != nil {
				return err
			}
			l.add(token{kind: tokOp, text: op})
			l.skip(l.pos + len(op))
		}
	}
}

// nameAt is the name that a text begins with, or empty.
func nameAt(s string) string {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	if n < len(s) && s[n] >= utf8.RuneSelf {
		return nameRE.FindString(s)
	}
	return s[:n]
}

// opAt is the operator that a text begins with, or empty.
func opAt(s string) string {
	if len(s) > 1 {
		switch s[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			return s[:2]
		}
	}
	if strings.IndexByte("-+/*%~[](){}><=.:|,;", s[0]) >= 0 {
		return s[:1]
	}
	return ""
}

// ended reads the end of a tag if it is here.
func (l *lexer) ended(rest string, end byte) bool {
	n, sign := 2, byte(0)
	if rest[0] == '-' || (rest[0] == '+' && end == '%') {
		n, sign = 3, rest[0]
	}
	if !strings.HasPrefix(rest[n-2:], string(end)+"}") {
		return false
	}
	kind := tokVarEnd
	if end == '%' {
		kind = tokBlockEnd
	}
	l.add(token{kind: kind})
	l.skip(l.pos + n)
	if end == '%' || sign == '-' {
		l.after(sign)
	} else {
		l.fresh = false
	}
	return true
}

func (l *lexer) balance(open []byte, op string) ([]byte, error) {
	switch op[0] {
	case '(':
		return append(open, ')'), nil
	case '[':
		return append(open, ']'), nil
	case '{':
		return append(open, '}'), nil
	case ')', ']', '}':
		if len(open) == 0 || open[len(open)-1] != op[0] {
			return nil, syntaxError(l.line, "unexpected '%s'", op)
		}
		return open[:len(open)-1], nil
	}
	return open, nil
}

func (l *lexer) number(rest string) error {
	s := floatRE.FindString(rest)
	if s != "" && (l.pos == 0 || l.src[l.pos-1] != '.') {
		f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
		if err != nil && f == 0 {
			return syntaxError(l.line, "the number %s", s)
		}
		l.add(token{kind: tokNumber, text: s, value: f})
		l.skip(l.pos + len(s))
		return nil
	}
	if s = intRE.FindString(rest); len(s) > maxDigits {
		return syntaxError(l.line, "a number of %d digits", len(s))
	}
	b, ok := new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), 0)
	if !ok {
		b = new(big.Int) // 00, which Go would read as octal
	}
	l.add(token{kind: tokNumber, text: s, value: small(b)})
	l.skip(l.pos + len(s))
	return nil
}

// escapeOf is how Python escapes a character that is not ASCII, without the backslash.
func escapeOf(r rune) string {
	switch {
	case r < 0x100:
		return "x%02x"
	case r < 0x10000:
		return "u%04x"
	}
	return "U%08x"
}

// unescape is Python's decoding of the inside of a string literal.
func unescape(s string) (string, *Error) {
	if !strings.Contains(s, "\\") {
		return s, nil
	}
	var b []byte
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b = append(b, s[i])
			i++
			continue
		}
		i++
		if i >= len(s) {
			return "", syntaxError(0, "a string ends with a backslash")
		}
		c := s[i]
		i++
		if at := strings.IndexByte("abfnrtv\\'\"", c); at >= 0 {
			b = append(b, "\a\b\f\n\r\t\v\\'\""[at])
			continue
		}
		digits, base := 0, 16
		switch {
		case c == '\n':
			continue
		case c >= '0' && c <= '7':
			i--
			for digits, base = 0, 8; digits < 3 && i+digits < len(s) && s[i+digits] >= '0' && s[i+digits] <= '7'; digits++ {
			}
		case c == 'x':
			digits = 2
		case c == 'u':
			digits = 4
		case c == 'U':
			digits = 8
		case c == 'N':
			return "", unsupported("a string with the escape \\N")
		case c >= utf8.RuneSelf:
			// Python has escaped the character before it looks for escapes.
			r, n := value.DecodeRune(s[i-1:])
			b = fmt.Appendf(append(b, '\\'), escapeOf(r), r)
			i += n - 1
			continue
		default:
			b = append(b, '\\', c)
			continue
		}
		if i+digits > len(s) {
			return "", syntaxError(0, "a string has an escape that is cut")
		}
		n, err := strconv.ParseUint(s[i:i+digits], base, 32)
		if err != nil || n > unicode.MaxRune {
			return "", syntaxError(0, "a string has an escape that names no character")
		}
		b = appendRune(b, rune(n))
		i += digits
	}
	return string(b), nil
}
