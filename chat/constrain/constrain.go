// Package constrain makes masks for constrained decoding out of a tool-call
// format: the tokens of a reply that the format forbids where they would stand
// cannot be drawn.
//
// Two strengths. Control masks control tokens alone: the format's own tags, end
// tokens and role headers, by the automaton of package format that monitors judge
// replies with; all text is free. It answers the question whether a policy fails by
// its control tokens only. Grammar also holds the body of a call to the call's
// grammar: a JSON object with the name of an offered function and an arguments
// object of any valid JSON, nothing but white space between and after calls. What
// may be written under it, once ended, is never a broken call.
//
// Contract: a Mask is of one reply. Where a tag is one token of the vocabulary it
// can never be drawn where it is illegal; where it is spelled in several, the token
// that would complete it cannot. Under either strength some token is always
// allowed, given that the vocabulary has all bytes.
//
// Failure: a strength or format that is not there is an error that says what to
// choose.
package constrain

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
)

// Strength says what is constrained.
type Strength string

// The strengths.
const (
	Control Strength = "control" // control tokens
	Grammar Strength = "grammar" // and the bodies of calls; format hermes only
)

// Maker makes the mask of one reply, given the names of the offered functions.
type Maker func(offered []string) ballast.Mask

// New returns the maker for a renderer.
func New(s chat.Renderer, how Strength) (Maker, error) {
	_, controls := s.Control()
	l := &language{format: s.Format, texts: make([]string, s.Tokenizer.Size()), controls: append(controls, s.Format.Control()...)}
	for id := range l.texts {
		l.texts[id] = string(s.Tokenizer.Bytes(nil, []int32{int32(id)}))
	}
	switch how {
	case Control:
		return func([]string) ballast.Mask { return &control{language: l} }, nil
	case Grammar:
		if s.Format.Name() != format.Hermes.Name() {
			return nil, fmt.Errorf("constrain: there is a grammar for format hermes only, not for %s; choose strength %s", s.Format.Name(), Control)
		}
		return func(offered []string) ballast.Mask {
			g := &grammar{language: l}
			g.offer(offered)
			return g
		}, nil
	}
	return nil, fmt.Errorf("constrain: no strength %q; choose %s or %s", how, Control, Grammar)
}

// language is a format over a vocabulary.
type language struct {
	format   format.Format
	texts    []string // of every token; "" is no token
	controls []string // the control tokens that are legal somewhere
}

// text returns a token's text; ids outside the vocabulary (padding of the
// embedding) have none and are never allowed.
func (l *language) text(id int32) string {
	if int(id) < len(l.texts) {
		return l.texts[id]
	}
	return ""
}

// control constrains control tokens.
type control struct {
	*language
	state format.State
}

// Allows reports whether a token may come next.
func (m *control) Allows(id int32) bool {
	text := m.text(id)
	_, legal := Judge(m.format, m.state, text)
	return text != "" && legal
}

// Advance takes the token that came.
func (m *control) Advance(id int32) { m.state = m.format.Next(m.state, m.text(id)) }

// Judge reports whether text, where it follows s, holds or completes a control
// token, and whether all that it does are legal where they stand.
func Judge(f format.Format, s format.State, text string) (control, legal bool) {
	s, held := s.Held()
	if held == "" && !strings.ContainsAny(text, "<[") { // most tokens
		return false, true
	}
	for _, p := range f.Split(held + text) {
		if p.Control {
			if control = true; !f.Legal(s, p.Text) {
				return true, false
			}
		}
		s = f.Next(s, p.Text)
	}
	return control, true
}
