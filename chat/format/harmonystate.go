package format

import "slices"

// How far a recipient before the first channel is (State.run).
const (
	toNone  = iota // white space
	toT            // "t"
	toTo           // "to"
	toSign         // "to="
	toName         // and a name
	toBlank        // and white space behind it
	toProse        // anything else: prose
)

// Next moves the automaton on by the text of one or more tokens; see Format.
func (f harmony) Next(s State, text string) State { return f.feed(s, text, harmonyChar, f.tag) }

// harmonyChar moves on by a byte that is part of no control token.
func harmonyChar(s State, c byte) State {
	switch s.part {
	case partNone:
		if s.Place == PlaceThink {
			return s
		}
		s.run = recipient(s.run, c)
		return proseByte(s, c)
	case partEnded, partText:
		return proseByte(s, c)
	case partRole, partHeader:
		if s.part == partHeader && s.quote == 0 && !isBlank(c) {
			s.quote = c // the first letter tells the channels apart
		}
		if s.run != toName {
			s.run = recipientIn(s.run, c)
		}
	case partBody:
		if s.Place == PlaceOpen {
			if isBlank(c) {
				return s
			}
			s.Place = PlaceCall
		}
		return bodyByte(s, c, `"`)
	}
	return s
}

// recipient moves on by a byte of text that is a recipient if nothing else stands in it.
func recipient(run, c byte) byte {
	switch blank := isBlank(c); {
	case blank && (run == toNone || run == toBlank), !blank && run == toName:
		return run
	case blank && run == toName:
		return toBlank
	case !blank && run == toSign:
		return toName
	case run < toSign && c == harmonyTo[run]:
		return run + 1
	}
	return toProse
}

// recipientIn moves on by a byte of a header, in which a recipient may stand anywhere.
func recipientIn(run, c byte) byte {
	switch {
	case run == toSign && !isBlank(c):
		return toName
	case run < toSign && c == harmonyTo[run]:
		return run + 1
	case c == harmonyTo[0]:
		return toT
	}
	return toNone
}

func (f harmony) tag(s State, token string) State {
	if s.Place == PlaceThink && s.part == partNone { // a call is only drafted there
		return f.otherControl(s, token)
	}
	called := s.part == partNone && (s.run == toName || s.run == toBlank) || s.part == partRole && s.run == toName
	switch {
	case token == harmonyStart:
		return State{Place: PlaceOpen, part: partRole}
	case token == harmonyChannel && called:
		return State{Place: PlaceOpen, part: partHeader, run: toName}
	case token == harmonyChannel:
		return State{Place: PlaceOpen, part: partHeader}
	case token == harmonyMessage && s.part == partHeader:
		switch {
		case s.run == toName:
			return State{Place: PlaceOpen, part: partBody}
		case s.quote == 'a':
			return State{Place: PlaceThink, part: partThought}
		}
		return State{Place: PlaceThought, part: partText}
	case token == harmonyCall && s.part == partBody:
		return State{Place: PlaceAfter, part: partEnded}
	case token == harmonyEnd && s.part == partThought:
		return State{Place: PlaceThought, part: partEnded}
	case token == harmonyEnd && s.part == partBody:
		return State{Place: PlaceAfter, part: partEnded}
	case token == harmonyEnd && s.part == partText:
		s.part = partEnded
		return s
	}
	return f.otherControl(s, token)
}

// Legal says whether a control token may stand after s; see Format.
func (f harmony) Legal(s State, token string) bool {
	s = settle(s, harmonyChar)
	if s.Place == PlaceThink && s.part == partNone {
		return f.otherLegal(s, token)
	}
	complete := s.part == partBody && s.Place == PlaceCall && s.depth == 0 && s.quote == 0
	switch token {
	case harmonyStart:
		return s.part == partEnded && s.Place != PlaceEnd
	case harmonyChannel:
		return s.part == partRole || s.part == partNone && s.Place <= PlaceProse
	case harmonyMessage:
		return s.part == partHeader && s.quote != 0
	case harmonyConstrain:
		return s.part == partHeader && s.run == toName
	case harmonyCall:
		return complete
	case harmonyEnd:
		return s.part == partThought || s.part == partText
	}
	switch {
	case f.isEnd(token):
		return complete || s.part != partThought && f.otherLegal(s, token)
	case s.part == partThought:
		return drafted(token) && !slices.Contains(harmonyTokens, token) && token != OpenThink && token != CloseThink
	case s.part != partNone:
		return false
	}
	return f.otherLegal(s, token)
}
