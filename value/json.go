package value

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"
	"unique"
	"unsafe"
)

// ParseJSON reads one JSON value, keeping the order of objects and the exact
// kind of numbers. It accepts what Python's json.loads accepts: NaN, Infinity
// and -Infinity, numbers that overflow to infinity, duplicate keys (the last
// wins, at the first one's place), lone surrogates. The error is a *JSONError.
func ParseJSON(data []byte) (any, error) { return (&jsonParser{data: data}).whole() }

// ParseExact is ParseJSON for text of which nothing may change by being read: a key
// that an object has twice, NaN and Infinity, a number that overflows and a lone
// surrogate are errors.
func ParseExact(data []byte) (any, error) { return (&jsonParser{data: data, exact: true}).whole() }

// whole reads one value and nothing after it.
func (p *jsonParser) whole() (any, error) {
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	p.space()
	if p.pos < len(p.data) {
		return nil, p.fail("extra data")
	}
	return v, nil
}

type jsonParser struct {
	exact   bool // see ParseExact
	data    []byte
	pos     int
	entries []entry // of the objects that are open, the innermost last
	items   []any   // of the arrays
}

// JSONError says what is wrong with a JSON text, and where.
type JSONError struct {
	What string
	Byte int // counted from 0
}

// Error is one line.
func (e *JSONError) Error() string { return fmt.Sprintf("json: %s at byte %d", e.What, e.Byte) }

func (p *jsonParser) fail(what string) error { return &JSONError{what, p.pos} }

func (p *jsonParser) space() {
	for p.pos < len(p.data) {
		switch p.data[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

func (p *jsonParser) word(w string) bool {
	if len(p.data)-p.pos >= len(w) && string(p.data[p.pos:p.pos+len(w)]) == w {
		p.pos += len(w)
		return true
	}
	return false
}

func (p *jsonParser) value(depth int) (any, error) {
	p.space()
	if p.pos >= len(p.data) {
		return nil, p.fail("unexpected end")
	}
	if depth > MaxDepth {
		return nil, p.fail("nested too deeply")
	}
	switch p.data[p.pos] {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	case '"':
		return p.str()
	}
	switch {
	case p.exact && (p.word("NaN") || p.word("Infinity") || p.word("-Infinity")):
		return nil, p.fail("a word that JSON does not have")
	case p.word("true"):
		return true, nil
	case p.word("false"):
		return false, nil
	case p.word("null"):
		return nil, nil
	case p.word("NaN"):
		return math.NaN(), nil
	case p.word("Infinity"):
		return math.Inf(1), nil
	case p.word("-Infinity"):
		return math.Inf(-1), nil
	}
	return p.number()
}

func (p *jsonParser) object(depth int) (any, error) {
	p.pos++
	p.space()
	if p.word("}") {
		return &Dict{}, nil
	}
	first := len(p.entries)
	for {
		p.space()
		if p.pos >= len(p.data) || p.data[p.pos] != '"' {
			return nil, p.fail("expected a key in double quotes")
		}
		key, err := p.str()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.word(":") {
			return nil, p.fail("expected ':'")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		p.entries = append(p.entries, entry{key, v})
		p.space()
		if p.word("}") {
			n, d := len(p.entries)-first, p.dict(first)
			if p.exact && d.Len() < n {
				return nil, p.fail("an object with one key twice")
			}
			return d, nil
		}
		if !p.word(",") {
			return nil, p.fail("expected ',' or '}'")
		}
	}
}

// dict makes an object of the entries from first on.
func (p *jsonParser) dict(first int) *Dict {
	d := MakeDict(len(p.entries) - first)
	for _, e := range p.entries[first:] {
		d.Set(e.key, e.val)
	}
	clear(p.entries[first:])
	p.entries = p.entries[:first]
	return d
}

// short returns a text as a value. Short ones occur again and again, as keys, names
// and statuses do: of these there is one copy, header and bytes, so that looking at
// them does not fetch other memory each time.
func short(s string) any {
	if len(s) > 40 {
		return s
	}
	h := unique.Make(s)
	// A handle is a pointer to the one copy; Value would make a header of its own.
	return textAt(*(*unsafe.Pointer)(unsafe.Pointer(&h)))
}

// A handle is nothing but that pointer.
const _ = -(unsafe.Sizeof(unique.Handle[string]{}) - unsafe.Sizeof(uintptr(0)))

func (p *jsonParser) array(depth int) (any, error) {
	p.pos++
	p.space()
	if p.word("]") {
		return &List{}, nil
	}
	first := len(p.items)
	for {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		p.items = append(p.items, v)
		p.space()
		if p.word("]") {
			l := &List{Items: slices.Clone(p.items[first:])}
			clear(p.items[first:])
			p.items = p.items[:first]
			return l, nil
		}
		if !p.word(",") {
			return nil, p.fail("expected ',' or ']'")
		}
	}
}

func (p *jsonParser) str() (any, error) {
	p.pos++
	start := p.pos
	for i := start; i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			s := string(p.data[start:i])
			p.pos = i + 1
			if !p.valid(s) {
				p.pos = start
				return nil, p.fail("string is not UTF-8")
			}
			return short(s), nil
		case c == '\\':
			return p.escaped(start, i)
		case c < ' ':
			p.pos = i
			return nil, p.fail("control character in a string")
		}
	}
	return nil, p.fail("unterminated string")
}

// escaped reads on from the first escape of a string.
func (p *jsonParser) escaped(start, at int) (any, error) {
	b := append(make([]byte, 0, at-start+32), p.data[start:at]...)
	p.pos = at
	for p.pos < len(p.data) {
		c := p.data[p.pos]
		switch {
		case c == '"':
			p.pos++
			if s := string(b); p.valid(s) {
				return s, nil
			}
			return nil, p.fail("string is not UTF-8")
		case c < ' ':
			return nil, p.fail("control character in a string")
		case c != '\\':
			b = append(b, c)
			p.pos++
			continue
		}
		if p.pos++; p.pos >= len(p.data) {
			break
		}
		c = p.data[p.pos]
		p.pos++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b':
			b = append(b, '\b')
		case 'f':
			b = append(b, '\f')
		case 'n':
			b = append(b, '\n')
		case 'r':
			b = append(b, '\r')
		case 't':
			b = append(b, '\t')
		case 'u':
			r, ok := p.hex4()
			if !ok {
				return nil, p.fail("bad \\u escape")
			}
			if r >= 0xD800 && r < 0xDC00 && p.pos+1 < len(p.data) && p.data[p.pos] == '\\' && p.data[p.pos+1] == 'u' {
				p.pos += 2
				low, ok := p.hex4()
				if ok && low >= 0xDC00 && low < 0xE000 {
					r = 0x10000 + (r-0xD800)<<10 + low - 0xDC00
				} else if ok {
					p.pos -= 6
				} else {
					return nil, p.fail("bad \\u escape")
				}
			}
			b = appendRune(b, r)
		default:
			return nil, p.fail("bad escape")
		}
	}
	return nil, p.fail("unterminated string")
}

func (p *jsonParser) hex4() (rune, bool) {
	if len(p.data)-p.pos < 4 {
		return 0, false
	}
	r, ok := hexValue(string(p.data[p.pos : p.pos+4]))
	if ok {
		p.pos += 4
	}
	return r, ok
}

func hexValue(s string) (rune, bool) {
	r := rune(0)
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// valid reports whether s may stand as a string.
func (p *jsonParser) valid(s string) bool {
	if p.exact {
		return utf8.ValidString(s)
	}
	return validText(s)
}

// validText reports whether s is UTF-8, lone surrogates allowed.
func validText(s string) bool {
	if utf8.ValidString(s) {
		return true
	}
	for s != "" {
		r, n := DecodeRune(s)
		if r == utf8.RuneError && n == 1 {
			return false
		}
		s = s[n:]
	}
	return true
}

func (p *jsonParser) number() (any, error) {
	start := p.pos
	i := p.pos
	digits := func() bool {
		from := i
		for i < len(p.data) && p.data[i] >= '0' && p.data[i] <= '9' {
			i++
		}
		return i > from
	}
	if i < len(p.data) && p.data[i] == '-' {
		i++
	}
	if i < len(p.data) && p.data[i] == '0' {
		i++
	} else if !digits() {
		return nil, p.fail("expected a value")
	}
	whole := true
	if i+1 < len(p.data) && p.data[i] == '.' && p.data[i+1] >= '0' && p.data[i+1] <= '9' {
		i++
		digits()
		whole = false
	}
	if i < len(p.data) && p.data[i]|0x20 == 'e' {
		mark := i
		if i++; i < len(p.data) && (p.data[i] == '+' || p.data[i] == '-') {
			i++
		}
		if digits() {
			whole = false
		} else {
			i = mark
		}
	}
	text := string(p.data[start:i])
	p.pos = i
	if whole {
		v, err := parseInt(text, 10)
		if err != nil {
			return nil, p.fail(err.Error())
		}
		return v, nil
	}
	f, err := strconv.ParseFloat(text, 64) // out of range gives an infinity, as in Python
	if err != nil && p.exact {
		return nil, p.fail("a number that is too large")
	}
	return f, nil
}

// parseInt reads an integer of at most MaxDigits decimal digits.
func parseInt(text string, base int) (any, error) {
	if n, err := strconv.ParseInt(text, base, 64); err == nil {
		return n, nil
	}
	if base == 10 && len(text) > MaxDigits+1 {
		return nil, fmt.Errorf("Exceeds the limit (%d digits) for integer string conversion", MaxDigits)
	}
	if len(text) > 20*MaxDigits {
		return nil, fmt.Errorf("integer too long")
	}
	b, ok := new(big.Int).SetString(text, base)
	if !ok {
		return nil, fmt.Errorf("bad integer")
	}
	return Int(b), nil
}
