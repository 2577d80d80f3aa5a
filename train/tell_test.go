package train

import (
	"math"
	"testing"

	"ballast/train/tally"
)

// TestNewLogProb: an update tells what LogProbs said before it, of the tokens with a weight and of no others.
func TestNewLogProb(t *testing.T) {
	for name, cut := range variants {
		_, samples, _ := readGolden(t)
		l := fresh(t, cut)
		before, err := l.LogProbs(t.Context(), samples)
		must(t, err)
		nothing := float32(math.Inf(1))
		for i := range samples {
			samples[i].NewLogProb = make([]float32, len(samples[i].Tokens))
			for k := range samples[i].NewLogProb {
				samples[i].NewLogProb[k] = nothing
			}
		}
		_, err = l.Update(t.Context(), samples, 0.1)
		must(t, err)
		told, moved := 0, 0.0
		after, err := l.LogProbs(t.Context(), samples)
		must(t, err)
		for i := range samples {
			for k, got := range samples[i].NewLogProb {
				weighted := false
				for term := range samples[i].Terms {
					weighted = weighted || tally.Weight(&samples[i], term, k) != 0
				}
				if !weighted {
					if got != nothing {
						t.Fatalf("%s: sample %d, token %d without a weight: %v", name, i, k, got)
					}
					continue
				}
				told++
				moved = max(moved, math.Abs(float64(after[i][k]-before[i][k])))
				near(t, name, float64(got), float64(before[i][k]), 1e-5)
			}
		}
		if told == 0 || moved < 1e-3 {
			t.Errorf("%s: %d tokens told, the learner moved by %v", name, told, moved)
		}
	}
}
