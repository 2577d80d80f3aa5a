// Package endpoint is the one client of OpenAI-compatible servers: chat and
// completions, whole or in pieces, for whoever plays with one or asks one.
//
// A server is a stranger. Contract: what it sends is bounded in bytes, after
// decompression too, and in time; no reply, however wrong, is more than an error.
// Requests carry what is said here and nothing that the environment says, but that a
// proxy of HTTP_PROXY and HTTPS_PROXY is used for addresses that are not this
// machine's. They go to the address that the caller named: a redirect is an error,
// not a way. The key does not come back: neither in an error nor in a reply.
//
// A stop lets nothing new begin and gives what is under way Options.Grace, since a
// reply on its way is paid for. The cancellation of a call's context ends it at once.
//
// How it fails: with an *Error, whose kind says whether the same request may fare
// better (Again), no other would either (Fatal), or only this one is lost.
package endpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"ballast/safetext"
)

// Options say which server is asked, and how patiently.
type Options struct {
	URL     string        // base, such as http://localhost:8000/v1
	Key     string        // of the account; "" sends none
	Retries int           // further tries of a request; negative = none, 0 = 6
	Wait    time.Duration // before the first of them, then doubled up to MaxWait; 0 = 1 s
	MaxWait time.Duration // 0 = 60 s
	Timeout time.Duration // of one try, with the whole reply; 0 = 5 min
	Grace   time.Duration // for replies on their way after a stop; 0 = DefaultGrace
	Side    int           // connections that are kept for requests side by side; 0 = 64
	Again   func(string)  // is told of the first try that is made again; nil = nobody
}

// DefaultGrace is how long replies on their way are waited for after a stop.
const DefaultGrace = time.Second

// Client asks one server. It is safe for concurrent use.
type Client struct {
	o      Options
	base   url.URL
	http   http.Client
	secret secrets
	// large is held while a reply of unusual size is in memory: many at once would
	// fill it.
	large chan struct{}
	again sync.Once
}

// New checks the options.
func New(o Options) (*Client, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return nil, fmt.Errorf("%s is not the address of an endpoint; give its base, such as http://localhost:8000/v1", safetext.URL(o.URL))
	}
	if strings.ContainsFunc(o.Key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("the endpoint's key holds a character that no header can carry, perhaps a line's end; set the variable anew")
	}
	o.Retries, o.Wait, o.MaxWait = cmp.Or(o.Retries, 6), cmp.Or(o.Wait, time.Second), cmp.Or(o.MaxWait, time.Minute)
	o.Timeout, o.Grace = cmp.Or(o.Timeout, 5*time.Minute), cmp.Or(o.Grace, DefaultGrace)
	c := &Client{o: o, base: *u, secret: secretsOf(o.Key, u), large: make(chan struct{}, 2)}
	c.base.Path = strings.TrimRight(u.Path, "/")
	transport := NewTransport()
	transport.MaxIdleConnsPerHost = cmp.Or(o.Side, transport.MaxIdleConnsPerHost)
	c.http = http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	return c, nil
}

// NewTransport is HTTP/1.1 with bounds and this package's rule for proxies. It bounds no
// body; its callers do. It asks for no compression: a server that compresses all the same
// is read here by the rules of decoded.
func NewTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  proxy,
		DialContext:            (&net.Dialer{Timeout: 15 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    10 * time.Second,
		MaxResponseHeaderBytes: 256 << 10,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		DisableCompression:     true,
	}
}

// proxy is the environment's, for other machines.
func proxy(r *http.Request) (*url.URL, error) {
	if loopback(r.URL.Hostname()) {
		return nil, nil
	}
	return http.ProxyFromEnvironment(r)
}

// loopback says whether a host is this machine.
func loopback(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && (ip.IsLoopback() || ip.IsUnspecified())
}

// Address is where requests go, fit to be shown and kept: without a password. It
// names the proxy, if there is one.
func (c *Client) Address() string {
	shown := c.Base()
	if p, err := proxy(&http.Request{URL: &c.base}); err == nil && p != nil {
		shown += " through the proxy " + safetext.URL(p.String())
	}
	return shown
}

// Base is the address without a password: what a cache or a journal knows the
// server by.
func (c *Client) Base() string { return safetext.URL(c.base.String()) }

// Insist calls try until it succeeds, or fails for good, or Retries are used up. In
// between it waits: as long as the server asks, at least half of a wait that doubles.
// Neither begins after the stop or the end of ctx.
func (c *Client) Insist(ctx, stop context.Context, try func(n int) error) error {
	wait := c.o.Wait
	for n := 0; ; n++ {
		if err := ended(ctx, stop); err != nil {
			return err
		}
		err := try(n)
		var e *Error
		if err == nil || !errors.As(err, &e) || !e.Again() {
			return err
		}
		if ended(ctx, stop) != nil {
			return ended(ctx, stop)
		}
		switch {
		case c.o.Retries <= 0:
			return err
		case n >= c.o.Retries:
			return &Error{Kind: e.Kind, Status: e.Status, Text: fmt.Sprintf("given up after %d tries: %s", n+1, e.Text)}
		}
		if c.o.Again != nil {
			c.again.Do(func() { c.o.Again(fmt.Sprintf("%s; asking again, %d times at most", e.Text, c.o.Retries)) })
		}
		// Half the wait is random, so that requests do not come back all at once.
		pause := time.NewTimer(max(e.Wait, wait/2+rand.N(wait/2+1)))
		wait = min(2*wait, c.o.MaxWait)
		select {
		case <-ctx.Done():
		case <-stop.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// ended is why nothing new may begin, nil if it may.
func ended(ctx, stop context.Context) error { return cmp.Or(Ended(ctx), Ended(stop)) }

// Ended is why a context ended, nil if it did not: its cause, which is a cancellation or
// a deadline, too.
func Ended(ctx context.Context) error {
	if ctx.Err() == nil || context.Cause(ctx) == ctx.Err() {
		return ctx.Err()
	}
	return &endedError{context.Cause(ctx), ctx.Err()}
}

type endedError struct{ cause, err error }

func (e *endedError) Error() string   { return e.cause.Error() }
func (e *endedError) Unwrap() []error { return []error{e.cause, e.err} }

// errTimeout is the cause of a try's end.
var errTimeout = errors.New("no whole reply in time")

// attempt is the context of one try: it ends with ctx, after the time-out, and the
// grace after the stop.
func (c *Client) attempt(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	a, cancel := context.WithTimeoutCause(ctx, c.o.Timeout, errTimeout)
	off := context.AfterFunc(stop, func() {
		select {
		case <-a.Done():
		case <-time.After(c.o.Grace):
			cancel()
		}
	})
	return a, func() { off(); cancel() }
}
