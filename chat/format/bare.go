package format

import (
	"strings"

	"ballast"
)

// bare is what formats have in common that write calls without tags: the calls
// begin a line, the reply's first or a later one, and end the reply.
type bare struct {
	lexicon
	// char moves the automaton on by a byte outside control tokens. It decides
	// where the calls begin (PlaceCall) and end (PlaceAfter).
	char func(State, byte) State
	// still is how many bytes at the beginning of a text leave a state inside the calls as it is; nil
	// where nobody knows.
	still func(s State, text string) int
	// body reads the text of all calls. The words say what a fault is about.
	body func(text string) (calls []ballast.Call, fault Reason, detail string)
	// json: the calls are JSON, and so may be an answer of the model to its user.
	json bool
	// opener is the byte that begins the calls.
	opener byte
	// tag is a control token that may stand at the very start; "" for none.
	tag string
}

// Control is empty: calls are plain text, and the tag may be left out.
func (bare) Control() []string { return nil }

// Parse reads a reply; see Format.
func (f bare) Parse(reply string, offered Offered) Parsed {
	var room [4]Piece
	pieces := f.pieces(room[:0], f.withoutEnd(reply))
	if p, bad := collapsed(pieces); bad {
		return p
	}
	var p Parsed
	before, rest, tagged := f.prose(&p, pieces)
	start, end := f.find(rest)
	var calls []ballast.Call
	if end >= 0 {
		var fault Reason
		var detail string
		calls, fault, detail = f.body(rest[start:end])
		if len(calls) == 0 && !tagged && f.json && answerIn(rest[start:end], fault, offered) {
			start = -1
		} else if fault != "" {
			p.detailed(fault, detail)
		}
	}
	switch {
	case start < 0: // no calls in this format
		p.Text = before + rest
		if tagged && hasWord(rest) {
			p.detailed(ReasonOtherSyntax, f.tag+" before "+shown(rest))
		}
	case end < 0: // calls that never end
		p.Text = before + rest[:start]
		p.spoil(ReasonUnclosedTag)
	default:
		p.Text = before + rest[:start] + rest[end:]
		p.Calls = calls
		if tagged && hasWord(rest[:start]) {
			p.detailed(ReasonOtherSyntax, f.tag+" before "+shown(rest[:start]))
		}
		if trim(rest[end:]) != "" {
			p.detailed(ReasonTextAroundCall, shown(rest[end:]))
		}
	}
	if found := foreignCall(p.Text, offered); found != "" {
		p.detailed(ReasonOtherSyntax, found)
	}
	if start < 0 && !hasWord(p.Text) {
		p.spoil(ReasonEmpty)
	}
	p.spoil(faultyProse(p.Text))
	return p.finish(offered)
}

// answerIn reports whether a text that begins as calls in JSON do, and holds none, is an answer: it names no tool, and is JSON
// or lacks the keys of a call. fault is what is wrong with it.
func answerIn(text string, fault Reason, offered Offered) bool {
	named, _, _ := jsonNames(text, offered)
	return !named && (fault != ReasonBadJSON || !callKeys(text)) && nameless(text) < 0
}

// prose takes thoughts, and the tag, off a reply and returns the text before the
// last closing tag of a thought, in which no call is read, the text after it, and
// whether the tag stood there. Any other control token is a fault.
func (f bare) prose(p *Parsed, pieces []Piece) (before, rest string, tagged bool) {
	if len(pieces) == 1 && !pieces[0].Control { // as most replies are
		return "", pieces[0].Text, false
	}
	var text strings.Builder
	thought := thoughts{lexicon: f.lexicon}
	began, last := false, 0
	for _, x := range pieces {
		switch {
		case thought.take(p, x, !began):
			if began = true; !thought.open {
				last = text.Len()
			}
		case !x.Control:
			text.WriteString(x.Text)
			began = began || trim(x.Text) != ""
		case x.Text == f.tag && !began: // allowed, says nothing
			began, tagged = true, true
		case x.Text == closeCall:
			p.spoil(ReasonStrayClose)
			began = true
		case x.Text != f.tag && callToken(x.Text):
			p.detailed(ReasonOtherSyntax, x.Text)
			text.WriteString(x.Text)
			began = true
		default:
			p.spoil(ReasonControlInText)
			text.WriteString(x.Text) // a call around it can be read all the same
			began = true
		}
	}
	thought.end(p)
	return text.String()[:last], text.String()[last:], tagged
}

// find returns the byte range of the calls, from the opener to behind the last
// closing bracket; end is -1 if it is not closed, start is -1 without calls. It
// runs the automaton, but only from openers that begin a line.
func (f bare) find(text string) (start, end int) {
	for i := 0; ; i++ {
		j := strings.IndexByte(text[min(i, len(text)):], f.opener)
		if j < 0 {
			return -1, -1
		}
		i += j
		if !beginsLine(text, i) { // brackets in the middle of prose
			continue
		}
		s := f.char(State{Place: PlaceProse}, f.opener)
		for start = i; s.line != lineBlank && s.line != lineText && s.Place != PlaceCall && i+1 < len(text); {
			i++
			if s = f.char(s, text[i]); s.line == lineBracket && text[i] == f.opener { // on a later line, once more
				start = i
			}
		}
		if s.Place != PlaceCall {
			continue
		}
		for end = -1; i+1 < len(text) && s.Place != PlaceTail; {
			if i++; f.still != nil && s.Place == PlaceCall {
				if i += f.still(s, text[i:]); i == len(text) {
					break
				}
			}
			was := s.Place
			if s = f.char(s, text[i]); s.Place == PlaceAfter && was == PlaceCall {
				end = i + 1
			}
		}
		if s.Place == PlaceCall {
			end = -1
		}
		return start, end
	}
}

// beginsLine reports whether only white space stands before byte i on its line.
func beginsLine(text string, i int) bool {
	for i--; i >= 0 && text[i] != '\n'; i-- {
		if !isBlank(text[i]) {
			return false
		}
	}
	return true
}

// Next moves the automaton on by the text of one or more tokens; see Format.
func (f bare) Next(s State, text string) State { return f.feed(s, text, f.char, f.otherControl) }

// Legal says whether a control token may stand after s; see Format.
func (f bare) Legal(s State, token string) bool {
	s = settle(s, f.char)
	if f.tag != "" && token == f.tag && s.Place != PlaceThink {
		return s.Place == PlaceStart
	}
	return f.otherLegal(s, token)
}

// lineState says what stands on the current line, outside calls.
type lineState uint8

const (
	lineBlank   lineState = iota // white space
	lineBracket                  // the opener
	lineOpen                     // pythonic: and line ends after it
	lineName                     // pythonic: and a name
	lineGap                      // and white space after it
	lineText                     // anything else
)
