package endpoint

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode/utf8"

	"ballast/safetext"
)

// Chat sends a request to the chat endpoint, once. A stream asks for the reply in
// pieces; whichever way it comes, it is read. The error is an *Error, or why ctx or
// stop ended.
func (c *Client) Chat(ctx, stop context.Context, r Chat, stream bool) (Reply, error) {
	if r.Stream = stream; stream {
		r.StreamOptions = &streamOption{IncludeUsage: true}
	}
	return c.ask(ctx, stop, "/chat/completions", r, max(r.MaxTokens, r.MaxCompletionTokens))
}

// Complete sends a request to the completions endpoint, once, likewise.
func (c *Client) Complete(ctx, stop context.Context, r Completion, stream bool) (Reply, error) {
	r.Stream = stream
	return c.ask(ctx, stop, "/completions", r, r.MaxTokens)
}

// ask sends a request and reads its reply.
func (c *Client) ask(ctx, stop context.Context, path string, body any, tokens int) (Reply, error) {
	if err := ended(ctx, stop); err != nil {
		return Reply{}, err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return Reply{}, fmt.Errorf("a request to the endpoint: %w", err)
	}
	a, cancel := c.attempt(ctx, stop)
	defer cancel()
	type result struct {
		Reply
		error
	}
	done := make(chan result, 1)
	go func() { // reading megabytes of JSON does not look at a context
		rep, err := c.send(a, path, text, textBound(tokens))
		done <- result{rep, err}
	}()
	var r result
	select {
	case r = <-done:
	case <-a.Done():
		select {
		case r = <-done:
		case <-time.After(atOnce):
			r.error = context.Cause(a)
		}
	}
	rep, err := r.Reply, r.error
	switch {
	case err == nil:
		return rep, nil
	case ctx.Err() != nil:
		return Reply{}, Ended(ctx)
	case stop.Err() != nil && a.Err() != nil:
		return Reply{}, Ended(stop)
	}
	return Reply{}, c.failed(a, err)
}

// atOnce is how long the end of a try is waited for that must end now.
const atOnce = 100 * time.Millisecond

func (c *Client) send(ctx context.Context, path string, body []byte, bound int) (Reply, error) {
	u := c.base.JoinPath(path)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return Reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "ballast")
	if c.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return Reply{}, err
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		return Reply{}, c.refused(res)
	}
	in, err := decoded(res.Header, res.Body)
	if err != nil {
		return Reply{}, err
	}
	rep, err := c.read(ctx, func() { res.Body.Close() }, in, bound)
	if err != nil {
		return Reply{}, err
	}
	return c.redacted(rep), nil
}

// read reads a reply, in one piece or as a stream: what it is shows at its first sign,
// whatever the server calls it. enough ends the body.
func (c *Client) read(ctx context.Context, enough func(), in io.Reader, bound int) (Reply, error) {
	r := bufio.NewReaderSize(in, 32<<10)
	h := &held{c: c}
	defer h.release()
	b := &builder{c: c, bound: bound}
	for range maxBody {
		sign, err := r.Peek(1)
		switch {
		case err == io.EOF:
			return Reply{}, errHalf("nothing came")
		case err != nil:
			return Reply{}, err
		case sign[0] == ' ' || sign[0] == '\n' || sign[0] == '\r' || sign[0] == '\t':
			_, _ = r.Discard(1) // what was peeked at is there
			continue
		case sign[0] == '{' || sign[0] == '[' || sign[0] == '<' || sign[0] == 'n':
			return b.whole(ctx, h, r)
		}
		return b.stream(ctx, enough, h, r)
	}
	return Reply{}, large("white space", maxBody)
}

// errHalf is the error of a reply that stopped before its end.
func errHalf(why string) *Error {
	return &Error{Kind: Malformed, Text: "the endpoint's reply broke off: " + why}
}

// builder makes one reply out of one or many completions.
type builder struct {
	c     *Client
	bound int // of its text
	rep   Reply
	text  bytes.Buffer
	size  int           // of the text and the calls
	parts []callBuilder //
	at    map[int64]int // index of a call in the stream to that in parts
	any   bool          // a message was seen, perhaps an empty one
}

type callBuilder struct {
	id, name string
	text     bytes.Buffer
}

// whole reads a reply in one piece.
func (b *builder) whole(ctx context.Context, h *held, r io.Reader) (Reply, error) {
	if err := h.all(ctx, r); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return Reply{}, errHalf(err.Error())
		}
		return Reply{}, err
	}
	if err := b.add(h.Bytes(), true); err != nil {
		return Reply{}, err
	}
	return b.done()
}

// afterFinish is how long the end of a stream is waited for after the reply's: only
// the count of the tokens may come.
const afterFinish = 2 * time.Second

// stream reads a reply in pieces: server-sent events. It is whole once it says why it
// ended.
func (b *builder) stream(ctx context.Context, enough func(), h *held, in io.Reader) (Reply, error) {
	b.at = map[int64]int{}
	limit := &io.LimitedReader{R: in, N: maxStream}
	r := bufio.NewReaderSize(limit, 32<<10)
	var data bytes.Buffer
	known := false
	for {
		line, err := h.line(ctx, r)
		if err == nil && len(line) == 0 || err == io.EOF && data.Len() > 0 { // an event's end
			if string(bytes.TrimSpace(data.Bytes())) == "[DONE]" {
				return b.done()
			}
			if data.Len() > 0 {
				before := b.rep.Finish
				if err := b.add(data.Bytes(), false); err != nil {
					return Reply{}, err
				}
				if before == "" && b.rep.Finish != "" {
					over := time.AfterFunc(afterFinish, enough)
					defer over.Stop()
				}
			}
			data = bytes.Buffer{} // a large one does not stay
			h.release()
			if err == nil {
				continue
			}
		}
		switch {
		case err == io.EOF && limit.N <= 0:
			return Reply{}, large("a stream", maxStream)
		case err != nil && b.rep.Finish != "": // it was whole
			return b.done()
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
			return Reply{}, errHalf("the stream ended without a finish_reason")
		case err != nil:
			return Reply{}, err
		}
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch string(name) {
		case "data":
			known = true
			if data.Len()+len(value) > maxLine {
				return Reply{}, large("one event", maxLine)
			}
			data.Write(bytes.TrimPrefix(value, []byte(" ")))
			data.WriteByte('\n')
		case "", "event", "id", "retry": // comments, which keep a connection alive, and more that says nothing
			known = true
		default:
			if !known {
				return Reply{}, b.c.foreign(line)
			}
		}
	}
}

// foreign is the error of what is no completion.
func (c *Client) foreign(data []byte) *Error {
	return &Error{Kind: Malformed, Text: fmt.Sprintf("%s answers what is no completion: %s", c.Base(), c.clean(string(data[:min(len(data), maxShown)])))}
}

// add takes a completion, or a piece of one.
func (b *builder) add(data []byte, whole bool) error {
	if !utf8.Valid(data) {
		return &Error{Kind: Malformed, Text: b.c.Base() + " answers what is no UTF-8"}
	}
	var m completion
	if err := json.Unmarshal(data, &m); err != nil {
		e := b.c.foreign(data)
		e.Text += " (" + b.c.clean(err.Error()) + ")"
		return e
	}
	if m.Error.set {
		code, text := complaint(data[:min(len(data), maxErrorBody)])
		if len(data) > maxErrorBody {
			code, text = "", string(m.Error.v[:min(len(m.Error.v), maxShown)])
		}
		return b.c.complained(http.StatusOK, code, text, 0)
	}
	if u := m.Usage.v; m.Usage.set {
		b.rep.Tokens = max(b.rep.Tokens, int64(u.Total))
		b.rep.In, b.rep.Out = max(b.rep.In, int64(u.In)), max(b.rep.Out, int64(u.Out))
	}
	ch := m.Choices.v
	if whole && !(ch.set && (ch.v.Message.set || ch.v.Text.set)) {
		return b.c.foreign(data)
	}
	for _, s := range []sole[said]{ch.v.Message, ch.v.Delta} {
		if err := b.say(s); err != nil {
			return err
		}
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

// say takes a message or a piece of one.
func (b *builder) say(s sole[said]) error {
	m := s.v
	if m.Content.set || m.Calls.set || m.Role.set || m.Refusal.set {
		b.any = true
	}
	if err := b.write(&b.text, m.Content.v); err != nil {
		return err
	}
	if b.rep.Refusal += m.Refusal.v; len(b.rep.Refusal) > minText {
		return large("refusal", minText)
	}
	for _, t := range m.Calls.v {
		i, ok := b.at[t.Index]
		if !ok {
			if i = len(b.parts); i >= maxCalls {
				return &Error{Kind: Large, Text: fmt.Sprintf("the endpoint's reply has more than %d tool calls", maxCalls)}
			}
			b.parts = append(b.parts, callBuilder{})
			if b.at != nil {
				b.at[t.Index] = i
			}
		}
		p := &b.parts[i]
		p.id = cmp.Or(p.id, t.ID)
		p.name += t.Function.Name
		if b.size += len(t.ID) + len(t.Function.Name); len(p.name) > maxName || len(p.id) > maxName {
			return large("one tool's name", maxName)
		}
		if err := b.write(&p.text, string(t.Function.Arguments)); err != nil {
			return err
		}
	}
	return nil
}

// maxName bounds names and ids of calls.
const maxName = 4 << 10

// write appends text that the model wrote.
func (b *builder) write(to *bytes.Buffer, text string) error {
	if b.size += len(text); b.size > b.bound {
		return large("text", b.bound)
	}
	to.WriteString(text)
	return nil
}

// done is the reply, if it is whole.
func (b *builder) done() (Reply, error) {
	switch b.rep.Finish {
	case "":
		return Reply{}, errHalf("it has no finish_reason")
	case "error", "abort":
		return Reply{}, &Error{Kind: Server, Text: b.c.Base() + " broke the reply off: finish_reason " + b.rep.Finish}
	}
	if !b.any {
		return Reply{}, errHalf("it has no message")
	}
	rep := b.rep
	rep.Content, rep.Finish = b.text.String(), safetext.Line(cut(rep.Finish, 40))
	for i := range b.parts {
		p := &b.parts[i]
		rep.Calls = append(rep.Calls, Call{p.id, p.name, p.text.String()})
	}
	return rep, nil
}
