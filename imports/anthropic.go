package imports

import (
	"strings"

	"ballast/supervise"
	"ballast/value"
)

// isAnthropic: messages of role and content with blocks that only Anthropic's interface
// has, or tools with input_schema, or a system text of blocks.
func isAnthropic(o *object) bool {
	if !speaks(o, "role") {
		return false
	}
	if _, ok := o.peek("system").(*value.List); ok {
		return true
	}
	for _, t := range peekList(o, "tools") {
		if d, ok := t.(*value.Dict); ok {
			if _, ok := d.GetString("input_schema"); ok {
				return true
			}
		}
	}
	for _, m := range peekList(o, messageKeys...) {
		d, ok := m.(*value.Dict)
		if !ok {
			continue
		}
		v, _ := d.GetString("content")
		l, ok := v.(*value.List)
		if !ok {
			continue
		}
		for _, b := range l.Items {
			if d, ok := b.(*value.Dict); ok {
				switch v, _ := d.GetString("type"); v {
				case "tool_use", "tool_result", "thinking", "redacted_thinking":
					return true
				}
			}
		}
	}
	return false
}

// anthropic reads messages of content blocks. The system text may be blocks, too.
func (r *reader) anthropic(o *object) error {
	if err := r.documented(o); err != nil {
		return err
	}
	if l, ok := o.peek("system").(*value.List); ok {
		text, err := r.parts(l, "system")
		if err != nil {
			return err
		}
		o.take("system")
		if err := r.systemText(text, "system"); err != nil {
			return err
		}
	} else if err := r.head(o); err != nil {
		return err
	}
	return r.each(o, r.blocks)
}

// blocks reads a message. One whose content is no list of blocks is as OpenAI's.
func (r *reader) blocks(v any, at string, packed bool) error {
	o, err := asObject(v, at)
	if err != nil {
		return err
	}
	list, ok := o.peek("content").(*value.List)
	role := o.peek("role")
	if !ok || role != "user" && role != "assistant" {
		return r.message(v, at, packed)
	}
	o.take("role")
	o.take("content")
	if role == "user" {
		err = r.userBlocks(list, o.path("content"))
	} else {
		err = r.replyBlocks(list, o.path("content"), packed)
	}
	if err != nil {
		return err
	}
	return r.only(o)
}

// userBlocks reads what a user said, or the results of calls.
func (r *reader) userBlocks(list *value.List, at string) error {
	results := 0
	for i, b := range list.Items {
		o, err := asObject(b, index(at, i))
		if err != nil {
			return &fault{reasonPart, index(at, i), kind(b)}
		}
		if o.peek("type") != "tool_result" {
			continue
		}
		results++
		o.take("type")
		o.take("is_error") // its words say so
		id, err := o.word("tool_use_id")
		if err != nil {
			return err
		}
		text := ""
		if o.has("content") {
			if text, err = r.content(o); err != nil {
				return err
			}
		}
		if err := r.only(o); err != nil {
			return err
		}
		if err := r.answer(result{text, id, "", o.path("content")}); err != nil {
			return err
		}
	}
	switch results {
	case len(list.Items):
		if results > 0 {
			return nil
		}
	case 0:
		text, err := r.parts(list, at)
		if err != nil {
			return err
		}
		return r.user(text, at)
	default:
		return &fault{reasonOrder, at, "words beside results"}
	}
	return &fault{reasonEmpty, at, ""}
}

// replyBlocks reads a reply: a thought, words, calls, in this order.
func (r *reader) replyBlocks(list *value.List, at string, packed bool) error {
	m := supervise.Message{At: at}
	var ids []string
	var words strings.Builder
	for i, x := range list.Items {
		o, err := asObject(x, index(at, i))
		if err != nil {
			return &fault{reasonPart, index(at, i), kind(x)}
		}
		t, err := o.word("type")
		if err != nil {
			return err
		}
		late := words.Len() > 0 || len(m.Calls) > 0
		switch {
		case t == "thinking" && (late || m.Thought != ""):
			return &fault{reasonThoughts, o.at, "a thought that does not stand first"}
		case t == "thinking":
			o.take("signature")
			if m.Thought, err = o.word("thinking"); err == nil && strings.TrimSpace(m.Thought) == "" {
				m.Thought = ""
			}
		case t == "redacted_thinking":
			return &fault{reasonHidden, o.at, t}
		case t == "text" && len(m.Calls) > 0:
			return &fault{reasonOrder, o.at, "words after a call"}
		case t == "text":
			var text string
			text, err = o.word("text")
			words.WriteString(text)
		case t == "tool_use":
			err = r.toolUse(o, &m, &ids, packed)
		default:
			return &fault{reasonPart, o.path("type"), t}
		}
		if err != nil {
			return err
		}
		if err := r.only(o); err != nil {
			return err
		}
	}
	said, err := r.spoken(words.String(), at)
	switch {
	case err != nil:
		return err
	case len(said.Calls) > 0 && len(m.Calls) > 0:
		return &fault{reasonBothCalls, at, ""}
	case said.Thought != "" && m.Thought != "":
		return &fault{reasonThoughts, at, ""}
	case len(said.Calls) > 0:
		m.Calls, ids = said.Calls, nil
	}
	if m.Text = said.Text; said.Thought != "" {
		m.Thought = said.Thought
	}
	return r.reply(m, ids)
}

// toolUse reads a block that is a call.
func (r *reader) toolUse(o *object, m *supervise.Message, ids *[]string, packed bool) error {
	id, err := o.word("id")
	if err != nil {
		return err
	}
	name, err := o.word("name")
	if err != nil || strings.TrimSpace(name) == "" {
		return &fault{reasonCall, o.at, "name is missing"}
	}
	input := o.take("input")
	if s, ok := input.(string); ok {
		return &fault{reasonArguments, o.path("input"), brief(s)}
	}
	d, err := r.arguments(input, name, o.path("input"), packed)
	if err != nil {
		return err
	}
	c := callOf(name, d)
	m.Calls, *ids = append(m.Calls, c), append(*ids, id)
	return nil
}
