package imports

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/supervise"
	"ballast/value"
)

// The tags that dialogues write as text. Their syntax is that of the format hermes.
const (
	openCall, closeCall         = "<tool_call>", "</tool_call>"
	openTools, closeTools       = "<tools>", "</tools>"
	openResponse, closeResponse = "<tool_response>", "</tool_response>"
)

// emptyThought stands in a message for a thought without words; see supervise.Message.
const emptyThought = "\n"

// spoken reads a reply's text: a thought at its start, and calls in tags. Text with tags
// that are no well-formed call is a fault where it would be trained.
func (r *reader) spoken(body, at string) (supervise.Message, error) {
	m := supervise.Message{Text: body, At: at}
	if !mentions(body, openCall, closeCall, format.OpenThink, format.CloseThink, openResponse, closeResponse) {
		return m, nil
	}
	p := chat.Hermes.Parse(body, nil)
	alone := p.Reason == format.ReasonEmpty // a thought and nothing else: the calls may stand beside it
	if p.Kind != ballast.KindCall && p.Kind != ballast.KindResponse && !alone {
		return m, &fault{reasonBroken, at, broken(body, p.Reason)}
	}
	if rest, ok := strings.CutPrefix(strings.TrimLeft(body, " \t\r\n"), format.OpenThink); ok {
		thought, rest, _ := strings.Cut(rest, format.CloseThink) // the parser closes it there, too
		m.Text = strings.TrimLeft(rest, "\n")
		if m.Thought = strings.Trim(thought, "\n"); strings.TrimSpace(thought) == "" {
			m.Thought = emptyThought
		}
	}
	if p.Kind == ballast.KindCall {
		m.Text, m.Calls = p.Text, p.Calls
	}
	return m, exactBodies(body, len(p.Calls), at)
}

// broken says why a reply with tags is no call: the parser's word for it, and what is wrong
// with the first JSON that cannot be read.
func broken(body string, reason format.Reason) string {
	if reason != format.ReasonBadJSON {
		return string(reason)
	}
	for _, part := range strings.Split(body, openCall)[1:] {
		inner, _, _ := strings.Cut(part, closeCall)
		inner = strings.TrimSpace(inner)
		if _, err := value.ParseExact([]byte(inner)); err != nil {
			return fmt.Sprintf("%s: %v, of %s", reason, err, inner)
		}
	}
	return string(reason)
}

// exactBodies checks that the calls in tags can be read in one way only.
func exactBodies(body string, calls int, at string) error {
	if calls == 0 {
		return nil
	}
	if _, after, ok := strings.Cut(body, format.CloseThink); ok {
		body = after
	}
	for part := range strings.SplitSeq(body, openCall) {
		if inner, _, ok := strings.Cut(part, closeCall); ok {
			v, err := value.ParseExact([]byte(inner))
			if err != nil {
				return &fault{reasonJSON, at, err.Error()}
			}
			if err := onlyCall(v, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// onlyCall checks that a call says nothing that the parser passes over.
func onlyCall(v any, at string) error {
	d, ok := v.(*value.Dict)
	if !ok {
		return nil
	}
	for i := range d.Len() {
		k, x := d.At(i)
		key, _ := k.(string)
		if key != "name" && key != "arguments" && x != nil && !empty(x) && !slices.Contains(passable, key) {
			return &fault{reasonKey, at, "a call with " + key}
		}
	}
	return nil
}

func mentions(text string, tags ...string) bool {
	return strings.Contains(text, "<") && slices.ContainsFunc(tags, func(t string) bool { return strings.Contains(text, t) })
}

// responses takes results out of their tags: text that is nothing but blocks of
// <tool_response>. false is any other text.
func responses(body string) (out []string, ok bool) {
	rest := strings.TrimSpace(body)
	for rest != "" {
		inner, ok := strings.CutPrefix(rest, openResponse)
		if !ok {
			return nil, false
		}
		inner, rest, ok = strings.Cut(inner, closeResponse)
		if !ok || strings.Contains(inner, openResponse) {
			return nil, false
		}
		out = append(out, strings.TrimSpace(inner))
		rest = strings.TrimSpace(rest)
	}
	return out, len(out) > 0
}

// answers takes the text of one message of results: blocks of tags, or one result, or
// the JSON list of the results of several calls.
func (r *reader) answers(body, id, name, at string) error {
	if blocks, ok := responses(body); ok {
		return r.inTurn(blocks, id, name, at)
	}
	if m := r.last(); id == "" && m != nil && len(m.Calls) > 1 && len(r.results) == 0 {
		if items, ok := listItems(body); ok && len(items) == len(m.Calls) {
			return r.inTurn(items, "", "", at)
		}
	}
	return r.answer(result{body, id, name, at})
}

// inTurn takes results one after the other.
func (r *reader) inTurn(texts []string, id, name, at string) error {
	for _, x := range texts {
		if err := r.answer(result{x, id, name, at}); err != nil {
			return err
		}
	}
	return nil
}

// asked takes what stands as the user's message: results in their tags where calls wait
// for as many, as Qwen's template writes them, and else what the user said.
func (r *reader) asked(body, at string) error {
	if m := r.last(); m != nil && len(m.Calls) > 0 && len(r.results) == 0 {
		if blocks, ok := responses(body); ok && len(blocks) == len(m.Calls) {
			return r.answers(body, "", "", at)
		}
	}
	return r.user(body, at)
}

// listItems are the items of a JSON list, each as it is written.
func listItems(text string) ([]string, bool) {
	text = strings.TrimSpace(text)
	v, err := value.ParseExact([]byte(text))
	l, ok := v.(*value.List)
	if err != nil || !ok || len(l.Items) == 0 {
		return nil, false
	}
	var items []json.RawMessage
	if json.Unmarshal([]byte(text), &items) != nil {
		return nil, false
	}
	out := make([]string, len(items))
	for i, x := range items {
		out[i] = string(x)
	}
	return out, true
}
