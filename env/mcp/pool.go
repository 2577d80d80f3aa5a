package mcp

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"ballast"
	"ballast/value"
)

// take gives an episode a connection, to a server that is as it was at the start. Where all connections have one
// state it is put back here and not behind the episode: nobody begins while the call runs, or after one that failed.
func (s *Server) take(ctx context.Context) (*link, error) {
	if s.mode == joined {
		return s.join(ctx)
	}
	l, err := s.connection(ctx)
	if err != nil || !s.one {
		return l, err
	}
	s.mu.Lock()
	dirty := s.dirty
	s.dirty = true // from now on
	s.mu.Unlock()
	if dirty {
		if err := s.putBack(ctx, l); err != nil {
			s.give(l)
			return nil, err
		}
	}
	return l, nil
}

// connection is one of the pool, or a new one.
func (s *Server) connection(ctx context.Context) (*link, error) {
	for {
		l, err := s.waiting(ctx)
		if err != nil {
			return nil, err
		}
		if l == nil {
			l, err = s.dial(ctx)
			s.mu.Lock()
			s.opening--
			s.mu.Unlock()
			s.refill()
			return l, err
		}
		s.refill()
		if l.broken() != nil || l.forgotten(ctx) {
			s.count(l.broken().Kind)
			s.aside(l.close)
			continue
		}
		return l, nil
	}
}

// lookAgain is when it is seen that a connection was closed instead of being put back.
const lookAgain = 20 * time.Millisecond

// waiting takes a connection out of the pool; nil says that one is to be opened. Where as many are open as are held, it waits for
// those that are being put back.
func (s *Server) waiting(ctx context.Context) (*link, error) {
	for {
		select {
		case l := <-s.idle:
			return l, nil
		default:
		}
		s.mu.Lock()
		full := s.resetting > 0 && len(s.links)+s.filling+s.opening >= s.c.Sessions+s.c.Ahead
		if !full {
			s.opening++
		}
		s.mu.Unlock()
		if !full {
			return nil, nil
		}
		select {
		case l := <-s.idle:
			return l, nil
		case <-time.After(lookAgain):
		case <-s.life.Done():
			return nil, errClosed
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// rests is how long a session over HTTP may not have been used before it is asked whether it is there still: servers forget
// sessions, and lose them when they are started again.
var rests = 30 * time.Second // a variable for tests

// hears notes that the server answers.
func (l *link) hears() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = time.Now()
}

// forgotten says that the server does not know the session any more, or is not there.
func (l *link) forgotten(parent context.Context) bool {
	l.mu.Lock()
	idle := time.Since(l.heard)
	l.mu.Unlock()
	if idle < rests || !l.hasSessions() {
		return false
	}
	ctx, cancel := context.WithTimeout(parent, seconds(l.server.c.Seconds))
	defer cancel()
	err := l.cs.Ping(ctx, nil)
	if parent.Err() != nil { // whoever asks next will know
		return false
	}
	var refused *jsonrpc.Error
	if err == nil || errors.As(err, &refused) && !errors.Is(err, notSent) && !transport(refused.Code) { // it has no word for that
		l.hears()
		return false
	}
	l.fail(&Error{Kind: KindConnection, Err: fmt.Errorf("a session that waited: %w", err)})
	return true
}

// join is the connection of all, which is made anew where it is broken.
func (s *Server) join(ctx context.Context) (*link, error) {
	s.joint.Lock()
	defer s.joint.Unlock()
	l := s.shared
	if l != nil && l.broken() == nil && !l.forgotten(ctx) {
		return l, nil
	}
	if l != nil {
		s.aside(l.close)
	}
	fresh, err := s.dial(ctx)
	if err != nil {
		return nil, err
	}
	s.shared = fresh
	return fresh, nil
}

// give takes a connection back from an episode.
func (s *Server) give(l *link) {
	switch {
	case s.mode == joined:
		return
	case s.one && l.broken() == nil:
		s.keep(l)
		return
	case s.mode == again && l.broken() == nil:
		s.puts(1)
		if !s.aside(func() {
			defer s.puts(-1)
			if s.putBack(s.life, l) != nil { // it was counted
				l.close()
				return
			}
			s.keep(l)
		}) {
			s.puts(-1)
		}
		return
	}
	if !s.aside(l.close) {
		l.close() // the server closes, and this one with it
	}
}

// puts counts the connections that are being put back.
func (s *Server) puts(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resetting += n
}

// putBack plays the reset call. What the connection does wrong has its own kind, and was counted with it.
func (s *Server) putBack(ctx context.Context, l *link) error {
	args, err := arguments(*s.reset, ballast.Tool{Name: s.reset.Name}, s.isolate.argument, l.token)
	if err == nil {
		var a answer
		if a, err = l.call(ctx, s.reset.Name, args); err != nil {
			return err
		}
		if !a.failed {
			s.count("resets")
			return nil
		}
		err = fmt.Errorf("mcp.reset: %s answers %q", s.reset.Name, a.text)
	}
	s.count(KindReset)
	return &Error{Kind: KindReset, Err: err}
}

// keep puts a connection into the pool, if it has a place.
func (s *Server) keep(l *link) {
	s.mu.Lock()
	kept := false
	if !s.closed {
		select {
		case s.idle <- l:
			kept = true
		default:
		}
	}
	s.mu.Unlock()
	if !kept {
		l.close()
	}
}

const (
	firstBackoff = time.Second
	lastBackoff  = 30 * time.Second
)

// refill opens connections ahead, aside. After one that failed it waits, longer each time.
func (s *Server) refill() {
	if s.mode == joined {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closed && len(s.idle)+s.filling < s.c.Ahead && (s.mode != again || len(s.links)+s.filling < s.c.Sessions+s.c.Ahead) {
		s.filling++
		s.work.Go(func() {
			l, err := s.dial(s.life)
			s.mu.Lock()
			s.filling--
			if err != nil {
				if s.backoff = min(max(2*s.backoff, firstBackoff), lastBackoff); !s.closed {
					time.AfterFunc(s.backoff, s.refill)
				}
				s.mu.Unlock()
				return
			}
			s.backoff = 0
			s.mu.Unlock()
			s.keep(l)
		})
		if s.backoff > 0 { // one tries for all
			return
		}
	}
}

// isolate is how a server without sessions tells episodes apart.
type isolate struct {
	header, argument string
	path             bool
}

// sessionInURL stands in a URL for what differs.
const sessionInURL = "{session}"

// isolation reads Config.Isolate.
func isolation(c Config) (i isolate, err error) {
	how, name, _ := strings.Cut(c.Isolate, " ")
	name = strings.TrimSpace(name)
	switch {
	case c.Isolate == "":
	case how == "header" && name != "" && http.CanonicalHeaderKey(name) != "" && !strings.ContainsAny(name, " :\r\n"):
		i.header = name
	case how == "argument" && name != "":
		i.argument = name
	case c.Isolate == "path":
		i.path = true
	default:
		return i, fmt.Errorf("mcp.isolate: %q is none of \"header NAME\", \"argument NAME\", \"path\"", c.Isolate)
	}
	if i.path != strings.Contains(c.URL, sessionInURL) {
		return i, fmt.Errorf("mcp.isolate: path and %s in the url go together", sessionInURL)
	}
	return i, nil
}

// sessionPrefix makes the names of this process's sessions differ from those of every other.
func sessionPrefix() string { return "ballast-" + strings.ToLower(rand.Text()[:10]) + "-" }

// errReset is a reset call that is none.
var errReset = errors.New(`mcp.reset: it is no call; write {"name": "TOOL", "arguments": {}}`)

// resetCall reads Config.Reset.
func resetCall(text string) (*ballast.Call, error) {
	if text == "" {
		return nil, nil
	}
	var keys map[string]json.RawMessage
	var name string
	if json.Unmarshal([]byte(text), &keys) != nil || json.Unmarshal(keys["name"], &name) != nil || name == "" {
		return nil, errReset
	}
	c := &ballast.Call{Name: name}
	for key := range keys {
		if key != "name" && key != "arguments" {
			return nil, fmt.Errorf("%w; %q is neither", errReset, key)
		}
	}
	if keys["arguments"] != nil {
		v, err := value.ParseExact(keys["arguments"])
		args, ok := v.(*value.Dict)
		if err != nil || !ok {
			return nil, errReset
		}
		for i := range args.Len() {
			k, v := args.At(i)
			name, _ := k.(string)
			c.Args = append(c.Args, ballast.Arg{Name: name, Value: v})
		}
	}
	return c, nil
}
