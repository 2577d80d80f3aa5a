package recipe

import (
	"strings"
	"testing"

	"ballast/chat"
)

// listed is a template that no known renderer writes, with calls as xLAM writes them.
const listed = `{% if messages[0].role == 'system' %}{{ '<|a|>system: ' + messages[0].content + '<|z|>' }}{% set messages = messages[1:] %}{% endif %}
{%- if tools %}{{ '<|a|>tools: ' }}{% for t in tools %}{{ t|tojson + '\n' }}{% endfor %}{{ '<|z|>' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '<|a|>user: ' + m.content + '<|z|>' }}
{%- elif m.role == 'assistant' %}{{ '<|a|>me: ' + (m.content or '') }}
{%- if m.tool_calls %}{{ ('\n' if m.content else '') + '[' }}
{%- for c in m.tool_calls %}{{ ', ' if not loop.first else '' }}{{ '{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments|tojson + '}' }}{% endfor %}{{ ']' }}{% endif %}{{ '<|z|>' }}
{%- else %}{{ '<|a|>tool: ' + m.content + '<|z|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|a|>me: ' }}{% endif %}`

// TestOwnFormat: the format of a model's own template is the run's where none was chosen.
func TestOwnFormat(t *testing.T) {
	source := chat.Source{From: "m/chat_template.jinja", Text: listed, Special: map[string]string{"eos_token": "<|z|>"}}
	for set, want := range map[string]string{"": "xlam", "xlam": "xlam", "xml": "xml"} {
		r := defaults()
		if set != "" {
			r.Chat.Format = set
		}
		f, err := chat.FormatByName(r.Chat.Format)
		if err != nil {
			t.Fatal(err)
		}
		c, err := r.Renderer(source, "", nil, f)
		if err != nil {
			t.Fatal(err)
		}
		if c.Name != chat.Own || c.Format != "xlam" || r.Chat.Format != want {
			t.Errorf("set %q: %s, format %s, and chat.format is %s, want %s", set, c.Name, c.Format, r.Chat.Format, want)
		}
		if told := strings.Contains(c.Why, "chat.format"); told != (set != "xlam") {
			t.Errorf("set %q: %s", set, c.Why)
		}
	}
}
