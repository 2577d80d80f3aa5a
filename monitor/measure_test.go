package monitor

import "testing"

// TestFold: counts add up, maxima stay, the rest is a mean over minibatches.
func TestFold(t *testing.T) {
	m := map[string]float64{}
	for i, v := range []float64{3, 1, 2} {
		for _, key := range []string{TokensTrained, NonFinite, GapMax, RatioMax, GradNorm} {
			Fold(m, key, v, i+1)
		}
	}
	for key, want := range map[string]float64{TokensTrained: 6, NonFinite: 6, GapMax: 3, RatioMax: 3, GradNorm: 2} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
}
