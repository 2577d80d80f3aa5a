package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast/bounded"
	"ballast/confined"
)

// The kinds of failures of the machine.
const (
	KindStart      = "start"      // a process that could not be started, or was not ready in time
	KindDied       = "died"       // a process that ended
	KindTimeout    = "timeout"    // a call that took too long
	KindMemory     = "memory"     // a limit of a process
	KindProcesses  = "processes"  //
	KindOutput     = "output"     //
	KindGarbage    = "garbage"    // a line on stdout that is no message
	KindProtocol   = "protocol"   // an answer against the protocol
	KindConnection = "connection" // a server that cannot be reached, or dropped the connection
	KindReset      = "reset"      // a reset call that failed
)

// Error is a failure of the machine.
type Error struct {
	Kind   string
	Err    error
	Stderr string // the end of what the process wrote there
	Log    string // the file that has all of it, as far as it is kept; ""
}

// stderrShown bounds what a message has of stderr, in bytes.
const stderrShown = 600

// Error says the kind, the reason and the end of stderr.
func (e *Error) Error() string {
	text := fmt.Sprintf("%s: %v", e.Kind, e.Err)
	if said := strings.TrimSpace(e.Stderr); said != "" {
		if len(said) > stderrShown {
			said = "…" + strings.ToValidUTF8(said[len(said)-stderrShown:], "")
		}
		text += "; its stderr ends in: " + said
		if e.Log != "" {
			text += "; all of it is in " + e.Log
		}
	}
	return text
}

// Unwrap is the reason.
func (e *Error) Unwrap() error { return e.Err }

// link is one connection: a process, or a session over HTTP.
type link struct {
	server  *Server
	process *confined.Process // nil over HTTP
	web     *http.Transport   // nil over stdio
	cs      *sdk.ClientSession
	token   string // that isolates it
	ready   time.Duration
	shut    sync.Once
	gone    chan struct{} // closed when it was closed

	mu    sync.Mutex
	fault *Error // it is not used again
	heard time.Time
}

const (
	// grace is how long a process may take to end by itself.
	grace = 300 * time.Millisecond
	// exitWait is how long the reason is waited for, after a connection broke.
	exitWait = 2 * time.Second
)

// atOnce is how many processes start at a time.
func atOnce() int { return max(2, runtime.NumCPU()) }

// The versions that are tried, in order: over HTTP the first has sessions, and an old server
// that ignores the second's first message would be waited for.
const (
	withSessions    = "2025-11-25"
	withoutSessions = "2026-07-28"
)

// dial makes a connection that is ready.
func (s *Server) dial(ctx context.Context) (l *link, err error) {
	select {
	case s.starts <- struct{}{}:
		defer func() { <-s.starts }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.life.Done():
		return nil, errClosed
	}
	s.mu.Lock()
	version := s.version
	s.mu.Unlock()
	if version == "" {
		version = s.c.version
	}
	versions := []string{version}
	if version == "" {
		versions = []string{withSessions, withoutSessions}
	}
	for _, v := range versions {
		if l, err = s.dialVersion(ctx, v); err == nil {
			s.mu.Lock()
			s.version = v
			s.mu.Unlock()
			return l, nil
		}
		var refused *jsonrpc.Error
		if s.c.Command != "" && !errors.As(err, &refused) {
			break // it was not about the version; over HTTP that cannot be told
		}
	}
	if ctx.Err() == nil {
		var known *Error
		if errors.As(err, &known) {
			s.count(known.Kind)
		}
	}
	return nil, err
}

func (s *Server) dialVersion(parent context.Context, version string) (_ *link, err error) {
	limit := seconds(s.c.start)
	ctx, cancel := context.WithTimeoutCause(parent, limit, fmt.Errorf("it was not ready within %s; %s, and a program that is no MCP server "+
		"never is", limit, moreTime))
	defer cancel()
	s.mu.Lock()
	s.last++
	n := s.last
	s.mu.Unlock()
	l := &link{server: s, token: s.prefix + strconv.Itoa(n), gone: make(chan struct{})}
	begun := time.Now()
	var transport sdk.Transport
	if s.c.URL != "" {
		transport = s.http(l)
	} else if transport, err = l.spawn(ctx, n); err != nil {
		return nil, &Error{Kind: KindStart, Err: err}
	}
	s.mu.Lock()
	closed := s.closed
	s.links[l] = true
	s.mu.Unlock()
	if closed {
		l.close()
		return nil, errClosed
	}
	type made struct {
		cs  *sdk.ClientSession
		err error
	}
	done := make(chan made, 1)
	go func() {
		cs, err := s.client.Connect(ctx, transport, &sdk.ClientSessionOptions{ProtocolVersion: version})
		done <- made{cs, err}
	}()
	var a made
	select {
	case a = <-done:
	case <-ctx.Done(): // it may be writing to one that does not read
		if l.process != nil {
			l.process.Kill()
		}
		a = <-done
	}
	if a.err != nil {
		err := l.why(ctx, a.err, KindStart)
		l.close()
		if parent.Err() != nil {
			return nil, context.Cause(parent)
		}
		return nil, err
	}
	l.mu.Lock()
	l.cs = a.cs
	l.mu.Unlock()
	l.ready = time.Since(begun)
	l.hears()
	s.count("connections")
	return l, nil
}

// grown is how many times longer a message gets, at most, in which the text of a field stands once more (ordered), as JSON in JSON.
// What a server may write was counted before.
const grown = 8

// spawn starts the process and returns the way to talk to it.
func (l *link) spawn(ctx context.Context, n int) (sdk.Transport, error) {
	s := l.server
	cmd := confined.Command{Argv: s.argv, Dir: s.c.Dir, Env: s.c.Env, Limits: s.limits()}
	cmd.Log = &tagged{&s.log, fmt.Sprintf("[%d] ", n)}
	p, err := confined.Start(ctx, cmd)
	if err != nil {
		return nil, err
	}
	l.process = p
	most := int(s.c.OutputMiB) << 20
	return &sdk.IOTransport{Reader: newMessages(p.Stdout, most, l.garbage), Writer: p.Stdin, MaxLineLength: grown * most}, nil
}

// garbage takes a line that is no message.
func (l *link) garbage(line []byte) error {
	const most = 200
	echo := echoed(line)
	if len(line) > most {
		line = append(line[:most:most], "…"...)
	}
	err := fmt.Errorf("it wrote to stdout what is no message of the protocol: %q; a server writes what is for people to stderr, and a "+
		"program that writes such things alone is no MCP server", line)
	if echo {
		err = errors.New("it sends back what it is sent, as cat does: it is no MCP server; name the command of one")
	}
	l.fail(&Error{Kind: KindGarbage, Err: err})
	return err
}

// fail marks the link as not to be used again. The first reason stays.
func (l *link) fail(e *Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fault == nil {
		l.fault = e
	}
}

// broken is why the link is not to be used, or nil.
func (l *link) broken() *Error {
	if l.process != nil {
		select {
		case <-l.process.Done():
			return l.ended(KindDied)
		default:
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fault
}

// ended is how the process ended, after it has.
func (l *link) ended(kind string) *Error {
	l.mu.Lock()
	fault := l.fault
	l.mu.Unlock()
	if fault != nil {
		return fault
	}
	e := l.process.Wait()
	err := e.Err()
	switch {
	case e.Limit != "":
		kind = e.Limit // the names are the same
	case err == nil && kind == KindStart:
		err = errors.New("the server ended with exit status 0 before it was ready: a program that does its work and ends is no MCP server")
	case err == nil:
		err = errors.New("the server ended with exit status 0")
	default:
		err = fmt.Errorf("the server ended: %w", err)
	}
	return &Error{Kind: kind, Err: err}
}

// why tells the reason of an error of the connection, with the stderr of the process. A refusal stays a *jsonrpc.Error inside.
func (l *link) why(ctx context.Context, err error, kind string) *Error {
	out := &Error{Kind: kind, Err: err}
	if version, ok := strings.CutPrefix(err.Error(), unknownVersion); ok {
		out.Kind, out.Err = KindProtocol, fmt.Errorf("it speaks version %s of MCP, and ballast speaks %s: use a version of the server that "+
			"speaks one of these", version, strings.Join(sdk.SupportedProtocolVersions(), ", "))
		l.stderr(out)
		return out
	}
	var limit *confined.LimitError
	var refused *jsonrpc.Error
	l.mu.Lock()
	fault := l.fault
	l.mu.Unlock()
	switch {
	case fault != nil:
		out = &Error{Kind: fault.Kind, Err: fault.Err}
	case errors.As(err, &limit):
		out.Kind = limit.Limit
	case ctx.Err() != nil:
		out.Err = context.Cause(ctx)
	case errors.As(err, &refused) && !errors.Is(err, sdk.ErrConnectionClosed) && !transport(refused.Code) &&
		(kind == KindStart || !errors.Is(err, notSent)):
		if kind != KindStart {
			out.Kind = KindProtocol
		}
	case l.process == nil && kind == KindStart:
		out.Kind, out.Err = KindConnection, fmt.Errorf("%w; the address must be that of an MCP server over streamable HTTP, with its path", err)
	case l.process == nil:
		out.Kind = KindConnection
	default:
		timer := time.NewTimer(exitWait)
		defer timer.Stop()
		select {
		case <-l.process.Done():
			out = l.ended(kind)
		case <-timer.C:
			out.Kind = KindConnection
			if errors.Is(err, io.EOF) {
				out.Err = errors.New("the server closed its stdout and goes on")
			}
		}
	}
	l.stderr(out)
	return out
}

// unknownVersion begins the SDK's error where a server answers with a version that the SDK does not have.
const unknownVersion = "unsupported protocol version: "

// stderr gives an error what the process wrote to stderr.
func (l *link) stderr(e *Error) {
	if l.process != nil {
		e.Stderr, e.Log = l.process.Stderr(), l.server.log.kept()
	}
}

// transport reports whether a code is one that the SDK gives its own errors of sending.
func transport(code int64) bool { return code <= -32001 && code >= -32006 }

// answered reports whether an error is one with which the server answers a call: its arguments are wrong, it failed
// inside, or a code of the server's own. The protocol's other codes are those of the connection, which
// the SDK uses for its own errors too. Behind an HTTP status of an error only the first two codes are about the call: with others
// somebody before the tool says that it was not reached, such as for a token that is too old.
func answered(err error) (a answer, ok bool) {
	var e *jsonrpc.Error
	if !errors.As(err, &e) {
		return a, false
	}
	switch c := e.Code; {
	case c == jsonrpc.CodeInvalidParams, c == jsonrpc.CodeMethodNotFound:
	case errors.Is(err, notSent):
		return a, false
	case c == jsonrpc.CodeInternalError, c == codeNoResource:
	case c >= -32768 && c <= -32000:
		return a, false
	}
	return mistake(e.Message), true
}

// notSent is in the SDK's errors of requests that HTTP did not take, beside what the answer says.
var notSent = &jsonrpc.Error{Code: -32005}

// codeNoResource is what servers answer for what there is not.
const codeNoResource = -32002

// call makes a call of a tool.
func (l *link) call(parent context.Context, name string, args json.RawMessage) (none answer, err error) {
	if fault := l.broken(); fault != nil {
		return none, fault
	}
	if parent.Err() != nil {
		return none, context.Cause(parent)
	}
	limit := seconds(l.server.c.Seconds)
	ctx, cancel := context.WithTimeoutCause(parent, limit, fmt.Errorf("%s did not answer within %s (mcp.seconds)", name, limit))
	defer cancel()
	type reply struct {
		r   *sdk.CallToolResult
		err error
	}
	done := make(chan reply, 1)
	go func() { // a write to a server that does not read waits whatever the context does
		r, err := l.cs.CallTool(ctx, &sdk.CallToolParams{Name: name, Arguments: args})
		done <- reply{r, err}
	}()
	var a reply
	select {
	case a = <-done:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	if a.err == nil {
		l.hears()
		return read(a.r), nil
	}
	if ctx.Err() != nil {
		return none, l.late(parent, ctx)
	}
	if refusal, ok := answered(a.err); ok {
		l.server.count("refusals")
		return refusal, nil
	}
	e := l.why(ctx, a.err, KindDied)
	l.fail(e)
	l.server.count(e.Kind)
	l.abandon()
	return none, e
}

// late is a call whose time is up, or that nobody waits for. What the server does with it nobody knows: a
// connection of one episode is not used again. One of all is given up only when the server was too slow.
func (l *link) late(parent, ctx context.Context) error {
	cause := context.Cause(ctx)
	if parent.Err() != nil {
		if l.server.mode != joined {
			l.fail(&Error{Kind: KindTimeout, Err: cause})
			l.abandon()
		}
		return cause
	}
	e := &Error{Kind: KindTimeout, Err: cause}
	l.stderr(e)
	l.fail(e)
	l.server.count(e.Kind)
	l.abandon()
	return e
}

// abandon ends the process, if there is one, and waits for nothing.
func (l *link) abandon() {
	if l.process != nil {
		l.process.Kill()
	}
}

// close ends the connection, once, and waits for its end.
func (l *link) close() {
	l.shut.Do(func() {
		defer close(l.gone)
		l.mu.Lock()
		cs, fault := l.cs, l.fault
		l.mu.Unlock()
		if fault != nil {
			l.abandon()
		}
		if cs != nil {
			// It is gone, whatever it says.
			_ = cs.Close()
		}
		if l.process != nil {
			if err := l.process.Close(grace); err != nil {
				l.server.mu.Lock()
				l.server.stuck = errors.Join(l.server.stuck, err)
				l.server.mu.Unlock()
			}
		} else if l.web != nil {
			l.web.CloseIdleConnections()
		}
		l.server.mu.Lock()
		delete(l.server.links, l)
		l.server.mu.Unlock()
	})
	<-l.gone
}

// http is the way to talk to a server over HTTP.
func (s *Server) http(l *link) sdk.Transport {
	l.web = &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true} // no proxy of the environment
	url, w := s.c.URL, &wire{base: l.web, header: map[string]string{}, most: s.c.OutputMiB << 20}
	w.over = func(err error) {
		l.fail(&Error{Kind: KindOutput, Err: fmt.Errorf("its answer to one request is %w (mcp.output)", err)})
	}
	if name := s.isolate.header; name != "" {
		w.header[name] = l.token
	}
	if s.isolate.path {
		url = strings.ReplaceAll(url, sessionInURL, l.token)
	}
	if s.c.Token != "" {
		w.header["Authorization"] = "Bearer " + getenv(s.c.Token)
	}
	return &sdk.StreamableClientTransport{Endpoint: url, MaxRetries: -1, DisableStandaloneSSE: true, MaxEventSize: grown * int(w.most),
		HTTPClient: &http.Client{Transport: w, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the server sends elsewhere (a redirect); name its address")
		}}}
}

// size is bytes in words.
func size(n int64) string { return bounded.Bytes(n) }
