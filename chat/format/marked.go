package format

import (
	"slices"
	"strings"

	"ballast"
)

// marked is what formats have in common whose calls are several texts with control tokens
// between them, such as a name, a mark and arguments: the walk over the reply and the
// automaton, both of one table of arrows.
type marked struct {
	lexicon
	// arrows say which token may stand behind which part, and which part it begins.
	arrows []arrow
	// read reads what stands between two arrows that emit: one call, or a list of them.
	read func(parts []field, offered Offered) (calls []ballast.Call, fault Reason, detail string)
	// bracketed: no token ends the arguments, their last bracket does.
	bracketed bool
	// again: calls may begin again behind calls.
	again bool
	// loose is the fault of text where none may stand inside of calls.
	loose Reason
}

// part is a part of a call.
type part uint8

// The parts. A call is in one of them from its first token on.
const (
	partNone    part = iota // outside of calls
	partBetween             // between calls, or arguments: white space
	partName                // the name of the function, or what stands in its place
	partTool                // the name on a line of its own, then the arguments
	partID                  // the identity of the call
	partArgs                // arguments, as JSON
	partKey                 // the name of an argument
	partGap                 // between the name of an argument and its value: white space
	partValue               // the value of an argument
	// Of harmony.
	partRole
	partHeader
	partThought
	partText
	partBody
	partEnded
)

// arrow leads from a part to another one.
type arrow struct {
	from  part
	token string
	to    part
	emit  bool // the call is complete
}

// field is the text of a part.
type field struct {
	part part
	text string
}

// textOf is the text of the first part of a kind.
func textOf(parts []field, of part) string {
	for _, p := range parts {
		if p.part == of {
			return p.text
		}
	}
	return ""
}

// Control returns the control tokens of calls.
func (m marked) Control() []string {
	var out []string
	for _, a := range m.arrows {
		if !slices.Contains(out, a.token) {
			out = append(out, a.token)
		}
	}
	return out
}

// arrow is the one from a part by a token.
func (m *marked) arrow(from part, token string) (arrow, bool) {
	for _, a := range m.arrows {
		if a.from == from && a.token == token {
			return a, true
		}
	}
	return arrow{}, false
}

// open is the token that begins calls.
func (m *marked) open() arrow { return m.arrows[0] }

// Parse reads a reply; see Format.
func (m marked) Parse(reply string, offered Offered) Parsed {
	var room [8]Piece
	pieces := m.pieces(room[:0], m.withoutEnd(reply))
	if p, bad := collapsed(pieces); bad {
		return p
	}
	w := walk{marked: &m, offered: offered, thought: thoughts{lexicon: m.lexicon}}
	for _, x := range pieces {
		switch {
		case w.thought.take(&w.p, x, w.place == PlaceStart && w.at == partNone):
			w.place, w.at, w.parts = PlaceThought, partNone, nil // a call that was open is lost
		case x.Control:
			w.token(x.Text)
		default:
			w.text(x.Text)
		}
	}
	return w.end()
}

// walk is the walk over one reply.
type walk struct {
	*marked
	offered Offered
	p       Parsed
	thought thoughts
	lead    strings.Builder // prose
	place   Place
	at      part
	parts   []field // of the open call, the last without its text
	body    strings.Builder
	state   State // of arguments that their last bracket ends
	first   byte  // of those
	calls   int   // since calls were opened
	broken  bool  // a token stood in the open call where it may not
}

// text takes a text that is no control token.
func (w *walk) text(text string) {
	switch {
	case w.at == partArgs && w.bracketed:
		w.bracket(text)
		return
	case w.at != partNone:
		if (w.at == partBetween || w.at == partGap) && trim(text) != "" {
			w.p.detailed(w.loose, shown(text))
			w.broken = w.broken || w.loose != ReasonTextAroundCall
		}
		w.body.WriteString(text)
		return
	}
	w.lead.WriteString(text)
	switch {
	case trim(text) == "": // space between calls, or before anything
	case w.place == PlaceAfter:
		w.p.detailed(ReasonTextAroundCall, shown(text))
	default:
		w.place = PlaceProse
	}
}

// bracket takes a text of arguments that their last bracket ends.
func (w *walk) bracket(text string) {
	for i := range len(text) {
		if w.first == 0 && !isBlank(text[i]) {
			w.first = text[i]
		}
		inside := w.state.depth > 0
		if w.state = bodyByte(w.state, text[i], `"`); inside && w.state.depth == 0 && (w.first == '[' || w.first == '{') {
			w.body.WriteString(text[:i+1])
			w.emit()
			w.at, w.place = partNone, PlaceAfter
			w.text(text[i+1:])
			return
		}
	}
	w.body.WriteString(text)
}

// token takes a control token that is no tag of a thought.
func (w *walk) token(token string) {
	if a, ok := w.arrow(w.at, token); ok && (w.at != partNone || w.place != PlaceAfter || w.again) {
		w.follow(a)
		return
	}
	switch {
	case token == w.open().token:
		if w.at != partNone { // the inner call counts
			w.foreign()
			w.p.spoil(ReasonNestedTag)
		} else {
			w.p.spoil(ReasonControlInText)
		}
		w.at = partNone
		w.follow(w.open())
	case slices.ContainsFunc(w.arrows, func(a arrow) bool { return a.token == token }):
		if w.at == partNone {
			closes := slices.ContainsFunc(w.arrows, func(a arrow) bool { return a.token == token && (a.emit || a.to == partNone) })
			w.p.detailed(map[bool]Reason{true: ReasonStrayClose, false: ReasonOtherSyntax}[closes], token)
			break
		}
		w.p.detailed(ReasonBadCall, token+" stands where it may not")
		w.broken = true
	case token == closeCall:
		w.p.spoil(ReasonStrayClose)
	case w.at != partNone:
		w.p.spoil(ReasonControlInText)
		w.body.WriteString(token) // the call can be read all the same
	case callToken(token):
		w.p.detailed(ReasonOtherSyntax, token)
	default:
		w.p.spoil(ReasonControlInText)
	}
}

// follow goes on behind an arrow.
func (w *walk) follow(a arrow) {
	switch {
	case a.emit:
		w.emit()
	case a.from == partNone:
		w.parts, w.calls, w.broken = nil, 0, false
	case len(w.parts) > 0:
		w.parts[len(w.parts)-1].text = w.body.String()
	}
	w.body.Reset()
	w.state, w.first = State{}, 0
	if w.at = a.to; a.to == partNone {
		w.place = PlaceAfter
		if w.calls == 0 { // "<tool_call></tool_call>" beside other text
			w.p.detailed(ReasonBadCall, "nothing before "+a.token)
		}
		return
	}
	w.parts = append(w.parts, field{part: a.to})
}

// emit reads the call that is complete.
func (w *walk) emit() {
	w.parts[len(w.parts)-1].text = w.body.String()
	calls, fault, detail := w.read(w.parts, w.offered)
	if fault != "" {
		w.p.detailed(fault, detail)
	}
	if !w.broken {
		w.p.Calls = append(w.p.Calls, calls...)
	}
	w.calls++
	w.parts, w.broken = nil, false
}

// foreign reports an open call that begins as one of another format does.
func (w *walk) foreign() {
	if w.bracketed && (w.first != 0 && w.first != '[' && w.first != '{' || w.at == partName) {
		w.parts[len(w.parts)-1].text = w.body.String()
		if _, fault, detail := w.read(w.parts, w.offered); fault == ReasonOtherSyntax {
			w.p.detailed(fault, detail)
		}
	}
}

// end is what the reply says.
func (w *walk) end() Parsed {
	if w.at != partNone { // the reply ended inside
		w.foreign()
		w.p.spoil(ReasonUnclosedTag)
	}
	w.p.Text = w.lead.String()
	w.thought.end(&w.p)
	w.p.spoil(faultyProse(w.p.Text))
	if found := foreignCall(w.p.Text, w.offered); found != "" {
		w.p.detailed(ReasonOtherSyntax, found)
	}
	if len(w.p.Calls) == 0 && !hasWord(w.p.Text) {
		w.p.spoil(ReasonEmpty)
	}
	return w.p.finish(w.offered)
}

// Next moves the automaton on by the text of one or more tokens; see Format.
func (m marked) Next(s State, text string) State { return m.feed(s, text, m.char, m.tag) }

// char moves on by a byte that is part of no control token.
func (m marked) char(s State, c byte) State {
	if s.part == partNone {
		return proseByte(s, c)
	}
	if s.Place == PlaceOpen {
		if isBlank(c) {
			return s
		}
		if s.part == partBetween || s.part == partGap { // text that may not stand there
			return s
		}
		s.Place = PlaceCall
	}
	switch {
	case s.part == partTool && c == '\n':
		return State{Place: PlaceOpen, part: partArgs}
	case s.part == partArgs:
		bracket := s.depth > 0
		if s = bodyByte(s, c, `"`); m.bracketed && bracket && s.depth == 0 {
			return State{Place: PlaceAfter}
		}
	}
	return s
}

func (m marked) tag(s State, token string) State {
	if s.Place == PlaceThink { // a call is only drafted there
		return m.otherControl(s, token)
	}
	a, ok := m.arrow(s.part, token)
	if !ok && token == m.open().token {
		a, ok = m.open(), true // also where it is illegal: the model wrote it
	}
	switch {
	case !ok:
		return m.otherControl(s, token)
	case a.to == partNone:
		return State{Place: PlaceAfter}
	case a.to == partBetween && a.from != partNone: // one call, or argument, is there
		return State{Place: PlaceCall, part: a.to}
	}
	return State{Place: PlaceOpen, part: a.to}
}

// Legal says whether a control token may stand after s; see Format.
func (m marked) Legal(s State, token string) bool {
	s = settle(s, m.char)
	if s.Place == PlaceThink {
		return m.otherLegal(s, token)
	}
	a, ok := m.arrow(s.part, token)
	if !ok {
		return !slices.ContainsFunc(m.arrows, func(a arrow) bool { return a.token == token }) && m.otherLegal(s, token)
	}
	switch a.from {
	case partNone:
		return s.Place != PlaceTail && s.Place != PlaceEnd && (s.Place != PlaceAfter || m.again)
	case partName, partTool, partKey:
		return s.Place == PlaceCall
	case partArgs:
		return s.Place == PlaceCall && s.depth == 0 && s.quote == 0
	case partBetween:
		return a.to != partNone || s.Place == PlaceCall
	}
	return true
}
