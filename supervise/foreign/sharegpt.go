package foreign

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"

	"ballast"
	"ballast/supervise"
	"ballast/value"
)

// shareGPT reads messages of {from, value} and the system text beside them.
func (d *reader) shareGPT(system string, conversations []any) error {
	if len(d.Tools) > 0 {
		d.system(system)
	} else if err := d.listed(system); err != nil {
		return err
	}
	for _, m := range conversations {
		body := text(m, "value")
		switch from := text(m, "from"); from {
		case "system":
			if len(d.Messages) > 0 {
				return errors.New("a system message inside the dialogue")
			}
			d.system(body)
		case "user", "human":
			d.say(supervise.User, body)
		case "tool":
			for _, r := range d.results(body) {
				d.say(supervise.Tool, r)
			}
		case "observation", "tool_response", "function_response":
			d.say(supervise.Tool, body)
		case "assistant", "gpt":
			if err := d.composed(body); err != nil {
				return err
			}
		case "function_call", "tool_call":
			if err := d.called(body); err != nil {
				return err
			}
		default:
			return fmt.Errorf("role %.40q", from)
		}
	}
	return nil
}

// listed reads ToolACE's system text: its tools are a JSON array inside. The prose
// explains the syntax of calls and is left out, as in the paper's conversion to the
// training format. A text without such an array is a system text.
func (d *reader) listed(system string) error {
	i := strings.Index(system, "[{")
	if i < 0 {
		d.system(system)
		return nil
	}
	var raw json.RawMessage
	if err := json.NewDecoder(strings.NewReader(system[i:])).Decode(&raw); err != nil {
		return errors.New("the tools are not JSON")
	}
	v, err := value.ParseJSON(raw)
	if err != nil {
		return errors.New("the tools are not JSON")
	}
	for _, t := range v.(*value.List).Items {
		d.tool(t)
	}
	return nil
}

// composed reads an assistant's text: ToolACE writes calls as a Python list, in
// which names may hold spaces and more, and words may be JSON's.
func (d *reader) composed(body string) error {
	t := strings.TrimSpace(body)
	if !strings.HasPrefix(t, "[") || !strings.HasSuffix(t, ")]") {
		d.say(supervise.Assistant, body)
		return nil
	}
	if d.plain == nil {
		var pairs []string // the longest first: one name may end another
		for _, name := range slices.SortedFunc(maps.Keys(d.names), func(a, b string) int { return cmp.Or(len(b)-len(a), cmp.Compare(a, b)) }) {
			pairs = append(pairs, name+"(", d.names[name]+"(")
		}
		d.plain = strings.NewReplacer(pairs...)
	}
	calls, err := value.ParseCalls(pythonic(d.plain.Replace(t)))
	if err != nil {
		return errors.New("calls that cannot be read")
	}
	d.Messages = append(d.Messages, supervise.Message{Role: supervise.Assistant, Calls: calls})
	return nil
}

// pythonic makes a list of calls one that Python reads: JSON's words outside of
// strings become Python's, and lists that follow each other become one.
func pythonic(t string) string {
	words := map[string]string{"true": "True", "false": "False", "null": "None"}
	var b strings.Builder
	for i := 0; i < len(t); {
		switch c := t[i]; {
		case c == '"' || c == '\'':
			end := i + 1
			for end < len(t) && t[end] != c {
				if t[end] == '\\' {
					end++
				}
				end++
			}
			end = min(end+1, len(t))
			b.WriteString(t[i:end])
			i = end
		case letter(c):
			end := i
			for end < len(t) && (letter(t[end]) || '0' <= t[end] && t[end] <= '9') {
				end++
			}
			b.WriteString(cmp.Or(words[t[i:end]], t[i:end]))
			i = end
		case c == ']' && strings.HasPrefix(strings.TrimSpace(t[i+1:]), "[") && strings.HasSuffix(b.String(), ")"):
			b.WriteByte(',')
			i += 1 + strings.IndexByte(t[i+1:], '[') + 1
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String()
}

func letter(c byte) bool { return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 128 }

// called reads a message that is a call, {name, arguments}, or a list of some, as
// JSON. It joins the assistant's message before it.
func (d *reader) called(body string) error {
	v, err := value.ParseJSON([]byte(body))
	if err != nil {
		return errors.New("calls that cannot be read")
	}
	items := []any{v}
	if l, ok := v.(*value.List); ok {
		items = l.Items
	}
	var calls []ballast.Call
	for _, x := range items {
		c, err := d.call(x)
		if err != nil {
			return err
		}
		calls = append(calls, c)
	}
	if n := len(d.Messages); n == 0 || d.Messages[n-1].Role != supervise.Assistant {
		d.Messages = append(d.Messages, supervise.Message{Role: supervise.Assistant})
	}
	last := &d.Messages[len(d.Messages)-1]
	last.Calls = append(last.Calls, calls...)
	return nil
}

// results splits ToolACE's list of answers, one for each call before it.
func (d *reader) results(body string) []string {
	v, err := value.ParseJSON([]byte(body))
	l, ok := v.(*value.List)
	n := len(d.Messages)
	if err != nil || !ok || n == 0 || len(l.Items) != len(d.Messages[n-1].Calls) {
		return []string{body}
	}
	var out []string
	for _, x := range l.Items {
		s, err := value.JSON(x)
		if err != nil {
			return []string{body}
		}
		out = append(out, s)
	}
	return out
}

// identifier makes a name one that calls can be written with.
func identifier(name string) string {
	out := strings.Map(func(r rune) rune {
		if r == '_' || r == '.' || r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, name)
	if out != "" && unicode.IsDigit(rune(out[0])) {
		out = "_" + out
	}
	return out
}
