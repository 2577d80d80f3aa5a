package sampling

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ballast"
	"ballast/model/playtest"
)

// play is one conversation of the fake worker.
type play struct {
	Seq
	id    int
	begun bool
}

// worker has rows, and takes a time for a pass that ends every reply with token 1.
type worker struct {
	t     *testing.T
	rows  int
	pass  time.Duration
	full  bool // always
	live  []*play
	order []string // what was admitted, "+" for those that came back
	left  int      // that are over
	away  int      // that wait
}

func (w *worker) Admit(p *play) {
	if len(w.live) == w.rows {
		w.t.Errorf("more than %d conversations have a row", w.rows)
	}
	name := fmt.Sprint(p.id)
	if p.begun {
		name += "+"
		w.away--
	} else if w.full && w.away > 0 {
		w.t.Errorf("conversation %d begins while %d wait", p.id, w.away)
	}
	w.order, p.begun = append(w.order, name), true
	w.live = append(w.live, p)
}

func (w *worker) Pass() []*play {
	time.Sleep(w.pass)
	for _, p := range w.live {
		p.Extend(1, 0, 0, 0)
	}
	return slices.Clone(w.live)
}

func (w *worker) Leave(p *play, over bool) {
	if i := slices.Index(w.live, p); i >= 0 {
		w.live = slices.Delete(w.live, i, i+1)
		w.away++
	}
	if over {
		w.left++
		w.away--
	}
}

func (w *worker) Full() bool { return w.full }

// plays makes conversations of some replies, with the delays that delay gives.
func plays(n, replies int, delay func(id int) playtest.Delay) (all []*play, inner []*script) {
	for id := range n {
		s := &script{}
		for range replies {
			s.requests = append(s.requests, ballast.Request{Append: []int32{int32(n - id)}, Max: 1})
		}
		inner = append(inner, s)
		all = append(all, &play{Seq: Seq{Conv: playtest.Slow(s, delay(id))}, id: id})
	}
	return all, inner
}

var limits = Limits{Name: "test", Vocab: 1000}

func constant(d time.Duration) func(int) playtest.Delay {
	return func(int) playtest.Delay { return playtest.Constant(d) }
}

// TestScheduleTakesNoLonger: with 8 rows for 64 conversations that wait three times, a play
// takes its time without waits and, at most, the longest waits of one conversation.
func TestScheduleTakesNoLonger(t *testing.T) {
	for _, pass := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 20 * time.Millisecond} {
		took := func(delay func(id int) playtest.Delay) (d time.Duration) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				all, inner := plays(64, 4, delay)
				s := Open(t.Context(), limits, 2, all)
				defer s.Close()
				w := &worker{t: t, rows: 8, pass: pass}
				if err := s.Run(w.rows, 2, w); err != nil || w.left != 64 || s.Len() != 64 {
					t.Errorf("%v; %d of 64 are over", err, w.left)
				}
				for i, x := range inner {
					if len(x.replies) != 4 {
						t.Errorf("conversation %d has %d replies", i, len(x.replies))
					}
				}
				d = time.Since(begin)
			})
			return d
		}
		without := took(constant(0))
		if want := 32 * pass; without != want {
			t.Errorf("passes of %v take %v without waits, want %v", pass, without, want)
		}
		if with, most := took(constant(50*time.Millisecond)), (without+150*time.Millisecond)*12/10; with > most {
			t.Errorf("passes of %v take %v with waits, at most %v", pass, with, most)
		}
		longest := time.Duration(0)
		random := func(id int) playtest.Delay { return playtest.Random(uint64(id), 300*time.Millisecond) }
		for id := range 64 {
			sum := time.Duration(0)
			for request := range 5 {
				sum += random(id)(request)
			}
			longest = max(longest, sum)
		}
		if with, most := took(random), (without+longest)*12/10; with < longest || with > most {
			t.Errorf("passes of %v take %v with random waits, at most %v", pass, with, most)
		}
	}
}

// TestScheduleOrder: who has waited goes on before who has not begun, and who waits before
// the first request begins in the order of prompts.
func TestScheduleOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := plays(5, 2, func(id int) playtest.Delay {
			return func(request int) time.Duration {
				switch {
				case id == 4 && request == 1, id == 2 && request == 0:
					return 15 * time.Millisecond
				case id == 1 && request == 2:
					return 100 * time.Millisecond
				}
				return 0
			}
		})
		s := Open(t.Context(), limits, 1, all)
		defer s.Close()
		w := &worker{t: t, rows: 1, pass: 10 * time.Millisecond}
		if err := s.Run(1, 1, w); err != nil {
			t.Fatal(err)
		}
		// Prompts grow from the last to the first. The last waits after its first pass; the
		// third comes before the second although it was there later.
		if got := strings.Join(w.order, " "); got != "4 3 4+ 2 1 0" {
			t.Errorf("admitted in order %s", got)
		}
		if w.left != 5 {
			t.Errorf("%d are over", w.left)
		}
	})
}

// TestScheduleFull: as long as some wait and their memory is used up nobody begins, and
// then the others do.
func TestScheduleFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, _ := plays(6, 2, constant(time.Second))
		s := Open(t.Context(), limits, 1, all)
		defer s.Close()
		w := &worker{t: t, rows: 2, full: true}
		if err := s.Run(2, 1, w); err != nil || w.left != 6 {
			t.Errorf("%v, %d over", err, w.left)
		}
	})
}

// TestScheduleOfSeveral: workers share what has not begun, keep what they began, and an idle
// one waits for conversations that have not asked yet.
func TestScheduleOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, inner := plays(40, 3, func(id int) playtest.Delay { return playtest.Random(uint64(id), 90*time.Millisecond) })
		s := Open(t.Context(), limits, 3, all)
		defer s.Close()
		ws := make([]*worker, 3)
		beside(len(ws), len(ws), func(i int) {
			ws[i] = &worker{t: t, rows: 3, pass: time.Millisecond}
			if err := s.Run(3, 1, ws[i]); err != nil {
				t.Error(err)
			}
		})
		owner, left := map[string]int{}, 0
		for i, w := range ws {
			left += w.left
			for _, name := range w.order {
				id := strings.TrimSuffix(name, "+")
				if j, known := owner[id]; known && j != i {
					t.Errorf("conversation %s went from worker %d to %d", id, j, i)
				}
				owner[id] = i
			}
		}
		if left != 40 || len(owner) != 40 {
			t.Errorf("%d are over, %d were played", left, len(owner))
		}
		for i, x := range inner {
			if len(x.replies) != 3 {
				t.Errorf("conversation %d has %d replies", i, len(x.replies))
			}
		}
	})
}

// TestScheduleEnds: a play whose context ends does so at once, wherever the conversations
// wait, and leaves no goroutine behind (or the bubble would not end).
func TestScheduleEnds(t *testing.T) {
	for request := range 2 {
		synctest.Test(t, func(t *testing.T) {
			all, _ := plays(4, 2, func(id int) playtest.Delay {
				return func(n int) time.Duration {
					if n == request && id > 0 {
						return playtest.Never
					}
					return 0
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			s := Open(ctx, limits, 2, all)
			w := &worker{t: t, rows: 2}
			begin := time.Now()
			err := s.Run(2, 1, w)
			s.Close()
			if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "test: sampling stopped") || time.Since(begin) != time.Minute || w.left != 1 {
				t.Errorf("request %d: %v after %v, %d over", request, err, time.Since(begin), w.left)
			}
		})
	}
}

// TestWaitsEverywhere: a conversation is asked whether it waits before its first request, after
// an error and after a request for nothing, and may end while it waits. playtest panics if not.
func TestWaitsEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inner := &script{requests: []ballast.Request{{Append: []int32{5000}, Max: 1}, {Append: []int32{1, 2}}, {Append: []int32{3}, Max: 1}}}
		ends := &script{}
		every := func(int) time.Duration { return time.Second }
		all := []*play{{Seq: Seq{Conv: playtest.Slow(inner, every)}}, {Seq: Seq{Conv: playtest.Slow(ends, every)}, id: 1}}
		begin := time.Now()
		s := Open(t.Context(), limits, 1, all)
		defer s.Close()
		longest, err := s.Longest()
		if longest != 4 || err != nil || time.Since(begin) != 3*time.Second {
			t.Errorf("the longest takes %d: %v after %v", longest, err, time.Since(begin))
		}
		w := &worker{t: t, rows: 1}
		if err := s.Run(1, 1, w); err != nil || time.Since(begin) != 4*time.Second || w.left != 1 || s.Len() != 2 {
			t.Errorf("%v after %v, %d over", err, time.Since(begin), w.left)
		}
		if r := inner.replies; len(r) != 3 || r[0].Err == nil || r[1].Err != nil || !slices.Equal(r[2].Tokens, []int32{1}) || !slices.Equal(all[0].Prompt, []int32{1, 2, 3}) {
			t.Errorf("replies %+v after %v", r, all[0].Prompt)
		}
	})
}

// TestMaskless: a sampler that cannot constrain says so.
func TestMaskless(t *testing.T) {
	l := limits
	l.Maskless = true
	inner := &script{requests: []ballast.Request{{Append: []int32{1}, Max: 1, Mask: free{}}}}
	s := &Seq{Conv: inner}
	if s.next(l) != over || len(inner.replies) != 1 || inner.replies[0].Err == nil || len(s.Pending) != 0 {
		t.Errorf("%+v", inner.replies)
	}
	if s = (&Seq{Conv: &script{requests: []ballast.Request{{Append: []int32{1}, Max: 1, Mask: free{}}}}}); s.next(limits) != asks {
		t.Error("a sampler that can constrain does not")
	}
}

// free is a mask that allows everything.
type free struct{}

func (free) Allows(int32) bool { return true }
func (free) Advance(int32)     {}
