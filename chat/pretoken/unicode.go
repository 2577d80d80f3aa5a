package pretoken

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Hugging Face's library takes its Unicode data from three places of different
// age, and Go has a fourth (15.0). The tables below are the differences, found by
// asking both about every code point; without them rare scripts get other ids.

// ranges is a set of characters as first, last, first, last, ... in order.
type ranges []rune

func (t ranges) has(r rune) bool {
	if r < t[0] || r > t[len(t)-1] {
		return false
	}
	i, exact := slices.BinarySearch(t, r)
	return exact || i%2 == 1
}

// lateLetters and lateNumbers are \p{L} and \p{N} of Unicode 16, which the
// regular expressions know; lateDigits is what Digits (Unicode 17) has besides.
var (
	lateLetters = ranges{
		0x1c89, 0x1c8a, 0xa7cb, 0xa7cd, 0xa7da, 0xa7dc, 0x105c0, 0x105f3, 0x10d4a, 0x10d65,
		0x10d6f, 0x10d85, 0x10ec2, 0x10ec4, 0x11380, 0x11389, 0x1138b, 0x1138b, 0x1138e, 0x1138e,
		0x11390, 0x113b5, 0x113b7, 0x113b7, 0x113d1, 0x113d1, 0x113d3, 0x113d3, 0x11bc0, 0x11be0,
		0x13460, 0x143fa, 0x16100, 0x1611d, 0x16d40, 0x16d6c, 0x18cff, 0x18cff, 0x1e5d0, 0x1e5ed,
		0x1e5f0, 0x1e5f0, 0x2ebf0, 0x2ee5d,
	}
	lateNumbers = ranges{
		0x10d40, 0x10d49, 0x116d0, 0x116e3, 0x11bf0, 0x11bf9, 0x16130, 0x16139,
		0x16d70, 0x16d79, 0x1ccf0, 0x1ccf9, 0x1e5f1, 0x1e5fa,
	}
	lateDigits = ranges{0x11de0, 0x11de9, 0x16ff4, 0x16ff6}
)

// lateMarks are the combining marks since Unicode 9, the version of the library's
// normaliser: there they neither move nor combine.
var lateMarks = ranges{
	0x7fd, 0x7fd, 0x898, 0x89f, 0x8ca, 0x8d3, 0x9fe, 0x9fe, 0xc3c, 0xc3c, 0xd3b, 0xd3c,
	0xeba, 0xeba, 0x1715, 0x1715, 0x1abf, 0x1ace, 0x1df6, 0x1dfa, 0xa82c, 0xa82c,
	0x10d24, 0x10d27, 0x10eab, 0x10eac, 0x10efd, 0x10eff, 0x10f46, 0x10f50, 0x10f82, 0x10f85,
	0x11070, 0x11070, 0x1133b, 0x1133b, 0x1145e, 0x1145e, 0x11839, 0x1183a, 0x11930, 0x11930,
	0x1193d, 0x1193e, 0x11943, 0x11943, 0x119e0, 0x119e0, 0x11a34, 0x11a34, 0x11a47, 0x11a47,
	0x11a99, 0x11a99, 0x11d42, 0x11d42, 0x11d44, 0x11d45, 0x11d97, 0x11d97, 0x11f41, 0x11f42,
	0x16ff0, 0x16ff1, 0x1e08f, 0x1e08f, 0x1e130, 0x1e136, 0x1e2ae, 0x1e2ae, 0x1e2ec, 0x1e2ef,
	0x1e4ec, 0x1e4ef,
}

// NFC is Unicode normalisation form C as Hugging Face has it. Package norm says
// whether there is anything to do; it does not do it, because it breaks runs of
// more than 30 marks by a joiner and moves the marks of lateMarks.
func NFC(s string) string {
	if norm.NFC.IsNormalString(s) {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	var run []mark // a starter and the marks after it
	flush := func() {
		for _, m := range compose(run) {
			out.WriteRune(m.r)
		}
		run = run[:0]
	}
	for i, r := range s {
		if r < utf8.RuneSelf {
			flush()
			run = append(run, mark{r, 0})
			continue
		}
		for _, m := range decompose(r, s[i:]) {
			// Most starters begin anew; some (vowels of Indic scripts, Hangul)
			// join the starter before them.
			if m.class == 0 && (lateMarks.has(m.r) || norm.NFC.PropertiesString(string(m.r)).BoundaryBefore()) {
				flush()
			}
			run = append(run, m)
		}
	}
	flush()
	return out.String()
}

// mark is a character with its canonical combining class, 0 for a starter.
type mark struct {
	r     rune
	class uint8
}

// decompose is the full canonical decomposition of r, which stands at the start
// of s.
func decompose(r rune, s string) []mark {
	p := norm.NFD.PropertiesString(s)
	if d := p.Decomposition(); d != nil && r != 0x11938 { // younger than Unicode 9
		s = string(d)
	} else if r >= 0xac00 && r <= 0xd7a3 { // Hangul is computed, not in the tables
		s = norm.NFD.String(string(r))
	} else {
		s = string(r)
	}
	var marks []mark
	for i, r := range s {
		m := mark{r, norm.NFD.PropertiesString(s[i:]).CCC()}
		if lateMarks.has(r) {
			m.class = 0
		}
		marks = append(marks, m)
	}
	return marks
}

// compose puts the marks of run in canonical order and joins what can be joined.
func compose(run []mark) []mark {
	for i := 0; i < len(run); {
		end := i + 1
		for end < len(run) && run[end].class > 0 {
			end++
		}
		if run[i].class > 0 {
			i--
		}
		slices.SortStableFunc(run[i+1:end], func(a, b mark) int { return int(a.class) - int(b.class) })
		i = end
	}
	out, starter, last := run[:0], -1, -1 // last: the class of what stands since the starter
	for _, m := range run {
		if starter >= 0 && last < int(m.class) && !lateMarks.has(m.r) {
			if r := pair(out[starter].r, m.r); r >= 0 {
				out[starter].r = r
				continue
			}
		}
		if last = int(m.class); m.class == 0 {
			starter, last = len(out), -1
		}
		out = append(out, m)
	}
	return out
}

// pair is the composition of two characters, -1 if there is none.
func pair(a, b rune) rune {
	joined := norm.NFC.String(string([]rune{a, b}))
	if r, n := utf8.DecodeRuneInString(joined); n == len(joined) {
		return r
	}
	return -1
}

// Lossy replaces every maximal ill-formed part of s by U+FFFD, as Python's
// bytes.decode("utf-8", "replace") and Rust's String::from_utf8_lossy do (Go's
// strings.ToValidUTF8 makes one of a whole run).
func Lossy(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			n = illFormed(s[i:])
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// illFormed is the length of the maximal part at the start of s that begins like
// a character and breaks off (Unicode, "U+FFFD substitution of maximal subparts").
func illFormed(s string) int {
	low, high := byte(0x80), byte(0xbf) // of the second byte
	more := 0
	switch c := s[0]; {
	case c >= 0xc2 && c <= 0xdf:
		more = 1
	case c >= 0xe0 && c <= 0xef:
		more = 2
		if c == 0xe0 {
			low = 0xa0
		} else if c == 0xed {
			high = 0x9f
		}
	case c >= 0xf0 && c <= 0xf4:
		more = 3
		if c == 0xf0 {
			low = 0x90
		} else if c == 0xf4 {
			high = 0x8f
		}
	}
	n := 1
	for ; n <= more && n < len(s) && s[n] >= low && s[n] <= high; n++ {
		low, high = 0x80, 0xbf
	}
	return n
}
