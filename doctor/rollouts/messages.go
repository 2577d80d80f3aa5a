package rollouts

import (
	"encoding/json"
	"fmt"
	"strings"
)

// message is one message of an OpenAI chat, or of the older "from, value" form.
type message struct {
	Role    string          `json:"role"`
	From    string          `json:"from"`
	Content json.RawMessage `json:"content"`
	Value   string          `json:"value"`
	Calls   []struct {
		Function struct {
			Name      string          `json:"name"`
			Arguments json.RawMessage `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// messages returns the assistant's messages as replies. Calls that the endpoint
// had parsed out of the text are written back in the syntax of Hermes, with their
// arguments as they are, so that broken ones stay broken.
func messages(raw []byte) ([]string, error) {
	var list []message
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("not a list of messages: %w", err)
	}
	var out []string
	for _, m := range list {
		if m.Role != "assistant" && m.From != "gpt" && m.From != "assistant" {
			continue
		}
		var b strings.Builder
		b.WriteString(m.Value + content(m.Content))
		for _, c := range m.Calls {
			args, err := text(c.Function.Arguments)
			if err != nil || args == "" {
				args = "{}"
			}
			name, _ := json.Marshal(c.Function.Name)
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "<tool_call>\n{\"name\": %s, \"arguments\": %s}\n</tool_call>", name, args)
		}
		out = append(out, b.String())
	}
	return out, nil
}

// content is a message's text: a string, or the text parts of a list.
func content(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var parts []struct {
		Text string `json:"text"`
	}
	if json.Unmarshal(raw, &parts) != nil {
		return ""
	}
	for _, p := range parts {
		s += p.Text
	}
	return s
}
