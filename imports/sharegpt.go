package imports

import (
	"strings"

	"ballast"
	"ballast/chat/format"
	"ballast/supervise"
	"ballast/value"
)

func isShareGPT(o *object) bool { return speaks(o, "from") }

// shareGPT reads messages of from and value, as LLaMA-Factory and others have them.
func (r *reader) shareGPT(o *object) error {
	if err := r.head(o); err != nil {
		return err
	}
	return r.turns(o, turns{r.spoke, r.answers})
}

// turns are what the shapes of from and value differ in: how a reply and a result are
// written.
type turns struct {
	reply  func(body, at string) error
	result func(body, id, name, at string) error
}

// spoke takes a reply that is a text.
func (r *reader) spoke(body, at string) error {
	m, err := r.spoken(body, at)
	if err != nil && !r.context { // what is not trained may be wrong
		return err
	}
	return r.reply(m, nil)
}

// turns reads the messages of a row.
func (r *reader) turns(o *object, t turns) error {
	return r.each(o, func(v any, at string, _ bool) error { return r.turn(v, at, t) })
}

func (r *reader) turn(v any, at string, t turns) error {
	o, err := asObject(v, at)
	if err != nil {
		return err
	}
	from, err := o.word("from")
	if err != nil {
		return err
	}
	if v := o.peek("value"); v != nil && !isText(v) {
		return &fault{reasonObjectText, o.path("value"), kind(v)}
	}
	body, ok, err := o.text("value")
	if err != nil {
		return err
	}
	place := o.path("value")
	if !ok {
		return &fault{reasonEmpty, place, ""}
	}
	return r.weighed(o, from, func() error {
		switch from {
		case "system":
			return r.system(body, place, &hermesText)
		case "user", "human":
			return r.asked(body, place)
		case "assistant", "gpt", "model", "bot":
			return t.reply(body, place)
		case "tool", "observation", "tool_response", "function_response", "function-response":
			return t.result(body, r.answered(o), "", place)
		case "function_call", "tool_call", "function-call":
			return r.called(body, place)
		}
		return &fault{reasonRole, o.path("from"), from}
	})
}

func isText(v any) bool {
	_, ok := v.(string)
	return ok
}

// called reads a message that is a call, {name, arguments}, or a list of some, as JSON.
// It joins the reply before it. A thought may stand before the JSON.
func (r *reader) called(body, at string) error {
	thought, body := thoughtful(body)
	v, err := value.ParseExact([]byte(unquoted(body)))
	if err != nil {
		return &fault{reasonJSON, at, err.Error()}
	}
	items := []any{v}
	if l, ok := v.(*value.List); ok {
		items = l.Items
	}
	if len(items) == 0 {
		return &fault{reasonCall, at, "no call at all"}
	}
	var calls []ballast.Call
	var ids []string
	for _, x := range items {
		c, id, err := r.call(x, at, true)
		if err != nil {
			return err
		}
		calls, ids = append(calls, c), append(ids, id)
	}
	m := r.last()
	if m == nil || m.Role != supervise.Assistant || len(r.results) > 0 {
		return r.reply(supervise.Message{Thought: thought, Calls: calls, At: at}, ids)
	}
	if thought != "" {
		return &fault{reasonThoughts, at, "a thought that does not stand first"}
	}
	if m.Context != r.context {
		return &fault{reasonWeight, at, "a call of another weight than the words before it"}
	}
	if err := r.known(&supervise.Message{Calls: calls, At: at}); err != nil {
		return err
	}
	for len(r.ids) < len(m.Calls) {
		r.ids = append(r.ids, "")
	}
	m.Calls, r.ids = append(m.Calls, calls...), append(r.ids, ids...)
	return nil
}

// thoughtful takes the thought off that stands at the start of a text, "" if there is none.
func thoughtful(body string) (thought, rest string) {
	inner, opens := strings.CutPrefix(strings.TrimSpace(body), format.OpenThink)
	thought, rest, closed := strings.Cut(inner, format.CloseThink)
	if !opens || !closed {
		return "", body
	}
	if thought = strings.Trim(thought, "\n"); strings.TrimSpace(thought) == "" {
		thought = emptyThought
	}
	return thought, strings.TrimSpace(rest)
}
