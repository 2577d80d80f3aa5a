package tinkertest

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"ballast/tinker"
)

// maxForgotten is the most ids of lost promises that are kept: older ones are unknown.
const maxForgotten = 1 << 16

// result is what came of an operation: one of the three.
type result struct {
	training *tinker.ForwardBackwardOutput
	sampled  *tinker.SampleResponse
	object   map[string]any
}

// future is an operation that was promised, or is done.
type future struct {
	op   Op
	hash [sha256.Size]byte // of the request
	done chan struct{}

	mu       sync.Mutex
	result   *result // nil again when it was dropped
	failed   string
	form     *ErrorForm // of failed; nil = the habit's
	finished bool

	id string // the last one that it was promised by; Server.mu
}

func newFuture(op Op, hash [sha256.Size]byte) *future {
	return &future{op: op, hash: hash, done: make(chan struct{})}
}

// finish keeps the promise, once.
func (f *future) finish(r *result, failed string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.finished {
		f.result, f.failed, f.finished = r, failed, true
		close(f.done)
	}
}

func (f *future) isDone() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.finished
}

// size is about the bytes of the result.
func (f *future) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	switch r := f.result; {
	case r == nil:
	case r.training != nil:
		for _, d := range r.training.Outputs {
			for _, t := range d {
				n += 64 + 4*t.Len()
			}
		}
	case r.sampled != nil:
		for _, seq := range r.sampled.Sequences {
			n += 64 + 8*len(seq.Tokens)
		}
		n += 4 * len(r.sampled.PromptLogProbs)
		for _, row := range r.sampled.TopK {
			n += 24 + 8*len(row)
		}
	}
	return n
}

// task is an operation that waits for its turn.
type task struct {
	*future
	tokens int
	fails  *Action
	run    func(*model) (*result, string) // with the model's mutex; a text = it failed
	after  func()                         // without it, when that was done; may be nil
}

// submission is a request for an operation of a model.
type submission struct {
	model  *model
	kind   string
	seq    int
	tokens int
	run    func(*model) (*result, string)
	after  func()
}

// submit promises an operation.
func (s *Server) submit(q *query, sub submission) answer {
	op := Op{sub.model.id, sub.seq, sub.kind}
	hash := sha256.Sum256(append([]byte(sub.kind+"\n"), q.body...))
	deduped := sub.seq > 0 && slices.Contains(s.h.Deduped, sub.kind) || sub.kind == "create_model" && s.h.Naming == Nested
	act := q.promised()
	s.mu.Lock()
	defer s.mu.Unlock()
	if deduped {
		if f := sub.model.seqs[sub.seq]; f != nil {
			if f.hash != hash {
				return detail(http.StatusConflict, "Training request sequence number was reused")
			}
			return s.promise(f)
		}
	}
	if act != nil && act.name == Vanish.name {
		id := s.newID("")
		s.forget(id)
		return s.promiseOf(id, sub.model.id)
	}
	f := newFuture(op, hash)
	a := s.promise(f)
	if deduped {
		sub.model.seqs[sub.seq] = f
	}
	if gone := sub.model.gone; gone != "" {
		s.fail(f, gone, nil)
		s.settle(f)
		return a
	}
	t := &task{future: f, tokens: sub.tokens, run: sub.run, after: sub.after}
	sub.model.asked = sub.model.asked || sub.kind != "create_model"
	if act != nil && act.name == "fails" {
		t.fails = act
	}
	sub.model.queue = append(sub.model.queue, t)
	if !sub.model.running {
		sub.model.running = true
		go s.drain(sub.model, s.epoch)
	}
	return a
}

// promise gives a future an id, unless it has one that is good. Server.mu is held.
func (s *Server) promise(f *future) answer {
	if s.futures[f.id] != f {
		f.id = s.newID("")
		s.futures[f.id] = f
	}
	return s.promiseOf(f.id, f.op.Model)
}

func (s *Server) promiseOf(id, model string) answer {
	v := map[string]any{"request_id": id, "model_id": model}
	if s.h.Naming == Short {
		v = map[string]any{"future_id": id, "status": "pending", "request_id": id}
	}
	return object(s.h.Promised, v)
}

// fail ends a future with a text. Ledger and future are locked one after the other.
func (s *Server) fail(f *future, text string, form *ErrorForm) {
	f.mu.Lock()
	f.form = form
	f.mu.Unlock()
	f.finish(nil, text)
	s.book.write(func(l *Ledger) { l.Failed[f.op]++ })
}

// drain does a model's operations, one after the other.
func (s *Server) drain(m *model, epoch int) {
	for {
		s.mu.Lock()
		t := m.next(s.h.Ordered)
		if t == nil || s.epoch != epoch {
			m.running = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		if !s.pause(t.op.Kind, t.tokens) {
			return // closed
		}
		s.apply(m, t)
	}
}

// apply does one operation.
func (s *Server) apply(m *model, t *task) {
	if t.fails != nil {
		s.fail(t.future, t.fails.text, &t.fails.form)
		s.keep(t.future)
		return
	}
	s.slots <- struct{}{}
	m.mu.Lock()
	r, failed := (*result)(nil), "Model "+m.id+" not loaded"
	if !m.dead {
		r, failed = t.run(m)
	}
	if failed == "" { // before anybody can know that it is done, and while a restart waits
		s.book.write(func(l *Ledger) {
			if slices.Contains(sequenced, t.op.Kind) {
				l.Applied[t.op]++
			}
			if t.op.Kind == "optim_step" {
				l.Steps[m.id]++
			}
			if t.op.Kind == "forward_backward" {
				l.Trained += t.tokens
			}
		})
	}
	m.mu.Unlock()
	if failed == "" && t.after != nil {
		t.after()
	}
	<-s.slots
	if failed != "" {
		s.fail(t.future, failed, nil)
	} else {
		t.finish(r, "")
	}
	s.keep(t.future)
}

// keep notes what is finished, and drops the oldest.
func (s *Server) keep(f *future) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle(f)
}

// settle is keep where Server.mu is held.
func (s *Server) settle(f *future) {
	s.finished = append(s.finished, f)
	s.kept += f.size()
	for len(s.finished) > 1 && (len(s.finished) > s.o.KeepResults || s.kept > s.o.KeepBytes) {
		old := s.finished[0]
		s.finished = s.finished[1:]
		s.kept -= old.size()
		old.mu.Lock()
		if old.failed == "" {
			old.result, old.failed = nil, "The result has expired"
		}
		old.mu.Unlock()
		s.forget(old.id)
	}
}

// forget loses a promise. Server.mu is held.
func (s *Server) forget(id string) {
	delete(s.futures, id)
	if s.lost[id] {
		return
	}
	s.lost[id] = true
	s.forgotten = append(s.forgotten, id)
	if len(s.forgotten) > maxForgotten {
		delete(s.lost, s.forgotten[0])
		s.forgotten = s.forgotten[1:]
	}
}

// lose forgets a promise, and not its operation.
func (s *Server) lose(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.futures[id] != nil {
		s.forget(id)
	}
}

// pause takes the time that an operation takes; false = the server was closed.
func (s *Server) pause(kind string, tokens int) bool {
	l, own := s.o.Latency[kind]
	if !own {
		l = s.o.Latency[""]
	}
	s.mu.Lock()
	n := s.ops[kind]
	s.ops[kind]++
	s.mu.Unlock()
	seed := s.o.Seed
	for _, c := range []byte(kind) {
		seed = mix(seed, uint64(c))
	}
	d := l.of(draws{seed}, n, tokens)
	if d <= 0 {
		return true
	}
	select {
	case <-s.o.Clock.After(d):
		return true
	case <-s.closed:
		return false
	}
}

// retrieve answers for a promise.
func (s *Server) retrieve(q *query) answer {
	id := requestID(q.body)
	if id == "" {
		return missing("request_id")
	}
	s.mu.Lock()
	f, lost := s.futures[id], s.lost[id]
	s.mu.Unlock()
	switch {
	case lost && s.h.ReadOnce:
		return failureAnswer(Error200, "Future "+id+" was already retrieved")
	case lost:
		return detail(http.StatusGone, "Promise expired, submit the request again")
	case f == nil && s.h.ReadOnce:
		return failureAnswer(Error200, "Future "+id+" not found")
	case f == nil:
		return detail(http.StatusNotFound, "Future not found")
	}
	select {
	case <-f.done:
	default:
		select {
		case <-f.done:
		case <-s.o.Clock.After(s.o.Hold):
			return pendingAnswer(s.h.Pending, "active")
		case <-q.r.Context().Done():
			s.cut()
		case <-s.closed:
			s.cut()
		}
	}
	f.mu.Lock()
	r, failed, form := f.result, f.failed, f.form
	f.mu.Unlock()
	if s.h.ReadOnce {
		s.lose(id)
	}
	if r == nil {
		if form == nil {
			form = &s.h.Failure
		}
		return failureAnswer(*form, failed)
	}
	return s.encode(q, r)
}

// encode writes a result as the request, the habits and the era want it.
func (s *Server) encode(q *query, r *result) answer {
	if r.object != nil {
		return object(http.StatusOK, r.object)
	}
	asked := strings.Contains(strings.ToLower(q.r.Header.Get("Accept")), protoType)
	proto := s.o.Era.Protobuf && (asked || !s.h.JSONIfAsked)
	switch {
	case proto && r.training != nil:
		return answer{status: http.StatusOK, kind: protoType, body: r.training.AppendProto(nil)}
	case proto:
		return answer{status: http.StatusOK, kind: protoType, body: r.sampled.AppendProto(nil)}
	case r.training != nil:
		return object(http.StatusOK, r.training)
	}
	return object(http.StatusOK, r.sampled)
}

// pendingAnswer says that a promise is not kept yet.
func pendingAnswer(form PendingForm, state string) answer {
	switch form {
	case TryAgain:
		return object(http.StatusOK, map[string]any{"type": "try_again", "queue_state": state, "queue_state_reason": nil})
	case TimeoutQueue:
		return object(http.StatusRequestTimeout, map[string]any{"detail": "Timeout waiting for result", "queue_state": state})
	}
	return detail(http.StatusRequestTimeout, "Timeout waiting for result")
}

// failureAnswer says that an operation failed.
func failureAnswer(form ErrorForm, text string) answer {
	switch form {
	case Future422:
		return detail(http.StatusUnprocessableEntity, "Future failed: "+text)
	case Error200:
		return object(http.StatusOK, map[string]any{"error": text, "category": "user"})
	case RequestFailed400:
		return object(http.StatusBadRequest, map[string]any{"type": "RequestFailedResponse", "error_message": text})
	}
	return detail(http.StatusBadRequest, text)
}

// newID is the next id. SkyRL counts promises and draws other ids; a prefix says which they
// are. Server.mu is held.
func (s *Server) newID(prefix string) string {
	s.count++
	if s.h.Naming == Short && prefix == "" {
		return fmt.Sprint(s.count)
	}
	a, b := mix(s.o.Seed^0x1d, 2*s.count), mix(s.o.Seed^0x1d, 2*s.count+1)
	if s.h.Naming == Short || s.h.Naming == Nested && prefix != "" {
		return fmt.Sprintf("%s_%08x", prefix, uint32(a))
	}
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", a>>32, a>>16&0xffff, a&0xfff, b>>52, b&0xffffffffffff)
}
