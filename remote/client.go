// Package remote plays tasks with an OpenAI-compatible endpoint, in two ways: Chat
// sends messages and native tools and reads native tool calls; Policy sends token
// ids to the completions endpoint and is a ballast.Policy like any other. Turns,
// steps and verdicts are package env's in both.
//
// Contract: at most Options.Concurrency requests are under way for episodes, and as many
// for messages beside them (Say). Every reply is
// written to the journal before it is used, and a request that the journal
// answers is never sent: an evaluation that was interrupted continues where it
// was, with the same conversations, and no reply is paid for twice. The caller's
// cancellation stops new requests; replies that come within Options.Grace are
// journalled still, Options.Halt ends them at once. The journal knows a reply by the
// endpoint, the kind of request and the request.
//
// How it fails: too many requests (429), server errors, time-outs and connections
// that break, also in the middle of a reply, are tried again with back-off; when
// that does not help, the episode is StopInfra and is never scored. What no
// repetition can mend (no access, no such model) ends the evaluation with an error
// that says so. A model whose context is full has used up its tokens
// (StopTokens), which is scored; so is every malformed call, as the model's doing.
package remote

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"ballast"
	"ballast/endpoint"
)

// Options say which endpoint to talk to and how. Zeros of the durations and of
// Retries are package endpoint's defaults.
type Options struct {
	URL         string          // base, such as http://localhost:8000/v1
	Key         string          // of the account; "" sends none
	Model       string          // as the endpoint names it
	Concurrency int             // requests under way; 0 = 8
	Retries     int             // further tries of a request; negative = none
	Wait        time.Duration   // before the first retry, then doubled up to MaxWait
	MaxWait     time.Duration   //
	Timeout     time.Duration   // of one try
	Grace       time.Duration   // for replies on their way after a cancellation
	Halt        context.Context // its end ends everything at once; nil = never
	Stream      bool            // ask for replies piece by piece
	Journal     string          // file of replies; "" keeps none
	Flags       string          // of the command that say where is asked, and as whom; "" for those of who plays
	// is told once of a server that seems to leave out what it was sent, and once of one that is asked again; nil = nobody
	Warn func(string)
}

// Client talks to one endpoint. It is safe for concurrent use; Close it.
type Client struct {
	opts    Options
	api     *endpoint.Client
	journal *journal
	warned  sync.Once
	saying  chan struct{} // has one for each message of Say that is under way
	beside  sync.RWMutex  // Say holds it for reading, so that Close waits for what it keeps
}

// NewClient checks the options and opens the journal, which is this process's alone.
func NewClient(o Options) (*Client, error) {
	if o.Model == "" {
		return nil, errors.New("remote: no model is named; GET /models of the endpoint lists them")
	}
	o.Concurrency = cmp.Or(o.Concurrency, 8)
	if o.Halt == nil {
		o.Halt = context.Background()
	}
	c := &Client{opts: o, saying: make(chan struct{}, max(o.Concurrency, 1))}
	var err error
	c.api, err = endpoint.New(endpoint.Options{URL: o.URL, Key: o.Key, Retries: o.Retries, Wait: o.Wait, MaxWait: o.MaxWait,
		Timeout: o.Timeout, Grace: o.Grace, Again: o.Warn})
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	if o.Journal != "" {
		if c.journal, err = openJournal(o.Journal); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Address is where requests go, fit to be shown.
func (c *Client) Address() string { return c.api.Address() }

// Torn says whether the journal's last reply was dropped, since a crash had cut it off.
func (c *Client) Torn() bool { return c.journal != nil && c.journal.log.Torn() > 0 }

// Close closes the journal. It waits for messages of Say, whose callers may be gone: after the end of their contexts that is
// Options.Grace at most.
func (c *Client) Close() error {
	c.beside.Lock()
	defer c.beside.Unlock()
	if c.journal == nil {
		return nil
	}
	return c.journal.close()
}

// fatalError ends the evaluation: no other request would fare better.
type fatalError struct{ err error }

func (e *fatalError) Error() string { return e.err.Error() }
func (e *fatalError) Unwrap() error { return e.err }

// full says whether an error is that the conversation does not fit the model's
// context.
func full(err error) bool {
	var e *endpoint.Error
	return errors.As(err, &e) && e.Kind == endpoint.Full
}

// ask answers a request from the journal or sends it until it is answered, cannot be,
// or was tried enough. Scope is the episode and the number of the reply, so that equal
// requests of different episodes are different draws.
func (c *Client) ask(ctx context.Context, api, scope string, body any, send func() (endpoint.Reply, error)) (m endpoint.Reply, err error) {
	keys, err := c.keys(api, scope, body)
	if err != nil {
		return m, err
	}
	if c.journal != nil {
		if m, ok, err := c.journal.get(keys...); err != nil || ok {
			return m, fatal(err)
		}
	}
	err = c.api.Insist(c.opts.Halt, ctx, func(int) error {
		if m, err = send(); err == nil && m.Finish == "content_filter" {
			err = &endpoint.Error{Kind: endpoint.Filtered, Text: c.api.Base() + " cut the reply off by its filter"}
		}
		return err
	})
	var e *endpoint.Error
	if errors.As(err, &e) && e.Fatal() {
		return m, &fatalError{fmt.Errorf("remote: %w (%s)", err, cmp.Or(c.opts.Flags, "--endpoint, --model, --key-env"))}
	}
	if err != nil {
		return m, fmt.Errorf("remote: %w", err)
	}
	if c.journal != nil {
		return m, fatal(c.journal.add(keys[0], m))
	}
	return m, nil
}

// Say asks for one message of at most so many tokens, beside the episodes that the client plays. Scope tells it from others that
// are asked for with the same messages. It waits while Concurrency messages are under way, and that is no part of a request's time.
// A message without words is a failure of the server's: a model that thought for as long as it may write has said nothing.
func (c *Client) Say(ctx context.Context, scope string, messages []ballast.Message, most int, how ballast.Sampling) (string, error) {
	c.beside.RLock()
	defer c.beside.RUnlock()
	body := endpoint.Chat{Model: c.opts.Model, Messages: written(messages), Temperature: &how.Temperature}
	c.bound(&body, most)
	m, err := c.ask(ctx, "chat", scope, body, func() (endpoint.Reply, error) {
		leave, err := c.enter(ctx)
		if err != nil {
			return endpoint.Reply{}, err
		}
		defer leave()
		m, err := c.api.Chat(c.opts.Halt, ctx, body, c.opts.Stream)
		if err == nil && strings.TrimSpace(m.Content) == "" {
			err = c.api.Wrong("says nothing in at most %d tokens (finish_reason %q); a model that thinks first wants its server to leave that out",
				most, m.Finish)
		}
		return m, err
	})
	return m.Content, err
}

// enter waits until one more message may be under way. Leave makes room for the next.
func (c *Client) enter(ctx context.Context) (leave func(), err error) {
	select {
	case c.saying <- struct{}{}:
		return func() { <-c.saying }, nil
	case <-ctx.Done():
		return nil, endpoint.Ended(ctx)
	case <-c.opts.Halt.Done():
		return nil, endpoint.Ended(c.opts.Halt)
	}
}

// fatal is an error that ends the evaluation, or nil.
func fatal(err error) error {
	if err == nil {
		return nil
	}
	return &fatalError{err}
}

// keys are what the journal knows a request by: everything that the reply depends on.
// The first is this version's. Earlier versions left the content of a message with calls
// out where it was empty; version 1 left endpoint and kind out of the key as well. A
// journal lies in the folder of one evaluation, whose settings name both, so its lines
// are read as this endpoint's.
func (c *Client) keys(api, scope string, body any) (keys []string, err error) {
	prefix, err := json.Marshal([]string{api, c.api.Base(), scope})
	if err != nil {
		return nil, fmt.Errorf("remote: %w", err)
	}
	for _, body := range []any{body, before(body)} {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("remote: %w", err)
		}
		now := sha256.Sum256(append(append(prefix[:len(prefix):len(prefix)], '\n'), text...))
		then := sha256.Sum256(append([]byte(scope+"\n"), text...))
		keys = append(keys, hex.EncodeToString(now[:]), hex.EncodeToString(then[:16]))
	}
	return keys, nil
}

// before is a request as earlier versions sent it.
func before(body any) any {
	b, ok := body.(endpoint.Chat)
	if !ok {
		return body
	}
	b.Messages = slices.Clone(b.Messages)
	for i := range b.Messages {
		if m := &b.Messages[i]; len(m.ToolCalls) > 0 && m.Content != nil && *m.Content == "" {
			m.Content = nil
		}
	}
	return b
}
