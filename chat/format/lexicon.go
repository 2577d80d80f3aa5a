package format

import (
	"slices"
	"strings"
)

// lexicon are the control tokens that a format has beside those that all formats know. In
// other formats they are text, or the mark of a foreign call. The zero lexicon has none.
type lexicon struct {
	// words are its tokens in spellings of their own; <|name|> is a control token everywhere.
	words []string
	ends  []string // tokens that end a reply in its models' templates
	first string   // the first bytes of all control tokens
}

// newLexicon is that of tokens of calls and results, and of tokens that end replies.
func newLexicon(words, ends []string) lexicon {
	l := lexicon{words: slices.Concat(words, ends), ends: ends, first: "<"}
	for _, w := range l.words {
		if !strings.Contains(l.first, w[:1]) {
			l.first += w[:1]
		}
	}
	return l
}

// Split cuts a reply into text and control tokens; see Format.
func (l lexicon) Split(s string) []Piece { return l.pieces(nil, s) }

// at is controlAt with the format's own tokens.
func (l lexicon) at(s string) int {
	n := controlAt(s)
	if n > 0 {
		return n
	}
	for _, w := range l.words {
		if strings.HasPrefix(s, w) {
			return len(w)
		}
		if strings.HasPrefix(w, s) && s != "" { // more bytes could complete it
			n = -1
		}
	}
	return n
}

// next is where the next byte stands that may begin a control token, -1 for none.
func (l lexicon) next(s string) int {
	if len(l.first) <= 1 {
		return strings.IndexByte(s, '<')
	}
	return strings.IndexAny(s, l.first)
}

// isEnd reports whether token ends a reply in one of the templates, or in one of the
// format's models.
func (l lexicon) isEnd(token string) bool { return isEnd(token) || slices.Contains(l.ends, token) }
