package supervise

import (
	"errors"
	"fmt"
	"slices"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/pretoken"
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
	Thought string         // of the assistant, before its text; written where the template has a place for it
	Calls   []ballast.Call // of the assistant
	Results []string       // of the tools, one per call
	Plain   bool           // control tokens spelled in Text stay text
	Context bool           // of the assistant: seen, not trained on
}

// Dialogue is a conversation to learn from that is not the play of a task:
// imported, or a reflection.
type Dialogue struct {
	ID       string
	System   *string // nil = the template's own
	Tools    []ballast.Tool
	Messages []Message
}

// Episode renders a dialogue in a style. Replies of the assistant that are trained
// on are owned by gold; all are steps of one turn per user message. An order of
// messages that no conversation has is an error.
func (d *Dialogue) Episode(style chat.Style) (ep ballast.Episode, err error) {
	defer pretoken.Recover(&err)
	c := chat.NewDialogue(style, d.Tools, d.System)
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
			ids, err := reply(style, c, &m, d.Tools)
			if err != nil {
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

// Check says whether the messages can be a conversation that teaches something.
func (d *Dialogue) Check() error {
	last := Role("")
	for _, m := range d.Messages {
		if !follows(m.Role, last) {
			return fmt.Errorf("%s after %q", m.Role, last)
		}
		last = m.Role
	}
	if !slices.ContainsFunc(d.Messages, func(m Message) bool { return m.Role == Assistant && !m.Context }) {
		return errors.New("no assistant message to train on")
	}
	return nil
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
func reply(style chat.Style, c *chat.Dialogue, m *Message, tools []ballast.Tool) ([]int32, error) {
	if m.Plain {
		ids := style.Tok.EncodePlain(nil, m.Text, []bpe.Span{{Start: 0, End: len(m.Text)}})
		return append(ids, style.Stops()[0]), nil
	}
	text := m.Text
	if len(m.Calls) > 0 {
		calls := make([]ballast.Call, len(m.Calls))
		for i, call := range m.Calls {
			var err error
			if calls[i], err = chat.Named(call, tools); err != nil {
				return nil, err
			}
		}
		if text != "" {
			text += "\n"
		}
		written, err := style.Format.Write(calls, format.Tools(tools))
		if err != nil {
			return nil, err
		}
		text += written
	}
	return c.Gold(text), nil
}

// shown are the tools that a task documents at its start.
func shown(task *ballast.Task) []ballast.Tool {
	var held []string
	for _, t := range task.Turns {
		held = append(held, t.Reveal...)
	}
	return slices.DeleteFunc(slices.Clone(task.Tools), func(t ballast.Tool) bool { return slices.Contains(held, t.Name) })
}
