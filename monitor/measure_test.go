package monitor

import (
	"testing"

	"ballast"
)

// TestFold: counts add up, maxima stay, the rest is a mean over minibatches.
func TestFold(t *testing.T) {
	m := map[string]float64{}
	for i, v := range []float64{3, 1, 2} {
		for _, key := range []string{TokensTrained, NonFinite, RatioMax, GradNorm} {
			Fold(m, key, v, i+1)
		}
	}
	for key, want := range map[string]float64{TokensTrained: 6, NonFinite: 6, RatioMax: 3, GradNorm: 2} {
		if m[key] != want {
			t.Errorf("%s is %v, want %v", key, m[key], want)
		}
	}
}

// TestWhereRewardsLie: the two values of a reward that has two, whatever their shares; medians
// that a rare value does not move; nothing where all are equal or nobody was scored.
func TestWhereRewardsLie(t *testing.T) {
	for _, c := range []struct {
		rewards          []float64
		least, low, high float64
		both             bool
	}{
		{[]float64{1, -1, 1, 1}, -1, -1, 1, true},
		{[]float64{0, 0, 0, 100}, 0, 0, 100, true},
		{[]float64{0, 0, 0, 1, 1, 1, 1, -1}, -1, 0, 1, true},
		{[]float64{2, 2}, 2, 0, 0, false},
		{[]float64{0.1, 0.1, 0.1}, 0.1, 0, 0, false}, // the mean is not quite 0.1
	} {
		var eps []ballast.Episode
		for _, r := range c.rewards {
			eps = append(eps, ballast.Episode{Score: ballast.Score{Reward: r}, Turns: []ballast.Turn{{Steps: make([]ballast.Step, 2)}}})
		}
		m := map[string]float64{}
		Measure(eps, nil, m)
		low, ok := m[RewardLow]
		if high := m[RewardHigh]; m[RewardMin] != c.least || ok != c.both || low != c.low || high != c.high || m[Replies] != float64(2*len(eps)) {
			t.Errorf("%v: least %v, low %v, high %v, %v replies", c.rewards, m[RewardMin], low, high, m[Replies])
		}
	}
	m := map[string]float64{}
	Measure(nil, nil, m)
	if len(m) > 0 {
		t.Errorf("no episode: %v", m)
	}
}
