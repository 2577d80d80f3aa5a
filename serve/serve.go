// Package serve plays tasks for other trainers: their model writes replies, this process runs
// the calls, says what the tools and the user answer, and what the episode is worth.
//
// It speaks verl-tool's protocol (POST /get_observation) and OpenEnv's (WebSocket /ws, HTTP,
// MCP); docs/serve.md has both by field. Both play through package env, so that turns, verdicts,
// budgets and rewards are those of a training run of ballast.
//
// Contract: an episode sees nothing of another. Every open one is leased: whoever does not use
// it for Config.Lease loses it, and its world is closed. The number of open ones is bounded; one
// more is refused in the protocol's own words, and nothing of that request is played. Over verl-tool's protocol an answer
// that a client did not get is given again when the client repeats its action; OpenEnv's has no place for what says that it does.
//
// How it fails: what a request gets wrong is answered with the field that is wrong. A world that
// breaks ends its episode with an error and without a reward: it is never a zero. An action of
// an episode that has ended, or whose lease has, is an error and begins no other episode, for two leases more.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/credit"
	"ballast/env"
)

// The defaults of Config.
const (
	DefaultSessions = 16384
	DefaultLease    = 10 * time.Minute
	DefaultTimeout  = 5 * time.Minute
	DefaultRequests = 1024
	DefaultBody     = 16 << 20
)

// Config says what is served and within which bounds. The zero value of a bound is its default.
type Config struct {
	Name  string         // what is served, for /metadata; "" = ballast
	Split string         // of the tasks, for OpenEnv's task API; "" = train
	Tasks []ballast.Task // a request names one by its id or its index here
	Env   *env.Table     // the worlds, graders and users of the tasks; nil = env.Builtin
	// Format reads the replies and writes the tools' answers in observations.
	Format chat.Format
	Rules  env.Rules // Steps 0 is no bound
	Result int       // most bytes of a tool's answer, of which the end is kept; 0 is no bound
	Credit credit.Options

	Sessions int           // most open episodes
	Lease    time.Duration // an episode that nobody uses for so long is closed
	Timeout  time.Duration // of one request; what it began goes on
	Requests int           // most requests, and messages of WebSockets, that are worked on at a time; others wait
	Body     int64         // most bytes of one request, or of one message of a WebSocket
	Token    string        // what requests must carry; "" = nothing
	Grace    time.Duration // what requests under way have at the end; 0 = 30 s
	Version  string        // of the program, for /metadata
}

// Server serves the tasks of a Config. Close it.
type Server struct {
	cfg      Config
	byID     map[string]int
	cache    *taskCache
	registry *registry
	slots    chan struct{} // one is taken by every request that is worked on
	count    *metrics
	slow     bool // a world, grader or user of a task takes time
	begun    time.Time
	loopback atomic.Bool // Serve listens on this machine's own address

	life    context.Context // of all episodes
	end     context.CancelFunc
	next    atomic.Int64   // of resets that name no task
	drain   chan struct{}  // closed when no episode may begin any more
	mu      sync.Mutex     // of what follows; held where one of the groups grows
	drains  bool           // no further WebSocket is waited for
	closed  bool           // nothing outlives its request any more
	sockets sync.WaitGroup // those that are open
	group   sync.WaitGroup // the reaper, and what outlives its request
	mux     http.Handler
}

// New makes a server. The error is one of the configuration.
func New(c Config) (*Server, error) {
	c.Env = cmp.Or(c.Env, &env.Builtin)
	c.Name, c.Split = cmp.Or(c.Name, "ballast"), cmp.Or(c.Split, "train")
	c.Sessions, c.Requests = cmp.Or(c.Sessions, DefaultSessions), cmp.Or(c.Requests, DefaultRequests)
	c.Lease, c.Timeout, c.Grace = cmp.Or(c.Lease, DefaultLease), cmp.Or(c.Timeout, DefaultTimeout), cmp.Or(c.Grace, 30*time.Second)
	c.Body = cmp.Or(c.Body, DefaultBody)
	if c.Rules.Steps == 0 {
		c.Rules.Steps = 1 << 30
	}
	if n := c.Result; n > 0 {
		c.Rules.Shorten = env.Tail(n)
	}
	switch {
	case len(c.Tasks) == 0:
		return nil, errors.New("serve: there are no tasks to serve")
	case c.Format == nil:
		return nil, errors.New("serve: no format of calls is given; package chat has them")
	case c.Rules.Forget:
		return nil, errors.New("serve: fault drop-state belongs to studies and is not served")
	case c.Sessions < 0 || c.Requests < 0 || c.Lease < 0 || c.Timeout < 0 || c.Grace < 0 || c.Body < 0 || c.Rules.Steps < 0:
		return nil, errors.New("serve: a bound is below 0")
	}
	s := &Server{cfg: c, byID: make(map[string]int, len(c.Tasks)), slots: make(chan struct{}, c.Requests), begun: time.Now(),
		drain: make(chan struct{})}
	for i := range c.Tasks {
		id := c.Tasks[i].ID
		if other, twice := s.byID[id]; twice {
			return nil, fmt.Errorf("serve: tasks %d and %d have the same id %q; a request could not name one of them", other, i, id)
		}
		if c.Tasks[i].Prompt != nil {
			return nil, fmt.Errorf("serve: task %s brings its own prompt, which the protocols have no place for; serve another set", id)
		}
		s.byID[id] = i
	}
	used := map[string]bool{} // what the table has and no task names changes nothing
	for i := range c.Tasks {
		used[c.Tasks[i].World] = true
		s.slow = s.slow || !c.Env.Instant(&c.Tasks[i])
	}
	for k, w := range c.Env.Worlds {
		if w.Room != nil && (used[w.Name] || k == 0 && used[""]) { // an episode that waits for room would hold its lease meanwhile
			s.cfg.Sessions = min(s.cfg.Sessions, cap(w.Room))
		}
	}
	s.life, s.end = context.WithCancel(context.Background())
	s.cache = newTaskCache(s.life, c.Env, s.cfg.Tasks)
	s.registry = newRegistry(s.cfg.Sessions, s.cfg.Lease)
	s.count = newMetrics(s)
	s.mux = s.routes()
	s.aside(s.reap)
	return s, nil
}

// Sessions is how many episodes may be open at a time: Config.Sessions, or what a world has
// room for.
func (s *Server) Sessions() int { return s.cfg.Sessions }

// Open is how many sessions are open.
func (s *Server) Open() int { return s.registry.size() }

// Handler answers requests, for a server of one's own. Serve has one with deadlines.
func (s *Server) Handler() http.Handler { return s.mux }

// reap closes episodes whose lease has ended, until the server is closed.
func (s *Server) reap() {
	tick := time.NewTicker(max(s.cfg.Lease/20, 10*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			for _, x := range s.registry.expired() {
				s.shutAside(x, endExpired)
			}
		case <-s.life.Done():
			return
		}
	}
}

// Drain lets no further episode begin; those that are open go on.
func (s *Server) Drain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.drains {
		s.drains = true
		close(s.drain)
		s.registry.drain()
	}
}

// join enters a group that Close waits for; false if Close, or for a WebSocket Drain, came first.
func (s *Server) join(group *sync.WaitGroup) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.drains && group == &s.sockets {
		return false
	}
	group.Add(1)
	return true
}

// aside does something that may outlive its request; false if the server is closed, and nothing is done.
func (s *Server) aside(do func()) bool {
	if !s.join(&s.group) {
		return false
	}
	go func() {
		defer s.group.Done()
		do()
	}()
	return true
}

// shutAside is shut for who does not wait until a slow world is closed.
func (s *Server) shutAside(x *session, how string) {
	if !s.slow || !s.aside(func() { s.shut(x, how) }) {
		s.shut(x, how)
	}
}

// Close ends what runs and closes all episodes. Requests that come later are refused.
func (s *Server) Close() error {
	s.Drain()
	s.end()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.sockets.Wait()
	s.group.Wait()
	for _, x := range s.registry.all() {
		s.shut(x, endClosed)
	}
	return s.cache.close()
}

// socketsEnd waits until the WebSockets have seen that the server ends.
func (s *Server) socketsEnd(ctx context.Context) error {
	over := make(chan struct{})
	go func() {
		s.sockets.Wait()
		close(over)
	}()
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Serve answers requests on a listener until the context ends. Then it refuses what is new, lets
// requests under way finish for at most Config.Grace, and closes all episodes. On this machine's own
// address, and without a token, it answers requests alone that name this machine (see sameHost).
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if at, ok := l.Addr().(*net.TCPAddr); ok {
		s.loopback.Store(at.IP.IsLoopback())
	}
	h := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- h.Serve(l) }()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		s.Drain()
		grace, cancel := context.WithTimeout(context.Background(), s.cfg.Grace)
		defer cancel()
		err = errors.Join(h.Shutdown(grace), s.socketsEnd(grace))
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.Join(fmt.Errorf("serve: requests were under way after %s and were cut off", s.cfg.Grace), h.Close())
		}
	}
	return errors.Join(err, s.Close())
}
