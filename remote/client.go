// Package remote plays tasks with an OpenAI-compatible endpoint, in two ways: Chat
// sends messages and native tools and reads native tool calls; Policy sends token
// ids to the completions endpoint and is a ballast.Policy like any other. Turns,
// steps and verdicts are package env's in both.
//
// Contract: at most Options.Concurrency requests are under way. Every reply is
// written to the journal before it is used, and a request that the journal
// answers is never sent: an evaluation that was interrupted continues where it
// was, with the same conversations, and no reply is paid for twice. The caller's
// cancellation stops new requests; those under way are waited for (at most
// Options.Timeout) and journalled.
//
// How it fails: too many requests (429), server errors, time-outs and connections
// that break, also in the middle of a reply, are tried again with back-off; when
// that does not help, the episode is StopInfra and is never scored. What no
// repetition can mend (no access, no such model) ends the evaluation with an error
// that says so. A model whose context is full has used up its tokens
// (StopTokens), which is scored; so is every malformed call, as the model's doing.
package remote

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	openai "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// Options say which endpoint to talk to and how.
type Options struct {
	URL         string        // base, such as http://localhost:8000/v1
	Key         string        // of the account; "" sends none
	Model       string        // as the endpoint names it
	Concurrency int           // requests under way; 0 = 8
	Retries     int           // further tries of a request; negative = none, 0 = 6
	Wait        time.Duration // before the first retry, then doubled up to MaxWait; 0 = 1 s
	MaxWait     time.Duration // 0 = 60 s
	Timeout     time.Duration // of one try; 0 = 5 min
	Stream      bool          // ask for replies piece by piece
	Journal     string        // file of replies; "" keeps none
}

// Client talks to one endpoint. It is safe for concurrent use; Close it.
type Client struct {
	opts    Options
	api     openai.Client
	journal *journal
}

// NewClient checks the options and opens the journal.
func NewClient(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("remote: %q is not the address of an endpoint; give its base, such as http://localhost:8000/v1", o.URL)
	}
	if o.Model == "" {
		return nil, errors.New("remote: no model is named; GET /models of the endpoint lists them")
	}
	o.Concurrency, o.Retries = or(o.Concurrency, 8), or(o.Retries, 6)
	o.Wait, o.MaxWait, o.Timeout = or(o.Wait, time.Second), or(o.MaxWait, time.Minute), or(o.Timeout, 5*time.Minute)
	c := &Client{opts: o}
	// The client reads OPENAI_* variables by itself: what is said here overrules.
	args := []option.RequestOption{option.WithBaseURL(strings.TrimSuffix(o.URL, "/") + "/"), option.WithMaxRetries(0),
		option.WithAPIKey(o.Key), option.WithHeaderDel("OpenAI-Organization"), option.WithHeaderDel("OpenAI-Project"),
		option.WithMiddleware(asJSON)}
	if o.Key == "" {
		args = append(args, option.WithHeaderDel("Authorization"))
	}
	c.api = openai.NewClient(args...)
	if o.Journal != "" {
		if c.journal, err = openJournal(o.Journal); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// asJSON takes what is no stream for JSON, whatever small servers call it; a reply
// that is none fails to be read.
func asJSON(r *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	res, err := next(r)
	if res != nil && !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		res.Header.Set("Content-Type", "application/json")
	}
	return res, err
}

// or is v, or other where v is zero.
func or[T comparable](v, other T) T {
	var zero T
	if v == zero {
		return other
	}
	return v
}

// Close closes the journal.
func (c *Client) Close() error {
	if c.journal == nil {
		return nil
	}
	return c.journal.close()
}

// message is one reply of the endpoint, however it was sent.
type message struct {
	Content string    `json:"content,omitempty"`
	Calls   []rawCall `json:"calls,omitempty"`
	Finish  string    `json:"finish"`
	Tokens  int64     `json:"tokens,omitempty"` // of prompt and reply, if the endpoint counts
}

// rawCall is a native tool call as the endpoint sent it.
type rawCall struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// fatalError ends the evaluation: no other request would fare better.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// errFull says that the conversation does not fit the model's context.
var errFull = errors.New("remote: the model's context is full")

// ask answers a request from the journal or sends it. The key is the request
// itself within a scope: the episode and the number of the reply, so that equal
// requests of different episodes are different draws.
func (c *Client) ask(ctx context.Context, scope string, body any, send func(context.Context) (message, error)) (message, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return message{}, fmt.Errorf("remote: %w", err)
	}
	sum := sha256.Sum256(append([]byte(scope+"\n"), text...))
	key := hex.EncodeToString(sum[:16])
	if c.journal != nil {
		if m, ok := c.journal.get(key); ok {
			return m, nil
		}
	}
	m, err := c.insist(ctx, send)
	if err == nil && c.journal != nil {
		if err := c.journal.add(key, m); err != nil {
			return m, &fatalError{err}
		}
	}
	return m, err
}

// insist sends a request until it is answered, cannot be, or was tried enough.
func (c *Client) insist(ctx context.Context, send func(context.Context) (message, error)) (message, error) {
	wait := c.opts.Wait
	for try := 0; ; try++ {
		if err := ctx.Err(); err != nil {
			return message{}, err
		}
		// A reply on its way is paid for: it is not cancelled.
		attempt, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.opts.Timeout)
		m, err := send(attempt)
		cancel()
		if err == nil {
			return m, nil
		}
		again, pause, err := judge(err)
		if !again {
			return message{}, err
		}
		if try >= c.opts.Retries {
			return message{}, fmt.Errorf("remote: given up after %d tries: %w", try+1, err)
		}
		// Half the wait is random, so that requests do not come back all at once.
		pause = max(pause, wait/2+rand.N(wait/2+1))
		wait = min(2*wait, c.opts.MaxWait)
		select {
		case <-ctx.Done():
			return message{}, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// judge says whether an error may pass, and how long the endpoint asks to wait.
func judge(err error) (again bool, pause time.Duration, _ error) {
	var e *openai.Error
	if !errors.As(err, &e) {
		return true, 0, err // the connection, a time-out, a broken reply
	}
	text := e.Message
	if text == "" {
		text = e.RawJSON()
	}
	err = fmt.Errorf("remote: the endpoint answers %d: %.300s", e.StatusCode, text)
	switch s := e.StatusCode; {
	case s == http.StatusUnauthorized || s == http.StatusForbidden:
		return false, 0, &fatalError{fmt.Errorf("%w; is the key right, and the variable that --key-env names set?", err)}
	case s == http.StatusNotFound:
		return false, 0, &fatalError{fmt.Errorf("%w; are the address and the model's name right?", err)}
	case s == http.StatusRequestTimeout || s == http.StatusConflict || s == http.StatusTooEarly || s == http.StatusTooManyRequests || s >= 500:
		if e.Response != nil {
			pause = retryAfter(e.Response.Header)
		}
		return true, pause, err
	case full(e.Code + " " + text):
		return false, 0, errFull
	}
	return false, 0, err
}

// retryAfter reads the header of that name, bounded to five minutes.
func retryAfter(h http.Header) time.Duration {
	s, err := strconv.ParseFloat(h.Get("Retry-After"), 64)
	if err != nil || !(s > 0) {
		return 0
	}
	return min(time.Duration(s*float64(time.Second)), 5*time.Minute)
}

// full recognises how servers say that a conversation is too long.
func full(text string) bool {
	text = strings.ToLower(text)
	for _, s := range []string{"context_length_exceeded", "maximum context length", "context size", "context window", "max_model_len", "longer than the model"} {
		if strings.Contains(text, s) {
			return true
		}
	}
	return false
}

// errHalf says that a reply stopped before its end.
var errHalf = fmt.Errorf("remote: the reply broke off: %w", io.ErrUnexpectedEOF)
