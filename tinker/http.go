package tinker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"ballast/bounded"
	"ballast/endpoint"
)

// Bounds of what a server may send, unpacked.
const (
	maxResult = 256 * bounded.MiB // what became of a promise
	maxBody   = 4 * bounded.MiB   // all else
)

// call is one request, as it is sent at every try.
type call struct {
	op       string // the last part of its path
	method   string // "" = POST
	path     string // below the address
	body     []byte
	kind     string // of the body
	encoding string // of the body, "" or zstd
	accept   string
	result   string // of what becomes of it: TypeProto where that may be protobuf
	located  bool   // a redirect is the answer
	probe    bool   // a refusal may be one of the encoding, and comes back at once
	limit    int64
	timeout  time.Duration
	header   map[string]string
}

// answer is what a server said.
type answer struct {
	status   int
	proto    bool
	body     []byte
	wait     time.Duration // it asks for
	location string
	took     time.Duration
}

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// jsonCall is a request with JSON.
func (c *Client) jsonCall(p string, body any) (*call, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, invalid(path.Base(p), "%v", err)
	}
	return &call{op: path.Base(p), path: p, body: text, kind: TypeJSON, accept: TypeJSON, limit: maxBody, timeout: c.o.Timeout}, nil
}

// cutError is a try of which it is not known whether the server did what it asked.
type cutError struct {
	err  error
	sent bool // the server may have got it
	late bool // there was a connection, and no answer in time
}

func (e *cutError) Error() string { return e.err.Error() }
func (e *cutError) Unwrap() error { return e.err }

var errLate = errors.New("no answer in time")

// try sends a request once. Its error is a *cutError, or an *Error that no further try
// would change.
func (c *Client) try(ctx context.Context, k *call) (*answer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, errLate)
	defer cancel()
	method := k.method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+k.path, bytes.NewReader(k.body))
	if err != nil {
		return nil, invalid(k.op, "%v", err)
	}
	for name, v := range map[string]string{"Content-Type": k.kind, "Content-Encoding": k.encoding, "Accept": k.accept, "X-API-Key": c.o.Key} {
		if v != "" {
			r.Header.Set(name, v)
		}
	}
	for name, v := range k.header {
		r.Header.Set(name, v)
	}
	r.Header.Set("User-Agent", "ballast")
	begun := time.Now()
	res, err := c.http.Do(r)
	c.counts.add(k.op, Counter{Requests: 1, BytesSent: int64(len(k.body))})
	if err != nil {
		return nil, c.cut(ctx, err)
	}
	defer res.Body.Close()
	body, err := readBody(res, k.limit)
	c.counts.add(k.op, Counter{BytesReceived: int64(len(body))})
	a := &answer{status: res.StatusCode, body: body, wait: endpoint.RetryAfter(res.Header), location: res.Header.Get("Location"),
		proto: strings.HasPrefix(strings.ToLower(res.Header.Get("Content-Type")), TypeProto), took: time.Since(begun)}
	if errors.Is(err, bounded.ErrTooLarge) {
		return nil, &Error{Kind: Malformed, Op: k.op, Status: a.status, Text: fmt.Sprintf("%s answers %v", c.Address(), err), cause: err}
	}
	if err != nil {
		e := c.cut(ctx, err)
		e.late = false // it did answer: asking again at once would go on for ever
		return nil, e
	}
	return a, nil
}

// readBody reads a whole body, unpacked where the server packed it unasked.
func readBody(res *http.Response, limit int64) ([]byte, error) {
	switch strings.ToLower(res.Header.Get("Content-Encoding")) {
	case "", "identity":
		return io.ReadAll(bounded.Reader(res.Body, limit))
	}
	r, _, err := bounded.Unpack(res.Body, limit)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// cut is the error of a try that the connection, or the time, ended.
func (c *Client) cut(ctx context.Context, err error) *cutError {
	var u *url.Error
	if errors.As(err, &u) { // its own text holds the address
		err = u.Err
	}
	if context.Cause(ctx) == errLate {
		return &cutError{err: errLate, sent: true, late: true}
	}
	if cause := context.Cause(ctx); cause != nil {
		return &cutError{err: cause, sent: true}
	}
	var dial *net.OpError
	return &cutError{err: err, sent: !(errors.As(err, &dial) && dial.Op == "dial")}
}

// Counter counts requests of one kind.
type Counter struct {
	Requests      int64 // tries included
	Retries       int64 // of them, those after the first
	Resubmits     int64 // of them, those for a promise that the server lost
	BytesSent     int64 // of bodies
	BytesReceived int64 // of bodies, unpacked
}

func (c *Counter) add(more Counter) {
	c.Requests += more.Requests
	c.Retries += more.Retries
	c.Resubmits += more.Resubmits
	c.BytesSent += more.BytesSent
	c.BytesReceived += more.BytesReceived
}

// counters are the counters by kind of request.
type counters struct {
	mu sync.Mutex
	of map[string]Counter
}

func (c *counters) add(op string, more Counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]Counter{}
	}
	n := c.of[op]
	n.add(more)
	c.of[op] = n
}

// Counters are what was sent and received so far, by kind of request: the last part of
// its path.
func (c *Client) Counters() map[string]Counter {
	c.counts.mu.Lock()
	defer c.counts.mu.Unlock()
	return maps.Clone(c.counts.of)
}
