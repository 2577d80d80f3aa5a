package pretoken

import (
	"unicode"
	"unicode/utf8"
)

// The regular expressions of the split patterns that have a scanner below. They
// match every character of a text, so a scanner only says where a piece ends.
const (
	gpt2Regex   = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
	QwenRegex   = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
	Llama3Regex = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
)

// scanner gives the end of the piece that starts at s[i], i < len(s).
type scanner func(s string, i int) int

// scanners holds the hand-written matchers by their regular expression.
var scanners = map[string]scanner{
	gpt2Regex:   scanGPT2,
	QwenRegex:   func(s string, i int) int { return scanTiktoken(s, i, 1) },
	Llama3Regex: func(s string, i int) int { return scanTiktoken(s, i, 3) },
}

// class is the kind of a character, as the patterns see it.
type class uint8

const (
	other class = iota
	letter
	number
	space
	newline // \r and \n: white space too
)

// asciiClass is class for the first 128 code points.
var asciiClass = func() (table [utf8.RuneSelf]class) {
	for c := range table {
		switch {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			table[c] = letter
		case c >= '0' && c <= '9':
			table[c] = number
		case c == '\n' || c == '\r':
			table[c] = newline
		case c == ' ' || c >= '\t' && c <= '\r':
			table[c] = space
		}
	}
	return table
}()

// classAt is the class of the character at s[i] and the index after it; at the
// end of s it is white space of no width.
func classAt(s string, i int) (class, int) {
	if i >= len(s) {
		return space, i
	}
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], i + 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	switch {
	case unicode.IsLetter(r):
		return letter, i + n
	case unicode.IsNumber(r):
		return number, i + n
	case unicode.IsSpace(r):
		return space, i + n
	case lateLetters.has(r):
		return letter, i + n
	case lateNumbers.has(r):
		return number, i + n
	}
	return other, i + n
}

// run is the end of the characters of class c from s[i] on, at most max of them.
func run(s string, i int, c class, max int) int {
	for ; max > 0 && i < len(s); max-- {
		k, j := classAt(s, i)
		if k != c {
			break
		}
		i = j
	}
	return i
}

// scanGPT2 is gpt2Regex.
func scanGPT2(s string, i int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], false); n > 0 {
			return i + 1 + n
		}
	}
	c, j := classAt(s, i)
	if s[i] == ' ' {
		// A space goes with the word, number or signs after it.
		if k, after := classAt(s, j); k < space {
			c, j = k, after
		}
	}
	if c < space {
		return run(s, j, c, len(s))
	}
	end, _, last := blanks(s, i)
	return cutBlanks(s, i, end, last)
}

// scanTiktoken is QwenRegex (digits = 1) and Llama3Regex (digits = 3).
func scanTiktoken(s string, i, digits int) int {
	if s[i] == '\'' {
		if n := contraction(s[i+1:], true); n > 0 {
			return i + 1 + n
		}
	}
	c, j := classAt(s, i)
	switch c {
	case letter:
		return run(s, j, letter, len(s))
	case number:
		return run(s, j, number, digits-1)
	}
	// Any one character but a line end goes with the letters after it, a space
	// with the signs after it.
	k, after := classAt(s, j)
	if k == letter && c != newline {
		return run(s, after, letter, len(s))
	}
	if c == other || s[i] == ' ' && k == other {
		return run(s, run(s, j, other, len(s)), newline, len(s))
	}
	end, line, last := blanks(s, i)
	if line > i {
		return line // white space up to its last line end
	}
	return cutBlanks(s, i, end, last)
}

// blanks looks at the white space from s[i] on: its end, the end of its last
// line end (i if none), and where its last character starts.
func blanks(s string, i int) (end, line, last int) {
	end, line, last = i, i, i
	for end < len(s) {
		c, j := classAt(s, end)
		if c < space {
			break
		}
		if c == newline {
			line = j
		}
		last, end = end, j
	}
	return end, line, last
}

// cutBlanks is `\s+(?!\S)|\s+` on the white space s[i:end]: before a word its
// last character is left for the word, if there is another.
func cutBlanks(s string, i, end, last int) int {
	if end < len(s) && last > i {
		return last
	}
	return end
}

// contraction is the length of s, t, re, ve, m, ll or d at the start of s, which
// follows an apostrophe; 0 if there is none. fold ignores case, and then the
// long s (U+017F) is an s as well.
func contraction(s string, fold bool) int {
	if s == "" {
		return 0
	}
	a, b := s[0], byte(0)
	if len(s) > 1 {
		b = s[1]
	}
	if fold {
		if a == 0xc5 && b == 0xbf {
			return 2
		}
		a, b = lower(a), lower(b)
	}
	switch {
	case a == 's' || a == 't' || a == 'm' || a == 'd':
		return 1
	case b == 'e' && (a == 'r' || a == 'v') || a == 'l' && b == 'l':
		return 2
	}
	return 0
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}
