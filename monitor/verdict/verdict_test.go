package verdict

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"ballast"
	"ballast/monitor"
)

// sick is the update from which the scripts below change.
const sick = 30

// base is a healthy update with a little noise.
func base(u int, r *rand.Rand) map[string]float64 {
	n := func(x, sd float64) float64 { return x + sd*r.NormFloat64() }
	reward := n(0.2+0.004*float64(u), 0.02)
	return map[string]float64{
		"reply/call": n(0.5, 0.02), "reply/response": n(0.46, 0.02), "reply/polluted": 0.03, "reply/collapsed": 0,
		monitor.ToolCallRate: n(0.5, 0.02), monitor.RewardMean: reward, monitor.SuccessMean: reward,
		monitor.ReplyLength: n(20, 1), monitor.CutShare: 0.01, monitor.ZeroSpread: n(0.2, 0.03),
		monitor.IllegalMass: 1e-4, monitor.IllegalReplies: 0.03, monitor.IllegalAt + "<tool_call>/open": 1e-4,
		monitor.KL: 0.001 * float64(u), monitor.KLControl: n(0.2, 0.02), monitor.EntropyMean: n(0.4, 0.02),
		monitor.GapMean: 0.004, monitor.GapAt("1", monitor.GapMean): 0.004, monitor.GapAt("1", monitor.GapTokens): 5000,
		monitor.GapAt("9+", monitor.GapMean): 0.004, monitor.GapAt("9+", monitor.GapTokens): 500, monitor.GradNorm: n(0.5, 0.05), monitor.NonFinite: 0,
	}
}

// play feeds n updates; change alters those from sick on, x counting from 0 to 1
// over ten of them.
func play(n int, change func(m map[string]float64, x float64)) *Detector {
	d, r := New(), rand.New(rand.NewPCG(1, 1))
	for u := 1; u <= n; u++ {
		m := base(u, r)
		if u >= sick && change != nil {
			change(m, min(1, float64(u-sick+1)/10))
		}
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
	}
	return d
}

func TestStates(t *testing.T) {
	lose := func(m map[string]float64, x float64) {
		m[monitor.RewardMean] *= 1 - x
		m[monitor.SuccessMean] *= 1 - x
	}
	illegal := func(m map[string]float64, x float64) {
		for _, k := range []string{monitor.IllegalMass, monitor.IllegalAt + "<tool_call>/open"} {
			m[k] *= math.Exp(6 * x)
		}
	}
	for _, c := range []struct {
		want   State
		near   int // an onset within so many updates; 0: none is asked for
		change func(m map[string]float64, x float64)
	}{
		{Healthy, 0, nil},
		{NonFinite, 0, func(m map[string]float64, _ float64) { m[monitor.NonFinite] = 1 }},
		{Mismatch, 2, func(m map[string]float64, x float64) { m[monitor.GapMean] *= math.Exp(4 * x) }},
		{Mismatch, 2, func(m map[string]float64, x float64) { // in late replies alone, which have few of the tokens
			m[monitor.GapMean] *= 1 + x
			m[monitor.GapAt("9+", monitor.GapMean)] *= math.Exp(4 * x)
		}},
		{Healthy, 0, func(m map[string]float64, x float64) { // the same of too few tokens to tell
			m[monitor.GapAt("9+", monitor.GapMean)] *= math.Exp(4 * x)
			m[monitor.GapAt("9+", monitor.GapTokens)] = 100
		}},
		{Mismatch, 3, func(m map[string]float64, x float64) { m[monitor.ImportanceESS] = 0.95 - 0.8*x }},
		{Healthy, 0, func(m map[string]float64, x float64) { m[monitor.ImportanceESS] = 0.95 - 0.5*x }},
		{Collapsed, 3, func(m map[string]float64, x float64) {
			lose(m, x)
			illegal(m, x)
			m["reply/collapsed"], m["reply/call"] = 0.9*x, 0.5*(1-x)
		}},
		{Polluted, 3, func(m map[string]float64, x float64) {
			lose(m, x)
			illegal(m, x)
			m["reply/polluted"] = 0.03 + 0.8*x
		}},
		{Drifting, 4, func(m map[string]float64, x float64) {
			illegal(m, x)
			m[monitor.IllegalReplies] += 0.2 * x
		}},
		{Length, 3, func(m map[string]float64, x float64) {
			m[monitor.ReplyLength] *= 1 + 2*x
			m[monitor.CutShare] += 0.4 * x
		}},
		{Abandoned, 3, func(m map[string]float64, x float64) {
			m[monitor.ToolCallRate] *= 1 - x
			m["reply/response"] += 0.5 * x
		}},
		{Hacking, 4, func(m map[string]float64, x float64) { m[monitor.SuccessMean] *= 1 - x }},
		{NoSignal, 3, func(m map[string]float64, _ float64) {
			m[monitor.ZeroSpread], m[monitor.RewardMean], m[monitor.SuccessMean] = 1, 0, 0
		}},
		{RewardLoss, 4, lose},
	} {
		x := play(70, c.change).Diagnosis()
		if x.Verdict != c.want {
			t.Errorf("want %s, got %s: %+v", c.want, x.Verdict, x.Spells)
		} else if off := x.Onset - sick; c.near > 0 && (off > c.near || -off > c.near) {
			t.Errorf("%s: onset %d, want %d", c.want, x.Onset, sick)
		} else if c.want.Sick() && (x.Began == 0 || x.Began > x.Onset || x.Alarm < x.Began) {
			t.Errorf("%s: began %d, onset %d, alarm %d", c.want, x.Began, x.Onset, x.Alarm)
		}
	}
}

func TestPlateauAndTooShort(t *testing.T) {
	d, r := New(), rand.New(rand.NewPCG(2, 2))
	for u := 1; u <= 100; u++ {
		m := base(min(u, 40), r)
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
		if u == 5 && d.State() != TooShort {
			t.Errorf("after 5 updates: %s", d.State())
		}
	}
	if x := d.Diagnosis(); x.Verdict != Plateau || x.Onset < 25 || x.Onset > 55 {
		t.Errorf("%s since %d", x.Verdict, x.Onset)
	}
}

// TestKLGrowsInHealthyRuns: KL rises from nothing in every phase. That it once left
// its window is no half of an alarm for ever.
func TestKLGrowsInHealthyRuns(t *testing.T) {
	x := play(90, func(m map[string]float64, x float64) { m[monitor.KL] = 0.3 * x })
	d := x.by[monitor.KL]
	if len(d.moved) == 0 || d.alarmed() {
		t.Fatalf("KL moved %d times, alarmed %v", len(d.moved), d.alarmed())
	}
	if s := x.State(); s.Sick() || !x.Calm() {
		t.Errorf("%s", s)
	}
}

// TestEarlySignsAdd: changes that no signal would raise an alarm for alone make one
// together while the reward sinks, before it has halved; not without each other, and not
// while the reward holds.
func TestEarlySignsAdd(t *testing.T) {
	calls := func(m map[string]float64, x float64) {
		m[monitor.ToolCallRate] *= 1 - 0.3*x
		m["reply/call"] = m[monitor.ToolCallRate]
	}
	broken := func(m map[string]float64, x float64) { m["reply/polluted"] += 0.08 * x }
	sinks := func(m map[string]float64, x float64) { m[monitor.RewardMean] *= 1 - 0.5*x }
	for i, c := range []struct {
		want State
		do   []func(map[string]float64, float64)
	}{
		{Drifting, []func(map[string]float64, float64){calls, broken, sinks}},
		{Healthy, []func(map[string]float64, float64){calls, broken}},
		{Healthy, []func(map[string]float64, float64){broken, sinks}},
		{Healthy, []func(map[string]float64, float64){calls, sinks}},
	} {
		d := play(44, func(m map[string]float64, x float64) {
			for _, f := range c.do {
				f(m, x)
			}
		})
		x := d.Diagnosis()
		if x.Verdict != c.want && (c.want.Sick() || x.Verdict.Sick()) || c.want == Drifting && (x.Onset < sick-2 || x.Onset > sick+5 || x.Alarm > sick+14 || x.Halved != 0) {
			t.Errorf("%d: %s since %d, alarm %d, halved %d: %+v", i, x.Verdict, x.Onset, x.Alarm, x.Halved, x.Moved)
		}
	}
}

// TestHalved: the halving is that of the mean over ten updates, not of a dip.
func TestHalved(t *testing.T) {
	d, r := New(), rand.New(rand.NewPCG(6, 6))
	for u := 1; u <= 60; u++ {
		m := base(u, r)
		m[monitor.RewardMean] = 0.4
		if u >= 20 && u < 23 || u >= 40 {
			m[monitor.RewardMean], m["reply/polluted"] = 0, 0.6
		}
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
	}
	if x := d.Diagnosis(); x.Halved < 44 || x.Halved > 45 {
		t.Errorf("halved at %d, want 44 or 45", x.Halved)
	}
}

// TestOneFamilyDoesNotDate: illegal mass that rose long before the forms and the
// KL share does not date the collapse.
func TestOneFamilyDoesNotDate(t *testing.T) {
	d, r := New(), rand.New(rand.NewPCG(3, 3))
	for u := 1; u <= 70; u++ {
		m := base(u, r)
		if u >= 22 {
			m[monitor.IllegalMass], m[monitor.IllegalAt+"<tool_call>/open"] = 0.01, 0.02
		}
		if u >= 36 {
			m["reply/polluted"], m[monitor.KLControl], m[monitor.RewardMean] = 0.7, 0.8, 0
		}
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
	}
	if x := d.Diagnosis(); x.Verdict != Polluted || x.Onset < 34 || x.Onset > 38 || x.Began > x.Onset {
		t.Errorf("%s since %d, began %d", x.Verdict, x.Onset, x.Began)
	}
}

// TestQuietIsNotWell: a sick stretch lasts while its signals are out of their window,
// and ends some updates after they are back.
func TestQuietIsNotWell(t *testing.T) {
	d, r := New(), rand.New(rand.NewPCG(4, 4))
	for u := 1; u <= 90; u++ {
		m := base(u, r)
		if u >= 30 && u < 50 {
			m[monitor.IllegalMass], m[monitor.IllegalAt+"<tool_call>/open"], m[monitor.IllegalReplies] = 0.05, 0.1, 0.3
		}
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
		if calm := d.Calm(); u == 40 && calm || u == 53 && calm || u == 90 && !calm {
			t.Errorf("update %d: calm %v, %s", u, calm, d.State())
		}
	}
}

// TestAskingChangesNothing: what is said depends on the updates only, not on how
// often it was asked; values that are not finite are as if they were missing.
func TestAskingChangesNothing(t *testing.T) {
	change := func(m map[string]float64, x float64) { m["reply/collapsed"], m[monitor.RewardMean] = 0.9*x, 0 }
	want := play(60, change).Diagnosis()
	d, r := New(), rand.New(rand.NewPCG(1, 1))
	for u := 1; u <= 60; u++ {
		m := base(u, r)
		if u >= sick {
			change(m, min(1, float64(u-sick+1)/10))
		}
		m["broken"], m[monitor.EvalSuccess] = math.Inf(1), math.NaN()
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
		d.Diagnosis()
	}
	if got := d.Diagnosis(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestSupervisedUpdatesRestart: updates without replies end the healthy window.
func TestSupervisedUpdatesRestart(t *testing.T) {
	d := play(60, func(m map[string]float64, x float64) { m["reply/collapsed"], m[monitor.RewardMean] = 0.9*x, 0 })
	d.Add(ballast.Update{Index: 61, Phase: "sft", Metrics: map[string]float64{monitor.LossCE: 1}})
	if !d.Calm() {
		t.Error("the stretch goes on over a supervised phase")
	}
	r := rand.New(rand.NewPCG(5, 5))
	for u := 62; u <= 75; u++ {
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: base(u, r)})
	}
	if x := d.Diagnosis(); x.Verdict != Healthy || x.First != 1 || x.Last != 75 {
		t.Errorf("%s, %d to %d", x.Verdict, x.First, x.Last)
	}
}

// TestRamps: the fits find a break that is there, the second also after a rise.
func TestRamps(t *testing.T) {
	find := func(fit func([]float64, int, int) float64, x []float64) (from, to int) {
		best := math.Inf(1)
		for f := 1; f < len(x); f++ {
			for g := f; g < len(x); g++ {
				if s := fit(x, f, g); s < best-1e-9 {
					best, from, to = s, f, g
				}
			}
		}
		return from, to
	}
	var level, rising []float64
	for i := range 30 {
		drop := 0.1 * float64(min(max(0, i-14), 6))
		level = append(level, 0.7-drop)
		rising = append(rising, 0.5+0.02*float64(min(i, 14))-drop)
	}
	if from, to := find(ramp, level); from != 15 || to != 20 {
		t.Errorf("level: %d to %d", from, to)
	}
	if from, to := find(slopeRamp, rising); from != 15 || to != 20 {
		t.Errorf("rising: %d to %d", from, to)
	}
	if s := slopeRamp(rising, 1, 1); math.IsNaN(s) {
		t.Error("a singular fit is not a number")
	}
}
