package sampling

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast"
)

// TestUniform pins the numbers down, since a run is repeated from them, and looks at
// their spread. The first seed's are those of two rounds of splitmix64's finaliser.
func TestUniform(t *testing.T) {
	sum, seen := 0.0, map[float64]bool{}
	for seed := range uint64(100) {
		for pos := range 100 {
			u := Uniform(seed, pos)
			if u < 0 || u >= 1 || u != Uniform(seed, pos) {
				t.Fatalf("seed %d, position %d: %v", seed, pos, u)
			}
			sum += u
			seen[u] = true
		}
	}
	if mean := sum / 1e4; mean < 0.49 || mean > 0.51 || len(seen) != 1e4 {
		t.Errorf("mean %v, %d different numbers", mean, len(seen))
	}
	// splitmix64 of seed 0 begins with this number (Vigna's reference code).
	if got := Mix(0x9e3779b97f4a7c15); got != 0xe220a8397b1dcdaf {
		t.Errorf("the finaliser gives %#x", got)
	}
	if want := float64(Mix(0xe220a8397b1dcdaf^0x9e3779b97f4a7c15)>>11) / (1 << 53); Uniform(0, 0) != want {
		t.Errorf("seed 0, position 0: %v, want %v", Uniform(0, 0), want)
	}
}

// script asks for replies and keeps what it was told.
type script struct {
	requests []ballast.Request
	replies  []ballast.Reply
}

func (s *script) Next() (ballast.Request, bool) {
	if len(s.requests) == 0 {
		return ballast.Request{}, false
	}
	r := s.requests[0]
	s.requests = s.requests[1:]
	return r, true
}

func (s *script) Wait() <-chan struct{} { return nil }

func (s *script) Take(r ballast.Reply) { s.replies = append(s.replies, r) }

// TestNext: what cannot be served is answered with an error, and the conversation goes
// on with its next request; what it appended in vain is forgotten.
func TestNext(t *testing.T) {
	limits := Limits{Name: "test", Vocab: 10, MaxLen: 8}
	for _, c := range []struct {
		name     string
		requests []ballast.Request
		cached   int
		more     bool
		pending  []int32
		max      int
		errors   []string // of the replies before, "" for one without
	}{
		{"over", nil, 0, false, nil, 0, nil},
		{"served", []ballast.Request{{Append: []int32{1, 2}, Max: 3}}, 0, true, []int32{1, 2}, 3, nil},
		{"cut to the model's room", []ballast.Request{{Append: []int32{1, 2}, Max: 30}}, 1, true, []int32{1, 2}, 5, nil},
		{"no room", []ballast.Request{{Append: []int32{1, 2}, Max: 3}}, 6, false, []int32{}, 0, []string{"8 tokens and the model positions for 8"}},
		{"outside the vocabulary", []ballast.Request{{Append: []int32{1, 10}, Max: 3}, {Append: []int32{4}, Max: 1}}, 0, true, []int32{4}, 1, []string{"token 10 is outside"}},
		{"negative", []ballast.Request{{Append: []int32{-1}, Max: 3}}, 0, false, []int32{}, 0, []string{"token -1"}},
		{"nothing to go on from", []ballast.Request{{Max: 3}}, 0, false, nil, 0, []string{"appends no tokens"}},
		{"nothing asked for", []ballast.Request{{Append: []int32{1}}, {Append: []int32{2}, Max: 2}}, 0, true, []int32{1, 2}, 2, []string{""}},
	} {
		conv := &script{requests: c.requests}
		s := &Seq{Conv: conv, size: c.cached}
		if more := s.next(limits) == asks; more != c.more || len(s.Pending) != len(c.pending) || more && (!slices.Equal(s.Pending, c.pending) || s.Req.Max != c.max) {
			t.Errorf("%s: %t, pending %v, at most %d", c.name, more, s.Pending, s.Req.Max)
		}
		if len(conv.replies) != len(c.errors) {
			t.Fatalf("%s: %d replies, want %d", c.name, len(conv.replies), len(c.errors))
		}
		for i, want := range c.errors {
			if err := conv.replies[i].Err; (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", c.name, err, want)
			}
		}
	}
	if unbounded := (Limits{Vocab: 10}); unbounded.room(1<<20) < 1<<20 {
		t.Error("a model without a bound has one")
	}
}

// TestReply: a reply grows token by token with a row of its own for each, and ends at a
// stop token, at its length, or by an error.
func TestReply(t *testing.T) {
	s := &Seq{Req: ballast.Request{Max: 40, Stop: []int32{7}}}
	if s.Ended() {
		t.Error("an empty reply has ended")
	}
	for i := range int32(40) {
		if row := s.Extend(8+i, -float32(i), 0.5, 2); len(row) != 2 || cap(row) != 2 {
			t.Fatalf("token %d has a row of %d", i, len(row))
		} else {
			row[0], row[1] = float32(i), -1
		}
		if !s.Drawn || !slices.Equal(s.Pending, []int32{8 + i}) || s.Ended() != (i == 39) {
			t.Fatalf("token %d: pending %v, ended %t", i, s.Pending, s.Ended())
		}
	}
	for i, row := range s.Reply.Watch {
		if row[0] != float32(i) || s.Reply.LogProb[i] != -float32(i) || s.Reply.Entropy[i] != 0.5 {
			t.Errorf("token %d: %v %v", i, row, s.Reply.LogProb[i])
		}
	}
	s = &Seq{Req: ballast.Request{Max: 9, Stop: []int32{7}}}
	if s.Extend(7, 0, 0, 0) != nil || s.Reply.Watch != nil || !s.Ended() {
		t.Error("a stop token does not end the reply, or nothing watched has a row")
	}
	s.Fail("broken")
	if !s.Ended() || s.Reply.Err == nil || s.Reply.Tokens != nil {
		t.Errorf("a failed reply: %+v", s.Reply)
	}
}

func TestCommon(t *testing.T) {
	for _, c := range []struct {
		a, b []int32
		want int
	}{{nil, nil, 0}, {[]int32{1, 2}, []int32{1, 2, 3}, 2}, {[]int32{1, 2}, []int32{1, 3}, 1}, {[]int32{2}, []int32{1}, 0}} {
		if got := Common(c.a, c.b); got != c.want || Common(c.b, c.a) != c.want {
			t.Errorf("%v and %v share %d", c.a, c.b, got)
		}
	}
}

// TestCounters: counts add up, and the peak is the largest.
func TestCounters(t *testing.T) {
	c := Counters{Sampled: 1, Prefilled: 2, Shared: 3, Passes: 4, PeakKV: 50, Elapsed: time.Second}
	c.Add(Counters{Sampled: 10, Prefilled: 20, Shared: 30, Passes: 40, PeakKV: 5, Elapsed: time.Minute})
	if want := (Counters{11, 22, 33, 44, 50, time.Minute + time.Second}); !reflect.DeepEqual(c, want) {
		t.Errorf("%+v", c)
	}
}
