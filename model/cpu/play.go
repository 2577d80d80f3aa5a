package cpu

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"ballast"
	"ballast/model/sampling"
)

// seq is one conversation in play.
type seq struct {
	sampling.Seq
	kv     cache
	donor  *seq // wait until donor has computed the first shared tokens
	shared int
	heirs  []*seq // sequences that wait for this one
	done   bool
}

// Play plays all conversations. First prompts are sorted, so that each has
// its longest common prefix with its neighbour.
func (p *Policy) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	begin := time.Now()
	seqs := make([]*seq, len(convs))
	for i, c := range convs {
		seqs[i] = &seq{Seq: sampling.Seq{Conv: c}}
	}
	plan := sampling.Open(ctx, p.w.limits(), p.o.Workers, seqs)
	defer plan.Close()
	engines, each := p.o.Workers, 1
	if p.w.size() > p.limit {
		engines, each = 1, p.o.Workers
	}
	rows := (min(p.o.MaxRows, plan.Len()) + engines - 1) / engines
	errs, counts := make([]error, engines), make([]Counters, engines)
	var wg sync.WaitGroup
	for i := range engines {
		wg.Go(func() {
			e := newEngine(p.w, p.k, each)
			t := &player{e: e, pages: p.o.Memory / int64(4*e.pool.size*engines), chunk: p.o.Chunk, how: how, watched: p.o.Watched,
				dists: make([]dist, each)}
			for j := range t.dists {
				t.dists[j].k = p.k
			}
			errs[i] = plan.Run(rows, each, t)
			counts[i] = t.count
			counts[i].PeakKV = int64(e.pool.most) * int64(e.pool.size) * 4
		})
	}
	wg.Wait()
	p.countMu.Lock()
	defer p.countMu.Unlock()
	total := Counters{Elapsed: time.Since(begin)}
	for _, c := range counts {
		peak := total.PeakKV + c.PeakKV // the engines' caches are there at once
		total.Add(c)
		total.PeakKV = peak
	}
	p.count.Add(total)
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

// player plays conversations on one engine.
type player struct {
	e       *engine
	pages   int64 // of the cache, see Full
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

// Admit gives s a place. One that has waited still has its cache. For one that begins it
// looks for a sequence whose cache it can share: the one admitted before, or the earliest
// that has as much in common.
func (t *player) Admit(s *seq) {
	t.live = append(t.live, s)
	if s.kv.len > 0 {
		return
	}
	if d := t.prev; d != nil {
		n := sampling.Common(d.Prompt, s.Prompt)
		for d.donor != nil && d.shared >= n {
			d = d.donor
		}
		// Few tokens are cheaper to compute than to wait for.
		if n >= pageLen/2 {
			s.donor, s.shared = d, n
			if d.kv.len >= n {
				t.inherit(s, min(n, len(s.Prompt)-1))
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
	s.donor, s.kv, s.Pending = nil, d.kv.fork(n), s.Prompt[n:]
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
		keep = len(s.Prompt)
	}
	s.kv.trim(&t.e.pool, keep)
}

// Full reports that the caches of those who wait leave no room for more conversations.
func (t *player) Full() bool { return int64(t.e.pool.live) >= t.pages }

// Pass computes one token of every answering conversation, and a chunk of what others
// have to read first.
func (t *player) Pass() []*seq {
	t.spans, t.who = t.spans[:0], t.who[:0]
	budget := t.chunk
	for _, s := range t.live {
		n := len(s.Pending)
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
		t.spans = append(t.spans, span{kv: &s.kv, start: start, tokens: s.Pending[:n], last: n == len(s.Pending)})
		t.who = append(t.who, s)
		s.Pending = s.Pending[n:]
	}
	t.e.forward(t.spans)
	t.count.Passes++
	return t.sample()
}

// turn is a row of logits and the conversations that draw from it.
type turn struct {
	row  int
	seqs []*seq
}

// sample draws the next token of every sequence whose last token was computed.
// Heirs of a prompt that was just finished draw from the same row. It returns those whose
// reply is complete.
func (t *player) sample() (ended []*seq) {
	var turns []turn
	for i, s := range t.who {
		t.count.Prefilled += int64(len(t.spans[i].tokens))
		if s.Drawn {
			t.count.Prefilled--
			s.Drawn = false
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
			case t.spans[i].last && h.shared == s.kv.len && h.shared == len(h.Prompt):
				t.inherit(h, h.shared)
				here = append(here, h)
			default:
				t.inherit(h, min(h.shared, len(h.Prompt)-1))
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
				s.draw(d, t.how, t.watched)
			}
		}
	})
	for _, u := range turns {
		for _, s := range u.seqs {
			if s.Reply.Err == nil {
				t.count.Sampled++
			}
			if s.Ended() {
				ended = append(ended, s)
			}
		}
	}
	return ended
}

// draw draws one token and records it.
func (s *seq) draw(d *dist, how ballast.Sampling, watched []int32) {
	if !d.ok {
		s.Fail("model/cpu: the logits are not finite: the weights are broken")
		return
	}
	tok, some := d.constrained(how, s.Req.Mask, s.Req.Seed, s.kv.len)
	if !some {
		s.Reply.Err = errors.New("model/cpu: the conversation's mask allows no token")
		return
	}
	row := s.Extend(tok, d.logProb(tok), d.entropy, len(watched))
	for i, w := range watched {
		row[i] = float32(math.Exp(float64(d.logProb(w))))
	}
}

// Leave takes the place of s. While s waits it keeps its cache, and with that what others
// can share; nobody waits for its prompt any more, since that was computed before its
// first reply.
func (t *player) Leave(s *seq, over bool) {
	if len(s.heirs) > 0 {
		panic("model/cpu: a conversation leaves whose prompt others wait for")
	}
	if i := slices.Index(t.live, s); i >= 0 {
		t.live = slices.Delete(t.live, i, i+1)
	}
	if over {
		s.done = true
		t.release(s)
	}
}
