package format

import (
	"strings"

	"ballast"
)

// thoughts takes the thoughts out of a reply while it is read.
type thoughts struct {
	lexicon
	open    bool            // inside one
	leading bool            // the reply began with it
	text    strings.Builder // of the leading one
}

// take takes a piece that is a tag of a thought or stands inside one; false for all
// others. start says that nothing stands before the piece.
//
// A closing tag takes back all calls before it: whatever it closes, they were
// thoughts.
func (t *thoughts) take(p *Parsed, x Piece, start bool) bool {
	switch {
	case x.Control && t.closesThought(x.Text):
		if !t.open {
			p.spoil(ReasonStrayClose)
		}
		t.open, p.Calls = false, nil
	case t.open:
		if x.Control && (!drafted(x.Text) || t.isEnd(x.Text)) {
			p.spoil(ReasonControlInText)
		}
		if t.leading {
			t.text.WriteString(x.Text)
		}
	case x.Control && t.opensThought(x.Text):
		if !start {
			p.spoil(ReasonControlInText)
		}
		t.open, t.leading = true, start
	default:
		return false
	}
	return true
}

// end writes the leading thought down; one that is still open is a fault.
func (t *thoughts) end(p *Parsed) {
	p.Thought = trim(t.text.String())
	if t.open {
		p.spoil(ReasonUnclosedTag)
	}
}

// Spoken is what a reply says to its user, whatever its format is: what stands behind its thoughts, and of the messages of
// gpt-oss those that are none. One that cannot be read as such messages is what it is.
func Spoken(reply string) string {
	if strings.Contains(reply, harmonyChannel) {
		if p := Harmony.Parse(reply, nil); p.Kind == ballast.KindResponse {
			return p.Text
		}
	}
	for _, shut := range [...]string{CloseThink, closeThinkMistral} {
		if i := strings.LastIndex(reply, shut); i >= 0 {
			reply = reply[i+len(shut):]
		}
	}
	return reply
}

// Opened is a reply with the tag that opens its thought. Where a template opens the thought
// and whoever serves the model returns the text after that, the reply has the closing tag alone: that
// is not the model's doing.
func Opened(reply string) string {
	at := strings.Index(reply, CloseThink)
	if at < 0 || strings.Contains(reply[:at], OpenThink) {
		return reply
	}
	return OpenThink + reply
}
