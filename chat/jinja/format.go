package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"ballast/value"
)

// spec is one %-specification.
type spec struct {
	flags string
	width int
	prec  int // -1 where left out
	verb  byte
	name  string // of a mapping
	named bool
}

// readSpec reads what follows a "%" and answers the rest.
func readSpec(s string) (p spec, rest string, err error) {
	p.prec = -1
	if strings.HasPrefix(s, "(") {
		depth, at := 0, 0
		for at = range len(s) {
			if s[at] == '(' {
				depth++
			} else if s[at] == ')' {
				if depth--; depth == 0 {
					break
				}
			}
		}
		if depth != 0 {
			return p, "", failed("a format has a key without end")
		}
		p.name, p.named, s = s[1:at], true, s[at+1:]
	}
	for s != "" && strings.IndexByte("-+ #0", s[0]) >= 0 {
		p.flags += s[:1]
		s = s[1:]
	}
	count := func() (int, error) {
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		if strings.HasPrefix(s, "*") || n > 9 {
			return 0, unsupported("a width of a format that is * or long")
		}
		v, _ := strconv.Atoi(s[:n])
		s = s[n:]
		return v, nil
	}
	if p.width, err = count(); err != nil {
		return p, "", err
	}
	if strings.HasPrefix(s, ".") {
		s = s[1:]
		if p.prec, err = count(); err != nil {
			return p, "", err
		}
	}
	if s = strings.TrimLeft(s, "hlL"); s == "" {
		return p, "", failed("a format ends within a specification")
	}
	p.verb = s[0]
	return p, s[1:], nil
}

// percent is format % v.
func (r *run) percent(format string, v any) (any, error) {
	var b strings.Builder
	items, at, mapping := []any{v}, 0, false
	switch v := v.(type) {
	case *value.Tuple:
		items = v.Items
	case *value.Dict, *value.List, *span, *undefined: // what has items by key, for Python
		mapping = true
	}
	for {
		before, rest, found := strings.Cut(format, "%")
		if err := r.charge(len(before)); err != nil {
			return nil, err
		}
		b.WriteString(before)
		if !found {
			break
		}
		p, rest, err := readSpec(rest)
		if err != nil {
			return nil, err
		}
		format = rest
		if p.verb == '%' {
			b.WriteByte('%')
			continue
		}
		var x any
		switch {
		case p.named && !mapping:
			return nil, failed("a format with keys needs a mapping")
		case p.named:
			d, ok := v.(*value.Dict)
			if !ok {
				return nil, failed("a format with keys needs a mapping")
			}
			if x, ok = d.Get(p.name); !ok {
				return nil, failed("a format names the key '%s', which is missing", p.name)
			}
		case at < len(items):
			x = items[at]
			at++
		default:
			return nil, failed("a format has too few values")
		}
		text, err := r.formatted(p, x)
		if err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	if at < len(items) && !mapping {
		return nil, failed("a format has too many values")
	}
	return b.String(), nil
}

// formatted is one value as its specification wants it.
func (r *run) formatted(p spec, v any) (string, error) {
	var s string
	var err error
	sign := ""
	if max(p.prec, p.width) > 0 {
		if err := r.charge(max(p.prec, p.width)); err != nil {
			return "", err
		}
	}
	switch p.verb {
	case 's', 'r':
		if p.verb == 's' {
			s, err = r.str(v)
		} else if err = r.visit(v, 0, true); err == nil {
			s = value.Repr(v)
		}
		if p.prec >= 0 {
			s = s[:offset(s, p.prec)]
		}
	case 'c':
		s, err = character(v)
	case 'd', 'i', 'u', 'x', 'X', 'o':
		sign, s, err = formatInt(p, v)
	case 'f', 'F', 'e', 'E':
		sign, s, err = formatFloat(p, v)
	default:
		return "", unsupported("the specification %%%c of a format", p.verb)
	}
	if err != nil {
		return "", err
	}
	if strings.Contains("srca", string(p.verb)) {
		sign = ""
	} else if sign == "" && strings.Contains(p.flags, "+") {
		sign = "+"
	} else if sign == "" && strings.Contains(p.flags, " ") {
		sign = " "
	}
	pad := max(p.width-runeLen(s)-len(sign), 0)
	switch {
	case strings.Contains(p.flags, "-"):
		s = sign + s + strings.Repeat(" ", pad)
	case strings.Contains(p.flags, "0") && !strings.Contains("src", string(p.verb)):
		s = sign + strings.Repeat("0", pad) + s
	default:
		s = strings.Repeat(" ", pad) + sign + s
	}
	return s, r.charge(len(s))
}

func character(v any) (string, error) {
	if s, ok := v.(string); ok {
		if runeLen(s) != 1 {
			return "", failed("%%c takes one character")
		}
		return s, nil
	}
	n, ok := v.(int64)
	if b, isBool := v.(bool); isBool {
		ok = true
		if b {
			n = 1
		}
	}
	if !ok || n < 0 || n > 0x10ffff {
		return "", failed("%%c takes a character or its number")
	}
	return string(appendRune(nil, rune(n))), nil
}

func formatInt(p spec, v any) (sign, digits string, err error) {
	b, ok := whole(v)
	if f, isFloat := v.(float64); isFloat && strings.IndexByte("diu", p.verb) >= 0 {
		n, finite := truncated(f)
		if !finite {
			return "", "", failed("a format takes an integer, not %v", f)
		}
		b, ok = whole(n)
	}
	if !ok {
		return "", "", failed("%%%c takes a number, not a value of type %s", p.verb, value.TypeName(v))
	}
	if strings.Contains(p.flags, "#") || value.TooLong(b) {
		return "", "", unsupported("the flag # of a format")
	}
	base := map[byte]int{'x': 16, 'X': 16, 'o': 8}[p.verb]
	if base == 0 {
		base = 10
	}
	digits = new(big.Int).Abs(b).Text(base)
	if p.verb == 'X' {
		digits = strings.ToUpper(digits)
	}
	if b.Sign() < 0 {
		sign = "-"
	}
	return sign, strings.Repeat("0", max(p.prec-len(digits), 0)) + digits, nil
}

func formatFloat(p spec, v any) (sign, digits string, err error) {
	f, ok := float(v)
	if !ok && !isFloat(v) {
		return "", "", failed("%%%c takes a number, not a value of type %s", p.verb, value.TypeName(v))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) || strings.Contains(p.flags, "#") || p.prec > 300 {
		return "", "", unsupported("infinity, NaN, the flag # or such a precision in a format")
	}
	if p.prec < 0 {
		p.prec = 6
	}
	digits = strconv.FormatFloat(math.Abs(f), p.verb|0x20, p.prec, 64)
	if p.verb == 'E' {
		digits = strings.ToUpper(digits)
	}
	if math.Signbit(f) {
		sign = "-"
	}
	return sign, digits, nil
}

// methodFormat is str.format, with fields that name a value and no more.
func methodFormat(r *run, s string, a args) (any, error) {
	var b strings.Builder
	next, numbered := 0, false
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '{' && c != '}' {
			b.WriteByte(c)
			continue
		}
		if i+1 < len(s) && s[i+1] == c {
			b.WriteByte(c)
			i++
			continue
		}
		end := strings.IndexByte(s[i:], '}')
		if c == '}' || end < 0 {
			return nil, failed("a text for format has a single '%c'", c)
		}
		field := s[i+1 : i+end]
		i += end
		if strings.ContainsAny(field, ".[:!{") {
			return nil, unsupported("the field {%s} of format", field)
		}
		var v any = missing{}
		n, err := strconv.Atoi(field)
		switch {
		case field == "":
			if numbered {
				return nil, failed("format has fields with and without numbers")
			}
			n = next
			next++
			fallthrough
		case err == nil && n >= 0:
			if field != "" {
				if numbered = true; next > 0 {
					return nil, failed("format has fields with and without numbers")
				}
			}
			if n < len(a.pos) {
				v = a.pos[n]
			}
		default:
			for k, name := range a.names {
				if name == field {
					v = a.named[k]
				}
			}
		}
		if v == (missing{}) {
			return nil, failed("format has no value for the field {%s}", field)
		}
		text, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := r.charge(len(text)); err != nil {
			return nil, err
		}
		b.WriteString(text)
	}
	return b.String(), r.charge(len(s))
}
