package constrain

// json reads a JSON value byte by byte: strict JSON, nested up to deepest. It
// is a small value: trying a token costs a copy. It begins inside a container.
type json struct {
	stack uint64 // bits: 1 for an object, the innermost lowest
	depth int
	mode  jsonMode
	left  string // what must follow of a literal
	key   bool   // the string is a key
	blank bool   // and empty so far
	hex   int    // hexadecimal digits that must follow
}

// deepest is the deepest nesting.
const deepest = 20

// jsonMode is what is being read.
type jsonMode uint8

const (
	jsonFirst  jsonMode = iota // after an opening bracket: an element, a key, or the end
	jsonNext                   // after a comma: an element or a key
	jsonColon                  // after a key
	jsonValue                  // after a colon
	jsonAfter                  // after a value
	jsonString                 // inside a string
	jsonEscape                 // after a backslash
	jsonWord                   // inside true, false or null
	jsonMinus                  // after a minus sign
	jsonZero                   // after a leading zero
	jsonDigits                 // inside the digits before the point
	jsonPoint                  // after the point
	jsonPlaces                 // inside the digits after it
	jsonE                      // after the e
	jsonSign                   // after the exponent's sign
	jsonPower                  // inside the exponent
)

// push opens a container.
func (j json) push(object bool) json {
	j.stack <<= 1
	if object {
		j.stack |= 1
	}
	j.depth++
	j.mode = jsonFirst
	return j
}

func (j json) object() bool { return j.stack&1 == 1 }

// next moves on by one byte. ended means that the outermost container was closed.
func (j json) next(c byte) (_ json, ok, ended bool) {
	switch j.mode {
	case jsonString:
		return j.inString(c)
	case jsonEscape:
		return j.escaped(c)
	case jsonWord:
		if j.left[0] != c {
			return j, false, false
		}
		if j.left = j.left[1:]; j.left == "" {
			j.mode = jsonAfter
		}
		return j, true, false
	}
	if j.mode >= jsonMinus {
		if mode, ok := j.number(c); ok {
			j.mode = mode
			return j, true, false
		}
		if m := j.mode; m != jsonZero && m != jsonDigits && m != jsonPlaces && m != jsonPower {
			return j, false, false
		}
		j.mode = jsonAfter // the number ends before this byte
	}
	if isBlank(c) {
		return j, true, false
	}
	return j.between(c)
}

// between moves on by a byte that is not inside a string, literal or number.
func (j json) between(c byte) (_ json, ok, ended bool) {
	closes := c == '}' && j.object() || c == ']' && !j.object()
	switch {
	case closes && (j.mode == jsonFirst || j.mode == jsonAfter):
		j.stack >>= 1
		j.depth--
		j.mode = jsonAfter
		return j, true, j.depth == 0
	case j.mode == jsonAfter:
		j.mode = jsonNext
		return j, c == ',', false
	case j.mode == jsonColon:
		j.mode = jsonValue
		return j, c == ':', false
	case j.object() && j.mode != jsonValue: // a key
		j.mode, j.key, j.blank = jsonString, true, true
		return j, c == '"', false
	}
	switch {
	case c == '"':
		j.mode, j.key = jsonString, false
	case c == '{' || c == '[':
		return j.push(c == '{'), j.depth < deepest, false
	case c == 't':
		j.mode, j.left = jsonWord, "rue"
	case c == 'f':
		j.mode, j.left = jsonWord, "alse"
	case c == 'n':
		j.mode, j.left = jsonWord, "ull"
	case c == '-':
		j.mode = jsonMinus
	case c == '0':
		j.mode = jsonZero
	case digit(c):
		j.mode = jsonDigits
	default:
		return j, false, false
	}
	return j, true, false
}

// inString moves on inside a string. Names of arguments are not empty.
func (j json) inString(c byte) (_ json, ok, ended bool) {
	switch {
	case j.hex > 0:
		j.hex--
		return j, digit(c) || c|0x20 >= 'a' && c|0x20 <= 'f', false
	case c == '\\':
		j.mode = jsonEscape
	case c == '"' && j.key:
		j.mode = jsonColon
		return j, !j.blank || j.depth > 1, false
	case c == '"':
		j.mode = jsonAfter
	}
	j.blank = false
	return j, c >= ' ', false
}

func (j json) escaped(c byte) (_ json, ok, ended bool) {
	j.mode, j.blank = jsonString, false
	switch c {
	case 'u':
		j.hex = 4
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
	default:
		return j, false, false
	}
	return j, true, false
}

// number moves on inside a number; false where c is no part of it.
func (j json) number(c byte) (jsonMode, bool) {
	switch m := j.mode; {
	case digit(c) && m == jsonMinus && c == '0':
		return jsonZero, true
	case digit(c) && (m == jsonMinus || m == jsonDigits):
		return jsonDigits, true
	case digit(c) && (m == jsonPoint || m == jsonPlaces):
		return jsonPlaces, true
	case digit(c) && (m == jsonE || m == jsonSign || m == jsonPower):
		return jsonPower, true
	case c == '.' && (m == jsonZero || m == jsonDigits):
		return jsonPoint, true
	case c|0x20 == 'e' && (m == jsonZero || m == jsonDigits || m == jsonPlaces):
		return jsonE, true
	case (c == '+' || c == '-') && m == jsonE:
		return jsonSign, true
	}
	return 0, false
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }
