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
	ends  []string  // tokens that end a reply in its models' templates
	think [2]string // the tags of a thought of its models, beside <think>; "" for none
	first string    // the first bytes of all control tokens
}

// newLexicon is that of tokens of calls and results, and of tokens that end replies.
func newLexicon(words, ends []string) lexicon {
	return lexicon{ends: ends, first: "<"}.with(words...).with(ends...)
}

// with has further tokens.
func (l lexicon) with(words ...string) lexicon {
	l.words = slices.Concat(l.words, words)
	for _, w := range words {
		if !strings.Contains(l.first, w[:1]) {
			l.first += w[:1]
		}
	}
	return l
}

// thinks has tags of a thought.
func (l lexicon) thinks(open, shut string) lexicon {
	l = l.with(open, shut)
	l.think = [2]string{open, shut}
	return l
}

// opensThought reports whether a token opens a thought.
func (l lexicon) opensThought(token string) bool { return token == OpenThink || token == l.think[0] }

// closesThought reports whether a token closes a thought.
func (l lexicon) closesThought(token string) bool { return token == CloseThink || token == l.think[1] }

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
