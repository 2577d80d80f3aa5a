package value

import (
	"strings"
	"unicode/utf8"

	"ballast"
)

// strings reads adjacent string literals as one, the first prefix being read.
func (p *callParser) strings(prefix string) (any, error) {
	var text []byte
	bytes, first := false, true
	for {
		raw, isBytes, ok := prefixKind(prefix)
		if !ok {
			return nil, p.fail("string prefix '" + prefix + "' is not a literal's")
		}
		if !first && isBytes != bytes {
			return nil, p.fail("cannot mix bytes and nonbytes literals")
		}
		bytes = isBytes
		part, simple, err := p.oneString(text, raw, bytes)
		if err != nil {
			return nil, err
		}
		p.space()
		at := p.pos
		prefix = p.name()
		if c := p.peek(); c != '\'' && c != '"' {
			p.pos = at
			switch {
			case bytes:
				return Bytes(part), nil
			case first && simple != "":
				return short(simple), nil
			}
			return string(part), nil
		}
		if first && simple != "" {
			part = []byte(simple)
		}
		text, first = part, false
	}
}

func prefixKind(prefix string) (raw, bytes, ok bool) {
	switch strings.ToLower(prefix) {
	case "", "u":
		return false, false, true
	case "r":
		return true, false, true
	case "b":
		return false, true, true
	case "br", "rb":
		return true, true, true
	}
	return false, false, false
}

// oneString reads one quoted literal and appends its text to dst. A literal that
// needs no decoding, where dst is empty, is returned as simple instead.
func (p *callParser) oneString(dst []byte, raw, bytes bool) (out []byte, simple string, err error) {
	q := p.text[p.pos]
	long := strings.HasPrefix(p.text[p.pos:], string([]byte{q, q, q}))
	if p.pos++; long {
		p.pos += 2
	}
	start, from := p.pos, len(dst)
	if i := strings.IndexByte(p.text[start:], q); !long && len(dst) == 0 && i > 0 && !bytes {
		if s := p.text[start : start+i]; !strings.ContainsAny(s, "\\\n\r") {
			p.pos = start + i + 1
			if !validText(s) {
				return nil, "", p.fail("string is not UTF-8")
			}
			return nil, s, nil
		}
	}
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		switch {
		case c == q && !long:
			p.pos++
			return p.checked(dst, from, bytes)
		case c == q && strings.HasPrefix(p.text[p.pos:], string([]byte{q, q, q})):
			p.pos += 3
			return p.checked(dst, from, bytes)
		case (c == '\n' || c == '\r') && !long:
			return nil, "", p.fail("unterminated string literal")
		case c == '\r': // Python reads source with universal line ends
			dst = append(dst, '\n')
			if p.pos++; p.peek() == '\n' {
				p.pos++
			}
		case c == '\\' && raw:
			dst = append(dst, c)
			if p.pos++; p.pos < len(p.text) {
				dst = append(dst, p.text[p.pos])
				p.pos++
			}
		case c == '\\':
			if dst, err = p.escape(dst, bytes); err != nil {
				return nil, "", err
			}
		case bytes && c >= utf8.RuneSelf:
			return nil, "", p.fail("bytes can only contain ASCII literal characters")
		default:
			dst = append(dst, c)
			p.pos++
		}
	}
	return nil, "", p.fail("unterminated string literal")
}

// checked ends a literal, whose text begins at from.
func (p *callParser) checked(text []byte, from int, bytes bool) ([]byte, string, error) {
	if !bytes && !validText(string(text[from:])) {
		return nil, "", p.fail("string is not UTF-8")
	}
	if text == nil {
		text = []byte{}
	}
	return text, "", nil
}

const simpleEscapes = "\\\\''\"\"a\ab\bf\fn\nr\rt\tv\v"

// escape decodes one escape sequence at the backslash.
func (p *callParser) escape(dst []byte, bytes bool) ([]byte, error) {
	if p.pos++; p.pos >= len(p.text) {
		return nil, p.fail("unterminated string literal")
	}
	c := p.text[p.pos]
	p.pos++
	for i := 0; i < len(simpleEscapes); i += 2 {
		if c == simpleEscapes[i] {
			return append(dst, simpleEscapes[i+1]), nil
		}
	}
	switch {
	case c == '\n':
		return dst, nil
	case c == '\r':
		if p.peek() == '\n' {
			p.pos++
		}
		return dst, nil
	case c >= '0' && c <= '7':
		r := rune(c - '0')
		for n := 1; n < 3 && p.peek() >= '0' && p.peek() <= '7'; n++ {
			r = r<<3 | rune(p.peek()-'0')
			p.pos++
		}
		return appendChar(dst, r, bytes), nil
	case c == 'x':
		return p.hexEscape(dst, 2, bytes)
	case c == 'u' && !bytes:
		return p.hexEscape(dst, 4, false)
	case c == 'U' && !bytes:
		return p.hexEscape(dst, 8, false)
	case c == 'N' && !bytes:
		return nil, p.fail("\\N{...} is not supported")
	}
	return append(dst, '\\', c), nil
}

func (p *callParser) hexEscape(dst []byte, n int, bytes bool) ([]byte, error) {
	if len(p.text)-p.pos < n {
		return nil, p.fail("truncated escape")
	}
	r, ok := hexValue(p.text[p.pos : p.pos+n])
	if !ok || r > utf8.MaxRune || r < 0 {
		return nil, p.fail("bad escape")
	}
	p.pos += n
	return appendChar(dst, r, bytes), nil
}

func appendChar(dst []byte, r rune, bytes bool) []byte {
	if bytes {
		return append(dst, byte(r))
	}
	return appendRune(dst, r)
}

// FormatCall writes a call in Python syntax; ParseCall reads it back, if its
// arguments are of this package's kinds and its floats are finite.
func FormatCall(c ballast.Call) string {
	b := append([]byte(c.Name), '(')
	for i, a := range c.Args {
		if i > 0 {
			b = append(b, ", "...)
		}
		if a.Name != "" {
			b = append(append(b, a.Name...), '=')
		}
		b = AppendRepr(b, a.Value)
	}
	return string(append(b, ')'))
}
