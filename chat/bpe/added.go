package bpe

import (
	"cmp"
	"slices"
	"unicode"
	"unicode/utf8"
)

// matcher finds added tokens in a text: at each place the longest one.
type matcher struct {
	tokens  map[string]int // content -> index in Tokenizer.added
	lengths [256][]int     // first byte -> lengths of the contents, longest first
}

// newMatcher takes the contents to look for.
func newMatcher(tokens map[string]int) matcher {
	m := matcher{tokens: tokens}
	for content := range tokens {
		first := content[0]
		if !slices.Contains(m.lengths[first], len(content)) {
			m.lengths[first] = append(m.lengths[first], len(content))
		}
	}
	for i := range m.lengths {
		slices.SortFunc(m.lengths[i], func(a, b int) int { return cmp.Compare(b, a) })
	}
	return m
}

// at is the longest token at the start of s and its length; length 0 if none.
func (m *matcher) at(s string) (index, length int) {
	for _, n := range m.lengths[s[0]] {
		if n <= len(s) {
			if i, ok := m.tokens[s[:n]]; ok {
				return i, n
			}
		}
	}
	return 0, 0
}

// segments cuts the added tokens out of text and hands the pieces of the rest
// over, all in order.
func (t *Tokenizer) segments(text string, plain []Span, token func(int32), piece func(string)) {
	emit := piece
	for i := len(t.steps) - 1; i >= 0; i-- {
		step, next := t.steps[i], emit
		emit = func(s string) { step(s, next) }
	}
	t.cut(&t.exact, text, plain, token, func(s string, plain []Span) {
		if t.normalize != nil {
			if n := t.normalize(s); n != s {
				plain = mapSpans(t.normalize, s, n, plain)
				s = n
			}
		}
		t.cut(&t.normal, s, plain, token, func(s string, _ []Span) { emit(s) })
	})
}

// cut calls token for each added token of m in s and rest for what lies between,
// with the plain ranges of that part.
func (t *Tokenizer) cut(m *matcher, s string, plain []Span, token func(int32), rest func(string, []Span)) {
	if len(m.tokens) == 0 {
		rest(s, plain)
		return
	}
	done, ahead := 0, plain // ahead: the ranges that end after i
	for i := 0; i < len(s); {
		for len(ahead) > 0 && ahead[0].End <= i {
			ahead = ahead[1:]
		}
		limit := len(s)
		if len(ahead) > 0 && ahead[0].End > ahead[0].Start {
			if limit = ahead[0].Start; limit <= i {
				i = ahead[0].End
				continue
			}
		}
		index, n := 0, 0
		if m.lengths[s[i]] != nil {
			index, n = m.at(s[i:limit])
		}
		if n == 0 {
			i++
			continue
		}
		start, end := i, i+n
		i = end
		a := &t.added[index]
		if a.SingleWord && (wordBefore(s[:start]) || wordAfter(s[end:])) {
			continue
		}
		if a.LStrip {
			start = max(done, start-blanksBefore(s[:start]))
		}
		if a.RStrip {
			end += blanksAfter(s[end:])
		}
		if done < start {
			rest(s[done:start], clip(plain, done, start))
		}
		token(a.ID)
		done = end // the search goes on before it, in the white space it took
	}
	if done < len(s) {
		rest(s[done:], clip(plain, done, len(s)))
	}
}

// clip gives the part of the ranges inside [start, end), relative to start.
func clip(plain []Span, start, end int) []Span {
	var in []Span
	for _, s := range plain {
		if a, b := max(s.Start, start), min(s.End, end); a < b {
			in = append(in, Span{a - start, b - start})
		}
	}
	return in
}

// isWord is \w: letters, marks, decimal digits, connectors and joiners.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic) ||
		r == 0x200c || r == 0x200d
}

func wordBefore(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func wordAfter(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// blanksBefore is the number of bytes of white space at the end of s.
func blanksBefore(s string) int {
	n := 0
	for n < len(s) {
		r, w := utf8.DecodeLastRuneInString(s[:len(s)-n])
		if !unicode.IsSpace(r) {
			break
		}
		n += w
	}
	return n
}

// blanksAfter is the number of bytes of white space at the start of s.
func blanksAfter(s string) int {
	n := 0
	for n < len(s) {
		r, w := utf8.DecodeRuneInString(s[n:])
		if !unicode.IsSpace(r) {
			break
		}
		n += w
	}
	return n
}
