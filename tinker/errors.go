package tinker

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"ballast/safetext"
)

// Kind says what kind of failure an operation met.
type Kind string

// The kinds.
const (
	Invalid     Kind = "invalid"     // it was not sent: what it holds no server should get
	Access      Kind = "access"      // the key or the account is refused, or the address is another's
	Refused     Kind = "refused"     // the server does not take the request; nothing was done
	Failed      Kind = "failed"      // the server took it, and says that it failed
	Conflict    Kind = "conflict"    // a number or a name was used before, for something else
	Gone        Kind = "gone"        // the server does not know the session, the model or the request any more
	Unreachable Kind = "unreachable" // given up: no connection, an overload, or errors of the server
	Malformed   Kind = "malformed"   // what came back cannot be read, or is no answer to what was asked
	// Uncertain: whether a request of this model was done is not known, so that nothing
	// more may be trained on it. Make it anew from the last saved weights.
	Uncertain Kind = "uncertain"
)

// Error is an operation that failed. Its text is fit for a terminal and holds no secret.
type Error struct {
	Kind   Kind
	Op     string // such as forward_backward
	Status int    // of HTTP; 0 if there was none
	Text   string
	cause  error
}

// Error is the text with the operation.
func (e *Error) Error() string { return e.Op + ": " + e.Text }

// Unwrap is the error below, such as that of a context.
func (e *Error) Unwrap() error { return e.cause }

// shownBytes is how much of a foreign text an error shows, of the maxShown that are
// looked at: a secret that their end cuts in two is not shown.
const (
	maxShown   = 16 << 10
	shownBytes = 400
)

// clean is foreign text for a sentence: one line, harmless, without the key.
func (c *Client) clean(text string) string {
	if len(text) > maxShown {
		text = text[:maxShown]
	}
	text = safetext.Brief(safetext.Redact(text, c.o.Key), maxShown/2)
	return safetext.Line(safetext.Brief(strings.Join(strings.Fields(text), " "), shownBytes))
}

// complaint is what a body says is wrong, "" where it says nothing. Servers write it under
// detail (FastAPI), error, error_message (Open-RL) or message.
func complaint(body []byte) string {
	var b struct {
		Detail  json.RawMessage `json:"detail"`
		Error   json.RawMessage `json:"error"`
		Said    json.RawMessage `json:"error_message"`
		Message json.RawMessage `json:"message"`
	}
	if json.Unmarshal(body, &b) != nil {
		return ""
	}
	for _, raw := range []json.RawMessage{b.Detail, b.Error, b.Said, b.Message} {
		if text := worded(raw); text != "" {
			return text
		}
	}
	return ""
}

// worded is a complaint as text: a text, or FastAPI's list of what is wrong with which
// field, without what was sent in it.
func worded(raw json.RawMessage) string {
	var text string
	if len(raw) == 0 || string(raw) == "null" || json.Unmarshal(raw, &text) == nil {
		return text
	}
	var fields []struct {
		Loc []any  `json:"loc"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal(raw, &fields) != nil || len(fields) == 0 {
		return string(raw)
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

// refusal is the error of a status that ends a request. asked says that it was the
// question for a result, so that an error is the operation's.
func (c *Client) refusal(op string, a *answer, asked bool) *Error {
	said := cmp.Or(complaint(a.body), string(a.body), "nothing more")
	e := &Error{Kind: Refused, Op: op, Status: a.status, Text: fmt.Sprintf("%s answers %d: %s", c.Address(), a.status, c.clean(said))}
	if asked {
		e.Kind = Failed
	}
	switch s := a.status; {
	case s == http.StatusUnauthorized, s == http.StatusForbidden, s == http.StatusPaymentRequired, s == http.StatusProxyAuthRequired:
		e.Kind = Access
		e.Text += "; is the key right, and is there a key at all?"
		if s == http.StatusPaymentRequired {
			e.Text = fmt.Sprintf("%s answers 402: %s; the account's billing stops it", c.Address(), c.clean(said))
		}
	case s >= 300 && s < 400:
		e.Kind = Access
		e.Text = fmt.Sprintf("%s answers %d and redirects to %s, where nothing was sent; if that is the training server, give its address",
			c.Address(), s, c.clean(safetext.URL(a.location)))
	case s == http.StatusNotFound, s == http.StatusGone:
		e.Kind = Gone
	case s == http.StatusConflict:
		e.Kind = Conflict
	}
	return e
}

// malformed is the error of an answer that cannot be read.
func (c *Client) malformed(op string, status int, err error) *Error {
	text := fmt.Sprintf("%s answers what cannot be read: %s", c.Address(), c.clean(err.Error()))
	return &Error{Kind: Malformed, Op: op, Status: status, Text: text, cause: err}
}

// invalid is the error of what is not sent.
func invalid(op, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Op: op, Text: "not sent: " + fmt.Sprintf(format, args...)}
}
