package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
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
	numberRE = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?`)
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

func lex(source string) []token {
	source = strings.TrimSuffix(lineEnds.Replace(source), "\n")
	l := &lexer{src: source, line: 1, fresh: true}
	for l.pos < len(l.src) {
		at := l.nextTag()
		if at < 0 {
			l.data(l.src[l.pos:])
			break
		}
		l.tag(at)
	}
	l.add(token{kind: tokEnd})
	return l.out
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
func (l *lexer) tag(at int) {
	text := l.src[l.pos:at]
	if m := rawRE.FindStringSubmatch(l.src[at:]); m != nil {
		l.raw(text, at, m)
		return
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
			panic(failedAt(l.line, "a comment has no end '#}'"))
		}
		n += inside
		last := byte(0)
		if n > inside {
			last = l.src[n-1]
		}
		l.skip(n + 2)
		l.after(last)
	case '%':
		l.skip(inside)
		l.add(token{kind: tokBlock})
		l.inside('%')
	default:
		l.skip(inside)
		l.add(token{kind: tokVar})
		l.inside('}')
	}
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

func (l *lexer) raw(text string, at int, begin []string) {
	sign := func(s string) byte { return (s + "\x00")[0] }
	l.data(l.before(text, sign(begin[1]), false))
	start := at + len(begin[0])
	l.fresh = false
	if begin[2] == "-" {
		start = len(l.src) - len(strings.TrimLeftFunc(l.src[start:], isSpace))
		l.fresh = l.src[start-1] == '\n'
	}
	l.skip(start)
	m := endRawRE.FindStringSubmatch(l.src[start:])
	if m == nil {
		panic(failedAt(l.line, "a raw block has no end"))
	}
	inside, _, _ := strings.Cut(l.src[start:], m[0])
	l.data(l.before(inside, sign(m[1]), false))
	l.skip(start + len(inside) + len(m[0]))
	l.after(sign(m[2]))
}

// inside reads the tokens of a tag up to its end, whose first character is given.
func (l *lexer) inside(end byte) {
	var open []byte
	for {
		if l.pos >= len(l.src) {
			panic(failedAt(l.line, "a tag has no end"))
		}
		rest := l.src[l.pos:]
		if len(open) == 0 && l.ended(rest, end) {
			return
		}
		t := token{kind: tokOp}
		r, _ := utf8.DecodeRuneInString(rest)
		switch {
		case isSpace(r):
			l.skip(len(l.src) - len(strings.TrimLeftFunc(rest, isSpace)))
			continue
		case r == '"' || r == '\'':
			t.kind, t.text = tokString, stringRE.FindString(rest)
			if t.text == "" {
				panic(failedAt(l.line, "a string has no end"))
			}
			t.value = l.unescape(t.text[1 : len(t.text)-1])
		case r >= '0' && r <= '9':
			t = l.number(rest)
		case r >= utf8.RuneSelf:
			panic(unsupportedAt(l.line, "the character %q in a tag", r))
		default:
			if t.text = rest[:nameLen(rest)]; t.text != "" {
				t.kind = tokName
				break
			}
			if t.text = opAt(rest); t.text == "" {
				panic(failedAt(l.line, "unexpected character %q", r))
			}
			open = l.balance(open, t.text)
		}
		l.add(t)
		l.skip(l.pos + len(t.text))
	}
}

// nameLen is the length of the name or number that a text begins with.
func nameLen(s string) int {
	n := 0
	for n < len(s) && (s[n] == '_' || s[n]|0x20 >= 'a' && s[n]|0x20 <= 'z' || s[n] >= '0' && s[n] <= '9') {
		n++
	}
	return n
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

func (l *lexer) balance(open []byte, op string) []byte {
	switch op[0] {
	case '(':
		return append(open, ')')
	case '[':
		return append(open, ']')
	case '{':
		return append(open, '}')
	case ')', ']', '}':
		if len(open) == 0 || open[len(open)-1] != op[0] {
			panic(failedAt(l.line, "unexpected '%s'", op))
		}
		return open[:len(open)-1]
	}
	return open
}

// number reads digits, with a fraction or without. Python's other ways are refused.
func (l *lexer) number(rest string) token {
	s := numberRE.FindString(rest)
	if l.src[l.pos-1] == '.' {
		s, _, _ = strings.Cut(s, ".")
	}
	t := token{kind: tokNumber, text: s}
	var err error
	if strings.ContainsAny(s, ".eE") {
		t.value, err = strconv.ParseFloat(s, 64)
	} else {
		t.value, err = strconv.ParseInt(s, 10, 64)
	}
	if err != nil || len(s) > 1 && s[0] == '0' && s[1] >= '0' || nameLen(rest[len(s):]) > 0 {
		panic(unsupportedAt(l.line, "a number like %.40s", rest[:len(s)+nameLen(rest[len(s):])]))
	}
	return t
}

// unescape is Python's decoding of the inside of a string literal.
func (l *lexer) unescape(s string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "\\")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		c, digits := rest[0], 0
		s = rest[1:]
		switch at := strings.IndexByte("abfnrtv\\'\"", c); {
		case at >= 0:
			b.WriteByte("\a\b\f\n\r\t\v\\'\""[at])
		case c == '\n':
		case c == 'x':
			digits = 2
		case c == 'u':
			digits = 4
		case c >= '0' && c <= '7' || c == 'U' || c == 'N' || c >= utf8.RuneSelf:
			panic(unsupportedAt(l.line, "a string with the escape \\%.1s", rest))
		default:
			b.WriteString("\\" + rest[:1])
		}
		if digits == 0 {
			continue
		}
		n, err := strconv.ParseUint(s[:min(digits, len(s))], 16, 16)
		if err != nil || len(s) < digits {
			panic(failedAt(l.line, "a string has an escape that is no character"))
		}
		if n >= 0xd800 && n < 0xe000 {
			panic(unsupportedAt(l.line, "a string with half of a surrogate pair"))
		}
		b.WriteRune(rune(n))
		s = s[digits:]
	}
}
