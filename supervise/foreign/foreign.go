// Package foreign reads files of dialogues that other projects wrote.
//
// Contract: a row becomes a dialogue whose calls, results and tools are values,
// so that it can be rendered in any template and format. Nothing is guessed: a
// row that cannot be read is skipped and counted by reason.
//
// How it fails: a file that cannot be read, or of which most rows cannot be
// used, is an error that names the row or the reasons.
package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/parquet-go/parquet-go"

	"ballast"
	"ballast/chat"
	"ballast/supervise"
	"ballast/value"
)

// Imported is what a file of dialogues held.
type Imported struct {
	Dialogues []supervise.Dialogue
	Skipped   map[string]int // rows that could not be used, by reason
}

// Import reads a file of dialogues: a JSON array, one JSON object a line, or
// parquet. Rows may be ToolACE's (system, conversations), chat messages
// (messages, tools; OpenAI's names), or verl's (prompt, response; the prompt as
// messages or as ChatML text). A row that cannot be used is skipped and counted;
// a file of which most rows cannot is an error.
func Import(path string) (Imported, error) {
	out := Imported{Skipped: map[string]int{}}
	add := func(n int, row []byte) error {
		v, err := value.ParseJSON(row)
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n, err)
		}
		d, err := convert(v)
		if err != nil {
			out.Skipped[err.Error()]++
			return nil
		}
		d.ID = fmt.Sprintf("row-%d", n)
		out.Dialogues = append(out.Dialogues, d)
		return nil
	}
	var err error
	if strings.HasSuffix(path, ".parquet") {
		err = parquetRows(path, add)
	} else {
		err = jsonRows(path, add)
	}
	if err != nil {
		return out, fmt.Errorf("import: %w", err)
	}
	lost := 0
	for _, n := range out.Skipped {
		lost += n
	}
	if lost >= len(out.Dialogues) {
		return out, fmt.Errorf("import: %s: %d of %d rows cannot be used: %v", path, lost, lost+len(out.Dialogues), slices.Sorted(maps.Keys(out.Skipped)))
	}
	return out, nil
}

// jsonRows yields the objects of a JSON array or of JSON lines.
func jsonRows(path string, add func(int, []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	n := 0
	for {
		var row json.RawMessage
		switch err := dec.Decode(&row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: after row %d: %w", path, n, err)
		}
		if n == 0 && bytes.HasPrefix(row, []byte("[")) {
			var rows []json.RawMessage
			if err := json.Unmarshal(row, &rows); err != nil {
				return err
			}
			for i, r := range rows {
				if err := add(i, r); err != nil {
					return err
				}
			}
			return nil
		}
		if err := add(n, row); err != nil {
			return err
		}
		n++
	}
}

// parquetRows yields the rows of a parquet file as JSON. The library panics on
// some broken files; that is an error here.
func parquetRows(path string, add func(int, []byte) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: broken parquet file: %v", path, p)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := parquet.NewGenericReader[any](f)
	defer r.Close()
	buf, n := make([]any, 64), 0
	for {
		k, err := r.Read(buf)
		for _, row := range buf[:k] {
			text, jerr := json.Marshal(unwrap(row))
			if jerr != nil {
				return fmt.Errorf("%s: row %d: %w", path, n, jerr)
			}
			if err := add(n, text); err != nil {
				return err
			}
			n++
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
}

// unwrap takes parquet's {list: [{element: x}]} and byte strings off.
func unwrap(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case []any:
		for i := range v {
			v[i] = unwrap(v[i])
		}
	case map[string]any:
		if l, ok := v["list"].([]any); ok && len(v) == 1 {
			for i := range l {
				if m, ok := l[i].(map[string]any); ok && len(m) == 1 {
					for _, x := range m {
						l[i] = x
					}
				}
			}
			return unwrap(l)
		}
		for k := range v {
			v[k] = unwrap(v[k])
		}
	}
	return v
}

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
	if l := list(row, "conversations"); l != nil {
		return d.toolACE(text(row, "system"), l)
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
	for _, t := range list(row, "tools") {
		d.tool(t)
	}
	return nil
}

// reader is a dialogue in the making.
type reader struct{ supervise.Dialogue }

// chat reads OpenAI's messages.
func (d *reader) chat(messages []any) error {
	for _, m := range messages {
		content := text(m, "content")
		switch role := text(m, "role"); role {
		case "system":
			d.system(content)
		case "user", "tool", "function":
			d.say(supervise.Role(strings.Replace(role, "function", "tool", 1)), content)
		case "assistant":
			d.say(supervise.Assistant, content)
			last := &d.Messages[len(d.Messages)-1]
			for _, c := range list(m, "tool_calls") {
				f, _ := field(c, "function").(*value.Dict)
				call, err := openAICall(f)
				if err != nil {
					return err
				}
				last.Calls = append(last.Calls, call)
			}
		default:
			return fmt.Errorf("role %q", role)
		}
	}
	return nil
}

func openAICall(f *value.Dict) (ballast.Call, error) {
	c := ballast.Call{Name: text(f, "name")}
	args := field(f, "arguments")
	if s, ok := args.(string); ok {
		var err error
		if args, err = value.ParseJSON([]byte(s)); err != nil {
			return c, errors.New("arguments of a call are not JSON")
		}
	}
	a, ok := args.(*value.Dict)
	if !ok || c.Name == "" {
		return c, errors.New("a call without name or arguments")
	}
	for i := range a.Len() {
		k, v := a.At(i)
		name, _ := k.(string)
		c.Args = append(c.Args, ballast.Arg{Name: name, Value: v})
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
			return fmt.Errorf("role %q", role)
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
	d.System = strings.TrimSpace(before)
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

// tool adds a tool from its documentation, wrapped as OpenAI does or not.
func (d *reader) tool(v any) {
	if inner, ok := field(v, "function").(*value.Dict); ok {
		v = inner
	}
	if name := text(v, "name"); name != "" {
		d.Tools = append(d.Tools, ballast.Tool{Name: name, Doc: text(v, "description"), Schema: v})
	}
}

// toolACE reads ToolACE's rows: tools as a JSON array inside the system text,
// calls as a Python list in which names may hold spaces and more. The prose of
// the system message explains that syntax and is left out, as in the paper's
// conversion to the training format.
func (d *reader) toolACE(system string, conversations []any) (err error) {
	names := map[string]string{}
	if i := strings.Index(system, "[{"); i >= 0 {
		var raw json.RawMessage
		if err := json.NewDecoder(strings.NewReader(system[i:])).Decode(&raw); err != nil {
			return errors.New("the tools are not JSON")
		}
		v, err := value.ParseJSON(raw)
		if err != nil {
			return errors.New("the tools are not JSON")
		}
		for _, t := range v.(*value.List).Items {
			doc, ok := t.(*value.Dict)
			if !ok {
				continue
			}
			name := text(doc, "name")
			if safe := identifier(name); safe != name {
				names[name] = safe
				doc.Set("name", safe)
			}
			d.tool(doc)
		}
	}
	for _, m := range conversations {
		body := text(m, "value")
		switch from := text(m, "from"); from {
		case "user":
			d.say(supervise.User, body)
		case "tool":
			d.Messages = append(d.Messages, supervise.Message{Role: supervise.Tool, Results: results(body)})
		case "assistant":
			msg := supervise.Message{Role: supervise.Assistant, Text: body}
			if t := strings.TrimSpace(body); strings.HasPrefix(t, "[") && strings.HasSuffix(t, "]") {
				for _, name := range slices.Sorted(maps.Keys(names)) {
					t = strings.ReplaceAll(t, name+"(", names[name]+"(")
				}
				if msg.Calls, err = value.ParseCalls(t); err != nil {
					return errors.New("calls that cannot be read")
				}
				msg.Text = ""
			}
			d.Messages = append(d.Messages, msg)
		default:
			return fmt.Errorf("role %q", from)
		}
	}
	return nil
}

// results splits ToolACE's list of answers.
func results(body string) []string {
	v, err := value.ParseJSON([]byte(body))
	l, ok := v.(*value.List)
	if err != nil || !ok {
		return []string{body}
	}
	var out []string
	for _, x := range l.Items {
		if s, err := value.JSON(x); err == nil {
			out = append(out, s)
		}
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

func field(v any, key string) any {
	d, ok := v.(*value.Dict)
	if !ok || d == nil {
		return nil
	}
	x, _ := d.Get(key)
	return x
}

func text(v any, key string) string {
	s, _ := field(v, key).(string)
	return s
}

func list(v any, key string) []any {
	l, ok := field(v, key).(*value.List)
	if !ok {
		return nil
	}
	return l.Items
}
