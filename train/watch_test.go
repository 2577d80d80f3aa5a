package train

import (
	"context"
	"math"
	"testing"

	"ballast/train/tally"
)

// TestReference: right after Freeze the reference's probability of a token is that
// of LogProbs; it stays when the policy moves on; tokens without weight are left out.
func TestReference(t *testing.T) {
	_, samples, _ := readGolden(t)
	l, ctx := fresh(t, variants["cut"]), context.Background()
	must(t, l.Freeze())
	logp, err := l.LogProbs(ctx, samples)
	must(t, err)
	steps(t, l, 2)
	seen := 0
	for i := range samples {
		for k := 1; k < len(samples[i].Tokens); k += 3 {
			weighted := false
			for term := range samples[i].Terms {
				weighted = weighted || tally.Weight(&samples[i], term, k) != 0
			}
			got, err := l.Reference(ctx, samples, []int32{1, samples[i].Tokens[k]})
			must(t, err)
			p := got[i][k]
			if !weighted && p != nil || weighted && math.Abs(float64(p[1])-math.Exp(float64(logp[i][k]))) > 1e-5 {
				t.Fatalf("sample %d, token %d: %v, want %g (weighted %v)", i, k, p, math.Exp(float64(logp[i][k])), weighted)
			}
			if weighted {
				seen++
			}
		}
	}
	if seen == 0 {
		t.Error("no weighted token was compared")
	}
	l.host().ref = nil
	if got, err := l.Reference(ctx, samples, []int32{1}); got != nil || err != nil {
		t.Errorf("without a reference: %v, %v", got, err)
	}
}
