package endpoint

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"ballast/safetext"
)

// Kind says what kind of failure a try met.
type Kind string

// The kinds.
const (
	Access    Kind = "access"     // the key, the account or the address is refused
	Rate      Kind = "rate_limit" // too many requests
	Server    Kind = "server"     // it says that it failed
	Transport Kind = "transport"  // no connection, a broken one, no reply in time
	Malformed Kind = "malformed"  // what came is no completion
	Large     Kind = "large"      // what came is larger than any completion
	Full      Kind = "full"       // the conversation is longer than the model's context
	Filtered  Kind = "filtered"   // the server's filter refuses the content
	Rejected  Kind = "rejected"   // the server does not take this request
)

// Error is a try that failed. Its text is fit for a terminal and holds no secret.
type Error struct {
	Kind   Kind
	Status int           // 0 if there was none
	Text   string        //
	Wait   time.Duration // the server asks for, at most maxWait
	// Room is how many tokens the server says that a reply may have, where the request
	// wanted more; 0 = none at all, or it does not say.
	Room int

	counted bool // it says by how much the request is too long
	limit   int  // of the context, if it says that
}

// Error is the text.
func (e *Error) Error() string { return e.Text }

// Again says whether the same request may fare better later.
func (e *Error) Again() bool {
	switch e.Kind {
	case Rate:
		return e.Wait <= maxWait
	case Server, Transport, Malformed:
		return true
	}
	return false
}

// Fatal says that no other request would fare better.
func (e *Error) Fatal() bool { return e.Kind == Access }

// Left is how many tokens the server says that a reply may have after a prompt of so many
// tokens: Room, or the rest of a context whose length it names; 0 = none, or it does not say.
func (e *Error) Left(prompt int) int {
	if e.Room > 0 || e.counted {
		return e.Room
	}
	return max(0, e.limit-prompt)
}

// maxWait bounds how long a server may have us wait before one request; one that
// asks for more gets no further try.
const maxWait = 5 * time.Minute

// maxErrorBody is what is read of an error's body, in bytes and time.
const (
	maxErrorBody  = 64 << 10
	errorBodyTime = 3 * time.Second
)

// failed is the error of a try that got no reply to read.
func (c *Client) failed(ctx context.Context, err error) *Error {
	var e *Error
	var dial *url.Error
	switch {
	case errors.As(err, &e):
		return e
	case context.Cause(ctx) == errTimeout:
		return &Error{Kind: Transport, Text: fmt.Sprintf("%s sent no whole reply within %v", c.Base(), c.o.Timeout)}
	case errors.As(err, &dial): // its own text holds the address, perhaps with a password
		err = dial.Err
	}
	return &Error{Kind: Transport, Text: fmt.Sprintf("%s: %s", c.Base(), c.clean(err.Error()))}
}

// refused reads a reply that is an error by its status.
func (c *Client) refused(res *http.Response, asked int) *Error {
	over := time.AfterFunc(errorBodyTime, func() { res.Body.Close() })
	defer over.Stop()
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxErrorBody)) // what came of it is enough
	if res.Header.Get("Content-Encoding") != "" {
		if r, err := decoded(res.Header, bytes.NewReader(body)); err == nil {
			body, _ = io.ReadAll(io.LimitReader(r, maxErrorBody))
		}
	}
	if s := res.StatusCode; s/100 == 3 {
		to := "no address"
		if u, err := res.Location(); err == nil {
			to = safetext.URL(u.String())
		}
		return &Error{Kind: Access, Status: s, Text: fmt.Sprintf("%s answers %d and redirects to %s, where nothing was sent; if that is the "+
			"endpoint, give its address",
			c.Base(), s, c.clean(to))}
	}
	return c.complained(res.StatusCode, complaintOf(body), asked, RetryAfter(res.Header))
}

// complained is the error of a status and of what the server says of it. A server that
// says what is wrong under status 200 may give the status it means as the code.
func (c *Client) complained(status int, said complaint, asked int, wait time.Duration) *Error {
	code, text := said.code, said.text
	e := &Error{Status: status, Wait: wait, Text: fmt.Sprintf("%s answers %d: %s", c.Base(), status, cmp.Or(c.clean(text), "nothing more"))}
	if status < 300 && said.status != 0 {
		status = said.status
	}
	over := overOf(code+" "+text, asked)
	e.Room, e.counted, e.limit = over.room, over.counted, over.limit
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusProxyAuthRequired ||
		strings.Contains(code, "insufficient_quota"):
		e.Kind = Access
		e.Text += "; is the key right, and the variable set that is to hold it?"
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusGone ||
		status < 300 && strings.HasPrefix(text, "Unexpected endpoint or method"): // LM Studio, lmstudio-bug-tracker#619
		e.Kind = Access
		e.Text += "; are the address and the model's name right?"
	case strings.Contains(code, "content_filter"):
		e.Kind = Filtered
	case status == http.StatusTooManyRequests:
		if e.Kind = Rate; wait > maxWait {
			e.Text += fmt.Sprintf("; it asks to wait for %s, which is not waited for", clock(wait))
		}
	case over.full:
		e.Kind = Full
	case strings.Contains(text, "--jinja"): // llama.cpp says with status 500 that it lacks a flag
		e.Kind = Rejected
	case status < 300 || status >= 500 || status == http.StatusRequestTimeout || status == http.StatusConflict ||
		status == http.StatusTooEarly:
		e.Kind, e.Wait = Server, min(wait, maxWait)
	default:
		e.Kind = Rejected
	}
	return e
}

// clock writes a wait for people.
func clock(d time.Duration) string {
	switch h := d.Hours(); {
	case h >= 2*24*365:
		return "years"
	case h >= 48:
		return fmt.Sprintf("%.0f days", h/24)
	case h >= 2:
		return fmt.Sprintf("%.0f hours", h)
	}
	return fmt.Sprintf("%.0f minutes", d.Minutes())
}

// complaint is what a server says of an error.
type complaint struct {
	code, text string
	status     int // that the code is, 0 for other codes
}

// complaintOf finds the code and the message in an error's body, which servers write in
// several ways: an object or a text under "error" (OpenAI, vLLM, llama.cpp; TGI, LM
// Studio, Ollama), flat (SGLang, older vLLM), under "detail" (FastAPI), in a list
// (Gemini). A body that is none of them is its own message.
func complaintOf(body []byte) (said complaint) {
	type counts struct {
		Prompt int `json:"n_prompt_tokens"` // llama.cpp
		Limit  int `json:"n_ctx"`
	}
	var b struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
		Code    json.RawMessage `json:"code"`
		Kind    json.RawMessage `json:"error_type"`
		Type    json.RawMessage `json:"type"`
	}
	var list []json.RawMessage
	if json.Unmarshal(body, &list) == nil && len(list) > 0 {
		body = list[0]
	}
	if json.Unmarshal(body, &b) != nil {
		return complaint{text: string(body)}
	}
	var inner struct {
		Message  json.RawMessage `json:"message"`
		Code     json.RawMessage `json:"code"`
		Type     json.RawMessage `json:"type"`
		Metadata json.RawMessage `json:"metadata"`
	}
	var lengths counts
	if json.Unmarshal(b.Error, &inner) == nil {
		said.text = plain(inner.Message)
		var more struct {
			Raw json.RawMessage `json:"raw"` // OpenRouter: what the provider said
		}
		if json.Unmarshal(inner.Metadata, &more) == nil && plain(more.Raw) != "" {
			said.text += " (" + plain(more.Raw) + ")"
		}
		if json.Unmarshal(b.Error, &lengths) == nil && lengths.Limit > 0 {
			said.text += fmt.Sprintf(" (n_prompt_tokens %d, n_ctx %d)", lengths.Prompt, lengths.Limit)
		}
	}
	for _, raw := range []json.RawMessage{inner.Code, b.Code} {
		if n, err := strconv.Atoi(plain(raw)); err == nil && n >= 400 && n < 600 && said.status == 0 {
			said.status = n
		}
	}
	for _, raw := range []json.RawMessage{inner.Code, inner.Type, b.Code, b.Kind, b.Type} {
		if text := plain(raw); text != "" {
			said.code = strings.TrimSpace(said.code + " " + text)
		}
	}
	var parts []string
	for _, text := range []string{cmp.Or(said.text, plain(b.Error)), plain(b.Message), detail(b.Detail)} {
		if text != "" && text != "true" && text != "1" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	said.text = cmp.Or(strings.Join(parts, ": "), plain(body))
	return said
}

// detail is FastAPI's: a text, or what is wrong with which field, of which the input is
// left out.
func detail(raw json.RawMessage) string {
	var fields []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &fields) != nil || len(fields) == 0 {
		return plain(raw)
	}
	var parts []string
	for _, f := range fields {
		var at []string
		for _, x := range f.Loc {
			at = append(at, fmt.Sprint(x))
		}
		parts = append(parts, strings.TrimPrefix(strings.Join(at, ".")+": "+f.Msg, ": "))
	}
	return strings.Join(parts, "; ")
}

// plain is a JSON value as text: a string without its quotes.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if text := strings.TrimSpace(string(raw)); text != "null" {
		return text
	}
	return ""
}

// RetryAfter is how long a reply asks to wait by its header of that name, in seconds or as
// a date; 0 where it does not. A wait without end is the longest that there is.
func RetryAfter(h http.Header) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	text := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(text, 64); err == nil || errors.Is(err, strconv.ErrRange) {
		switch {
		case !(s > 0):
			return 0
		case s >= longest.Seconds():
			return longest
		}
		return time.Duration(s * float64(time.Second))
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
