package cpu

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"ballast"
)

// seq is one conversation in play.
type seq struct {
	conv    ballast.Conversation
	prompt  []int32 // the first request's tokens
	req     ballast.Request
	kv      cache
	pending []int32 // tokens that the cache does not have yet
	drawn   bool    // the first pending token was sampled
	reply   ballast.Reply
	slab    []float32 // memory for Watch rows
	donor   *seq      // wait until donor has computed the first shared tokens
	shared  int
	heirs   []*seq // sequences that wait for this one
	done    bool
}

// Play implements ballast.Policy. First prompts are sorted, so that each has
// its longest common prefix with its neighbour.
func (p *Policy) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	begin := time.Now()
	q := &queue{seqs: p.open(convs)}
	engines, each := p.o.Workers, 1
	if p.w.size() > p.limit {
		engines, each = 1, p.o.Workers
	}
	rows := (min(p.o.MaxRows, len(q.seqs)) + engines - 1) / engines
	errs, counts := make([]error, engines), make([]Counters, engines)
	var wg sync.WaitGroup
	for i := range engines {
		wg.Go(func() {
			e := newEngine(p.w, p.k, each)
			t := &player{e: e, q: q, rows: rows, chunk: p.o.Chunk, how: how, watched: p.o.Watched, dists: make([]dist, each)}
			for j := range t.dists {
				t.dists[j].k = p.k
			}
			errs[i] = t.play(ctx)
			counts[i] = t.count
			counts[i].PeakKV = int64(e.pool.most) * int64(e.pool.size) * 4
		})
	}
	wg.Wait()
	p.countMu.Lock()
	defer p.countMu.Unlock()
	var peak int64
	for _, c := range counts {
		p.count.Sampled += c.Sampled
		p.count.Prefilled += c.Prefilled
		p.count.Shared += c.Shared
		p.count.Passes += c.Passes
		peak += c.PeakKV
	}
	p.count.PeakKV = max(p.count.PeakKV, peak)
	p.count.Elapsed += time.Since(begin)
	return errors.Join(errs...)
}

func (w *weights) size() int {
	n := len(w.embed.w)
	for i := range w.layers {
		l := &w.layers[i]
		n += len(l.qkv.w) + len(l.o.w) + len(l.gateUp.w) + len(l.down.w)
	}
	return n
}

// open asks every conversation for its first request, on all workers, and
// returns those that have one, sorted by prompt.
func (p *Policy) open(convs []ballast.Conversation) []*seq {
	all := make([]*seq, len(convs))
	e := engine{workers: p.o.Workers}
	e.parallel(len(convs), 1, func(_, from, to int) {
		for i := from; i < to; i++ {
			s := &seq{conv: convs[i]}
			if s.next(p.w) {
				s.prompt = s.pending
				all[i] = s
			}
		}
	})
	all = slices.DeleteFunc(all, func(s *seq) bool { return s == nil })
	slices.SortStableFunc(all, func(a, b *seq) int { return slices.Compare(a.prompt, b.prompt) })
	return all
}

// next fetches requests until one needs tokens, answering those that cannot be
// served or ask for none. It returns false when the conversation is over.
func (s *seq) next(w *weights) bool {
	for {
		var more bool
		if s.req, more = s.conv.Next(); !more {
			return false
		}
		s.pending = append(s.pending[:len(s.pending):len(s.pending)], s.req.Append...)
		n := s.kv.len + len(s.pending)
		err := w.check(s.req.Append)
		switch {
		case err != nil:
		case len(s.pending) == 0:
			err = errors.New("model/cpu: a request appends no tokens and no reply is there to go on from")
		case w.room(n) <= 0 && s.req.Max > 0:
			err = fmt.Errorf("model/cpu: the conversation has %d tokens and the model positions for %d: shorten the prompt or lower the token budget", n, w.c.MaxLen)
		case s.req.Max > 0:
			s.req.Max = min(s.req.Max, w.room(n))
			s.reply = ballast.Reply{}
			return true
		}
		if err != nil {
			s.pending = s.pending[:len(s.pending)-len(s.req.Append)]
		}
		s.conv.Take(ballast.Reply{Err: err})
	}
}

// queue holds the conversations that wait for a place.
type queue struct {
	mu   sync.Mutex
	seqs []*seq
}

// take returns up to n waiting conversations, neighbours in prompt order.
func (q *queue) take(n int) []*seq {
	q.mu.Lock()
	defer q.mu.Unlock()
	k := min(n, len(q.seqs))
	out := q.seqs[:k]
	q.seqs = q.seqs[k:]
	return out
}

// player plays conversations on one engine.
type player struct {
	e       *engine
	q       *queue
	rows    int
	chunk   int
	how     ballast.Sampling
	watched []int32
	live    []*seq
	prev    *seq // last admitted, in prompt order
	spans   []span
	who     []*seq // of each span
	dists   []dist
	count   Counters
}

func (t *player) play(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("model/cpu: sampling stopped: %w", err)
		}
		if n := t.rows - len(t.live); n > 0 {
			for _, s := range t.q.take(n) {
				t.admit(s)
			}
		}
		if len(t.live) == 0 {
			return nil
		}
		t.step()
	}
}

// admit gives s a place and looks for a sequence whose cache it can share: the
// one admitted before, or the earliest that has as much in common.
func (t *player) admit(s *seq) {
	t.live = append(t.live, s)
	if d := t.prev; d != nil {
		n := common(d.prompt, s.prompt)
		for d.donor != nil && d.shared >= n {
			d = d.donor
		}
		// Few tokens are cheaper to compute than to wait for.
		if n >= pageLen/2 {
			s.donor, s.shared = d, n
			if d.kv.len >= n {
				t.inherit(s, min(n, len(s.prompt)-1))
			} else {
				d.heirs = append(d.heirs, s)
			}
		}
	}
	old := t.prev
	t.prev = s
	if old != nil {
		t.release(old)
	}
}

// inherit lets s read the first n positions of its donor. The donor is not
// needed afterwards.
func (t *player) inherit(s *seq, n int) {
	d := s.donor
	s.donor, s.kv, s.pending = nil, d.kv.fork(n), s.prompt[n:]
	t.count.Shared += int64(n)
	t.release(d)
}

// release gives back what nobody can want of a finished sequence: the pages of
// the prompt are kept while it is the last admitted or has heirs.
func (t *player) release(s *seq) {
	if !s.done {
		return
	}
	keep := 0
	if s == t.prev || len(s.heirs) > 0 {
		keep = len(s.prompt)
	}
	s.kv.trim(&t.e.pool, keep)
}

func common(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// step runs one pass: one token of every answering conversation, and a chunk of
// what others have to read first.
func (t *player) step() {
	t.spans, t.who = t.spans[:0], t.who[:0]
	budget := t.chunk
	for _, s := range t.live {
		n := len(s.pending)
		if s.donor != nil {
			continue
		}
		if n > 1 {
			if n = min(n, budget); n == 0 {
				continue
			}
			budget -= n
		}
		start := s.kv.len
		s.kv.grow(&t.e.pool, n)
		t.spans = append(t.spans, span{kv: &s.kv, start: start, tokens: s.pending[:n], last: n == len(s.pending)})
		t.who = append(t.who, s)
		s.pending = s.pending[n:]
	}
	t.e.forward(t.spans)
	t.count.Passes++
	t.sample()
	t.live = slices.DeleteFunc(t.live, func(s *seq) bool { return s.done })
}

// turn is a row of logits and the conversations that draw from it.
type turn struct {
	row  int
	seqs []*seq
}

// sample draws the next token of every sequence whose last token was computed.
// Heirs of a prompt that was just finished draw from the same row.
func (t *player) sample() {
	var turns []turn
	for i, s := range t.who {
		t.count.Prefilled += int64(len(t.spans[i].tokens))
		if s.drawn {
			t.count.Prefilled--
			s.drawn = false
		}
		var here []*seq
		if t.spans[i].last {
			here = append(here, s)
		}
		heirs := s.heirs
		s.heirs = nil
		for _, h := range heirs {
			switch {
			case s.kv.len < h.shared:
				s.heirs = append(s.heirs, h)
			case t.spans[i].last && h.shared == s.kv.len && h.shared == len(h.prompt):
				t.inherit(h, h.shared)
				here = append(here, h)
			default:
				t.inherit(h, min(h.shared, len(h.prompt)-1))
			}
		}
		if len(here) > 0 {
			turns = append(turns, turn{len(turns), here})
		}
	}
	v := t.e.w.vocab
	t.e.parallel(len(turns), 1, func(worker, from, to int) {
		d := &t.dists[worker]
		for i := from; i < to; i++ {
			d.load(t.e.logits[i*v:(i+1)*v], t.e.w.c.Vocab, t.how.Temperature)
			for _, s := range turns[i].seqs {
				s.extend(d, t.how, t.watched)
			}
		}
	})
	for _, u := range turns {
		for _, s := range u.seqs {
			if s.reply.Err == nil {
				t.count.Sampled++
			}
			if t.ended(s) {
				t.finish(s)
			}
		}
	}
}

// extend draws one token and records it.
func (s *seq) extend(d *dist, how ballast.Sampling, watched []int32) {
	if !d.ok {
		s.reply = ballast.Reply{Err: errors.New("model/cpu: the logits are not finite: the weights are broken")}
		return
	}
	r := &s.reply
	tok, some := d.constrained(how, s.req.Mask, s.req.Seed, s.kv.len)
	if !some {
		r.Err = errors.New("model/cpu: the conversation's mask allows no token")
		return
	}
	r.Tokens = append(r.Tokens, tok)
	r.LogProb = append(r.LogProb, d.logProb(tok))
	r.Entropy = append(r.Entropy, d.entropy)
	if n := len(watched); n > 0 {
		if len(s.slab) < n {
			s.slab = make([]float32, 32*n)
		}
		for i, w := range watched {
			s.slab[i] = float32(math.Exp(float64(d.logProb(w))))
		}
		r.Watch = append(r.Watch, s.slab[:n:n])
		s.slab = s.slab[n:]
	}
	s.pending, s.drawn = []int32{tok}, true
}

// ended reports whether the reply is complete.
func (t *player) ended(s *seq) bool {
	n := len(s.reply.Tokens)
	return s.reply.Err != nil || n >= s.req.Max || slices.Contains(s.req.Stop, s.reply.Tokens[n-1])
}

// finish hands the reply over and goes on with the conversation's next request.
func (t *player) finish(s *seq) {
	s.conv.Take(s.reply)
	if !s.next(t.e.w) {
		s.done = true
		t.release(s)
	}
}
