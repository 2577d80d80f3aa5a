package foreign

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/supervise"
	"ballast/value"
)

// convert turns a row into a dialogue; its error is a short reason.
func convert(row any) (supervise.Dialogue, error) {
	var d reader
	err := d.row(row)
	if err == nil {
		err = d.Check()
	}
	return d.Dialogue, err
}

// row reads a row of any of the kinds.
func (d *reader) row(row any) (err error) {
	for _, key := range []string{"tools", "functions", "tools_json"} {
		for _, t := range list(row, key) {
			d.tool(t)
		}
	}
	if l := list(row, "conversations"); l != nil {
		return d.shareGPT(text(row, "system"), l)
	}
	messages := list(row, "messages")
	if p := list(row, "prompt"); messages == nil && p != nil {
		messages = p
	}
	switch p := text(row, "prompt"); {
	case messages != nil:
		err = d.chat(messages)
	case p != "":
		err = d.chatML(p)
	default:
		return errors.New("no conversations, messages or prompt")
	}
	if err != nil {
		return err
	}
	if r := text(row, "response"); r != "" {
		d.say(supervise.Assistant, strings.TrimSuffix(strings.TrimSpace(r), "<|im_end|>"))
	}
	return nil
}

// reader is a dialogue in the making.
type reader struct {
	supervise.Dialogue
	names map[string]string // of tools whose names cannot be written in calls
	plain *strings.Replacer // of names before a bracket; nil until it is needed
}

// chat reads OpenAI's messages. Results stand in the order of their calls,
// whatever order their messages have.
func (d *reader) chat(messages []any) error {
	calls := map[string]int{} // the newest message's calls by their ids
	var answers []int         // of which call each result so far is
	for _, m := range messages {
		body, err := content(m)
		if err != nil {
			return err
		}
		role := text(m, "role")
		if role != "tool" && role != "function" {
			d.sort(answers)
			answers = nil
		}
		switch role {
		case "system", "developer":
			if len(d.Messages) > 0 {
				return errors.New("a system message inside the dialogue")
			}
			d.system(body)
		case "user":
			d.say(supervise.User, body)
		case "tool", "function":
			d.say(supervise.Tool, body)
			call, known := calls[text(m, "tool_call_id")]
			if !known {
				call = -1
			}
			answers = append(answers, call)
		case "assistant":
			ids, err := d.assistant(m, body)
			if err != nil {
				return err
			}
			clear(calls)
			for i, id := range ids {
				if _, known := calls[id]; !known {
					calls[id] = i
				}
			}
		default:
			return fmt.Errorf("role %.40q", role)
		}
	}
	d.sort(answers)
	return nil
}

// sort puts the newest message's results into the order of their calls.
func (d *reader) sort(answers []int) {
	if len(answers) < 2 {
		return
	}
	results := d.Messages[len(d.Messages)-1].Results
	if len(results) != len(answers) {
		return // some came as text of the user's
	}
	order := make([]int, len(answers))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(answers[a], answers[b]) })
	sorted := make([]string, len(results))
	for i, k := range order {
		sorted[i] = results[k]
	}
	copy(results, sorted)
}

// assistant reads an assistant's message and returns the ids of its calls. One of
// weight 0 is not trained on (OpenAI's fine-tuning format).
func (d *reader) assistant(m any, body string) (ids []string, err error) {
	d.say(supervise.Assistant, body)
	last := &d.Messages[len(d.Messages)-1]
	last.Context = slices.Contains([]string{"0", "0.0"}, fmt.Sprint(field(m, "weight")))
	calls := list(m, "tool_calls")
	if f, ok := field(m, "function_call").(*value.Dict); ok { // deprecated, one call
		calls = []any{f}
	}
	for _, c := range calls {
		call, err := d.call(c)
		if err != nil {
			return nil, err
		}
		last.Calls = append(last.Calls, call)
		ids = append(ids, text(c, "id"))
	}
	return ids, nil
}

// call reads {name, arguments}, wrapped as OpenAI does or not; arguments are an
// object, or JSON text of one, or absent.
func (d *reader) call(v any) (ballast.Call, error) {
	if f, ok := field(v, "function").(*value.Dict); ok {
		v = f
	}
	c := ballast.Call{Name: text(v, "name")}
	if safe, ok := d.names[c.Name]; ok {
		c.Name = safe
	}
	args := field(v, "arguments")
	if s, ok := args.(string); ok && strings.TrimSpace(s) != "" {
		var err error
		if args, err = value.ParseJSON([]byte(s)); err != nil {
			return c, errors.New("arguments of a call are not JSON")
		}
	}
	if args == nil || args == "" {
		args = &value.Dict{}
	}
	a, ok := args.(*value.Dict)
	if c.Name == "" || !ok {
		return c, errors.New("a call without name or arguments")
	}
	for i := range a.Len() {
		k, x := a.At(i)
		name, _ := k.(string)
		c.Args = append(c.Args, ballast.Arg{Name: name, Value: x})
	}
	return c, nil
}

// chatML reads a prompt that was templated already.
func (d *reader) chatML(prompt string) error {
	parts := strings.Split(prompt, "<|im_start|>")
	if len(parts) == 1 {
		d.say(supervise.User, prompt)
		return nil
	}
	for _, p := range parts[1:] {
		role, body, _ := strings.Cut(p, "\n")
		body, _, closed := strings.Cut(body, "<|im_end|>")
		switch {
		case role == "system":
			d.system(body)
		case role == "user" || role == "tool":
			d.say(supervise.Role(role), body)
		case role == "assistant" && (closed || strings.TrimSpace(body) != ""):
			d.say(supervise.Assistant, body)
		case role != "assistant":
			return fmt.Errorf("role %.40q", role)
		}
	}
	return nil
}

// say appends a message. Calls in the hermes format, and results as Qwen's
// template writes them, are read as what they are.
func (d *reader) say(role supervise.Role, body string) {
	if trimmed := strings.TrimSpace(body); role == supervise.User && strings.HasPrefix(trimmed, "<tool_response>") {
		role = supervise.Tool
		var results []string
		for r := range strings.SplitSeq(trimmed, "<tool_response>") {
			if r = strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(r), "</tool_response>")); r != "" {
				results = append(results, r)
			}
		}
		d.Messages = append(d.Messages, supervise.Message{Role: supervise.Tool, Results: results})
		return
	}
	m := supervise.Message{Role: role, Text: body}
	switch role {
	case supervise.Tool:
		if n := len(d.Messages); n > 0 && d.Messages[n-1].Role == supervise.Tool {
			d.Messages[n-1].Results = append(d.Messages[n-1].Results, body)
			return
		}
		m.Text, m.Results = "", []string{body}
	case supervise.Assistant:
		if p := chat.Hermes.Parse(body, nil); len(p.Calls) > 0 && p.Form == ballast.FormCall {
			before, _, _ := strings.Cut(body, "<tool_call>")
			m.Text, m.Calls = strings.TrimSpace(before), p.Calls
		}
	}
	d.Messages = append(d.Messages, m)
}

// system reads a system message; a section of tools in Qwen's layout becomes
// tools.
func (d *reader) system(body string) {
	before, rest, ok := strings.Cut(body, "# Tools")
	if before = strings.TrimSpace(before); before != "" || !ok {
		d.System = &before
	}
	if !ok {
		return
	}
	_, rest, _ = strings.Cut(rest, "<tools>\n")
	rest, _, _ = strings.Cut(rest, "</tools>")
	for line := range strings.SplitSeq(rest, "\n") {
		if v, err := value.ParseJSON([]byte(line)); err == nil {
			d.tool(v)
		}
	}
}

// tool adds a tool from its documentation, wrapped as OpenAI does or not. A name
// that no call can be written with gets a safe one.
func (d *reader) tool(v any) {
	if inner, ok := field(v, "function").(*value.Dict); ok {
		v = inner
	}
	name := text(v, "name")
	if name == "" {
		return
	}
	if safe := identifier(name); safe != name {
		if d.names == nil {
			d.names = map[string]string{}
		}
		d.names[name], d.plain = safe, nil
		v.(*value.Dict).Set("name", safe)
		name = safe
	}
	d.Tools = append(d.Tools, ballast.Tool{Name: name, Doc: text(v, "description"), Schema: v})
}
