package supervise

import (
	"fmt"
	"strings"

	"ballast/chat/tooldoc"
	"ballast/value"
)

// Instructions is the system message of a judge that is a model: what to write, and
// the tools.
func (q *Query) Instructions() string {
	var b strings.Builder
	b.WriteString("You review dialogues between a user and an assistant that calls tools. Gold calls are the right ones. Be concrete and " +
		"brief. Write plain text, never the assistant's tags for tool calls; write calls as name(argument=value).\n")
	switch q.Kind {
	case KindError:
		fmt.Fprintf(&b, "Write exactly these sections, each beginning with its heading on a new line: %s\n", strings.Join(sections, " "))
	case KindDialogue:
		b.WriteString("Write one paragraph for each turn, beginning with \"Turn N\".\n")
	case KindHint:
		b.WriteString("Write the hint alone.\n")
	case KindClosing:
		b.WriteString("Write one line for each turn, beginning with \"Turn N:\", in the assistant's voice, of one or two sentences. Say " +
			"nothing that the results do not say.\n")
	}
	b.WriteString("The tools:\n")
	for _, t := range q.Task.Tools {
		if doc, err := value.JSON(tooldoc.Doc(t)); err == nil {
			b.WriteString(doc + "\n")
		}
	}
	return b.String()
}

// WellFormed says whether an answer has what its kind must have.
func (q *Query) WellFormed(text string) bool {
	switch q.Kind {
	case KindError:
		for _, s := range sections {
			i := strings.Index(text, s)
			if i < 0 {
				return false
			}
			text = text[i+len(s):]
		}
		return true
	case KindDialogue:
		return strings.Contains(text, "Turn 1")
	case KindClosing:
		return closings(text, len(q.Task.Turns)) != nil
	}
	return text != "" && len(strings.Fields(text)) <= 600
}
