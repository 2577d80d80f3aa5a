package verdict

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"ballast"
	"ballast/monitor"
)

// law is what an episode earns that is solved or not; r is for what else decides.
type law func(solved bool, r *rand.Rand) float64

// two is a reward with two values.
func two(bad, good float64) law {
	return func(solved bool, _ *rand.Rand) float64 {
		if solved {
			return good
		}
		return bad
	}
}

// twoValued is how many laws, the first ones, have two values: the verdict on them is that
// on 0 and 1 to the update.
const twoValued = 10

// laws are ways to reward the same plays.
var laws = []struct {
	name   string
	reward law
}{
	{"0/1", two(0, 1)},
	{"+-1", two(-1, 1)},
	{"0 to 100", two(0, 100)},
	{"negative only", two(-1, 0)},
	{"large penalties", two(-50, -10)},
	{"shifted up", two(5, 6)},
	{"shifted within [0,1]", two(0.5, 1)},
	{"tiny", two(0, 0.01)},
	{"centred", two(-0.5, 0.5)},
	{"huge", two(0, 1e12)},
	{"penalty for one in ten failures", func(solved bool, r *rand.Rand) float64 {
		switch {
		case solved:
			return 1
		case r.IntN(10) == 0:
			return -1
		}
		return 0
	}},
	{"a rare penalty of ten", func(solved bool, r *rand.Rand) float64 {
		switch {
		case r.IntN(100) == 0:
			return -10
		case solved:
			return 1
		}
		return 0
	}},
	{"a rare bonus of twenty", func(solved bool, r *rand.Rand) float64 {
		switch {
		case solved && r.IntN(100) == 0:
			return 20
		case solved:
			return 1
		}
		return 0
	}},
	{"a reward model's score", func(solved bool, r *rand.Rand) float64 {
		if solved {
			return 2.5 + 0.8*r.NormFloat64()
		}
		return -3 + 0.8*r.NormFloat64()
	}},
	{"percent with noise", func(solved bool, r *rand.Rand) float64 {
		if solved {
			return 80 + 20*r.Float64()
		}
		return 10 * r.Float64()
	}},
}

// rewarded plays n updates of 96 episodes in groups of 8. solve is the probability that
// an episode of an update is solved; change alters the other metrics from sick on.
func rewarded(n int, reward law, solve func(u int) float64, change func(m map[string]float64, x float64)) *Detector {
	d, r := New(), rand.New(rand.NewPCG(7, 7))
	for u := 1; u <= n; u++ {
		m := base(u, r)
		for _, k := range []string{monitor.SuccessMean, monitor.RewardMean} {
			delete(m, k)
		}
		var eps []ballast.Episode
		flat := 0.0
		for range 12 {
			lo, hi := math.Inf(1), math.Inf(-1)
			for range 8 {
				var ep ballast.Episode
				ep.Score.Reward = reward(r.Float64() < solve(u), r)
				lo, hi = min(lo, ep.Score.Reward), max(hi, ep.Score.Reward)
				eps = append(eps, ep)
			}
			if lo == hi {
				flat += 1.0 / 12
			}
		}
		full := map[string]float64{}
		monitor.Measure(eps, nil, full)
		for k, v := range full {
			if strings.HasPrefix(k, "reward/") {
				m[k] = v
			}
		}
		m[monitor.ZeroSpread] = flat
		if u >= sick && change != nil {
			change(m, min(1, float64(u-sick+1)/10))
		}
		d.Add(ballast.Update{Index: u, Phase: "rl", Metrics: m})
	}
	return d
}

// TestRanges: the same plays get the same verdict, whatever their reward's range.
func TestRanges(t *testing.T) {
	rising := func(u int) float64 { return 0.3 + 0.006*float64(u) }
	falls := func(to float64) func(u int) float64 {
		return func(u int) float64 {
			x := min(1, max(0, float64(u-sick+1)/10))
			return rising(min(u, sick))*(1-x) + to*x
		}
	}
	broken := func(m map[string]float64, x float64) {
		m["reply/polluted"], m[monitor.IllegalReplies] = 0.03+0.6*x, 0.03+0.5*x
	}
	for _, c := range []struct {
		name   string
		want   []State
		near   int
		solve  func(u int) float64
		change func(m map[string]float64, x float64)
	}{
		{"rises", []State{Healthy, Plateau}, 0, rising, nil},
		{"rises, with broken replies", []State{Healthy, Plateau}, 0, rising, broken},
		{"level at a half", []State{Healthy, Plateau}, 0, func(int) float64 { return 0.5 }, nil},
		{"nearly all solved", []State{Healthy, Plateau}, 0, func(int) float64 { return 0.97 }, nil},
		{"few solved", []State{Healthy, Plateau}, 0, func(int) float64 { return 0.08 }, nil},
		{"a harder task set", []State{Healthy, Plateau}, 0, func(u int) float64 {
			if u < 40 {
				return 0.8
			}
			return 0.55
		}, nil},
		{"falls to a twentieth", []State{RewardLoss}, 5, falls(0.03), nil},
		{"falls to nothing", []State{NoSignal, RewardLoss}, 5, falls(0), nil},
		{"falls from high", []State{RewardLoss}, 5, func(u int) float64 {
			if u < sick {
				return 0.98
			}
			return 0.1
		}, nil},
		{"falls with broken replies", []State{Polluted}, 5, falls(0.02), broken},
	} {
		var plain Diagnosis // of the first law
		for i, l := range laws {
			t.Run(fmt.Sprintf("%s/%s", c.name, l.name), func(t *testing.T) {
				x := rewarded(70, l.reward, c.solve, c.change).Diagnosis()
				if i == 0 {
					plain = x
				}
				if i < twoValued && (x.Verdict != plain.Verdict || x.Onset != plain.Onset || x.Alarm != plain.Alarm || x.Halved != plain.Halved) {
					t.Errorf("%s since %d, alarm %d; with 0 and 1 %s since %d, alarm %d", x.Verdict, x.Onset, x.Alarm, plain.Verdict, plain.Onset, plain.Alarm)
				}
				ok := false
				for _, w := range c.want {
					ok = ok || x.Verdict == w
				}
				if !ok || c.near > 0 && (x.Onset < sick-c.near || x.Onset > sick+c.near) {
					t.Errorf("%s since %d, want %v; range %+v; %+v", x.Verdict, x.Onset, c.want, x.Rewards, x.Spells)
				}
				for _, m := range x.Moved {
					if m.Signal == monitor.RewardMean && (m.Before < x.Rewards.Lo-1e-9*math.Abs(x.Rewards.Lo) || m.After > m.Before) {
						t.Errorf("the reward moved from %v to %v on a range from %v", m.Before, m.After, x.Rewards.Lo)
					}
				}
			})
		}
	}
}

// TestRewardsAtTheEnd: rewards at the end of what a number holds give numbers.
func TestRewardsAtTheEnd(t *testing.T) {
	for i, l := range []law{two(-1.7e308, 1.7e308), two(-1e300, 1e308), two(0, 1.7e308), two(1e308, 1.2e308), two(0, 5e-324), two(-1e-300, 0)} {
		x := rewarded(60, l, func(u int) float64 {
			if u < sick {
				return 0.5
			}
			return 0
		}, nil).Diagnosis()
		if _, err := json.Marshal(x); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
