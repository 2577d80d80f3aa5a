package verdict

import (
	"math"
	"math/rand/v2"
	"testing"

	"ballast"
	"ballast/monitor"
)

// piece is what happens to a run from an update up to another.
type piece struct {
	from, to int
	do       func(m map[string]float64)
}

// course plays n updates with the numbers first, first+1, ... A supervised update is one
// in whose piece do is nil.
func course(first, n int, reward func(u int) float64, pieces ...piece) *Detector {
	d, r := New(), rand.New(rand.NewPCG(11, 11))
	for u := 1; u <= n; u++ {
		m := base(u, r)
		if x := reward(u); !math.IsNaN(x) {
			m[monitor.RewardMean] = max(0, x+0.005*r.NormFloat64())
			m[monitor.SuccessMean] = m[monitor.RewardMean]
		} else {
			delete(m, monitor.RewardMean)
			delete(m, monitor.SuccessMean)
		}
		m[monitor.Replies] = 100
		phase := "rl"
		for _, p := range pieces {
			switch {
			case u < p.from || u > p.to:
			case p.do == nil:
				phase, m = "sft", map[string]float64{monitor.LossCE: 1}
			default:
				p.do(m)
			}
		}
		d.Add(ballast.Update{Index: first + u - 1, Phase: phase, Metrics: m})
	}
	return d
}

// The pieces of the histories below.
func drift(m map[string]float64) {
	m[monitor.IllegalMass], m[monitor.IllegalAt+"<tool_call>/open"], m[monitor.IllegalReplies] = 0.05, 0.1, 0.4
}

func pollute(m map[string]float64) { m["reply/polluted"], m["reply/call"] = 0.8, 0.1 }

// steps is a reward that changes at updates: value, update, value, ...
func steps(list ...float64) func(u int) float64 {
	return func(u int) float64 {
		v := list[0]
		for i := 1; i+1 < len(list); i += 2 {
			if float64(u) >= list[i] {
				v = list[i+1]
			}
		}
		return v
	}
}

func near(got, want, by int) bool { return got >= want-by && got <= want+by }

// TestHistory: every sick stretch is told, and the lead counts from the first that led to
// the fall.
func TestHistory(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name      string
		first, n  int
		reward    func(u int) float64
		pieces    []piece
		verdict   State
		onset     int // 0: not asked for
		stretches []State
		from      []int
		alarm     int
		halved    int
		falls     int
	}{
		{"drifting, a fall, a quiet while, polluted", 1, 90, steps(0.035, 16, 0.008), []piece{{12, 24, drift}, {70, 90, pollute}},
			Polluted, 70, []State{Drifting, Polluted}, []int{14, 72}, 14, 22, 1},
		{"drifting, a fall, and polluted in one stretch", 1, 90, steps(0.5, 16, 0.05), []piece{{12, 24, drift}, {70, 90, pollute}},
			Polluted, 70, []State{Polluted}, []int{14}, 14, 20, 1},
		{"drifting, a fall, and quiet to the end", 1, 90, steps(0.5, 16, 0.05), []piece{{12, 24, drift}},
			RewardLoss, 0, nil, nil, 14, 20, 1},
		{"a low reward that falls, and quiet to the end", 1, 90, steps(0.035, 16, 0.008), []piece{{12, 24, drift}},
			Drifting, 12, []State{Drifting}, []int{14}, 14, 20, 1},
		{"drifting and a fall that is over", 1, 90, steps(0.5, 16, 0.15, 30, 0.5), []piece{{12, 24, drift}},
			Plateau, 0, []State{RewardLoss}, []int{14}, 0, 0, 1},
		{"two falls", 1, 130, steps(0.5, 26, 0.1, 45, 0.5, 100, 0.05), []piece{{20, 36, drift}, {98, 130, pollute}},
			Polluted, 98, []State{RewardLoss, Polluted}, []int{22, 100}, 100, 104, 2},
		{"an early scare, and a fall much later", 1, 130, steps(0.5, 100, 0.05), []piece{{20, 30, drift}, {98, 130, pollute}},
			Polluted, 98, []State{Drifting, Polluted}, []int{22, 100}, 100, 104, 1},
		{"sick before a supervised phase, well after it", 1, 80, steps(0.5, 26, 0.1, 42, 0.5), []piece{{20, 40, drift}, {41, 41, nil}},
			Healthy, 0, []State{RewardLoss}, []int{22}, 0, 0, 1},
		{"the trainer counts from 0", 0, 60, steps(0.5, 33, 0.05), []piece{{31, 60, pollute}},
			Polluted, 30, []State{Polluted}, []int{33}, 33, 37, 1},
		{"replies bad from the start, and a fall", 1, 60, steps(0.5, 31, 0.05), []piece{{1, 60, pollute}}, Polluted, 31, []State{Polluted}, []int{33}, 33, 35, 1},
		{"no reward at all, well-formed", 1, 60, steps(nan), nil, WellFormed, 0, nil, nil, 0, 0, 0},
		{"no reward at all, polluted", 1, 60, steps(nan), []piece{{31, 60, pollute}}, Polluted, 31, []State{Polluted}, []int{33}, 33, 0, 0},
		{"the reward is not there any more", 1, 60, steps(0.5, 31, nan), nil, WellFormed, 0, nil, nil, 0, 0, 0},
		{"the reward halves and nothing else", 1, 60, steps(0.04, 31, 0.015), nil, Plateau, 0, nil, nil, 0, 35, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			x := course(c.first, c.n, c.reward, c.pieces...).Diagnosis()
			if x.First != c.first || x.Last != c.first+c.n-1 {
				t.Errorf("updates %d to %d", x.First, x.Last)
			}
			if x.Verdict != c.verdict || c.onset > 0 && !near(x.Onset, c.onset, 4) || !near(x.Alarm, c.alarm, 5) || !near(x.Halved, c.halved, 4) || len(x.Falls) != c.falls {
				t.Errorf("%s since %d, alarm %d, halved %d, falls %+v; want %s since %d, alarm %d, halved %d\nspells %+v", x.Verdict, x.Onset, x.Alarm, x.Halved, x.Falls,
					c.verdict, c.onset, c.alarm, c.halved, x.Spells)
			}
			if c.stretches != nil && len(x.History) != len(c.stretches) {
				t.Fatalf("history %+v", x.History)
			}
			for i, s := range c.stretches {
				if h := x.History[i]; h.State != s || !near(h.From, c.from[i], 5) || h.To < h.From || len(h.States) == 0 || len(h.Signals) == 0 {
					t.Errorf("stretch %d: %+v, want %s from %d", i, h, s, c.from[i])
				}
			}
		})
	}
}

// TestShares: a pool of replies has a verdict by its intervals.
func TestShares(t *testing.T) {
	for _, c := range []struct {
		n                               float64
		call, talk, polluted, collapsed float64
		cut, other                      float64
		want                            State
	}{
		{337, 0.06, 0.06, 0, 0.88, 0, 0, Collapsed},
		{337, 0.2, 0.14, 0.66, 0, 0, 0, Polluted},
		{337, 0.6, 0.37, 0.03, 0, 0, 0, WellFormed},
		{337, 0.3, 0.1, 0.6, 0, 0.55, 0, WellFormed},
		{337, 0, 1, 0, 0, 0, 0.5, NotJudged},
		{337, 0, 0.3, 0.7, 0, 0, 0.7, NotJudged},
		{337, 0, 0, 0.9, 0.1, 0, 0.3, Polluted},
		{5, 1, 0, 0, 0, 0, 0, TooShort},
		{12, 1, 0, 0, 0, 0, 0, WellFormed},
		{8, 0, 0, 0, 1, 0, 0, Collapsed},
		{60, 0.55, 0, 0.45, 0, 0, 0, TooShort},
		{3000, 0.55, 0, 0.45, 0, 0, 0, Polluted},
		{0, 0, 0, 0, 1, 0, 0, TooShort},
	} {
		m := map[string]float64{monitor.Replies: c.n, "reply/call": c.call, "reply/response": c.talk, "reply/polluted": c.polluted, "reply/collapsed": c.collapsed,
			monitor.ReasonFor + "cut": c.cut, monitor.UnreadSyntax: c.other}
		if c.n == 0 {
			delete(m, monitor.Replies)
		}
		u := ballast.Update{Index: 4, Metrics: m}
		s := Pool([]ballast.Update{u})
		if got := s.Verdict(); got != c.want || s.Replies != int(c.n) {
			t.Errorf("%+v: %s", c, got)
		}
		d := New()
		d.Add(u)
		if x := d.Diagnosis(); x.Verdict != c.want || x.State != TooShort {
			t.Errorf("%+v as a run of one update: %s, state %s", c, x.Verdict, x.State)
		}
	}
	s := Pool([]ballast.Update{{Metrics: map[string]float64{monitor.Replies: 300, "reply/call": 1, "reply/collapsed": 0}}, {Metrics: map[string]float64{monitor.Replies: 100, "reply/call": 0, "reply/collapsed": 1}}, {}})
	if x := s.Kinds["collapsed"]; s.Replies != 400 || x.Of != 0.25 || math.Abs(x.Lo-0.2101) > 1e-3 || math.Abs(x.Hi-0.2947) > 1e-3 {
		t.Errorf("%+v", s)
	}
	// Runs from before the number of replies was noted.
	s = Pool([]ballast.Update{{Metrics: map[string]float64{monitor.TokensSampled: 3370, monitor.ReplyLength: 10, "reply/call": 0.1, "reply/collapsed": 0.9}}})
	if s.Replies != 337 || s.Verdict() != Collapsed {
		t.Errorf("%+v", s)
	}
}

// TestShortRun: few updates of a phase have the verdict of their replies.
func TestShortRun(t *testing.T) {
	d := course(1, 17, steps(0.05), piece{1, 12, pollute}, piece{12, 12, nil}, piece{13, 17, func(m map[string]float64) {
		m["reply/polluted"], m["reply/call"], m["reply/response"] = 0.66, 0.2, 0.14
	}})
	if x := d.Diagnosis(); x.State != TooShort || x.Verdict != Polluted || x.Shares.From != 13 || x.Shares.To != 17 || x.Shares.Replies != 500 {
		t.Errorf("%s, state %s, %+v", x.Verdict, x.State, x.Shares)
	}
}
