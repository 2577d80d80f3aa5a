package monitor

import (
	"fmt"
	"testing"

	"ballast"
)

// TestSeries: a metric has a value for every update, from the first on; a zero that an older
// program wrote for nothing is none.
func TestSeries(t *testing.T) {
	s := Series{}
	for i, u := range []ballast.Update{
		{Phase: "rl", Metrics: map[string]float64{RewardMean: 0.5, LossCE: 0}}, {Phase: "sft", Metrics: map[string]float64{LossCE: 2, KL: 0}},
		{Phase: "rl", Metrics: map[string]float64{RewardMean: 0, KL: 0}},
	} {
		s.Add(i, u)
	}
	if got, want := fmt.Sprint(s[RewardMean], s[LossCE], s[KL], len(s)), "[0.5 NaN 0] [NaN 2 NaN] [NaN NaN 0] 3"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
