package format

import "strings"

// Place is where in a reply the next token stands.
type Place uint8

// The places.
const (
	PlaceStart   Place = iota // nothing was written but white space
	PlaceMark                 // only punctuation was written, no word
	PlaceThink                // inside a thought
	PlaceThought              // after a thought, no word since
	PlaceProse                // in prose, before any call
	PlaceOpen                 // a call was opened, its body is still blank
	PlaceCall                 // inside the body of a call
	PlaceAfter                // after a call, nothing but white space since
	PlaceTail                 // in text after a call
	PlaceEnd                  // after an end token
	NumPlaces
)

// String returns the lower-case name of the place.
func (p Place) String() string {
	return [...]string{"start", "mark", "think", "thought", "prose", "open", "call", "after", "tail", "end"}[p]
}

// State is the state of a format's control-token automaton after a part of a
// reply. The zero State is the beginning of a reply. States are small values:
// compare them with ==, keep them per token.
//
// The automaton and the parser are one theory: if Parse calls a reply healthy
// then every control token in it was legal where it stood, and an end token is
// legal at its end. Illegal control tokens do not stop the automaton: it goes on
// from the place where the token would have led, as the parser does.
type State struct {
	Place  Place
	line   lineState // the line so far, outside calls
	part   part      // what of a call is being written, in formats of several control tokens
	depth  uint16    // open brackets in the body of a call
	quote  byte      // the quote of the string literal that is open, or 0
	run    uint8     // how far a literal of pythonic is, one of run*, or a header of harmony, one of to*
	escape bool      // the last byte was a backslash inside a string
	held   string    // bytes that may be the beginning of a control token
}

// Held returns s without the bytes that may begin a control token, and those.
func (s State) Held() (free State, held string) {
	held, s.held = s.held, ""
	return s, held
}

// feed runs the bytes of text through char and the control tokens in it through
// control, even if they arrive in parts: models whose vocabulary lacks a tag
// spell it out of ordinary tokens.
func (l lexicon) feed(s State, text string, char func(State, byte) State, control func(State, string) State) State {
	for i := 0; i < len(text); i++ {
		if s.held == "" && text[i] != '<' && strings.IndexByte(l.first, text[i]) < 0 {
			s = char(s, text[i])
			continue
		}
		if s.held == "" { // the whole token is here, mostly
			if n := l.at(text[i:]); n > 0 {
				s = control(s, text[i:i+n])
				i += n - 1
				continue
			}
		}
		s.held += text[i : i+1]
		for s.held != "" {
			n := l.at(s.held)
			if n < 0 {
				break // could still become one
			}
			held := s.held
			s.held = ""
			if n > 0 { // a whole control token
				s = control(s, held)
				break
			}
			s = char(s, held[0]) // its first byte is text; try again behind it
			s.held = held[1:]
		}
	}
	return s
}

// settle treats held bytes as the text that they are if the next token is known
// not to continue them.
func settle(s State, char func(State, byte) State) State {
	s, held := s.Held()
	for i := 0; i < len(held); i++ {
		s = char(s, held[i])
	}
	return s
}

// proseByte moves on by one byte outside calls.
func proseByte(s State, c byte) State {
	blank := isBlank(c)
	switch s.Place {
	case PlaceStart, PlaceMark, PlaceThought:
		if wordByte(c) {
			s.Place = PlaceProse
		} else if !blank && s.Place == PlaceStart {
			s.Place = PlaceMark
		}
	case PlaceAfter:
		if !blank {
			s.Place = PlaceTail
		}
	}
	return s
}

// bodyByte keeps the bracket depth and the open string literal of a body.
// Quotes are the quotes of the literals' language.
func bodyByte(s State, c byte, quotes string) State {
	switch {
	case s.escape:
		s.escape = false
	case s.quote != 0:
		if c == '\\' {
			s.escape = true
		} else if c == s.quote {
			s.quote = 0
		}
	case c == '{' || c == '[' || c == '(':
		s.depth = min(s.depth+1, 1<<15)
	case c == '}' || c == ']' || c == ')':
		s.depth = max(s.depth, 1) - 1
	default:
		for i := 0; i < len(quotes); i++ {
			if c == quotes[i] {
				s.quote = c
			}
		}
	}
	return s
}

// otherControl moves on by a control token that opens or closes no call: any at all
// inside a thought. A thought opens and closes also where it must not: what was
// begun before it, a call too, does not go on behind it.
func (l lexicon) otherControl(s State, token string) State {
	switch {
	case l.isEnd(token):
		return State{Place: PlaceEnd}
	case l.closesThought(token):
		return State{Place: PlaceThought}
	case l.opensThought(token):
		return State{Place: PlaceThink}
	case s.Place == PlaceStart:
		s.Place = PlaceMark
	}
	return s
}

// otherLegal says whether a control token that opens or closes no call is legal,
// and any at all inside a thought.
func (l lexicon) otherLegal(s State, token string) bool {
	switch {
	case s.Place == PlaceThink:
		return drafted(token) && !l.isEnd(token)
	case l.opensThought(token):
		return s.Place == PlaceStart
	case l.isEnd(token):
		return s.Place == PlaceProse || s.Place == PlaceAfter || s.Place == PlaceTail
	}
	return false
}

func isBlank(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }
