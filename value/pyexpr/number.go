package pyexpr

import (
	"math/big"
	"strconv"
	"strings"

	"ballast/value"
)

// bases are the prefixes of whole numbers, the names that errors give them, and their digits.
var bases = map[byte]struct {
	name   string
	base   int
	digits string
}{
	'x': {"hexadecimal", 16, "0123456789abcdef"}, 'o': {"octal", 8, "01234567"}, 'b': {"binary", 2, "01"},
}

// number reads a numeric literal.
func (l *lexer) number() token {
	start := l.pos
	if b, ok := bases[l.at(1)|0x20]; ok && l.at(0) == '0' {
		l.pos += 2
		return l.based(start, b.name, b.digits)
	}
	zero := l.at(0) == '0'
	if l.at(0) != '.' && !l.digits() {
		return l.fail(l.line, "invalid decimal literal")
	}
	whole := l.pos
	plain := true
	if l.at(0) == '.' {
		plain = false
		if l.pos++; digit(l.at(0)) && !l.digits() {
			return l.fail(l.line, "invalid decimal literal")
		}
	}
	if l.at(0)|0x20 == 'e' {
		sign := 0
		if l.at(1) == '+' || l.at(1) == '-' {
			sign = 1
		}
		if digit(l.at(1 + sign)) {
			plain = false
			if l.pos += 1 + sign; !l.digits() {
				return l.fail(l.line, "invalid decimal literal")
			}
		} else if sign == 1 {
			return l.fail(l.line, "invalid decimal literal")
		}
	}
	imaginary := l.at(0)|0x20 == 'j'
	if imaginary {
		l.pos++
	}
	if plain && zero && !imaginary && strings.Trim(l.text[start:whole], "0_") != "" {
		return l.fail(l.line, "leading zeros in decimal integer literals are not permitted; use an 0o prefix for octal integers")
	}
	if what := "decimal"; !l.ended() {
		if imaginary {
			what = "imaginary"
		}
		return l.fail(l.line, "invalid %s literal", what)
	}
	return l.make(tokNumber, start)
}

// digits skips digits with single underscores between them, and reports whether that is how they stand.
func (l *lexer) digits() bool {
	for {
		for digit(l.at(0)) {
			l.pos++
		}
		if l.at(0) != '_' {
			return true
		}
		if l.pos++; !digit(l.at(0)) {
			return false
		}
	}
}

// based reads the digits of a number with a prefix.
func (l *lexer) based(start int, name, digits string) token {
	for {
		if l.at(0) == '_' {
			l.pos++
		}
		from := l.pos
		for l.pos < len(l.text) && strings.IndexByte(digits, lower(l.text[l.pos])) >= 0 {
			l.pos++
		}
		if l.pos == from {
			if digit(l.at(0)) {
				return l.fail(l.line, "invalid digit '%c' in %s literal", l.at(0), name)
			}
			return l.fail(l.line, "invalid %s literal", name)
		}
		if l.at(0) != '_' {
			break
		}
	}
	if digit(l.at(0)) {
		return l.fail(l.line, "invalid digit '%c' in %s literal", l.at(0), name)
	}
	if !l.ended() {
		return l.fail(l.line, "invalid %s literal", name)
	}
	return l.make(tokNumber, start)
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// ended reports whether a number may end here: no name follows, unless it is one of the
// keywords that stand behind a number.
func (l *lexer) ended() bool {
	c := l.at(0)
	if !(c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || digit(c) || c >= 0x80) {
		return true
	}
	for _, w := range []string{"and", "else", "for", "if", "in", "is", "or", "not"} {
		if strings.HasPrefix(l.text[l.pos:], w) {
			return true
		}
	}
	return false
}

// parseNumber returns the value of a literal that the lexer has read.
func parseNumber(text string, line int) (any, *SyntaxError) {
	text = strings.ReplaceAll(text, "_", "")
	if n := len(text) - 1; text[n]|0x20 == 'j' && !(len(text) > 1 && text[1]|0x20 == 'x') {
		f, _ := strconv.ParseFloat(text[:n], 64) // what overflows is infinite, as in Python
		return Complex(f), nil
	}
	if len(text) > 2 && text[0] == '0' {
		if b, ok := bases[text[1]|0x20]; ok {
			n, _ := new(big.Int).SetString(text[2:], b.base)
			return value.Int(n), nil
		}
	}
	if strings.ContainsAny(text, ".eE") {
		f, _ := strconv.ParseFloat(text, 64)
		return f, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	if len(text) > value.MaxDigits {
		return nil, &SyntaxError{"Exceeds the limit (" + strconv.Itoa(value.MaxDigits) + ") for integer string conversion: value has " +
			strconv.Itoa(len(text)) + " digits; use sys.set_int_max_str_digits() to increase the limit - " +
			"Consider hexadecimal for huge integer literals to avoid decimal conversion limits.", line}
	}
	n, _ := new(big.Int).SetString(text, 10)
	return value.Int(n), nil
}
