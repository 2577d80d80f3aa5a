package supervise

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/pretoken"
	"ballast/value"
)

// Role says who speaks.
type Role string

// The roles of a dialogue.
const (
	User      Role = "user"
	Assistant Role = "assistant"
	Tool      Role = "tool"
)

// Message is one message of a dialogue.
type Message struct {
	Role    Role
	Text    string         // of the user, or of the assistant before its calls
	Thought string         // of the assistant, before its text; "" is none, a line end alone an empty one
	Calls   []ballast.Call // of the assistant
	Results []string       // of the tools, one per call
	Plain   bool           // control tokens spelled in Text stay text
	Context bool           // of the assistant: seen, not trained on
	At      string         // where the message stood in what it was read from, "" if in nothing
}

// Dialogue is a conversation to learn from that is not the play of a task:
// imported, or a reflection.
type Dialogue struct {
	ID       string
	System   *string // nil = the template's own
	Tools    []ballast.Tool
	Messages []Message
}

// The reasons for which a dialogue cannot be trained in a renderer.
const (
	UnfitThought  = "a thought, and the template has no place for one"
	UnfitCall     = "a call that the format cannot write"
	UnfitReply    = "a reply that the format does not read as what it is"
	UnfitTemplate = "a conversation that the model's own template refuses"
)

// Unfit is the error of a dialogue that cannot be trained in a renderer.
type Unfit struct {
	Dialogue string // its ID
	Reason   string // one of the above
	Key      string // of the message: its At
	Detail   string
}

// Error is the reason on one line.
func (u *Unfit) Error() string {
	return fmt.Sprintf("dialogue %s: %s: %s (%s)", u.Dialogue, u.Key, u.Reason, u.Detail)
}

// Episode renders a dialogue in a renderer. Replies of the assistant that are trained
// on are owned by gold; all are steps of one turn per user message. A reply that is
// trained comes back from the format's parser as the same words, thought and calls. What
// the renderer cannot write or read back so is an *Unfit. An order of messages that no
// conversation has is an error.
func (d *Dialogue) Episode(renderer chat.Renderer) (ep ballast.Episode, err error) {
	defer pretoken.Recover(&err)
	defer func() {
		p := recover()
		if f, ok := p.(*pretoken.Failure); ok && !f.Passing { // it is this row's
			err = &Unfit{d.ID, UnfitTemplate, "", f.Err.Error()}
		} else if p != nil {
			panic(p)
		}
	}()
	c := chat.NewDialogue(renderer, d.Tools, d.System)
	ep = ballast.Episode{Task: d.ID, Stop: ballast.StopDone}
	last := Role("")
	for i, m := range d.Messages {
		if !follows(m.Role, last) {
			return ep, fmt.Errorf("dialogue %s: message %d of role %q cannot follow %q", d.ID, i, m.Role, last)
		}
		last = m.Role
		switch m.Role {
		case User:
			c.User(m.Text)
			ep.Turns = append(ep.Turns, ballast.Turn{User: m.Text})
		case Tool:
			c.Results(m.Results)
		case Assistant:
			ids, err := reply(renderer, c, &m, d.Tools)
			if err != nil {
				if u := new(Unfit); errors.As(err, &u) {
					u.Dialogue, u.Key = d.ID, m.At
					return ep, u
				}
				return ep, fmt.Errorf("dialogue %s: message %d: %w", d.ID, i, err)
			}
			c.Open()
			if ep.Prompt == 0 {
				ep.Prompt = len(c.Tokens())
			}
			start := len(c.Tokens())
			owner := ballast.OwnerGold
			if m.Context {
				owner = ballast.OwnerTemplate
			}
			c.Reply(ids, owner)
			t := &ep.Turns[len(ep.Turns)-1]
			t.Steps = append(t.Steps, ballast.Step{Start: start, End: start + len(ids), Text: m.Text, Calls: m.Calls, Gold: !m.Context})
		}
	}
	ep.Tokens, ep.Owners = c.Tokens(), c.Owners()
	return ep, nil
}

// follows says whether a message of one role may come after one of another.
func follows(role, last Role) bool {
	switch role {
	case User:
		return last == "" || last == Assistant
	case Tool:
		return last == Assistant
	case Assistant:
		return last == User || last == Tool
	}
	return false
}

// reply is the tokens of an assistant's message with its end token.
func reply(renderer chat.Renderer, c *chat.Dialogue, m *Message, tools []ballast.Tool) ([]int32, error) {
	if m.Plain {
		ids := renderer.Tokenizer.EncodePlain(nil, m.Text, []bpe.Span{{Start: 0, End: len(m.Text)}})
		return append(ids, renderer.Stops()[0]), nil
	}
	offered := format.Tools(tools)
	text, written, calls := renderer.Template.Words(m.Text, len(m.Calls) > 0), "", make([]ballast.Call, len(m.Calls))
	for i, call := range m.Calls {
		var err error
		if calls[i], err = chat.Named(call, tools); err != nil {
			return nil, &Unfit{Reason: UnfitCall, Detail: err.Error()}
		}
	}
	if len(calls) > 0 {
		var err error
		if written, err = renderer.Format.Write(calls, offered); err != nil {
			return nil, &Unfit{Reason: UnfitCall, Detail: err.Error()}
		}
		text = renderer.Template.Joined(text, written)
	}
	thought, ok := renderer.Template.Thought(m.Thought)
	switch {
	case m.Thought == "":
	case ok:
		text = thought + strings.TrimLeft(text, "\n") // as the template does
	case !renderer.Template.Thoughtless() || strings.TrimSpace(m.Thought) != "":
		return nil, &Unfit{Reason: UnfitThought, Detail: "the renderer is " + renderer.Template.Name}
	}
	if m.Context {
		return c.Gold(text), nil
	}
	alone := renderer.Format.Parse(written, offered).Calls // as Write checked them
	if what := misread(renderer.Format.Parse(text, offered), m, alone, ok); what != "" {
		return nil, &Unfit{Reason: UnfitReply, Detail: what}
	}
	return c.Gold(text), nil
}

// misread says in what a reply differs from what the parser makes of it, "" if in nothing.
func misread(p chat.Parsed, m *Message, calls []ballast.Call, thinks bool) string {
	const blank = " \t\r\n\f\v"
	want := ballast.KindResponse
	if len(calls) > 0 {
		want = ballast.KindCall
	}
	switch {
	case p.Kind != want:
		return fmt.Sprintf("it reads as %s, %s", p.Kind, p.Reason)
	case p.Text != strings.Trim(m.Text, blank):
		return "its words read as others"
	case thinks && p.Thought != strings.Trim(m.Thought, blank):
		return "its thought reads as another"
	case len(p.Calls) != len(calls):
		return fmt.Sprintf("%d calls read as %d", len(calls), len(p.Calls))
	}
	for i, c := range p.Calls {
		if got, want := value.FormatCall(c), value.FormatCall(calls[i]); got != want {
			return want + " reads as " + got
		}
	}
	return ""
}

// shown are the tools that a task documents at its start.
func shown(task *ballast.Task) []ballast.Tool {
	var held []string
	for _, t := range task.Turns {
		held = append(held, t.Reveal...)
	}
	return slices.DeleteFunc(slices.Clone(task.Tools), func(t ballast.Tool) bool { return slices.Contains(held, t.Name) })
}
