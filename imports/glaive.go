package imports

import (
	"encoding/json"
	"errors"
	"strings"

	"ballast"
	"ballast/supervise"
	"ballast/value"
)

func isGlaive(o *object) bool {
	_, ok := o.peek("chat").(string)
	return ok
}

// The marks of Glaive's texts.
const (
	glaiveCall = "<functioncall>"
	glaiveEnd  = "<|endoftext|>"
	glaiveGap  = "\n\n\n"
)

var glaiveSpeakers = []string{"USER:", "ASSISTANT:", "FUNCTION RESPONSE:"}

// glaive reads rows of two texts: the system text with the tools, and the conversation.
func (r *reader) glaive(o *object) error {
	if err := r.documented(o); err != nil {
		return err
	}
	text, ok, err := o.text("system")
	if err != nil {
		return err
	}
	if text = strings.TrimSpace(strings.TrimPrefix(text, "SYSTEM:")); ok && text != "" {
		if err := r.system(text, "system", &glaiveText); err != nil {
			return err
		}
	}
	chat, err := o.word("chat")
	if err != nil {
		return err
	}
	return r.glaiveChat(chat)
}

// glaiveText finds the tools: JSON objects in a row, from a line's start to the end.
var glaiveText = explains{
	known: []string{"accesstothefollowingfunctions", "usethemifrequired-"},
	cut: func(text string) (block, before, after string, found bool, err error) {
		at := strings.IndexByte(text, '{')
		if at < 0 || at > 0 && strings.IndexByte("\n-: ", text[at-1]) < 0 {
			return "", "", "", false, nil
		}
		return text[at:], text[:at], "", true, nil
	},
}

// glaiveChat cuts the conversation into messages.
func (r *reader) glaiveChat(text string) error {
	for part := range strings.SplitSeq(glaiveGap+strings.TrimSpace(text), glaiveGap) {
		part = strings.Trim(part, "\n ")
		if part == "" {
			continue
		}
		speaker, body := "", ""
		for _, s := range glaiveSpeakers {
			if rest, ok := strings.CutPrefix(part, s); ok {
				speaker, body = s, rest
			}
			if strings.Contains(part, "\n"+s) {
				return &fault{reasonChat, "chat", "the mark " + s + " inside of a message"}
			}
		}
		var err error
		switch speaker {
		case "USER:":
			err = r.user(strings.TrimSpace(body), "chat")
		case "ASSISTANT:":
			err = r.glaiveReply(strings.TrimSpace(body))
		case "FUNCTION RESPONSE:":
			err = r.answer(result{strings.TrimSpace(body), "", "", "chat"})
		default:
			err = &fault{reasonChat, "chat", "a paragraph without a speaker: " + part}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// glaiveReply reads a reply: words, and at most one call at the end.
func (r *reader) glaiveReply(body string) error {
	body = strings.TrimSpace(strings.TrimSuffix(body, glaiveEnd))
	if strings.Contains(body, glaiveEnd) {
		return &fault{reasonChat, "chat", "a reply with two ends"}
	}
	words, rest, ok := strings.Cut(body, glaiveCall)
	if !ok {
		return r.spoke(body, "chat")
	}
	m := supervise.Message{Text: strings.TrimSpace(words), At: "chat"}
	call, err := r.glaiveCall(strings.TrimSpace(rest))
	if err != nil {
		return err
	}
	m.Calls = []ballast.Call{call}
	return r.reply(m, nil)
}

// glaiveCall reads a call.
func (r *reader) glaiveCall(text string) (c ballast.Call, err error) {
	v, err := value.ParseExact([]byte(unquoted(text)))
	if err != nil {
		return c, &fault{reasonJSON, "chat", err.Error()}
	}
	if c, _, err = r.call(v, "chat", true); err != nil {
		var f *fault
		if errors.As(err, &f) {
			f.Key = "chat"
		}
	}
	return c, err
}

// unquoted takes the single quotes off the arguments in Glaive's
// {"name": "f", "arguments": '{"a": 1}'}, which makes it JSON. Any other text stays.
func unquoted(text string) string {
	before, quoted, ok := strings.Cut(text, `'`)
	inner, after, closed := cutLast(quoted, `'`)
	if !ok || !closed || strings.TrimSpace(after) != "}" || !json.Valid([]byte(before+"0}")) {
		return text
	}
	if _, err := value.ParseExact([]byte(inner)); err != nil {
		return text
	}
	return before + inner + after
}

func cutLast(text, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}
