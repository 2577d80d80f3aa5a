package endpoint

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Chat sends a request to the chat endpoint, once, and anew where the server says that
// only a shorter reply fits. A stream asks for the reply in pieces; whichever way it
// comes, it is read. The error is an *Error, or why ctx or stop ended.
func (c *Client) Chat(ctx, stop context.Context, r Chat, stream bool) (Reply, error) {
	if r.Stream = stream; stream {
		r.StreamOptions = &streamOption{IncludeUsage: true}
	}
	return fitted(max(r.MaxTokens, r.MaxCompletionTokens), 0, func(most int) (Reply, error) {
		if r.MaxCompletionTokens > 0 {
			r.MaxCompletionTokens = most
		} else {
			r.MaxTokens = most
		}
		return c.ask(ctx, stop, "/chat/completions", r, most)
	})
}

// Complete sends a request to the completions endpoint, likewise.
func (c *Client) Complete(ctx, stop context.Context, r Completion, stream bool) (Reply, error) {
	r.Stream = stream
	ids, _ := r.Prompt.([]int32)
	return fitted(r.MaxTokens, max(1, len(ids)), func(most int) (Reply, error) {
		r.MaxTokens = most
		return c.ask(ctx, stop, "/completions", r, most)
	})
}

// fitted sends a request for a reply of at most so many tokens, 0 = as many as the
// server gives. If the context has no room for them it asks again for what fits: for as
// many tokens as the error says. Where that does not say it, a completion, whose input
// of token ids the caller knows, is asked for what is left of the context's length; chat,
// whose input is 0 here, is asked without a bound, which is the rest of the context then.
// It asks for fewer each time, at most three times in all.
func fitted(most, input int, send func(most int) (Reply, error)) (Reply, error) {
	rep, err := send(most)
	asked, short := most, false
	for range 2 {
		var e *Error
		if asked <= 0 || !errors.As(err, &e) {
			break
		}
		short = short || e.Kind == Full
		switch {
		case e.Room > 0 && e.Room < asked:
			asked = e.Room
		case e.Kind == Full && !e.counted && input == 0:
			asked = 0
		case e.Kind == Full && !e.counted && input > 1 && e.limit > input && e.limit-input < asked:
			asked = e.limit - input
		default:
			return rep, err
		}
		rep, err = send(asked)
	}
	rep.Full = rep.Full || rep.Finish == finishLength && (short || rep.Out > 0 && rep.Out+uncounted < int64(asked))
	return rep, err
}

// uncounted is by how many tokens servers differ in what they count of a reply.
const uncounted = 2

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
		rep, err := c.send(a, path, text, tokens)
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

func (c *Client) send(ctx context.Context, path string, body []byte, tokens int) (Reply, error) {
	res, err := c.open(ctx, http.MethodPost, path, body, tokens)
	if err != nil {
		return Reply{}, err
	}
	defer res.Body.Close()
	in, err := decoded(res.Header, res.Body)
	if err != nil {
		return Reply{}, err
	}
	rep, err := c.read(ctx, func() { res.Body.Close() }, in, tokens)
	if err != nil {
		return Reply{}, err
	}
	return c.redacted(rep), nil
}

// open sends a request and returns a reply whose status is a success; its body is to be closed.
func (c *Client) open(ctx context.Context, method, path string, body []byte, tokens int) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if method != http.MethodGet {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "ballast")
	if c.o.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Key)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		defer res.Body.Close()
		return nil, c.refused(res, tokens)
	}
	return res, nil
}

// read reads a reply, in one piece or as a stream: what it is shows at its first sign,
// whatever the server calls it. enough ends the body.
func (c *Client) read(ctx context.Context, enough func(), in io.Reader, tokens int) (Reply, error) {
	r := bufio.NewReaderSize(in, 32<<10)
	h := &held{c: c}
	defer h.release()
	b := &builder{c: c, asked: tokens, bound: textBound(tokens)}
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
	return b.done(true)
}

// afterFinish is how long the end of a stream is waited for after the reply's: only
// the count of the tokens may come.
const afterFinish = 2 * time.Second

// stream reads a reply in pieces: server-sent events. It is whole once it says why it
// ended, or that it is done.
func (b *builder) stream(ctx context.Context, enough func(), h *held, in io.Reader) (Reply, error) {
	b.at = map[int64]int{}
	limit := &io.LimitedReader{R: in, N: maxStream}
	r := bufio.NewReaderSize(limit, 32<<10)
	var ev event
	for {
		line, err := h.line(ctx, r)
		done := false
		if err == nil && (len(line) == 0 || ev.complete(line)) || err == io.EOF { // an event's end
			before := b.rep.Finish
			if done, err = ev.end(b, err); err != nil && err != io.EOF {
				return Reply{}, err
			}
			if before == "" && b.rep.Finish != "" {
				over := time.AfterFunc(afterFinish, enough)
				defer over.Stop()
			}
			h.release()
		}
		switch {
		case done:
			return b.done(true)
		case err == io.EOF && limit.N <= 0:
			return Reply{}, large("a stream", maxStream)
		case err != nil && b.rep.Finish != "": // it was whole
			return b.done(true)
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
			return Reply{}, errHalf("the stream ended without a finish_reason")
		case err != nil:
			return Reply{}, err
		}
		if len(line) == 0 {
			continue
		}
		if err := ev.line(b, line); err != nil {
			return Reply{}, err
		}
	}
}

// event collects the lines of one event of a stream.
type event struct {
	data    bytes.Buffer
	known   bool // the stream was recognised as one
	looked  int  // times that its data were looked at to see whether they are whole
	failing bool // it is an error by its name
}

// complete says that a line begins another event although no empty line stood before
// it, as some servers write: the data are whole, and more of them come.
func (ev *event) complete(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("data:")) || ev.data.Len() == 0 || ev.looked >= 4 {
		return false
	}
	ev.looked++
	return json.Valid(ev.data.Bytes())
}

// line takes a line that is not empty.
func (ev *event) line(b *builder, line []byte) error {
	line = bytes.TrimPrefix(line, []byte("\ufeff"))
	name, value, _ := bytes.Cut(line, []byte(":"))
	switch string(name) {
	case "error": // older llama.cpp
		ev.failing = true
		fallthrough
	case "data":
		ev.known = true
		if ev.data.Len()+len(value) > maxLine {
			return large("one event", maxLine)
		}
		ev.data.Write(bytes.TrimPrefix(value, []byte(" ")))
		ev.data.WriteByte('\n')
	case "event":
		ev.known = true
		ev.failing = string(bytes.TrimSpace(value)) == "error"
	case "", "id", "retry": // comments, which keep a connection alive, and more that says nothing
		ev.known = true
	default:
		if !ev.known {
			return b.c.foreign(line)
		}
	}
	return nil
}

// end takes the event to the reply and begins the next one; err is what the line said.
// done says that the stream says so.
func (ev *event) end(b *builder, err error) (done bool, _ error) {
	data := bytes.TrimSpace(ev.data.Bytes())
	failing := ev.failing
	ev.data, ev.looked, ev.failing = bytes.Buffer{}, 0, false // a large one does not stay
	switch {
	case len(data) == 0:
		return false, err
	case string(data) == "[DONE]":
		return true, nil
	case failing:
		said := complaintOf(data[:min(len(data), maxErrorBody)])
		return false, b.c.complained(http.StatusOK, said, b.asked, 0)
	}
	if bad := b.add(data, false); bad != nil {
		return false, bad
	}
	return false, err
}

// foreign is the error of what is no completion.
func (c *Client) foreign(data []byte) *Error {
	return &Error{Kind: Malformed, Text: fmt.Sprintf("%s answers what is no completion: %s", c.Base(),
		c.clean(string(data[:min(len(data), maxShown)])))}
}
