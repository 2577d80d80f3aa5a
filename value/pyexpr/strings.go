package pyexpr

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"ballast/value"
)

// strings reads string literals that stand side by side. CPython looks into them when it has the token behind them, whose
// line its errors have.
func (p *parser) strings() *Node {
	start := p.tok.start
	var text strings.Builder
	formatted, bytes, first, fault := false, false, true, ""
	for ; p.tok.kind == tokString; p.advance() {
		lit := p.src(p.tok)
		prefix := strings.ToLower(lit[:strings.IndexAny(lit, `'"`)])
		v, bad := literal(lit, prefix)
		isBytes := strings.Contains(prefix, "b")
		if bad == "" && !first && bytes != isBytes {
			bad = "cannot mix bytes and nonbytes literals"
		}
		if fault == "" {
			fault = bad
		}
		bytes, first = isBytes, false
		switch v := v.(type) {
		case nil:
			formatted = true
		case string:
			text.WriteString(v)
		case value.Bytes:
			text.WriteString(string(v))
		}
	}
	switch {
	case fault != "":
		p.raise(p.tok, "%s", fault)
	case formatted:
		return &Node{Kind: JoinedStr, Text: p.text[start:p.last.end]}
	case bytes:
		return &Node{Kind: Constant, Value: value.Bytes(text.String())}
	}
	n := &Node{Kind: Constant, Value: text.String()}
	if p.text[start] == 'u' {
		n.Text = "u"
	}
	return n
}

// literal is the value of one string literal, or what is wrong with it; nil for an f-string.
func literal(lit, prefix string) (v any, fault string) {
	body := lit[len(prefix):]
	formatted := strings.Contains(prefix, "f")
	if !strings.Contains(prefix, "r") && strings.IndexByte(body, '\\') >= 0 && !(formatted && strings.ContainsAny(body, "{}")) {
		if fault := escapeFault(unquoted(body), strings.Contains(prefix, "b")); fault != "" {
			return nil, fault
		}
	}
	if formatted {
		return nil, formatFault(body)
	}
	v, err := value.ParseLiteral(lit)
	if err != nil {
		if syntax := (*value.SyntaxError)(nil); errors.As(err, &syntax) {
			return "", syntax.Text
		}
		return "", err.Error()
	}
	return v, ""
}

// unquoted is what stands between the quotes of a literal.
func unquoted(body string) string {
	n := 1
	if len(body) >= 6 && body[1] == body[0] && body[2] == body[0] {
		n = 3
	}
	return body[n : len(body)-n]
}

// digitsOf are how many digits the escapes with a hexadecimal number have.
var digitsOf = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// escapeFault finds an escape that cannot be read. Its place is one in what CPython makes of the text first: there a character
// that is not ASCII takes ten bytes.
func escapeFault(body string, bytes bool) string {
	at := 0
	for body != "" {
		c, size := utf8.DecodeRuneInString(body)
		if c != '\\' || len(body) == 1 {
			if body, at = body[size:], at+1; c >= utf8.RuneSelf && !bytes {
				at += 9
			}
			continue
		}
		n := 2
		fault := ""
		switch next := body[1]; {
		case next >= utf8.RuneSelf && !bytes:
			body, at = body[1:], at+6
			continue
		case bytes && next != 'x':
		case next == 'N':
			n, fault = namedEscape(body)
		case digitsOf[next] > 0:
			for n < len(body) && n < 2+digitsOf[next] && strings.IndexByte("0123456789abcdefABCDEF", body[n]) >= 0 {
				n++
			}
			switch {
			case n < 2+digitsOf[next] && bytes:
				return fmt.Sprintf(`(value error) invalid \x escape at position %d`, at)
			case n < 2+digitsOf[next]:
				fault = `truncated \` + string(next) + strings.Repeat("X", digitsOf[next]) + " escape"
			case next == 'U' && (body[2:5] > "001" || body[2:5] == "001" && body[5] != '0'):
				fault = "illegal Unicode character"
			}
		}
		if fault != "" {
			return fmt.Sprintf("(unicode error) 'unicodeescape' codec can't decode bytes in position %d-%d: %s", at, at+n-1, fault)
		}
		body, at = body[n:], at+n
	}
	return ""
}

// namedEscape is the length of a \N at the beginning of a text, and what is wrong with it, but for a name that nobody has.
func namedEscape(body string) (n int, fault string) {
	const malformed = `malformed \N character escape`
	if !strings.HasPrefix(body, `\N{`) {
		return 2, malformed
	}
	switch end := strings.IndexByte(body, '}'); end {
	case -1:
		return len(body), malformed
	case 3:
		return 3, malformed
	default:
		return end + 1, ""
	}
}

// formatFault looks at the braces of an f-string, which comes with its quotes.
func formatFault(lit string) string {
	level := 0
	for i := 0; i < len(lit); i++ {
		switch c := lit[i]; {
		case c == '{' && level == 0 && i+1 < len(lit) && lit[i+1] == '{':
			i++
		case c == '{':
			level++
			if strings.HasPrefix(strings.TrimLeft(lit[i+1:], " "), "}") {
				return "f-string: empty expression not allowed"
			}
		case c == '}' && level > 0:
			level--
		case c == '}' && i+1 < len(lit) && lit[i+1] == '}':
			i++
		case c == '}':
			return "f-string: single '}' is not allowed"
		}
	}
	if level > 0 {
		return "f-string: expecting '}'"
	}
	return ""
}
