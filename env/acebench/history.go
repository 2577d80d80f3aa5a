package acebench

import (
	"strings"

	"ballast"
	"ballast/value"
)

// The tags of a history.
const (
	tagUser      = "user:"
	tagAgent     = "agent:"
	tagSystem    = "system:"
	tagExecution = "execution:"
	tagResult    = "execution result:"
)

// rebuilt makes chat messages of a history, as the paper's edition does for format tool. Tags count
// wherever they stand, also inside what somebody said. A message of the role that the last one had
// gets the other role, so that the last question of 139 items is the assistant's.
func rebuilt(history string) (out []ballast.Message) {
	tags := [3]string{tagUser, tagSystem, tagExecution}
	if strings.Contains(history, tagAgent) {
		tags[1] = tagAgent
	}
	if !strings.Contains(history, tagExecution) && strings.Contains(history, tagResult) {
		tags[2] = tagResult
	}
	find := finder{text: history, tags: tags}
	last := ""
	for at, which := find.next(0); at >= 0; {
		from := at + len(tags[which])
		next, other := find.next(from)
		end := next
		if end < 0 {
			end = len(history)
		}
		text, role := strip(history[from:end]), roleUser
		bracket := strings.HasPrefix(text, "[")
		switch {
		case which == 1:
			if role = roleAssistant; bracket {
				text = oneCall(text)
			}
		case bracket:
			text = "<tool_response>\n" + text + "\n</tool_response>"
		}
		at, which = next, other
		if text == "" {
			continue
		}
		if role == last {
			role = map[string]string{roleUser: roleAssistant, roleAssistant: roleUser}[role]
		}
		last = role
		out = append(out, ballast.Message{Role: role, Text: text})
	}
	return out
}

// finder finds tags in a text, front to back, in time linear in it.
type finder struct {
	text string
	tags [3]string
	at   [3]int // of the next one of each, -1: there is none; behind it, it is looked for again
	used bool
}

// next is the place of the first tag from a place on, and which it is; -1 where there is none.
func (f *finder) next(from int) (at, which int) {
	at = -1
	for i, tag := range f.tags {
		if !f.used || f.at[i] >= 0 && f.at[i] < from {
			if f.at[i] = strings.Index(f.text[from:], tag); f.at[i] >= 0 {
				f.at[i] += from
			}
		}
		if k := f.at[i]; k >= 0 && (at < 0 || k < at) {
			at, which = k, i
		}
	}
	f.used = true
	return at, which
}

// oneCall writes [name(argument=value)] as a block of format tool: "" where the text is anything but
// one call of keyword arguments with literal values.
func oneCall(text string) string {
	c, err := value.ParseCall(strings.TrimSpace(strings.Trim(text, "[]")))
	if err != nil || strings.Contains(c.Name, ".") {
		return ""
	}
	args := value.MakeDict(len(c.Args))
	for _, a := range c.Args {
		if a.Name == "" {
			return ""
		}
		args.Set(a.Name, a.Value)
	}
	body, err := value.JSON(value.NewDict("name", c.Name, "arguments", args))
	if err != nil {
		return ""
	}
	return openCall + "\n" + body + "\n" + closeCall
}

// The tags of a call in format tool.
const (
	openCall  = "<tool_call>"
	closeCall = "</tool_call>"
)

// Who speaks in the history of an agent, as Role of a ballast.Message.
const (
	SpeakerUser  = "user"
	SpeakerAgent = "agent"
	SpeakerStep  = "execution result" // the simulators in multi_step
	SpeakerTurn  = "execution"        // and in multi_turn
)

// History is the text of an agent's conversation so far: a line a message.
func History(said ...ballast.Message) string {
	var b strings.Builder
	for _, m := range said {
		b.WriteString(m.Role + ":" + m.Text + "\n")
	}
	return b.String()
}
