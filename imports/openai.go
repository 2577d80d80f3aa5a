package imports

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/supervise"
	"ballast/value"
)

// messageKeys are the keys under which rows keep their messages.
var messageKeys = []string{"messages", "conversations", "conversation"}

// speaks says whether the messages of a row name their speakers with a key.
func speaks(o *object, key string) bool {
	for _, m := range peekList(o, messageKeys...) {
		if d, ok := m.(*value.Dict); ok {
			v, ok := d.GetString(key)
			return ok && v != nil
		}
	}
	return false
}

// peekList is the first of some members that is a list, or the JSON text of one.
func peekList(o *object, keys ...string) []any {
	for _, key := range keys {
		v := o.peek(key)
		if s, ok := v.(string); ok && strings.HasPrefix(strings.TrimSpace(s), "[") {
			v, _ = value.ParseJSON([]byte(s))
		}
		if items, ok := listOf(v); ok {
			return items
		}
	}
	return nil
}

func isOpenAI(o *object) bool { return speaks(o, "role") }

// openAI reads messages as OpenAI's interface has them, and the like of other projects:
// functions and function_call, tool_calls as JSON text, tools beside the text of the
// system message, roles tool_call and tool_response.
func (r *reader) openAI(o *object) error {
	if err := r.head(o); err != nil {
		return err
	}
	return r.each(o, r.message)
}

// each reads the messages of a row. packed says that they stood in JSON text.
func (r *reader) each(o *object, read func(v any, at string, packed bool) error) error {
	for _, key := range messageKeys {
		list, packed, ok, err := o.list(key)
		if err != nil {
			return err
		}
		for i, m := range list {
			if err := read(m, index(key, i), packed); err != nil {
				return err
			}
		}
		if ok {
			break
		}
	}
	return nil
}

// head takes the tools and the system text of a row.
func (r *reader) head(o *object) error {
	if err := r.documented(o); err != nil {
		return err
	}
	text, ok, err := o.text("system")
	if err != nil || !ok || text == "" {
		return err
	}
	return r.system(text, o.path("system"), &hermesText)
}

// echo takes what stands beside messages and says nothing but their first question, or
// their system text.
func (r *reader) echo(o *object) {
	if p, ok := o.peek("prompt").(string); ok && len(r.Messages) > 0 && p == r.Messages[0].Text {
		o.take("prompt")
	}
	if s, ok := o.peek("system_prompt").(string); ok && r.System != nil && s == *r.System {
		o.take("system_prompt")
	}
}

// message reads one message of role and content.
func (r *reader) message(v any, at string, packed bool) error {
	o, err := asObject(v, at)
	if err != nil {
		return err
	}
	role, err := o.word("role")
	if err != nil {
		return err
	}
	return r.weighed(o, role, func() error {
		switch role {
		case "assistant":
			return r.assistant(o, packed)
		case "tool", "function", "tool_response":
			return r.toolMessage(o)
		case "system", "developer":
			if err := r.documented(o); err != nil {
				return err
			}
		case "user", "tool_call":
		default:
			return &fault{reasonRole, o.path("role"), role}
		}
		text, err := r.content(o)
		if err != nil {
			return err
		}
		switch place := o.path("content"); role {
		case "user":
			return r.asked(text, place)
		case "tool_call":
			return r.called(text, place)
		default:
			return r.system(text, place, &hermesText)
		}
	})
}

// content takes the text of a message: a text, or parts of which all are texts.
func (r *reader) content(o *object) (string, error) {
	text, ok, err := r.maybe(o)
	if err == nil && !ok {
		err = &fault{reasonEmpty, o.path("content"), ""}
	}
	return text, err
}

// maybe is content where there may be none.
func (r *reader) maybe(o *object) (text string, ok bool, err error) {
	at := o.path("content")
	switch v := o.take("content").(type) {
	case nil:
		return "", false, nil
	case string:
		return v, true, nil
	case *value.List:
		text, err := r.parts(v, at)
		return text, len(v.Items) > 0, err
	default:
		return "", false, &fault{reasonObjectText, at, kind(v)}
	}
}

// parts joins the parts of a content, which must all be texts.
func (r *reader) parts(list *value.List, at string) (string, error) {
	var b strings.Builder
	for i, x := range list.Items {
		o, err := asObject(x, index(at, i))
		if err != nil {
			return "", &fault{reasonPart, index(at, i), kind(x)}
		}
		t, _, err := o.text("type")
		if err != nil || t != "text" && t != "input_text" && t != "output_text" {
			return "", &fault{reasonPart, o.path("type"), t}
		}
		text, err := o.word("text")
		if err != nil {
			return "", err
		}
		if err := r.only(o); err != nil {
			return "", err
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// assistant reads a reply.
func (r *reader) assistant(o *object, packed bool) error {
	text, _, err := r.maybe(o)
	if err != nil {
		return err
	}
	m, err := r.spoken(text, o.path("content"))
	if err != nil && !r.context { // what is not trained may be wrong
		return err
	}
	if err := thoughts(o, &m); err != nil {
		return err
	}
	calls, ids, err := r.calls(o, packed)
	if err != nil {
		return err
	}
	if len(calls) > 0 {
		if len(m.Calls) > 0 {
			return &fault{reasonBothCalls, o.at, ""}
		}
		m.Calls, m.At = calls, o.path("tool_calls")
	}
	return r.reply(m, ids)
}

// replyRoles are the speakers whose words are replies, or the calls of one.
var replyRoles = []string{"assistant", "gpt", "model", "bot", "tool_call", "function_call", "function-call"}

// weighed reads a message with its weight: a reply of weight 0 is seen and not trained on.
// Weights of other messages say nothing, where they are 0.
func (r *reader) weighed(o *object, role string, read func() error) error {
	w := o.take("weight")
	if w != nil && w != int64(0) && w != int64(1) && w != 0.0 && w != 1.0 {
		return &fault{reasonWeight, o.path("weight"), fmt.Sprint(w)}
	}
	zero := w == int64(0) || w == 0.0
	if w != nil && !zero && !slices.Contains(replyRoles, role) {
		return &fault{reasonWeight, o.path("weight"), role}
	}
	outer := r.context
	r.context = outer || zero
	err := read()
	r.context = outer
	if err != nil {
		return err
	}
	return r.only(o)
}

// thoughts takes what a reply's keys say that it thought.
func thoughts(o *object, m *supervise.Message) error {
	for _, key := range []string{"reasoning_content", "reasoning", "thinking"} {
		text, ok, err := o.text(key)
		if err != nil {
			return err
		}
		if !ok || strings.TrimSpace(text) == "" {
			continue
		}
		if m.Thought != "" && m.Thought != text {
			return &fault{reasonThoughts, o.path(key), ""}
		}
		m.Thought = text
	}
	return nil
}

// calls takes the calls of a reply and their ids.
func (r *reader) calls(o *object, packed bool) (out []ballast.Call, ids []string, err error) {
	list, text, _, err := o.list("tool_calls")
	if s, ok := o.peek("tool_calls").(string); ok && strings.TrimSpace(s) == "" {
		err = nil
	}
	if err != nil {
		return nil, nil, err
	}
	for i, c := range list {
		call, id, err := r.call(c, index(o.path("tool_calls"), i), packed || text)
		if err != nil {
			return nil, nil, err
		}
		out, ids = append(out, call), append(ids, id)
	}
	if f := o.take("function_call"); f != nil && !hollow(f) { // OpenAI's before tools
		call, id, err := r.call(f, o.path("function_call"), packed)
		if err != nil {
			return nil, nil, err
		}
		if len(out) > 0 {
			return nil, nil, &fault{reasonBothCalls, o.path("function_call"), "beside tool_calls"}
		}
		out, ids = append(out, call), append(ids, id)
	}
	return out, ids, nil
}

// answered is the id of a result that stands under id, if it is that of one of the calls;
// any other is the message's own.
func (r *reader) answered(o *object) string {
	if id, ok := o.peek("id").(string); ok && slices.Contains(r.ids, id) {
		return id
	}
	return ""
}

// toolMessage reads the result of a call.
func (r *reader) toolMessage(o *object) error {
	text, ok, err := r.maybe(o)
	if err != nil {
		return err
	}
	if !ok {
		return &fault{reasonEmpty, o.path("content"), "a result that is null"}
	}
	id, _, err := o.text("tool_call_id")
	if err != nil {
		return err
	}
	if id == "" {
		id = r.answered(o)
	}
	name, _, err := o.text("name")
	if err != nil {
		return err
	}
	return r.answers(text, id, name, o.path("content"))
}
