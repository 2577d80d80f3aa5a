package accel

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/model/playtest"
	"ballast/model/sampling"
)

// slowly makes conversations wait by their number.
func slowly(cs []ballast.Conversation, delay func(i int) playtest.Delay) []ballast.Conversation {
	out := slices.Clone(cs)
	for i := range out {
		out[i] = playtest.Slow(out[i], delay(i))
	}
	return out
}

// slow plays conversations that wait and returns them without their waits.
func slow(t *testing.T, p *Policy, cs []ballast.Conversation, delay func(i int) playtest.Delay) []ballast.Conversation {
	t.Helper()
	played(t, p, slowly(cs, delay), ballast.Sampling{Temperature: 1})
	return cs
}

// TestWaitsChangeLittle: conversations that wait have the tokens of those that do not, also
// where others take their rows and what was there is computed again.
func TestWaitsChangeLittle(t *testing.T) {
	for name, o := range map[string]Options{"qwen2": {Rows: 2, Steps: 4}, "smollm3": {Rows: 3, Steps: 4, Chunk: 16}} {
		if testing.Short() && name != "qwen2" {
			continue // slow with a race detector
		}
		c := configs[name]
		m := random(c, 8)
		o.Watched = []int32{4, 7}
		p := sampler(t, m, o)
		want := played(t, p, groups(8, 40, 6, c.Vocab), ballast.Sampling{Temperature: 1})
		before := p.Counters().Prefilled
		got := slow(t, p, groups(8, 40, 6, c.Vocab), func(i int) playtest.Delay { return playtest.Random(uint64(i), 30*time.Millisecond) })
		equal, all := 0, 0
		for i := range want {
			for k, r := range replies(want[i]) {
				all += len(r.Tokens)
				equal += sampling.Common(replies(got[i])[k].Tokens, r.Tokens)
			}
		}
		computed := p.Counters().Prefilled - before
		t.Logf("%s: %d of %d tokens are equal; %d computed, %d without waits", name, equal, all, computed, before)
		if float64(equal) < 0.98*float64(all) || computed <= before {
			t.Errorf("%s: %d of %d tokens are equal; %d computed, %d without waits", name, equal, all, computed, before)
		}
		if equal == all {
			compare(t, got, want, 1e-4)
		}
	}
}

// TestWhoReturnsFindsItsRow: as long as nobody else takes a row, what it holds is not computed
// again, and as many tokens are shared as without waits.
func TestWhoReturnsFindsItsRow(t *testing.T) {
	c := configs["qwen2"]
	m := random(c, 8)
	p := sampler(t, m, Options{Rows: 4, Steps: 4})
	want := played(t, p, groups(4, 30, 6, c.Vocab), ballast.Sampling{Temperature: 1})
	b := p.Counters()
	got := slow(t, p, groups(4, 30, 6, c.Vocab), func(i int) playtest.Delay {
		return playtest.Constant(time.Duration(1+i%3) * 10 * time.Millisecond)
	})
	compare(t, got, want, 1e-4)
	if a := p.Counters(); a.Prefilled != 2*b.Prefilled || a.Shared != 2*b.Shared || a.Sampled != 2*b.Sampled {
		t.Errorf("%d computed and %d shared with waits, %d and %d without", a.Prefilled-b.Prefilled, a.Shared-b.Shared, b.Prefilled, b.Shared)
	}
}

// TestErrorsOfThoseWhoWait: a conversation that got an error is asked again whether it waits,
// and a first prompt may be slow.
func TestErrorsOfThoseWhoWait(t *testing.T) {
	c := configs["qwen2"]
	m := random(c, 4)
	scripts := func() []ballast.Conversation {
		return []ballast.Conversation{
			&script{appends: [][]int32{{1, 2}, {300}, {3}}, max: 4},
			&script{appends: [][]int32{make([]int32, 1024), {3}}, max: 4},
			&script{appends: [][]int32{{}, {5}, nil}, max: 4},
			&script{appends: [][]int32{{1, 2}, {3}}, max: 4, mask: never{}},
		}
	}
	p := sampler(t, m, Options{Rows: 1, Steps: 4})
	got := slow(t, p, scripts(), func(int) playtest.Delay { return func(int) time.Duration { return 2 * time.Millisecond } })
	compare(t, got, played(t, p, scripts(), ballast.Sampling{Temperature: 1}), 1e-4)
	if r := replies(got[3]); len(r) != 2 || r[1].Err == nil || !strings.Contains(r[1].Err.Error(), "constrained") {
		t.Errorf("a mask: %+v", r)
	}
}

// TestPlayStopsWhileAllWait: a play whose context ends does not wait for conversations that
// never go on, and the device is free for the next.
func TestPlayStopsWhileAllWait(t *testing.T) {
	c := configs["qwen2"]
	p := sampler(t, random(c, 4), Options{Rows: 2, Steps: 4})
	for request := range 2 {
		ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
		err := p.Play(ctx, slowly(groups(3, 20, 4, c.Vocab), func(int) playtest.Delay {
			return func(n int) time.Duration {
				if n == request {
					return playtest.Never
				}
				return 0
			}
		}), ballast.Sampling{})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) || !strings.HasPrefix(err.Error(), "model/accel: sampling stopped") {
			t.Errorf("request %d: %v", request, err)
		}
	}
	played(t, p, groups(3, 20, 4, c.Vocab), ballast.Sampling{})
}
