package value

import (
	"slices"
	"unicode/utf8"
	"unsafe"
)

const hex = "0123456789abcdef"

// plain marks the bytes that JSON does not escape.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7F; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// word is eight bytes in one.
func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// half is four bytes in one.
func half(s string) uint32 {
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

// special is not zero if one of eight bytes is escaped: below a space, a quote, a
// backslash, or above a tilde.
func special(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	quote, slash := w^ones*'"', w^ones*'\\'
	// The top bit of a byte of x-ones is set where x is 0, and of w-ones*' ' where w
	// is below a space; a byte next to such a one may be marked wrongly.
	return (w | (w + ones) | (w - ones*' ') | (quote - ones) | (slash - ones)) & tops
}

// Visible reports whether all of eight bytes are ASCII and none is a control
// character, DEL apart. It may say no where it is so.
func Visible(s string) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	w := word(s)
	return (w|(w-ones*' '))&tops == 0
}

// isPlain reports whether no byte of s is escaped.
func isPlain(s string) bool {
	switch {
	case len(s) >= 8:
	case len(s) >= 4: // the first four bytes and the last four, some of them twice
		return special(uint64(half(s))|uint64(half(s[len(s)-4:]))<<32) == 0
	default:
		for i := range len(s) {
			if !plain[s[i]] {
				return false
			}
		}
		return true
	}
	last := len(s) - 8 // the last eight bytes, some of them again
	for i := 0; i < last; i += 8 {
		if special(word(s[i:i+8])) != 0 {
			return false
		}
	}
	return special(word(s[last:])) == 0
}

// AppendQuoted appends s as json.dumps writes it: pure ASCII.
func AppendQuoted(dst []byte, s string) []byte {
	if len(s) <= 64 && isPlain(s) { // most texts are
		n := len(dst)
		dst = slices.Grow(dst, len(s)+2)[:n+len(s)+2]
		dst[n] = '"'
		copy(dst[n+1:], s)
		dst[len(dst)-1] = '"'
		return dst
	}
	return append(AppendEscaped(append(dst, '"'), s), '"')
}

// AppendEscaped is AppendQuoted without the quotes. What is appended for two texts
// one after the other is what would be for both in one.
func AppendEscaped(dst []byte, s string) []byte {
	start := 0
	for i := 0; i < len(s); {
		if i+8 <= len(s) && special(word(s[i:i+8])) == 0 {
			i += 8
			continue
		}
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		if c < utf8.RuneSelf {
			dst = appendEscape(dst, c)
			i++
		} else {
			r, n := DecodeRune(s[i:])
			if r > 0xFFFF {
				r -= 0x10000
				dst = appendU(dst, 0xD800|r>>10)
				r = 0xDC00 | r&0x3FF
			}
			dst = appendU(dst, r)
			i += n
		}
		start = i
	}
	return append(dst, s[start:]...)
}

// AppendQuotedBytes is AppendQuoted for text that is not a string yet.
func AppendQuotedBytes(dst, text []byte) []byte {
	return AppendQuoted(dst, unsafe.String(unsafe.SliceData(text), len(text)))
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	}
	return appendU(dst, rune(c))
}

func appendU(dst []byte, r rune) []byte {
	return append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// Text returns a text as a value. A short one is in one piece of memory with its
// header.
func Text(b []byte) any {
	var s *string
	switch {
	case len(b) == 0:
		return ""
	case len(b) <= 16:
		m := new(struct {
			text string
			room [16]byte
		})
		m.text = unsafe.String(&m.room[0], copy(m.room[:], b))
		s = &m.text
	case len(b) <= 32:
		m := new(struct {
			text string
			room [32]byte
		})
		m.text = unsafe.String(&m.room[0], copy(m.room[:], b))
		s = &m.text
	default:
		return string(b)
	}
	return textAt(unsafe.Pointer(s))
}

// textAt is an interface that holds the string at p. The second word of one that
// holds a string is a pointer to it.
func textAt(p unsafe.Pointer) any {
	var v any = ""
	(*[2]unsafe.Pointer)(unsafe.Pointer(&v))[1] = p
	return v
}
