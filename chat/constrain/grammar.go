package constrain

import (
	"slices"
	"strings"

	"ballast/chat/format"
	"ballast/chat/tooldoc"
)

// hermes is format hermes, whose automaton can be moved by bytes known to be text.
var hermes = format.Hermes.(interface {
	format.Format
	Text(s format.State, c byte) format.State
})

// grammar is the automaton of format hermes with the body of calls spelled out: a
// reply that it reads to the end of a call is one in whose calls and control tokens
// Parse finds nothing wrong. It is narrower than Parse, which also takes other orders of keys and
// further ones; all that Render writes is in it. Prose before the first call is
// free, a loop in it or a call in another syntax too, which Parse calls polluted.
type grammar struct {
	*language
	names []string // JSON strings, sorted: the names that calls may have
	at    position
}

// position is how far a grammar has read one reply; the zero value is its beginning.
type position struct {
	state format.State
	body  body
}

// Allows reports whether a token may come next.
func (g *grammar) Allows(id int32) bool {
	text := g.text(id)
	if text == "" {
		return false
	}
	_, ok := g.read(g.at, text)
	return ok
}

// Advance takes the token that came.
func (g *grammar) Advance(id int32) { g.at, _ = g.read(g.at, g.text(id)) }

// offer sets the functions that may be called.
func (g *grammar) offer(names []string) {
	for _, name := range names {
		g.names = append(g.names, tooldoc.JSON(name))
	}
	slices.Sort(g.names)
}

// read moves on by the text of a token; false where the grammar has no place for
// it. Bytes at the end that may begin a control token must fit as text, or begin
// one that is legal.
func (g *grammar) read(at position, text string) (position, bool) {
	end := hermes.Next(at.state, text)
	_, last := end.Held()
	free, held := at.state.Held()
	text, at.state = held+text, free
	for _, p := range format.Split(text[:len(text)-len(last)]) {
		ok := true
		if p.Control {
			at, ok = g.control(at, p.Text)
		} else {
			at, ok = g.plain(at, p.Text)
		}
		if !ok {
			return at, false
		}
	}
	if last != "" {
		if _, ok := g.plain(at, last); !ok && !g.begins(at.state, last) {
			return at, false
		}
	}
	at.state = end
	return at, true
}

func (g *grammar) control(at position, token string) (position, bool) {
	ok := hermes.Legal(at.state, token)
	was := at.state.Place
	at.state = hermes.Next(at.state, token)
	switch {
	case at.state.Place == format.PlaceOpen:
		at.body = body{hi: len(g.names)}
	case was == format.PlaceCall: // the call ends here
		ok = ok && at.body.part == len(parts)
	}
	return at, ok
}

// plain moves on by text that no control token is part of.
func (g *grammar) plain(at position, text string) (position, bool) {
	for i := 0; i < len(text); i++ {
		ok := true
		switch at.state.Place {
		case format.PlaceOpen, format.PlaceCall:
			at.body, ok = at.body.next(text[i], g.names)
		case format.PlaceAfter:
			ok = isBlank(text[i])
		}
		if !ok {
			return at, false
		}
		at.state = hermes.Text(at.state, text[i])
	}
	return at, true
}

// begins reports whether text is the beginning of a control token of the
// vocabulary, or of a tag of calls, that is legal.
func (g *grammar) begins(s format.State, text string) bool {
	return slices.ContainsFunc(g.controls, func(t string) bool { return strings.HasPrefix(t, text) && hermes.Legal(s, t) })
}

// parts are the parts of a body in order, white space between them. partName is a
// name, partValue the rest of the arguments object after its bracket.
var parts = [...]string{"{", `"name"`, ":", partName, ",", `"arguments"`, ":", "{", partValue, "}"}

const partName, partValue = "name", "value"

// body is how far the body of a call was read.
type body struct {
	part   int // index in parts; len(parts) when it is complete
	at     int // bytes of the part
	lo, hi int // the names that fit so far
	value  json
}

// next moves on by one byte.
func (b body) next(c byte, names []string) (body, bool) {
	if b.at == 0 && isBlank(c) {
		return b, true // before a part, or behind the last; values keep their own
	}
	if b.part == len(parts) {
		return b, false
	}
	switch want := parts[b.part]; want {
	case partValue:
		var ok, ended bool
		if b.at == 0 {
			b.value = json{}.push(true)
		}
		b.at = 1
		if b.value, ok, ended = b.value.next(c); ended {
			b.part, b.at = b.part+1, 0
		}
		return b, ok
	case partName:
		fits := func(i int) bool { return b.at < len(names[i]) && names[i][b.at] == c }
		for b.lo < b.hi && !fits(b.lo) {
			b.lo++
		}
		for b.lo < b.hi && !fits(b.hi-1) {
			b.hi--
		}
		if b.lo == b.hi {
			return b, false
		}
		if b.at++; b.at == len(names[b.lo]) { // no name is the beginning of another: all end in a quote
			b.part, b.at = b.part+1, 0
		}
		return b, true
	default:
		if want[b.at] != c {
			return b, false
		}
		if b.at++; b.at == len(want) {
			b.part, b.at = b.part+1, 0
		}
		return b, true
	}
}
