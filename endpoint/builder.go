package endpoint

import (
	"bytes"
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"unicode/utf8"

	"ballast/safetext"
)

// builder makes one reply out of one or many completions.
type builder struct {
	c       *Client
	asked   int // tokens of the reply that was asked for; 0 = not said
	bound   int // of its text, in bytes
	rep     Reply
	text    bytes.Buffer
	size    int           // of the text and the calls
	parts   []callBuilder // the calls so far
	legacy  callBuilder   // a call under the name it had before tools
	at      map[int64]int // index of a call in the stream to that in parts; nil for a whole reply
	checked int           // bytes of arguments that were looked at to see whether they are whole
	any     bool          // a message was seen, perhaps an empty one
}

// add takes a completion, or a piece of one.
func (b *builder) add(data []byte, whole bool) error {
	if !utf8.Valid(data) {
		return &Error{Kind: Malformed, Text: b.c.Base() + " answers what is no UTF-8"}
	}
	var m completion
	if err := json.Unmarshal(data, &m); err != nil {
		var list []json.RawMessage // Gemini sends an error in a list
		var first struct{ Error json.RawMessage }
		if json.Unmarshal(data, &list) == nil && len(list) > 0 && json.Unmarshal(list[0], &first) == nil && plain(first.Error) != "" {
			return b.c.complained(http.StatusOK, complaintOf(data[:min(len(data), maxErrorBody)]), b.asked, 0)
		}
		e := b.c.foreign(data)
		e.Text += " (" + b.c.clean(err.Error()) + ")"
		return e
	}
	if m.complains() {
		said := complaint{text: string(m.Error.v[:min(len(m.Error.v), maxShown)])}
		if len(data) <= maxErrorBody {
			said = complaintOf(data)
		}
		return b.c.complained(http.StatusOK, said, b.asked, 0)
	}
	if u := m.Usage.v; m.Usage.set {
		b.rep.Tokens = max(b.rep.Tokens, int64(u.Total))
		b.rep.In, b.rep.Out = max(b.rep.In, int64(u.In)), max(b.rep.Out, int64(u.Out))
	}
	ch := m.Choices.v
	if failed := plain(json.RawMessage(ch.v.Error.v)); ch.v.Error.set && !slices.Contains(empties, failed) {
		said := complaintOf([]byte(`{"error": ` + string(ch.v.Error.v) + `}`))
		return b.c.complained(http.StatusOK, said, b.asked, 0)
	}
	if whole && !(ch.set && (ch.v.Message.set || ch.v.Text.set)) {
		return b.c.foreign(data)
	}
	piece := ch.v.Delta
	again := b.text.Len() > 0 && ch.v.Message.v.Content.v.text == b.text.String() ||
		len(b.parts) > 0 && len(ch.v.Message.v.Calls.v) >= len(b.parts)
	if whole || !piece.set && !again {
		piece = ch.v.Message // a stream may hold the message so far beside every piece, and the whole one at its end
	}
	if err := b.say(piece); err != nil {
		return err
	}
	if ch.v.Text.set {
		b.any = true
		if err := b.write(&b.text, ch.v.Text.v); err != nil {
			return err
		}
	}
	b.rep.Finish = cmp.Or(ch.v.Finish.v, b.rep.Finish)
	return nil
}

// empties are values of "error" that say that there is none.
var empties = []string{"", "{}", "[]", "false", "null"}

// complains says whether a completion is none but an error: under "error" or flat.
func (m *completion) complains() bool {
	holds := func(r sole[raw]) bool { return r.set && !slices.Contains(empties, plain(json.RawMessage(r.v))) }
	text := func(r sole[raw]) bool { return r.set && len(r.v) > 2 && r.v[0] == '"' }
	if holds(m.Error) || m.Choices.set {
		return holds(m.Error)
	}
	return string(m.Object.v) == `"error"` || text(m.Message) || text(m.Msg) || m.Detail.set || holds(m.Errors)
}

// say takes a message or a piece of one.
func (b *builder) say(s sole[said]) error {
	m := s.v
	if m.Content.set || m.Calls.set || m.Role.set || m.Refusal.set || m.Function.set || m.Reasoning.set || m.Thought.set {
		b.any = true
	}
	if err := b.write(&b.text, m.Content.v.text); err != nil {
		return err
	}
	// A thought that the server keeps apart is no part of the reply, but bounded with it.
	for _, n := range []int{len(m.Content.v.thought), len(m.Reasoning.v), len(m.Thought.v)} {
		if b.size += n; b.size > b.bound {
			return large("text", b.bound)
		}
	}
	if b.rep.Refusal += m.Refusal.v; len(b.rep.Refusal) > minText {
		return large("refusal", minText)
	}
	if f := m.Function; f.set {
		if err := b.call(&b.legacy, &call{Function: f.v}); err != nil {
			return err
		}
	}
	fresh := len(b.parts) // calls of this piece begin here: two of one piece without ids are two
	for i := range m.Calls.v {
		t := &m.Calls.v[i]
		t.settle()
		k, again := b.target(t, fresh)
		if k < 0 {
			if k = len(b.parts); k >= maxCalls {
				return &Error{Kind: Large, Text: largeCalls}
			}
			b.parts = append(b.parts, callBuilder{again: again})
			if b.at != nil && t.Index.set {
				b.at[t.Index.v] = k
			}
		}
		if err := b.call(&b.parts[k], t); err != nil {
			return err
		}
	}
	return nil
}

// write appends text that the model wrote.
func (b *builder) write(to *bytes.Buffer, text string) error {
	if b.size += len(text); b.size > b.bound {
		return large("text", b.bound)
	}
	to.WriteString(text)
	return nil
}

// finishLength says that a bound of tokens ended a reply.
const finishLength = "length"

// lengths are the other names of that: Gemini, Mistral, Anthropic, TGI, Cohere.
var lengths = []string{
	"max_tokens", "MAX_TOKENS", "model_length", "max_length", "LENGTH", "max_output_tokens", "model_context_window_exceeded",
}

// finishFilter says that a filter of the server ended a reply.
const finishFilter = "content_filter"

// filters are the other names of that: Zhipu, Gemini.
var filters = []string{"sensitive", "SAFETY", "RECITATION", "PROHIBITED_CONTENT"}

// broken are the names of a reply that the server broke off: SGLang, DeepSeek, Zhipu.
var broken = []string{"error", "abort", "insufficient_system_resource", "network_error"}

// done is the reply, if it is whole. Ended says that the server ended it by itself: where
// it does not say why, the reply is what it is.
func (b *builder) done(ended bool) (Reply, error) {
	if len(b.parts) == 0 && (b.legacy.name != "" || b.legacy.text.Len() > 0) {
		b.parts = append(b.parts, b.legacy)
	}
	rep := b.rep
	switch {
	case rep.Finish == "":
		if !ended || !b.any {
			return Reply{}, errHalf("it has no finish_reason")
		}
		rep.Finish = "stop"
		if b.asked > 0 && rep.Out >= int64(b.asked) {
			rep.Finish = finishLength
		}
	case slices.Contains(broken, rep.Finish):
		return Reply{}, &Error{Kind: Server, Text: b.c.Base() + " broke the reply off: finish_reason " + rep.Finish}
	}
	if !b.any {
		return Reply{}, errHalf("it has no message")
	}
	rep.Full = rep.Finish == "model_length" || rep.Finish == "model_context_window_exceeded"
	if slices.Contains(lengths, rep.Finish) {
		rep.Finish = finishLength
	}
	if slices.Contains(filters, rep.Finish) {
		rep.Finish = finishFilter
	}
	rep.Content, rep.Finish = b.text.String(), safetext.Line(cut(rep.Finish, 40))
	for i := range b.parts {
		p := &b.parts[i]
		if p.again && len(bytes.TrimSpace(p.text.Bytes())) == 0 {
			continue
		}
		rep.Calls = append(rep.Calls, Call{p.id, p.name, p.text.String()})
	}
	return rep, nil
}
