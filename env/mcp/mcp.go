// Package mcp makes an MCP server a world: a person's own tools, over stdio or streamable HTTP.
//
// Connect starts one connection, lists the tools and finds out what an episode costs and whether episodes can see
// each other; Notes says it. Open gives an episode a connection of its own:
//
//   - stdio: a process, taken from a pool that is filled ahead. It ends with the episode. A server whose tools
//     all say that they only read, or of which Config.Reuse says so, is one process for all. With
//     Config.Reset a process is put back by that call and used again.
//   - HTTP: a session of the server (Mcp-Session-Id) where it has them. Servers of protocol 2026-07-28 have none: there
//     Config.Isolate says how the server tells episodes apart.
//
// A call answers text. What a policy does wrong is text too: a name that is no tool, arguments that the server refuses,
// a result that is an error. What the machine does wrong is an *Error, with its kind, what the server wrote to stderr
// last, and a count in Counts: a server that died, hung, passed a limit, wrote what is no message, or cannot
// be reached. Its connection is not used again. Whether a call failed its session knows by the server's own mark (env.Failer),
// and never by the text.
//
// Processes are those of package confined, whose Main must run first thing in main.
package mcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"ballast"
	"ballast/confined"
)

// Config says which server, and how it is used, in the words of a recipe's section mcp. Zeros are the defaults.
type Config struct {
	Command  string   // a command line, split into words as a shell does; no shell runs
	URL      string   // of a server over streamable HTTP
	Dir      string   // working directory of the processes; "": a fresh one for each
	Env      []string // names of environment variables that a process gets
	Token    string   // name of the variable with the bearer token of URL
	Tools    []string // only these tools
	Reset    string   // {"name": …, "arguments": {…}}: the call that puts the server back
	Reads    bool     // the tools only read, and episodes share a process
	ReadOnly []string // tools that only read although the server does not say so
	Isolate  string   // HTTP: "header NAME", "argument NAME", or "path" with {session} in URL
	Ahead    int      // connections opened ahead; 0: 4, at most Sessions; -1: none
	Sessions int      // episodes at a time; 0: 16

	Seconds   float64 // a call may take; 0: 60. A start may take as long, and at least 60
	MemoryMiB int64   // of a process and all that it starts; 0: 2048
	OutputMiB int64   // a server may write for one call; 0: 16

	version string  // of the protocol, that alone is tried; tests of both eras have one
	start   float64 // seconds that a start may take; tests of what never starts have one
}

// The defaults of Config.
const (
	defaultAhead    = 4
	defaultSessions = 16
	defaultSeconds  = 60
	defaultOutput   = 16
)

// moreTime is what to do about a server that is not ready in time.
var moreTime = fmt.Sprintf("mcp.seconds above %d gives it more time", defaultSeconds)

// Check says what of a Config cannot be.
func (c Config) Check() error {
	switch {
	case (c.Command == "") == (c.URL == ""):
		return errors.New("mcp.server: give a command or an address")
	case c.Reads && c.Reset != "":
		return errors.New("mcp.reset: a server that only reads (mcp.reads) needs none; leave one out")
	case c.Reads && len(c.ReadOnly) > 0:
		return errors.New("mcp.reads, mcp.read_only: leave mcp.reads out; where mcp.read_only names all tools that do not say that they only " +
			"read, episodes share the server too, and further calls of them are no mistake")
	case c.URL != "" && c.Dir != "":
		return errors.New("mcp.dir: it is for a command; what an address reaches was started by somebody else")
	case c.URL == "" && (c.Isolate != "" || c.Token != ""):
		return errors.New("mcp.isolate, mcp.token: they are for a url; a command has a process for each episode")
	case c.Ahead < -1 || c.Sessions < 0 || c.Seconds < 0 || c.MemoryMiB < 0 || c.OutputMiB < 0:
		return errors.New("mcp: a limit is negative")
	}
	if c.Command != "" {
		if _, err := Words(c.Command); err != nil {
			return fmt.Errorf("mcp.server: %w", err)
		}
	}
	if _, err := isolation(c); err != nil {
		return err
	}
	_, err := resetCall(c.Reset)
	return err
}

func (c Config) filled() Config {
	or := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	or(&c.Sessions, defaultSessions)
	or(&c.Ahead, min(defaultAhead, c.Sessions))
	c.Ahead = max(c.Ahead, 0)
	if c.Seconds == 0 {
		c.Seconds = defaultSeconds
	}
	if c.start == 0 {
		c.start = max(c.Seconds, defaultSeconds)
	}
	if c.OutputMiB == 0 {
		c.OutputMiB = defaultOutput
	}
	return c
}

// seconds are seconds as a duration.
func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Server is an MCP server as a world. It is safe for concurrent use.
type Server struct {
	c       Config
	argv    []string
	isolate isolate
	reset   *ballast.Call
	client  *sdk.Client
	log     log
	prefix  string // of the names of sessions

	tools  []ballast.Tool
	byName map[string]ballast.Tool
	mode   mode
	one    bool // all connections have the same state: one episode at a time
	dirty  bool // an episode may have changed that state; of who has the only place in room
	notes  []string
	room   chan struct{}

	life    context.Context // ends with Close
	end     context.CancelFunc
	work    sync.WaitGroup // what goes on aside
	starts  chan struct{}  // bounds processes that start at a time
	idle    chan *link
	joint   sync.Mutex // who connects the shared link
	mu      sync.Mutex
	version string // of the protocol, as found
	closed  bool
	filling int // connections that are opened ahead
	opening int // that an episode waits for
	// resetting are those that are being put back, behind an episode.
	resetting int
	backoff   time.Duration
	links     map[*link]bool
	shared    *link
	last      int
	counts    map[string]int
	stuck     error // processes that did not end
}

// mode says how episodes get connections.
type mode int

const (
	fresh  mode = iota // one each
	again              // one each, put back by a call and used again
	joined             // one for all
)

// Connect starts a connection to a server, lists its tools and tries what Notes tells. The context bounds that; Close ends the Server.
func Connect(ctx context.Context, c Config) (s *Server, err error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	s = &Server{c: c.filled(), prefix: sessionPrefix(), starts: make(chan struct{}, atOnce()),
		links: map[*link]bool{}, counts: map[string]int{}}
	s.client = sdk.NewClient(&sdk.Implementation{Name: "ballast", Version: "1"}, &sdk.ClientOptions{
		Capabilities: &sdk.ClientCapabilities{}, MultiRoundTrip: &sdk.MultiRoundTripOptions{Disabled: true}})
	s.life, s.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("MCP server %s: %w", s.name(), err), s.Close())
		}
	}()
	if s.c.Command != "" {
		s.argv, _ = Words(s.c.Command) // it was checked
	}
	s.isolate, _ = isolation(s.c)
	s.reset, _ = resetCall(s.c.Reset)
	if c.Dir != "" {
		if info, err := os.Stat(c.Dir); err != nil || !info.IsDir() {
			return s, fmt.Errorf("mcp.dir: %s is no folder", c.Dir)
		}
	}
	if err := s.probe(ctx); err != nil {
		return s, err
	}
	s.room = make(chan struct{}, s.c.Sessions)
	s.refill()
	return s, nil
}

// name is the server in messages.
func (s *Server) name() string {
	if s.c.URL != "" {
		return s.c.URL
	}
	return fmt.Sprintf("%q", s.c.Command)
}

// Tools documents the functions that the server has and Config shows, in the server's order.
func (s *Server) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) {
	return slices.Clone(s.tools), nil
}

// Open gives an episode its connection.
func (s *Server) Open(ctx context.Context, _ *ballast.Task) (ballast.Session, error) {
	l, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	s.count("sessions")
	return &session{server: s, link: l}, nil
}

// Room has a place for every episode that may be open at a time; nil where all share a connection.
func (s *Server) Room() chan struct{} {
	if s.mode == joined {
		return nil
	}
	return s.room
}

// Limit is how long a call may take before somebody else should give it up; the Server does so before.
func (s *Server) Limit() time.Duration { return seconds(s.c.Seconds) + 10*time.Second }

// Notes is what a start should say: what an episode costs, what would save it, whether episodes can see each other.
func (s *Server) Notes() []string { return slices.Clone(s.notes) }

// Counts says how often what happened: connections, sessions, resets, calls; failures under the kind of their Error.
func (s *Server) Counts() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.counts)
}

func (s *Server) count(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[what]++
}

// Close ends all connections and processes, those of open sessions too, and waits for their end. The error names
// processes that did not end, now or before.
func (s *Server) Close() error {
	s.mu.Lock()
	s.closed = true
	open := slices.Collect(maps.Keys(s.links))
	s.mu.Unlock()
	s.end()
	var closing sync.WaitGroup
	for _, l := range open {
		closing.Go(l.close)
	}
	closing.Wait()
	s.work.Wait()
	s.mu.Lock()
	err := s.stuck
	s.mu.Unlock()
	return errors.Join(err, s.log.close())
}

// KeepStderr keeps in a file what the processes wrote to stderr so far, and what they and those after them will; the number of the process
// stands before each line. It is called once. Errors of processes name the file from then on. A server that has an address
// is nobody's process here, and nothing is kept.
func (s *Server) KeepStderr(path string) error {
	if s.c.URL != "" {
		return nil
	}
	return s.log.keep(path, s.name())
}

// Kept is the file of KeepStderr, or "".
func (s *Server) Kept() string { return s.log.kept() }

// limits are those of one process.
func (s *Server) limits() confined.Limits {
	return confined.Limits{Memory: s.c.MemoryMiB << 20, Output: s.c.OutputMiB << 20}
}

// session is one episode.
type session struct {
	server *Server
	link   *link
	once   sync.Once
	mu     sync.Mutex
	closed bool
	failed bool
}

// Failed says whether the last call failed.
func (e *session) Failed() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.failed
}

// errClosed is a call after Close.
var errClosed = errors.New("the session is closed")

// Call runs one call on the server.
func (e *session) Call(ctx context.Context, c ballast.Call) (string, error) {
	e.mu.Lock()
	closed := e.closed
	e.mu.Unlock()
	if closed {
		return "", errClosed
	}
	a, err := e.run(ctx, c)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.failed = a.failed
	return a.text, err
}

// run is Call of a session that is open.
func (e *session) run(ctx context.Context, c ballast.Call) (answer, error) {
	tool, ok := e.server.byName[c.Name]
	if !ok {
		return mistake(fmt.Sprintf("no tool is named %q", c.Name)), nil
	}
	args, err := arguments(c, tool, e.server.isolate.argument, e.link.token)
	if err != nil {
		return mistake(err.Error()), nil
	}
	e.server.count("calls")
	return e.link.call(ctx, c.Name, args)
}

// Close gives the connection back. It does not wait for the end of a process.
func (e *session) Close() error {
	e.once.Do(func() {
		e.mu.Lock()
		e.closed = true
		e.mu.Unlock()
		e.server.give(e.link)
	})
	return nil
}

// aside runs what Close waits for, unless the server is closed. It reports whether it does.
func (s *Server) aside(do func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.work.Go(do)
	return true
}

var _ io.Closer = (*Server)(nil)
