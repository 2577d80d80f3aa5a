package format

import (
	"strings"

	"ballast"
)

// tagged is what formats have in common that write each call between <tool_call>
// and </tool_call>: the walk over the reply and the automaton.
type tagged struct {
	lexicon
	// body reads what stands between the tags, trimmed and not empty. A fault may come
	// with words that say what was found (Parsed.Detail).
	body func(text string, offered Offered) (call ballast.Call, fault Reason, detail string)
	// opener is what a body begins with. One that begins otherwise may be a call of
	// another format.
	opener string
	// quotes are the string quotes of a body in JSON: the closing tag is legal
	// only where all brackets and strings are closed. "" for other bodies.
	quotes string
}

// Control returns the control tokens of calls.
func (t tagged) Control() []string { return []string{openCall, closeCall} }

// Parse reads a reply; see Format.
func (t tagged) Parse(reply string, offered Offered) Parsed {
	var room [4]Piece
	pieces := t.pieces(room[:0], t.withoutEnd(reply))
	if p, bad := collapsed(pieces); bad {
		return p
	}
	var p Parsed
	thought := thoughts{lexicon: t.lexicon}
	var lead, body strings.Builder // prose; the body of the open call
	place := PlaceStart
	for _, x := range pieces {
		switch {
		case thought.take(&p, x, place == PlaceStart):
			place = PlaceThought // a call that was open is lost
		case x.Control:
			place = t.tag(&p, x.Text, place, &body, offered)
		case place == PlaceCall:
			body.WriteString(x.Text)
		default:
			lead.WriteString(x.Text)
			if trim(x.Text) == "" { // space between calls, or before anything
				continue
			}
			if place == PlaceAfter {
				p.detailed(ReasonTextAroundCall, shown(x.Text))
			} else {
				place = PlaceProse
			}
		}
	}
	p.Text = lead.String()
	if thought.end(&p); place == PlaceCall { // the reply ended inside
		p.spoil(ReasonUnclosedTag)
	}
	p.spoil(faultyProse(p.Text))
	if found := foreignCall(p.Text, offered); found != "" {
		p.detailed(ReasonOtherSyntax, found)
	}
	if len(p.Calls) == 0 && !hasWord(p.Text) {
		p.spoil(ReasonEmpty)
	}
	return p.finish(offered)
}

// tag takes a control token that is no tag of a thought and returns the place
// behind it. body is that of the open call.
func (t tagged) tag(p *Parsed, token string, place Place, body *strings.Builder, offered Offered) Place {
	switch {
	case token == openCall:
		if place == PlaceCall { // the inner call counts
			p.spoil(ReasonNestedTag)
		}
		body.Reset()
		return PlaceCall
	case token == closeCall && place == PlaceCall:
		text := trim(body.String())
		if text == "" { // "<tool_call></tool_call>" beside other text
			p.detailed(ReasonBadCall, "nothing between "+openCall+" and "+closeCall)
			return PlaceAfter
		}
		call, fault, detail := t.body(text, offered)
		if fault == "" {
			p.Calls = append(p.Calls, call)
			return PlaceAfter
		}
		own := strings.HasPrefix(text, t.opener) || t.quotes != "" && callKeys(text)
		if (fault == ReasonBadJSON || fault == ReasonBadCall) && !own {
			if found := foreignCall(text, offered); found != "" {
				fault, detail = ReasonOtherSyntax, found
			}
		}
		p.detailed(fault, detail)
		return PlaceAfter
	case token == closeCall:
		p.spoil(ReasonStrayClose)
		return place
	}
	if place == PlaceCall {
		p.spoil(ReasonControlInText)
		body.WriteString(token) // the call can be read all the same
	} else if callToken(token) {
		p.detailed(ReasonOtherSyntax, token)
	} else {
		p.spoil(ReasonControlInText)
	}
	return place
}

// Next moves the automaton on by the text of one or more tokens; see Format.
func (t tagged) Next(s State, text string) State { return t.feed(s, text, t.Text, t.readControl) }

// Text moves on by a byte that is part of no control token.
func (t tagged) Text(s State, c byte) State {
	switch s.Place {
	case PlaceOpen:
		if isBlank(c) {
			return s
		}
		s.Place = PlaceCall
		fallthrough
	case PlaceCall:
		return bodyByte(s, c, t.quotes) // xml has no quotes: brackets do not matter
	}
	return proseByte(s, c)
}

func (t tagged) readControl(s State, token string) State {
	switch {
	case s.Place == PlaceThink: // a call is only drafted there
	case token == openCall:
		return State{Place: PlaceOpen} // also where it is illegal: the model wrote it
	case token == closeCall && (s.Place == PlaceOpen || s.Place == PlaceCall):
		return State{Place: PlaceAfter}
	}
	return t.otherControl(s, token)
}

// Legal says whether a control token may stand after s; see Format.
func (t tagged) Legal(s State, token string) bool {
	s = settle(s, t.Text)
	switch {
	case s.Place == PlaceThink:
	case token == openCall:
		return s.Place != PlaceOpen && s.Place != PlaceCall && s.Place != PlaceTail && s.Place != PlaceEnd
	case token == closeCall:
		return s.Place == PlaceCall && (t.quotes == "" || s.depth == 0 && s.quote == 0)
	}
	return t.otherLegal(s, token)
}
