package cpu

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"ballast"
	"ballast/model/playtest"
)

// masked is a conversation whose replies have odd tokens only.
type masked struct{ *script }

func (m masked) Next() (ballast.Request, bool) {
	r, more := m.script.Next()
	r.Mask = &odds{}
	return r, more
}

// slowly makes every conversation wait by its number, and masks some.
func slowly(ss []*script, delay func(i int) playtest.Delay) []ballast.Conversation {
	out := convs(ss)
	for i := range out {
		if i%5 == 4 {
			out[i] = masked{ss[i]}
		}
		out[i] = playtest.Slow(out[i], delay(i))
	}
	return out
}

// at is the same delay for all.
func at(d time.Duration) func(int) playtest.Delay {
	return func(int) playtest.Delay { return playtest.Constant(d) }
}

// delays are ways to wait, by conversation.
var delays = []func(i int) playtest.Delay{
	at(50 * time.Millisecond),
	func(i int) playtest.Delay { return playtest.Random(uint64(i), 300*time.Millisecond) },
	func(i int) playtest.Delay { // a third waits
		return playtest.Constant(time.Second * time.Duration(i%3/2))
	},
}

// longest is the largest sum of the delays of n conversations of so many replies.
func longest(n, replies int, delay func(i int) playtest.Delay) (most time.Duration) {
	for i := range n {
		sum := time.Duration(0)
		for request := range replies + 1 { // the last one says that it is over
			sum += delay(i)(request)
		}
		most = max(most, sum)
	}
	return most
}

// TestWaitsChangeNoReply: replies are those of conversations that do not wait, to the bit, also
// with few places and where the caches of those who wait leave no room. By the clock of the
// test, on which computing takes no time, a play with room takes the longest waits of one
// conversation: those who wait hold nobody up.
func TestWaitsChangeNoReply(t *testing.T) {
	const n, replies = 24, 3
	how := ballast.Sampling{Temperature: 0.9, TopP: 0.95}
	turn := 0
	for _, name := range []string{"qwen2", "llama"} {
		if testing.Short() && name != "qwen2" {
			continue // slow with a race detector
		}
		c := configs[name]
		m := random(c, 9)
		want := groups(n, 4, 70, 6, replies, c.Vocab)
		if err := NewPolicy(m, Options{Watched: []int32{1, 5}}).Play(context.Background(), slowly(want, at(0)), how); err != nil {
			t.Fatal(err)
		}
		for _, o := range []Options{{Workers: 1, MaxRows: 3}, {Workers: 3, MaxRows: 5}, {Workers: 2, Chunk: 7, MaxRows: 8}, {Workers: 2, MaxRows: 6, Memory: 1}} {
			for _, limit := range []int{independent, 0} {
				delay := delays[turn%len(delays)]
				turn++
				what := fmt.Sprintf("%s %+v limit %d, delays %d", name, o, limit, turn%len(delays))
				o.Watched = []int32{1, 5}
				p := NewPolicy(m, o)
				p.limit = limit
				got := groups(n, 4, 70, 6, replies, c.Vocab)
				synctest.Test(t, func(t *testing.T) {
					begin := time.Now()
					if err := p.Play(context.Background(), slowly(got, delay), how); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					if took, want := time.Since(begin), longest(n, replies, delay); took < want || took > want && o.Memory != 1 {
						t.Errorf("%s: took %v, the longest conversation waits %v", what, took, want)
					}
				})
				for i := range got {
					if !reflect.DeepEqual(got[i].replies, want[i].replies) {
						t.Fatalf("%s: conversation %d differs from the one that does not wait", what, i)
					}
				}
			}
		}
	}
}

// TestMemoryOfThoseWhoWait: their caches stay, up to what the options allow.
func TestMemoryOfThoseWhoWait(t *testing.T) {
	m := random(configs["qwen2"], 4)
	peak := func(o Options, delay func(int) playtest.Delay) int64 {
		p := NewPolicy(m, o)
		synctest.Test(t, func(t *testing.T) {
			if err := p.Play(context.Background(), slowly(groups(32, 1, 60, 5, 2, 100), delay), ballast.Sampling{Temperature: 1}); err != nil {
				t.Fatal(err)
			}
		})
		return p.Counters().PeakKV
	}
	page := int64(4 * newShape(&m.Config).size)
	pages := (60 + 5 + 5 + 25 + 5 + pageLen - 1) / pageLen // of one conversation, at most
	free := peak(Options{Workers: 1, MaxRows: 2}, delays[0])
	if free < 32*page*60/pageLen {
		t.Errorf("32 conversations that wait hold %d bytes: their caches are gone", free)
	}
	// One more may have begun when there was room, and the last admitted keeps its prompt.
	bound := int64(10) * page
	if got, most := peak(Options{Workers: 1, MaxRows: 2, Memory: bound}, delays[0]), bound+int64(4*pages)*page; got > most || got >= free {
		t.Errorf("a cache of %d bytes, at most %d allowed, %d without a bound", got, most, free)
	}
}

// TestErrorsOfThoseWhoWait: a conversation that got an error is asked again whether it waits.
func TestErrorsOfThoseWhoWait(t *testing.T) {
	m := random(configs["qwen2"], 1)
	scripts := func() []*script {
		return []*script{
			{appends: [][]int32{{1, 2}, {100}, {3}}, max: 4},
			{appends: [][]int32{make([]int32, 1024), {3}}, max: 4},
			{appends: [][]int32{{}, {5}, nil}, max: 4},
		}
	}
	want, got := play(t, NewPolicy(m, Options{}), scripts(), ballast.Sampling{}), scripts()
	synctest.Test(t, func(t *testing.T) {
		every := func(int) playtest.Delay { return func(int) time.Duration { return time.Second } }
		if err := NewPolicy(m, Options{MaxRows: 1}).Play(context.Background(), slowly(got, every), ballast.Sampling{}); err != nil {
			t.Fatal(err)
		}
	})
	for i := range want {
		if !reflect.DeepEqual(got[i].replies, want[i].replies) {
			t.Errorf("conversation %d: %+v, want %+v", i, got[i].replies, want[i].replies)
		}
	}
}

// TestPlayStopsWhileAllWait: a play whose context ends does not wait for conversations that
// never go on, and leaves no goroutine (or the bubble would not end).
func TestPlayStopsWhileAllWait(t *testing.T) {
	for request := range 3 {
		synctest.Test(t, func(t *testing.T) {
			never := func(i int) playtest.Delay {
				return func(n int) time.Duration {
					if n == request && i > 0 {
						return playtest.Never
					}
					return 0
				}
			}
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			begin := time.Now()
			err := NewPolicy(random(configs["qwen2"], 1), Options{Workers: 2, MaxRows: 3}).Play(ctx, slowly(groups(6, 2, 30, 4, 3, 100), never), ballast.Sampling{})
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Hour {
				t.Errorf("request %d: %v after %v", request, err, time.Since(begin))
			}
		})
	}
}

// BenchmarkParked shows what waits cost: 64 conversations that wait three times for 50 ms, with
// 8 places, by the time without waits and 150 ms.
func BenchmarkParked(b *testing.B) {
	c := configs["embedded"]
	p := NewPolicy(random(c, 1), Options{MaxRows: 8})
	timed := func(delay time.Duration) time.Duration {
		begin := time.Now()
		all := slowly(groups(64, 8, 150, 25, 3, c.Vocab), at(delay))
		if err := p.Play(context.Background(), all, ballast.Sampling{Temperature: 1}); err != nil {
			b.Fatal(err)
		}
		return time.Since(begin)
	}
	var without, with time.Duration
	for b.Loop() {
		without += timed(0)
		with += timed(50 * time.Millisecond)
	}
	bound := without + time.Duration(b.N)*150*time.Millisecond
	b.ReportMetric(float64(without.Milliseconds())/float64(b.N), "ms-without")
	b.ReportMetric(float64(with.Milliseconds())/float64(b.N), "ms-with")
	b.ReportMetric(float64(with)/float64(bound), "of-bound")
}
