package doctor

import (
	"math"
	"strings"
	"testing"

	"ballast"
	"ballast/monitor"
	"ballast/monitor/verdict"
)

// TestGap: a gap that opens in late replies alone is the verdict, and the summary says where it is;
// without it the summary has no word of it.
func TestGap(t *testing.T) {
	for _, c := range []struct {
		rise float64
		want string
	}{
		{0, ""},
		{4.5, "Log-probabilities of sampler and learner in the last 5 updates: mean gap 0.004, k3 0.002, share of tokens over 10% apart 0.02; " +
			"by reply of an episode: 1 0.004, 9+ 0.36."},
	} {
		r, d := &Report{Kind: kindRun}, verdict.New()
		for u := 1; u <= 40; u++ {
			m := map[string]float64{"reply/call": 0.5, "reply/response": 0.46, "reply/polluted": 0.04, "reply/collapsed": 0, monitor.RewardMean: 0.5,
				monitor.GapMean: 0.004, monitor.GapK3: 0.002, monitor.GapShare: 0.02}
			for place, gap := range map[string]float64{"1": 0.004, "9+": 0.004 * math.Exp(c.rise*min(1, max(0, float64(u-20)/5)))} {
				m[monitor.GapAt(place, monitor.GapMean)], m[monitor.GapAt(place, monitor.GapTokens)] = gap, 400
			}
			r.update(d, ballast.Update{Index: u, Phase: "rl", Metrics: m})
		}
		r.Diagnosis = d.Diagnosis()
		text := strings.Join(r.sentences(), "\n")
		if sick := r.Diagnosis.Verdict == verdict.Mismatch; sick != (c.want != "") || !strings.Contains(text, c.want) ||
			strings.Contains(text, "Log-probabilities") != sick {
			t.Errorf("rise %v: %s", c.rise, text)
		}
	}
	if s := (&Report{}).gap(); s != "" {
		t.Errorf("nothing was compared: %s", s)
	}
}
