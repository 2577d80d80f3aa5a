// Package endpointtest has servers that misbehave, for tests of what asks endpoints:
// each behaviour of All does one thing wrong, or one that looks wrong and must be read.
//
// Contract: a server speaks raw HTTP, answers each connection once, counts requests,
// and lets go of everything when it is closed. Its behaviours never end by themselves
// where they are said to be Silent.
package endpointtest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"ballast/endpoint"
)

// Key is one that tests send: behaviours give it back.
const Key = "sk-secret-0123456789abcdef"

// Text is what the model of a good reply says.
const Text = "Turn 1: it is done."

// Behaviour is one way to answer.
type Behaviour struct {
	Name   string
	Kinds  []endpoint.Kind // what a try may come to; none = a reply
	Silent bool            // it keeps its client waiting
	Serve  func(*Exchange)
}

// All is the table of the behaviours.
func All() []Behaviour { return append(Hostile(), dialects()...) }

// Hostile are those that differ in when and how much a server sends: "fine" is the first.
func Hostile() []Behaviour { return slices.Concat(odd, malformed, large, broken, refusing) }

// dialects are those that differ only in what a server says: all are short and at once.
func dialects() []Behaviour { return slices.Concat(endings, calling, contents, complaints, contexts) }

// Server answers every request by one behaviour.
type Server struct {
	URL      string // with /v1
	Requests atomic.Int64

	listener net.Listener
	mu       sync.Mutex
	open     map[net.Conn]bool
	closed   chan struct{}
}

// Start serves on a free port of this machine.
func Start(b Behaviour) (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{URL: "http://" + l.Addr().String() + "/v1", listener: l, open: map[net.Conn]bool{}, closed: make(chan struct{})}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.open[conn] = true
			s.mu.Unlock()
			go s.serve(conn, b)
		}
	}()
	return s, nil
}

// Close ends the server and its connections.
func (s *Server) Close() {
	close(s.closed)
	s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		c.Close()
	}
}

func (s *Server) serve(conn net.Conn, b Behaviour) {
	defer func() {
		s.mu.Lock()
		delete(s.open, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	r, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	var asked bytes.Buffer
	if _, err := io.Copy(&asked, io.LimitReader(r.Body, maxRequest)); err != nil {
		return
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return
	}
	s.Requests.Add(1)
	b.Serve(&Exchange{conn: conn, Request: r, Body: asked.Bytes(), URL: s.URL, closed: s.closed})
}

// maxRequest is what a behaviour may look at of a request.
const maxRequest = 1 << 20

// Exchange is one request that is answered.
type Exchange struct {
	Request *http.Request
	Body    []byte // of the request, its first MiB
	URL     string // of the server

	conn   net.Conn
	closed <-chan struct{}
}

// Raw writes bytes and says whether the client still listens.
func (x *Exchange) Raw(text string) bool {
	_, err := io.WriteString(x.conn, text)
	return err == nil
}

// Every writes text again and again, with a pause, until the client is gone.
func (x *Exchange) Every(pause time.Duration, text string) {
	for x.Raw(text) {
		select {
		case <-x.closed:
			return
		case <-time.After(pause):
		}
	}
}

// Flood writes text as fast as it is taken.
func (x *Exchange) Flood(text string) {
	for len(text) < 32<<10 {
		text += text
	}
	for x.Raw(text) {
	}
}

// Wait says nothing until the client is gone.
func (x *Exchange) Wait() { _, _ = io.Copy(io.Discard, x.conn) }

// Reset breaks the connection off without a farewell.
func (x *Exchange) Reset() { _ = x.conn.(*net.TCPConn).SetLinger(0) }

// Head writes the status and headers, "Name: value" each.
func (x *Exchange) Head(status int, headers ...string) {
	x.Raw(fmt.Sprintf("HTTP/1.1 %d %s\r\nConnection: close\r\n%s\r\n", status, http.StatusText(status),
		strings.Join(append(headers, ""), "\r\n")))
}

// Send writes a whole answer.
func (x *Exchange) Send(status int, body string, headers ...string) {
	x.Head(status, append(headers, fmt.Sprintf("Content-Length: %d", len(body)))...)
	x.Raw(body)
}

// JSON writes a whole answer of status 200.
func (x *Exchange) JSON(body string) { x.Send(200, body, "Content-Type: application/json") }

// Events begins a stream.
func (x *Exchange) Events() { x.Head(200, "Content-Type: text/event-stream") }

// Authorization is the request's, with the key.
func (x *Exchange) Authorization() string { return x.Request.Header.Get("Authorization") }

// body is what a good server answers, with other content and usage.
func body(content, usage string) string {
	return fmt.Sprintf(`{"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "stop", `+
		`"message": {"role": "assistant", "content": %s}}], "usage": %s}`, content, usage)
}

// said is body with a text and plain usage.
func said(text string) string {
	return body(fmt.Sprintf("%q", text), `{"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}`)
}

// fine is a good answer, and pieces one as a stream without its end.
var (
	fine   = said(Text)
	pieces = `data: {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "Turn 1:"}, "finish_reason": null}]}` + "\n\n" +
		`data: {"choices": [{"index": 0, "delta": {"content": " it is done."}}]}` + "\n\n"
	finish = `data: {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}` + "\n\n"
)

// zipped is text packed by gzip, repeated n times before that.
func zipped(text string, n int) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for range n {
		_, _ = io.WriteString(z, text)
	}
	_ = z.Close()
	return b.String()
}
