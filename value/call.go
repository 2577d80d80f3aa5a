package value

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"

	"ballast"
)

// ParseCall reads one call in Python syntax whose arguments are literals:
//
//	mv('a', b=[1, 2.5, True, None, {'k': 'v'}])
//
// The name may have dots. Anything that Python would have to evaluate (names,
// operators other than a sign, f-strings, unpacking) is an error.
func ParseCall(text string) (ballast.Call, error) {
	p := callParser{text: text}
	p.space()
	c, err := p.call()
	if err != nil {
		return ballast.Call{}, err
	}
	p.space()
	if p.pos < len(text) {
		return ballast.Call{}, p.fail("invalid syntax")
	}
	return c, nil
}

// ParseCalls reads a list of calls, "[f(a=1), g()]", or calls separated by
// commas, semicolons or line ends. Empty text and "[]" give no calls.
func ParseCalls(text string) ([]ballast.Call, error) {
	p := callParser{text: text}
	p.space()
	bracket := p.take('[')
	var calls []ballast.Call
	for {
		p.space()
		if p.pos == len(text) || bracket && text[p.pos] == ']' {
			break
		}
		c, err := p.call()
		if err != nil {
			return nil, err
		}
		calls = append(calls, c)
		at := p.pos
		p.space()
		if p.take(',') || !bracket && p.take(';') {
			continue
		}
		if bracket || p.pos == len(text) || !hasLineEnd(text[at:p.pos]) {
			break
		}
	}
	if bracket && !p.take(']') {
		return nil, p.fail("'[' was never closed")
	}
	p.space()
	if p.pos < len(text) {
		return nil, p.fail("invalid syntax")
	}
	return calls, nil
}

func hasLineEnd(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '\n' {
			return true
		}
	}
	return false
}

// ParseLiteral reads one Python literal (None, True, False, a number, a string,
// bytes, a list, a tuple, a dict of those).
func ParseLiteral(text string) (any, error) {
	p := callParser{text: text}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(text) {
		return nil, p.fail("invalid syntax")
	}
	return v, nil
}

type callParser struct {
	text string
	pos  int
}

// SyntaxError is what ParseCall and ParseLiteral answer to bad text.
type SyntaxError struct {
	Text string // in Python's words where it has them
	At   int    // byte offset
}

// Error is the text of the error.
func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.Text, e.At) }

func (p *callParser) fail(what string) error { return &SyntaxError{what, p.pos} }

// space skips white space, line ends, comments and escaped line ends.
func (p *callParser) space() {
	for p.pos < len(p.text) {
		switch p.text[p.pos] {
		case ' ', '\t', '\n', '\r', '\f':
			p.pos++
		case '#':
			for p.pos < len(p.text) && p.text[p.pos] != '\n' {
				p.pos++
			}
		case '\\':
			if p.pos+1 >= len(p.text) || p.text[p.pos+1] != '\n' {
				return
			}
			p.pos += 2
		default:
			return
		}
	}
}

func (p *callParser) take(c byte) bool {
	if p.pos < len(p.text) && p.text[p.pos] == c {
		p.pos++
		return true
	}
	return false
}

func (p *callParser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// name reads an identifier, or returns "".
func (p *callParser) name() string {
	start := p.pos
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9' && p.pos > start:
			p.pos++
			continue
		case c < utf8.RuneSelf:
			return p.text[start:p.pos]
		}
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		if !unicode.IsLetter(r) && !(p.pos > start && (unicode.IsDigit(r) || unicode.IsMark(r))) {
			break
		}
		p.pos += n
	}
	return p.text[start:p.pos]
}

func (p *callParser) call() (ballast.Call, error) {
	var c ballast.Call
	start := p.pos
	for {
		if p.name() == "" {
			return c, p.fail("expected a function name")
		}
		if !p.take('.') {
			break
		}
	}
	c.Name = p.text[start:p.pos]
	p.space()
	if !p.take('(') {
		return c, p.fail("expected '('")
	}
	named := false
	seen := names{}
	var room [4]ballast.Arg
	args := room[:0]
	for {
		p.space()
		if p.take(')') {
			break
		}
		arg, err := p.arg(&seen)
		if err != nil {
			return c, err
		}
		if arg.Name == "" && named {
			return c, p.fail("positional argument follows keyword argument")
		}
		named = named || arg.Name != ""
		args = append(args, arg)
		p.space()
		if p.take(',') {
			continue
		}
		if p.take(')') {
			break
		}
		if p.pos == len(p.text) {
			return c, p.fail("'(' was never closed")
		}
		return c, p.fail("expected ',' or ')'")
	}
	if len(args) > 0 {
		c.Args = slices.Clone(args)
	}
	return c, nil
}

// names are the names of a call's arguments so far; many are looked up by hash.
type names struct {
	few  [8]string
	n    int
	many map[string]bool
}

// add reports whether the name is new.
func (s *names) add(name string) bool {
	if slices.Contains(s.few[:min(s.n, len(s.few))], name) || s.many[name] {
		return false
	}
	if s.n < len(s.few) {
		s.few[s.n] = name
	} else {
		if s.many == nil {
			s.many = make(map[string]bool)
		}
		s.many[name] = true
	}
	s.n++
	return true
}

// arg reads one argument; seen are the names of those already read.
func (p *callParser) arg(seen *names) (ballast.Arg, error) {
	start := p.pos
	if name := p.name(); name != "" {
		p.space()
		if p.peek() == '=' && !(p.pos+1 < len(p.text) && p.text[p.pos+1] == '=') {
			p.pos++
			if !seen.add(name) {
				return ballast.Arg{}, p.fail("keyword argument repeated: " + name)
			}
			v, err := p.value(1)
			return ballast.Arg{Name: name, Value: v}, err
		}
		p.pos = start
	}
	v, err := p.value(1)
	return ballast.Arg{Value: v}, err
}

func (p *callParser) value(depth int) (any, error) {
	p.space()
	if depth > MaxDepth {
		return nil, p.fail("too many nested parentheses")
	}
	switch c := p.peek(); {
	case c == '\'' || c == '"':
		return p.strings("")
	case c == '[':
		p.pos++
		items, _, err := p.items(']', depth)
		return &List{Items: items}, err
	case c == '(':
		p.pos++
		items, comma, err := p.items(')', depth)
		if err == nil && len(items) == 1 && !comma {
			return items[0], nil
		}
		return &Tuple{Items: items}, err
	case c == '{':
		return p.dict(depth)
	case c == '-' || c == '+' || c == '.' || c >= '0' && c <= '9':
		return p.signed()
	}
	start := p.pos
	switch name := p.name(); name {
	case "None":
		return nil, nil
	case "True":
		return true, nil
	case "False":
		return false, nil
	case "":
		return nil, p.fail("invalid syntax")
	default:
		if c := p.peek(); c == '\'' || c == '"' {
			return p.strings(name)
		}
		p.pos = start
		return nil, p.fail("name '" + name + "' is not a literal")
	}
}

// items reads values up to the closing bracket; comma tells whether one followed
// the last value.
func (p *callParser) items(closing byte, depth int) (items []any, comma bool, err error) {
	for {
		p.space()
		if p.take(closing) {
			return items, comma, nil
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, false, err
		}
		items = append(items, v)
		p.space()
		comma = p.take(',')
		if !comma && p.peek() != closing {
			return nil, false, p.fail("expected ',' or '" + string(closing) + "'")
		}
	}
}

func (p *callParser) dict(depth int) (any, error) {
	p.pos++
	d := &Dict{}
	for {
		p.space()
		if p.take('}') {
			return d, nil
		}
		k, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		if !Hashable(k) {
			return nil, p.fail("unhashable type: '" + TypeName(k) + "'")
		}
		p.space()
		if !p.take(':') {
			return nil, p.fail("expected ':'")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		d.Set(k, v)
		p.space()
		if !p.take(',') && p.peek() != '}' {
			return nil, p.fail("expected ',' or '}'")
		}
	}
}

// signed reads a number with any signs before it.
func (p *callParser) signed() (any, error) {
	minus, sign := false, false
	for {
		switch p.peek() {
		case '-':
			minus, sign = !minus, true
		case '+':
			sign = true
		case ' ', '\t':
		default:
			v, err := p.unsigned(sign)
			if err != nil || !minus {
				return v, err
			}
			switch v := v.(type) {
			case int64:
				return -v, nil
			case float64:
				return -v, nil
			}
			return Int(new(big.Int).Neg(v.(*big.Int))), nil
		}
		p.pos++
	}
}

// unsigned reads a number; after a sign True and False are numbers, too.
func (p *callParser) unsigned(sign bool) (any, error) {
	c := p.peek()
	if c != '.' && (c < '0' || c > '9') {
		if w := p.name(); sign && (w == "True" || w == "False") {
			return int64(len("False") - len(w)), nil
		}
		return nil, p.fail("invalid syntax")
	}
	start := p.pos
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		alnum := c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
		exponent := (c == '+' || c == '-') && p.text[p.pos-1]|0x20 == 'e' && !prefixed(p.text[start:p.pos])
		if !alnum && c != '.' && !exponent {
			break
		}
		p.pos++
	}
	v, err := parseNumber(p.text[start:p.pos])
	if err != nil {
		return nil, p.fail(err.Error())
	}
	return v, nil
}

func prefixed(s string) bool {
	return len(s) > 1 && s[0] == '0' && (s[1]|0x20 == 'x' || s[1]|0x20 == 'o' || s[1]|0x20 == 'b')
}

var errNumber = errors.New("invalid decimal literal")

// parseNumber reads a Python numeric literal without sign.
func parseNumber(s string) (any, error) {
	clean := make([]byte, 0, len(s))
	float := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '_' { // only between digits, or after a prefix
			if i == 0 || i+1 == len(s) || !isDigit(s[i+1], prefixed(s)) || !isDigit(s[i-1], prefixed(s)) && !(i == 2 && prefixed(s)) {
				return nil, errNumber
			}
			continue
		}
		if !prefixed(s) {
			if c == '.' || c|0x20 == 'e' {
				float = true
			} else if (c < '0' || c > '9') && c != '+' && c != '-' {
				return nil, errNumber
			}
		}
		clean = append(clean, c)
	}
	text := string(clean)
	switch {
	case float:
		f, err := strconv.ParseFloat(text, 64)
		if errors.Is(err, strconv.ErrSyntax) {
			return nil, errNumber
		}
		return f, nil
	case prefixed(s):
		base := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]
		if len(text) == 2 || !allDigits(text[2:], base) {
			return nil, errNumber
		}
		return parseInt(text[2:], base)
	}
	if text[0] == '0' {
		for i := range text {
			if text[i] != '0' {
				return nil, errors.New("leading zeros in decimal integer literals are not permitted")
			}
		}
	}
	return parseInt(text, 10)
}

func isDigit(c byte, hexa bool) bool {
	return c >= '0' && c <= '9' || hexa && c|0x20 >= 'a' && c|0x20 <= 'f'
}

func allDigits(s string, base int) bool {
	for i := 0; i < len(s); i++ {
		if r, ok := hexValue(s[i : i+1]); !ok || int(r) >= base {
			return false
		}
	}
	return true
}
