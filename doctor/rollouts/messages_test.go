package rollouts

import (
	"strings"
	"testing"
)

// TestMessages: a call is a call, in whatever shape an endpoint or a trainer keeps it;
// broken arguments stay broken.
func TestMessages(t *testing.T) {
	const want = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"
	for name, c := range map[string]struct{ messages, want string }{
		"text":                   {`[{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]`, "a"},
		"nothing":                {`[{"role": "assistant", "content": null, "tool_calls": null}]`, ""},
		"OpenAI":                 {`[{"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]}]`, want},
		"OpenAI, objects":        {`[{"role": "assistant", "content": null, "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}]`, want},
		"flat":                   {`[{"role": "assistant", "content": "", "tool_calls": [{"id": "c", "name": "f", "arguments": "{\"a\": 1}"}]}]`, want},
		"texts of JSON":          {`[{"role": "assistant", "content": "", "tool_calls": ["{\"function\": {\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}}"]}]`, want},
		"Anthropic":              {`[{"role": "assistant", "content": [{"type": "text", "text": "so"}, {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}]}]`, "so\n" + want},
		"ShareGPT":               {`[{"from": "human", "value": "u"}, {"from": "function_call", "value": "{\"name\": \"f\", \"arguments\": {\"a\": 1}}"}, {"from": "gpt", "value": "done"}]`, want + "|done"},
		"two calls":              {`[{"role": "assistant", "content": "so", "tool_calls": [{"name": "f", "arguments": {"a": 1}}, {"name": "f", "arguments": {"a": 1}}]}]`, "so\n" + want + "\n" + want},
		"keys in another order":  {`[{"tool_calls": [{"function": {"arguments": "{\"a\": 1}", "name": "f"}}], "content": null, "role": "assistant"}]`, want},
		"broken arguments":       {`[{"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\": "}}]}]`, "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": }\n</tool_call>"},
		"parts that are strings": {`[{"role": "assistant", "content": ["a", "b"]}]`, "ab"},
	} {
		got, err := messages([]byte(c.messages))
		if err != nil || strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, err, c.want)
		}
	}
	for _, bad := range []string{`{"role": "assistant"}`, `["text"]`, `[1]`, `[{"role": "assistant", "tool_calls": ["{"]}]`, `[[[]]]`} {
		if got, err := messages([]byte(bad)); err == nil {
			t.Errorf("%s: %q", bad, got)
		}
	}
}

func FuzzMessages(f *testing.F) {
	f.Add(`[{"role": "assistant", "content": [{"type": "tool_use"}], "tool_calls": ["{}", {"function": {"function": {}}}]}]`)
	f.Fuzz(func(t *testing.T, s string) {
		messages([]byte(s))
		replies(s)
	})
}
