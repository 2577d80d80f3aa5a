package served

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ballast/endpoint"
)

// server is one server and what is known of it. The policy's mutex guards its fields.
type server struct {
	Backend
	places  chan struct{} // one for every request under way
	gone    chan struct{} // closed while it is left out
	nudge   chan struct{} // try it now
	why     error         // that it is left out; nil if it is not
	warned  string        // of what it was last warned
	row     int           // failures in a row
	live    int           // conversations that are played here
	pause   time.Duration // before it was tried the last time; 0 once it has answered for a while
	good    int           // answers since it came back
	has     []Weights     // that were loaded, the last one at the end
	counter Server
}

// steady is how many answers make a server that was left out one like the others.
const steady = 32

// Server counts what one server did.
type Server struct {
	Address  string
	Out      string // why it is left out; "" if it is not
	Requests int64  // that were sent
	Failed   int64  // of those
	Retries  int64  // requests that were sent here after a failure, here or elsewhere
	Replayed int64  // conversations that another server had begun and that went on here
	Left     int64  // times that it was left out
	Loaded   int64  // times that it took weights
	Tokens   int64  // that it sampled
}

func newServer(b Backend, side int) *server {
	return &server{Backend: b, places: make(chan struct{}, side), gone: make(chan struct{}), nudge: make(chan struct{}, 1)}
}

// Servers count what every server did since the policy was opened.
func (p *Policy) Servers() []Server {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Server
	for _, s := range p.servers {
		c := s.counter
		c.Address = s.Address()
		if s.why != nil {
			c.Out = s.why.Error()
		}
		out = append(out, c)
	}
	return out
}

// now are the weights of the moment.
func (p *Policy) now() Weights {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.weights
}

// least is the server with the fewest conversations of those that are there; nil if none is.
func (p *Policy) least() (best *server) {
	for _, s := range p.servers {
		if s.why == nil && (best == nil || s.live < best.live) {
			best = s
		}
	}
	return best
}

// count adds to the conversations of a group.
func (p *Policy) count(g *group, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g.home == nil {
		if g.home = p.least(); g.home == nil {
			g.home = p.servers[0] // none is there, and it may come back
		}
		g.at = g.home
	}
	g.size += n
	g.at.live += n
}

// leave ends a conversation of a group.
func (q *play) leave(g *group) {
	if g != nil {
		q.count(g, -1)
	}
}

// whereTo is the server that a group's requests go to, nil if none is there, and what says that
// this changed.
func (p *Policy) whereTo(g *group) (*server, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	to := g.home
	switch {
	case to.why == nil:
	case g.at.why == nil:
		to = g.at
	default:
		if to = p.least(); to == nil {
			return nil, p.changed
		}
	}
	g.at.live -= g.size
	to.live += g.size
	g.at = to
	return to, to.gone
}

// place waits for a place at a server. It gives up when none was left for Patience.
func (p *Policy) place(ctx context.Context, g *group) (*server, error) {
	patience := time.NewTimer(p.o.Patience)
	defer patience.Stop()
	for {
		s, changed := p.whereTo(g)
		if s == nil {
			select {
			case <-changed:
			case <-patience.C:
				return nil, p.lost()
			case <-ctx.Done():
				return nil, endpoint.Ended(ctx)
			}
			continue
		}
		select {
		case s.places <- struct{}{}:
			if now, _ := p.whereTo(g); now == s {
				return s, nil
			}
			<-s.places
		case <-changed:
		case <-ctx.Done():
			return nil, endpoint.Ended(ctx)
		}
		patience.Reset(p.o.Patience) // a server was there
	}
}

// ask sends a call until a server answers it, or its tries are used up.
func (q *play) ask(ctx context.Context, t *talk, call *Call) (*Answer, error) {
	wait := q.o.Wait
	for n := 1; ; n++ {
		s, err := q.place(ctx, t.group)
		if err != nil {
			return nil, err
		}
		a, err := q.send(ctx, s, t, call, n)
		<-s.places
		if err == nil {
			return a, nil
		}
		if ctx.Err() != nil {
			return nil, endpoint.Ended(ctx)
		}
		if errors.As(err, new(*LostError)) {
			q.note(s, func(c *Server) { c.Failed++ })
			return nil, err
		}
		pause := q.failed(s, err)
		switch {
		case pause < 0:
			return nil, fmt.Errorf("served: %w", err)
		case n >= q.o.Tries:
			return nil, fmt.Errorf("served: given up after %d tries; the last: %w", n, err)
		}
		if q.isOut(s) { // another one is asked at once
			continue
		}
		timer := time.NewTimer(max(pause, wait/2+rand.N(wait/2+1)))
		wait = min(2*wait, q.o.MaxWait)
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// isOut says whether a server is left out.
func (p *Policy) isOut(s *server) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return s.why != nil
}

// send sends a call once.
func (q *play) send(ctx context.Context, s *server, t *talk, call *Call, try int) (*Answer, error) {
	q.asked.Add(1)
	q.note(s, func(c *Server) {
		c.Requests++
		if try > 1 {
			c.Retries++
		}
		if t.last != nil && t.last != s {
			c.Replayed++
		}
	})
	t.last = s
	a, err := s.Sample(ctx, call)
	if err == nil {
		err = fits(s, a, call, q.o.Vocab)
	}
	if err == nil && len(call.Watch) > 0 {
		err = watched(s, a)
	}
	if err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.row, s.good = 0, s.good+1; s.good == steady {
		s.pause = 0
	}
	s.counter.Tokens += int64(len(a.Tokens))
	return a, nil
}

// note counts something of a server.
func (p *Policy) note(s *server, what func(*Server)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	what(&s.counter)
}

// failed takes in that a server failed, and says how long to wait before a further try; less
// than 0 is no further try.
func (p *Policy) failed(s *server, err error) time.Duration {
	p.note(s, func(c *Server) { c.Failed++ })
	var e *endpoint.Error
	known := errors.As(err, &e)
	if known && e.Kind == endpoint.Rate {
		return min(e.Wait, p.o.MaxWait)
	}
	p.mu.Lock()
	s.row++
	out := s.why == nil && (s.row >= p.o.Failures || known && e.Kind == endpoint.Access)
	p.mu.Unlock()
	if out {
		p.leaveOut(s, err)
	}
	switch {
	case known && (e.Kind == endpoint.Rejected || e.Kind == endpoint.Filtered):
		return -1
	case known:
		return min(e.Wait, p.o.MaxWait)
	}
	return 0
}

// leaveOut has a server take no requests until it was tried again.
func (p *Policy) leaveOut(s *server, why error) {
	p.mu.Lock()
	first := s.why == nil
	if first {
		s.why = why
		s.counter.Left++
		close(s.gone)
	}
	p.mu.Unlock()
	if first {
		p.warn(s, fmt.Sprintf("%s is left out: %s", s.Address(), why))
		p.beside.Go(func() { p.revive(s) })
	}
}

// warn says something of a server, once in a row.
func (p *Policy) warn(s *server, text string) {
	p.mu.Lock()
	again := s.warned == text
	s.warned = text
	p.mu.Unlock()
	if !again {
		p.o.Warn(text)
	}
}

// revive tries a server that was left out until it is as it must be.
func (p *Policy) revive(s *server) {
	for {
		wait := p.longer(s)
		timer := time.NewTimer(wait/2 + rand.N(wait/2+1))
		select {
		case <-timer.C:
		case <-s.nudge:
		case <-p.ctx.Done():
		}
		timer.Stop()
		if p.ctx.Err() != nil {
			return
		}
		err := p.ready(p.ctx, s)
		if err == nil {
			p.warn(s, s.Address()+" is back")
			return
		}
		if p.ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		s.why = err
		p.mu.Unlock()
		if !gone(err) {
			p.warn(s, fmt.Sprintf("%s stays left out: %s", s.Address(), err))
		}
	}
}

// longer is how long to wait before a server is tried: twice as long as the last time, also
// where it came back in between and soon failed again.
func (p *Policy) longer(s *server) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	s.pause = min(max(2*s.pause, p.o.Wait), p.o.MaxWait)
	return s.pause
}

// ready probes a server, gives it the weights of the moment and lets it take requests.
func (p *Policy) ready(ctx context.Context, s *server) error {
	f, err := probe(ctx, s, p.o.Vocab, p.o.Watched)
	if err != nil {
		return err
	}
	if lacks := p.facts.covers(f); lacks != "" {
		return &unfitError{s.Address() + " " + lacks + ", and the servers before it do not"}
	}
	for {
		w := p.now()
		if w != (Weights{}) {
			if err := p.load(ctx, s, w); err != nil {
				return err
			}
		}
		if p.admit(s, w) {
			p.drop(ctx, s, w)
			return nil
		}
	}
}

// admit lets a server with these weights take requests, if they still are the ones.
func (p *Policy) admit(s *server, w Weights) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if w != p.weights {
		return false
	}
	s.why, s.row, s.good, s.gone = nil, 0, 0, make(chan struct{})
	close(p.changed)
	p.changed = make(chan struct{})
	return true
}

// load gives a server weights and has it sample one token with them.
func (p *Policy) load(ctx context.Context, s *server, w Weights) error {
	if err := s.Load(ctx, w); err != nil {
		return err
	}
	p.mu.Lock()
	s.has = append(slices.DeleteFunc(s.has, func(x Weights) bool { return x == w }), w)
	s.counter.Loaded++
	p.mu.Unlock()
	_, err := draw(ctx, s, p.o.Vocab, &Call{Prompt: []int32{0}, Max: 1, Weights: w})
	return err
}

// drop has a server forget all weights but these. That it fails costs the server memory and
// nobody a reply.
func (p *Policy) drop(ctx context.Context, s *server, keep Weights) {
	p.mu.Lock()
	old := slices.DeleteFunc(slices.Clone(s.has), func(w Weights) bool { return w == keep })
	s.has = slices.DeleteFunc(s.has, func(w Weights) bool { return w != keep })
	p.mu.Unlock()
	for _, w := range old {
		_ = s.Drop(ctx, w) // a server that was started anew does not have them
	}
}
