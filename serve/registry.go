package serve

import (
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// The ways in which a session ends.
const (
	endDone     = "done"     // the episode is over
	endFinished = "finished" // the trainer said so
	endExpired  = "expired"  // its lease ended
	endVanished = "vanished" // its WebSocket closed
	endBroken   = "broken"   // its world, grader or user failed
	endClosed   = "closed"   // the server was closed
	endRefused  = "refused"  // its first request was wrong
)

// key names a session.
type key struct{ protocol, id string }

// session is one trajectory, or one session of OpenEnv: an entry of the registry and the episode
// that is played in it.
type session struct {
	key   key
	lock  chan struct{} // has room for who acts
	play  *play         // nil until it begins; of who holds the lock
	steps int           // actions so far; of who holds the lock
	over  string        // how it ended, "" while it goes on; of who holds the lock
	shut  bool          // nobody may begin an episode in it any more; of who holds the lock

	stop atomic.Pointer[context.CancelFunc] // ends the episode that plays

	// Of OpenEnv's sessions, which have one episode after another.
	task     int         // index of the task; of who holds the lock
	episode  string      // its name, "" before the first; of who holds the lock
	turn     int         // index of the user's open turn; of who holds the lock
	attached atomic.Bool // a WebSocket uses it
	closing  atomic.Bool // it ends when the WebSocket does

	memory

	users int           // who act or wait to; of the registry
	used  time.Time     // when the last of them left; of the registry
	lease *list.Element // among the leases of the registry, whose it is
}

// memory is what a session knows of its last action, for a client that did not get the answer.
type memory struct {
	mu     sync.Mutex
	last   string // text of the last action
	step   int    // its number from 0
	reply  *answer
	unread bool // nobody got the answer, as far as this side can tell
	named  int  // index of the task plus 1; 0 while it is not known
}

// remember keeps the answer to action number step.
func (m *memory) remember(text string, step int, a *answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last, m.step, m.reply, m.unread = text, step, a, true
}

// delivered notes whether a client got the answer to action number step.
func (m *memory) delivered(step int, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.step == step {
		m.unread = !yes
	}
}

// again returns the answer to an action that is repeated: one that says so by its number, or the
// same text where nobody got the answer. A number that is neither the last nor the next is an error.
func (m *memory) again(text string, step *int) (*answer, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := 0
	if m.reply != nil {
		next = m.step + 1
	}
	switch {
	case step == nil:
		if m.reply != nil && m.unread && m.last == text {
			return m.reply, nil
		}
		return nil, nil
	case *step == next:
		return nil, nil
	case m.reply != nil && *step == m.step && m.last == text:
		return m.reply, nil
	case m.reply != nil && *step == m.step:
		return nil, fmt.Errorf("action %d was another text; it is not played twice", *step)
	}
	return nil, fmt.Errorf("this is action %d of a trajectory that has had %d; the server or its lease may have ended in between", *step, next)
}

// name sets the task that a session plays, its index plus 1, where none is set, and returns
// the one that is; 0 sets none.
func (m *memory) name(task int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.named = cmp.Or(m.named, task)
	return m.named
}

// ended is what is left of a session.
type ended struct {
	key key
	how string
	at  time.Time
	mem *memory
}

// registry has all sessions.
type registry struct {
	limit  int
	lease  time.Duration
	mu     sync.Mutex
	open   map[key]*session
	leases list.List // of *session: of those that nobody uses, the longest idle first; those in use stand anywhere
	gone   map[key]*list.Element
	order  list.List // of *ended, oldest first
	stop   bool
}

func newRegistry(limit int, lease time.Duration) *registry {
	return &registry{limit: limit, lease: lease, open: map[key]*session{}, gone: map[key]*list.Element{}}
}

// capacityError says that no further session may be open.
type capacityError struct{ open, limit int }

func (e *capacityError) Error() string {
	return fmt.Sprintf("Server at capacity: %d/%d sessions active. Cannot accept new connections.", e.open, e.limit)
}

// errDraining is the answer to what would begin an episode when the server is about to end.
var errDraining = errors.New("the server is shutting down and begins no new episode")

// want asks for a session by name. Make opens one where there is none.
type want struct {
	key  key
	make bool
}

// enter returns the sessions of a request, nil where there is none, and who uses each must leave
// it. All are there or none is: an error opens nothing. What has ended is among the ends.
func (r *registry) enter(wants []want) (in []*session, ends []*ended, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	in, ends = make([]*session, len(wants)), make([]*ended, len(wants))
	var fresh map[key]*session
	for i, w := range wants {
		if in[i] = r.open[w.key]; in[i] != nil {
			continue
		}
		if e := r.gone[w.key]; e != nil {
			ends[i] = e.Value.(*ended)
		} else if w.make && fresh[w.key] == nil {
			if fresh == nil {
				fresh = map[key]*session{}
			}
			fresh[w.key] = &session{key: w.key, lock: make(chan struct{}, 1)}
		}
	}
	switch {
	case len(fresh) == 0:
	case r.stop:
		return nil, nil, errDraining
	case len(r.open)+len(fresh) > r.limit:
		return nil, nil, &capacityError{len(r.open), r.limit}
	}
	for k, x := range fresh {
		r.open[k], x.lease = x, r.leases.PushBack(x)
	}
	for i, w := range wants {
		if in[i] == nil {
			in[i] = fresh[w.key]
		}
		if in[i] != nil {
			in[i].users++
		}
	}
	return in, ends, nil
}

// leave is called by who entered, with what enter returned. A session that nobody uses may expire.
func (r *registry) leave(in ...*session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, x := range in {
		if x == nil {
			continue
		}
		if x.users--; x.users == 0 {
			x.used = now
			r.leases.MoveToBack(x.lease) // nothing where it was taken out
		}
	}
}

// remove takes a session out and keeps what is left of it; false if it was out already.
func (r *registry) remove(x *session, how string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[x.key] != x {
		return false
	}
	r.take(x, how)
	return true
}

// drop takes a session out as if it had never been; false if it was out already.
func (r *registry) drop(x *session) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open[x.key] != x {
		return false
	}
	delete(r.open, x.key)
	r.leases.Remove(x.lease)
	return true
}

// take takes a session out. The lock is held.
func (r *registry) take(x *session, how string) {
	delete(r.open, x.key)
	r.leases.Remove(x.lease)
	r.gone[x.key] = r.order.PushBack(&ended{key: x.key, how: how, at: time.Now(), mem: &x.memory})
	for r.order.Len() > r.limit {
		r.forget()
	}
}

func (r *registry) forget() {
	delete(r.gone, r.order.Remove(r.order.Front()).(*ended).key)
}

// expired takes out the sessions whose lease has ended, and forgets what ended long ago.
func (r *registry) expired() (out []*session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for e := r.leases.Front(); e != nil; {
		x := e.Value.(*session)
		e = e.Next()
		if x.users > 0 {
			continue
		}
		if now.Sub(x.used) < r.lease {
			break
		}
		r.take(x, endExpired)
		out = append(out, x)
	}
	for e := r.order.Front(); e != nil && now.Sub(e.Value.(*ended).at) > 2*r.lease; e = r.order.Front() {
		r.forget()
	}
	return out
}

// all takes out every session.
func (r *registry) all() (out []*session) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, x := range r.open {
		out = append(out, x)
	}
	for _, x := range out {
		r.take(x, endClosed)
	}
	return out
}

// revive forgets that a session ended, so that its name may begin anew.
func (r *registry) revive(k key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.gone[k]; e != nil {
		r.order.Remove(e)
		delete(r.gone, k)
	}
}

// drain lets no further session begin.
func (r *registry) drain() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stop = true
}

// size is the number of open sessions.
func (r *registry) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}

// hold waits for the right to act in a session. Who is late has none, though nobody else acts.
func (x *session) hold(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case x.lock <- struct{}{}:
		return nil
	default:
	}
	select {
	case x.lock <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// release gives the right to act back.
func (x *session) release() { <-x.lock }

// shut closes the episode of a session that was taken out of the registry. Whoever still acts in it
// is stopped first, and whoever waits to act finds it shut.
func (s *Server) shut(x *session, how string) {
	if stop := x.stop.Load(); stop != nil {
		(*stop)()
	}
	x.lock <- struct{}{}
	defer x.release()
	if x.shut = true; x.over == "" {
		if x.over = how; x.play != nil {
			s.count.ended(x.key.protocol, how)
		}
	}
	if x.play != nil {
		x.play.close()
		x.play = nil
	}
}
