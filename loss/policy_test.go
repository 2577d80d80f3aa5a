package loss

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestSequenceDifferences checks the sequence term by central differences over all tokens
// of sequences, so that what one token does to the loss of the others counts.
func TestSequenceDifferences(t *testing.T) {
	const step, tokens = 1e-6, 7
	rng := rand.New(rand.NewPCG(9, 10))
	p := Params{ClipLow: 0.02, ClipHigh: 0.03, Dual: 1.01}
	inside, clipped := 0, 0
	for round := range 300 {
		full := random(rng, 3*tokens, 0.05)
		b := Batch{LogProb: full.LogProb, Old: full.Old, Count: full.Count}
		b.Weight[TermSequence] = full.Weight[TermSequence] // of both signs, some 0
		if round%2 == 0 {                                  // as they are stamped
			for i, w := range b.Weight[TermSequence] {
				if w != 0 {
					b.Weight[TermSequence][i] = float64(i/tokens - 1)
				}
			}
		}
		b = couple(b, tokens)
		kink := false
		for _, gap := range b.Seq[TermSequence].Gap {
			s := math.Exp(gap)
			kink = kink || math.Abs(s-0.98) < 1e-4 || math.Abs(s-1.03) < 1e-4
		}
		if kink {
			continue
		}
		got := Evaluate(b, p).Grad
		for i := range b.LogProb {
			at := func(by float64) float64 {
				c := b
				c.LogProb = append([]float64(nil), b.LogProb...)
				c.LogProb[i] += by
				return Evaluate(couple(c, tokens), p).Total
			}
			near(t, "derivative", got[i], (at(step)-at(-step))/(2*step), 1e-7)
			if b.Seq[TermSequence].Mean[i] != 0 {
				if got[i] == 0 {
					clipped++
				} else {
					inside++
				}
			}
		}
		if t.Failed() {
			t.Fatalf("at %+v", b)
		}
	}
	if inside < 1000 || clipped < 300 {
		t.Errorf("%d tokens inside the clip and %d outside", inside, clipped)
	}
}

// TestSequenceIsGSPO holds the term to the paper's objective, written down as it stands
// there: the mean over sequences of min(s*A, clip(s)*A).
func TestSequenceIsGSPO(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	p := Params{ClipLow: 3e-2, ClipHigh: 4e-2, Dual: 3}
	var b Batch
	var of []int
	want, total := 0.0, 0.0
	for seq, length := range []int{1, 2, 9, 40, 3} {
		a, sum := rng.NormFloat64(), 0.0
		for range length {
			logp, old := -rng.ExpFloat64(), -rng.ExpFloat64()/10
			b.LogProb, b.Old, of = append(b.LogProb, logp), append(b.Old, old), append(of, seq)
			b.Weight[TermSequence] = append(b.Weight[TermSequence], a/float64(length))
			sum += logp - old
		}
		s := math.Exp(sum / float64(length))
		want -= math.Min(s*a, math.Max(1-p.ClipLow, math.Min(1+p.ClipHigh, s))*a)
		total++
	}
	b.Count[TermSequence] = total
	b.Seq[TermSequence] = Sequences(b.LogProb, b.Old, b.Weight[TermSequence], of)
	near(t, "objective", Evaluate(b, p).Total, want/total, 1e-12)
}

// TestTruncatedDifferences checks the derivative of the truncated ratio times log p
// where the ratio is held fixed, by moving log p and old together.
func TestTruncatedDifferences(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	const step = 1e-6
	for range 1000 {
		logp, gap, w := -rng.ExpFloat64(), rng.NormFloat64(), rng.NormFloat64()
		at := func(x float64) float64 {
			value, _ := truncatedToken(x, x-gap, w, Default())
			return value
		}
		value, grad := truncatedToken(logp, logp-gap, w, Default())
		near(t, "derivative", grad, (at(logp+step)-at(logp-step))/(2*step), 1e-6)
		near(t, "value", value, grad*logp, 1e-12)
		if ratio := -grad / w; ratio < 0.8-1e-12 || ratio > 1.2+1e-12 {
			t.Errorf("the ratio is %g", ratio)
		}
	}
}
