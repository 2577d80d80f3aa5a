package sampling

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"ballast"
)

// sequence is a sampler's own type of a conversation in play: a pointer to a struct
// that embeds Seq.
type sequence interface{ base() *Seq }

func (s *Seq) base() *Seq { return s }

// Worker computes for some conversations at a time, each of which has a row. Its methods
// are called by the goroutine that called Schedule.Run.
type Worker[S sequence] interface {
	// Admit gives a conversation a row. One that has waited comes back here, with what
	// it appended in Pending after what was pending when it left.
	Admit(S)
	// Pass computes something for those that have a row and returns the ones whose
	// reply is complete.
	Pass() []S
	// Leave takes the row back. A conversation that is over never returns; it may have
	// ended while it waited, and then has no row.
	Leave(s S, over bool)
	// Full reports that no conversation may begin as long as others wait, because of the
	// memory that these hold.
	Full() bool
}

// Schedule brings the conversations of one Play to its workers. Those that have a request
// queue sorted by prompt, so that neighbours share most. One that waits for what is outside
// the model (ballast.Conversation) is parked: it has no row, and a goroutine that waits in
// its place asks for its next request. A parked conversation returns to the worker that it
// began with, before any that has not begun.
type Schedule[S sequence] struct {
	ctx     context.Context
	cancel  context.CancelFunc
	limits  Limits
	size    int
	waiting sync.WaitGroup // goroutines of parked conversations

	mu      sync.Mutex
	changed *sync.Cond // a conversation returned or the context ended
	queue   []S        // have not begun, sorted by prompt
	opening int        // wait before their first request
}

// lane is what one worker has parked.
type lane[S sequence] struct {
	parked int // wait
	back   []S // have waited, in the order of their return
}

// Open asks every conversation for its first request, side by side on so many goroutines.
// The schedule must be closed.
func Open[S sequence](ctx context.Context, l Limits, side int, all []S) *Schedule[S] {
	s := &Schedule[S]{limits: l}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.changed = sync.NewCond(&s.mu)
	context.AfterFunc(s.ctx, s.wake)
	states := make([]state, len(all))
	beside(len(all), side, func(i int) { states[i] = all[i].base().next(l) })
	s.mu.Lock() // who waits may come back at once
	defer s.mu.Unlock()
	for i, x := range all {
		switch states[i] {
		case asks:
			x.base().Prompt = x.base().Pending
			s.queue = append(s.queue, x)
		case waits:
			s.opening++
			s.park(x, s.begin)
		}
	}
	s.size = len(s.queue) + s.opening
	slices.SortStableFunc(s.queue, byPrompt[S])
	return s
}

func byPrompt[S sequence](a, b S) int { return slices.Compare(a.base().Prompt, b.base().Prompt) }

// beside runs do for 0 to n-1 on so many goroutines and waits for them.
func beside(n, goroutines int, do func(i int)) {
	var next atomic.Int64
	run := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			do(i)
		}
	}
	var wg sync.WaitGroup
	for range min(n, goroutines) - 1 {
		wg.Go(run)
	}
	run()
	wg.Wait()
}

// Close ends what still waits. No conversation is used after it.
func (s *Schedule[S]) Close() {
	s.cancel()
	s.waiting.Wait()
}

// Len is the number of conversations that were not over when the schedule was opened.
func (s *Schedule[S]) Len() int { return s.size }

// Longest returns the most positions that a first prompt and its reply take, of the
// conversations that have one. It waits until there is one, and returns 0 if all are over.
func (s *Schedule[S]) Longest() (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.queue) == 0 && s.opening > 0 && s.ctx.Err() == nil {
		s.changed.Wait()
	}
	for _, x := range s.queue {
		n = max(n, len(x.base().Prompt)+x.base().Req.Max)
	}
	return n, s.stopped()
}

// stopped is the error of a play whose context has ended.
func (s *Schedule[S]) stopped() error {
	if err := s.ctx.Err(); err != nil {
		return fmt.Errorf("%s: sampling stopped: %w", s.limits.Name, err)
	}
	return nil
}

// Run plays with a worker of so many rows until nothing is left for it. Replies are handed
// over and requests asked for side by side on so many goroutines. Several workers may run.
func (s *Schedule[S]) Run(rows, side int, w Worker[S]) error {
	var l lane[S]
	live := 0
	for {
		in, err := s.ready(&l, rows-live, live == 0, w.Full)
		if err != nil {
			return err
		}
		for _, x := range in {
			if x.base().state == over {
				w.Leave(x, true)
				continue
			}
			w.Admit(x)
			live++
		}
		if live == 0 {
			if len(in) == 0 {
				return nil
			}
			continue
		}
		ended := w.Pass()
		states := make([]state, len(ended))
		beside(len(ended), side, func(i int) {
			q := ended[i].base()
			q.Conv.Take(q.Reply)
			states[i] = q.next(s.limits)
		})
		for i, x := range ended {
			if states[i] == asks {
				continue
			}
			w.Leave(x, states[i] == over)
			live--
			if states[i] == waits {
				s.mu.Lock()
				l.parked++
				s.mu.Unlock()
				s.park(x, func(x S) { l.parked--; l.back = append(l.back, x) })
			}
		}
	}
}

// ready returns up to n conversations that a worker goes on with. It waits for one if the
// worker is idle, and returns none to it when nothing is left.
func (s *Schedule[S]) ready(l *lane[S], n int, idle bool, full func() bool) ([]S, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		if err := s.stopped(); err != nil {
			return nil, err
		}
		in := take(&l.back, n)
		if n > len(in) && len(s.queue) > 0 && !(l.parked > 0 && full()) {
			in = append(in, take(&s.queue, n-len(in))...)
		}
		if len(in) > 0 || !idle || l.parked == 0 && s.opening == 0 {
			return in, nil
		}
		s.changed.Wait()
	}
}

// take removes up to n from the front of a list.
func take[S any](list *[]S, n int) []S {
	k := min(n, len(*list))
	out := (*list)[:k:k]
	*list = (*list)[k:]
	return out
}

// park waits in a conversation's place. What becomes of it is told to back, under the lock.
func (s *Schedule[S]) park(x S, back func(S)) {
	s.waiting.Go(func() {
		q := x.base()
		for q.state = waits; q.state == waits; q.state = q.next(s.limits) {
			select {
			case <-q.wait:
			case <-s.ctx.Done():
				return
			}
		}
		s.mu.Lock()
		back(x)
		s.mu.Unlock()
		s.wake()
	})
}

// begin queues a conversation that has waited before its first request.
func (s *Schedule[S]) begin(x S) {
	s.opening--
	if q := x.base(); q.state == asks {
		q.Prompt = q.Pending
		at, _ := slices.BinarySearchFunc(s.queue, x, byPrompt[S])
		s.queue = slices.Insert(s.queue, at, x)
	}
}

// wake lets all workers that are idle look again.
func (s *Schedule[S]) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// state is what a conversation does after a reply.
type state int

const (
	asks  state = iota // it has a request
	waits              // for what is outside the model
	over
)

// next fetches requests until one needs tokens, answering those that cannot be
// served or ask for none.
func (s *Seq) next(l Limits) state {
	for {
		if s.wait = s.Conv.Wait(); s.wait != nil {
			select {
			case <-s.wait:
			default:
				return waits
			}
		}
		var more bool
		if s.Req, more = s.Conv.Next(); !more {
			return over
		}
		s.Pending = append(s.Pending[:len(s.Pending):len(s.Pending)], s.Req.Append...)
		n := s.size + len(s.Req.Append)
		err := l.Check(s.Req.Append)
		switch {
		case err != nil:
		case len(s.Pending) == 0:
			err = fmt.Errorf("%s: a request appends no tokens and no reply is there to go on from", l.Name)
		case l.room(n) <= 0 && s.Req.Max > 0:
			err = fmt.Errorf("%s: the conversation has %d tokens and the model positions for %d: shorten the prompt or lower the token budget",
				l.Name, n, l.MaxLen)
		case s.Req.Mask != nil && l.Maskless && s.Req.Max > 0:
			err = fmt.Errorf("%s: constrained decoding is not done here; sample with the engine of kind cpu", l.Name)
		case s.Req.Max > 0:
			s.Req.Max = min(s.Req.Max, l.room(n))
			s.Reply, s.size = ballast.Reply{}, n
			return asks
		}
		if err != nil {
			s.Pending = s.Pending[:len(s.Pending)-len(s.Req.Append)]
		} else {
			s.size = n
		}
		s.Conv.Take(ballast.Reply{Err: err})
	}
}
