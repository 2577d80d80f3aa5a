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

// session is one trajectory, or one session of OpenEnv: a place in the table and the episode
// that is played in it.
type session struct {
	key   string
	kind  string        // the protocol
	lock  chan struct{} // has room for who acts
	play  *play         // nil until it begins; of who holds the lock
	steps int           // actions so far; of who holds the lock
	over  string        // how it ended, "" while it goes on; of who holds the lock

	stop atomic.Pointer[context.CancelFunc] // ends the episode that plays

	// Of OpenEnv's sessions, which have one episode after another.
	task     int         // index of the task; of who holds the lock
	episode  string      // its name, "" before the first; of who holds the lock
	turn     int         // index of the user's open turn; of who holds the lock
	attached atomic.Bool // a WebSocket uses it
	closing  atomic.Bool // it ends when the WebSocket does

	memory

	users int           // who act or wait to; of the table
	used  time.Time     // of the table
	seat  *list.Element // among the idle; nil while somebody uses it; of the table
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
	key string
	how string
	at  time.Time
	mem *memory
}

// table has all sessions.
type table struct {
	limit int
	lease time.Duration
	mu    sync.Mutex
	open  map[string]*session
	idle  list.List // of *session, longest idle first
	gone  map[string]*list.Element
	order list.List // of *ended, oldest first
	stop  bool
}

func newTable(limit int, lease time.Duration) *table {
	return &table{limit: limit, lease: lease, open: map[string]*session{}, gone: map[string]*list.Element{}}
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
	key  string
	make bool
}

// enter returns the sessions of a request, nil where there is none, and who uses each must leave
// it. All are there or none is: an error opens nothing. What has ended is among the ends.
func (t *table) enter(kind string, wants []want) (in []*session, ends []*ended, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fresh := map[string]*session{}
	for _, w := range wants {
		if w.make && t.open[w.key] == nil && t.gone[w.key] == nil {
			fresh[w.key] = nil
		}
	}
	switch {
	case len(fresh) == 0:
	case t.stop:
		return nil, nil, errDraining
	case len(t.open)+len(fresh) > t.limit:
		return nil, nil, &capacityError{len(t.open), t.limit}
	}
	in, ends = make([]*session, len(wants)), make([]*ended, len(wants))
	for i, w := range wants {
		x := t.open[w.key]
		if _, isNew := fresh[w.key]; x == nil && isNew {
			x = &session{key: w.key, kind: kind, lock: make(chan struct{}, 1)}
			t.open[w.key] = x
		}
		if x == nil {
			if e := t.gone[w.key]; e != nil {
				ends[i] = e.Value.(*ended)
			}
			continue
		}
		if x.users++; x.seat != nil {
			t.idle.Remove(x.seat)
			x.seat = nil
		}
		in[i] = x
	}
	return in, ends, nil
}

// leave is called by who entered. A session that nobody uses may expire.
func (t *table) leave(x *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	x.users--
	x.used = time.Now()
	if x.users == 0 && t.open[x.key] == x {
		x.seat = t.idle.PushBack(x)
	}
}

// remove takes a session out and keeps what is left of it; false if it was out already.
func (t *table) remove(x *session, how string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[x.key] != x {
		return false
	}
	t.take(x, how)
	return true
}

// drop takes a session out as if it had never been; false if it was out already.
func (t *table) drop(x *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.open[x.key] != x {
		return false
	}
	delete(t.open, x.key)
	return true
}

// take takes a session out. The lock is held.
func (t *table) take(x *session, how string) {
	delete(t.open, x.key)
	if x.seat != nil {
		t.idle.Remove(x.seat)
		x.seat = nil
	}
	t.gone[x.key] = t.order.PushBack(&ended{key: x.key, how: how, at: time.Now(), mem: &x.memory})
	for t.order.Len() > t.limit {
		t.forget()
	}
}

func (t *table) forget() {
	delete(t.gone, t.order.Remove(t.order.Front()).(*ended).key)
}

// expired takes out the sessions whose lease has ended, and forgets what ended long ago.
func (t *table) expired() (out []*session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	for e := t.idle.Front(); e != nil; e = t.idle.Front() {
		x := e.Value.(*session)
		if now.Sub(x.used) < t.lease {
			break
		}
		t.take(x, endExpired)
		out = append(out, x)
	}
	for e := t.order.Front(); e != nil && now.Sub(e.Value.(*ended).at) > 2*t.lease; e = t.order.Front() {
		t.forget()
	}
	return out
}

// all takes out every session.
func (t *table) all() (out []*session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range t.open {
		out = append(out, x)
	}
	for _, x := range out {
		t.take(x, endClosed)
	}
	return out
}

// revive forgets that a session ended, so that its name may begin anew.
func (t *table) revive(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := t.gone[key]; e != nil {
		t.order.Remove(e)
		delete(t.gone, key)
	}
}

// drain lets no further session begin.
func (t *table) drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stop = true
}

// size is the number of open sessions.
func (t *table) size() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.open)
}

// hold waits for the right to act in a session.
func (x *session) hold(ctx context.Context) error {
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

// shut closes the episode of a session that was taken out of the table. Whoever still acts in it
// is stopped first.
func (s *Server) shut(x *session, how string) {
	if stop := x.stop.Load(); stop != nil {
		(*stop)()
	}
	x.lock <- struct{}{}
	defer x.release()
	if x.over == "" {
		if x.over = how; x.play != nil {
			s.count.ended(x.kind, how)
		}
	}
	if x.play != nil {
		x.play.close()
		x.play = nil
	}
}
