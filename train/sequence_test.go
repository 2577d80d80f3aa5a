package train

import (
	"context"
	"math/rand/v2"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/train/plan"
)

// sampled are samples of these lengths with advantages on all tokens but the first, in
// one term, as they are stamped for a mean over sequences.
func sampled(l *Learner, term int, lengths ...int) []ballast.Sample {
	rng := rand.New(rand.NewPCG(3, uint64(term)))
	var out []ballast.Sample
	for k, n := range lengths {
		s := ballast.Sample{Group: k, Tokens: make([]int32, n), OldLogProb: make([]float32, n)}
		t := ballast.Term{Weight: make([]float32, n), Count: 1}
		for i := range n {
			s.Tokens[i] = rng.Int32N(int32(l.m.Config.Vocab))
			if i > 0 {
				t.Weight[i] = (1.6 - float32(k)) / float32(n-1)
			}
		}
		s.Terms[term] = t
		if k == 1 {
			s.Group, s.Prefix = out[0].Group, n-50
			copy(s.Tokens[:s.Prefix], out[0].Tokens)
			out[0].Prefix = s.Prefix
		}
		out = append(out, s)
	}
	logp, err := l.LogProbs(context.Background(), out)
	if err != nil {
		panic(err)
	}
	for k := range out {
		for i := range out[k].OldLogProb {
			out[k].OldLogProb[i] = logp[k][i] + float32(rng.NormFloat64()*0.1)
		}
	}
	return out
}

// TestSequencesAreWhole holds the gradient of terms over whole sequences to that of a
// cross entropy whose weights are their derivatives, computed over all tokens at once.
// The first two samples share a prefix and a batch of more targets than the head takes at
// a time, the others share batches.
func TestSequencesAreWhole(t *testing.T) {
	for term := range loss.Terms {
		if !loss.Terms[term].Old {
			continue
		}
		for name, cut := range map[string]plan.Plan{"kept": {Rows: 2048, Shards: 2, Keep: true}, "cut": {Rows: 20, Shards: 1}} {
			opts := Default()
			opts.Loss.ClipLow, opts.Loss.ClipHigh = 0.002, 0.1 // some inside, some outside
			l := newVariant(t, load(t, "..", "model", "testdata", "qwen2"), opts, cut)
			long := 60
			if loss.Terms[term].Couple && cut.Keep && !testing.Short() { // with a race detector it takes minutes
				long = 1350
			}
			samples := sampled(l, term, long, long, 30, 25, 40)
			if plan.HeadRows(&l.m.Config) >= 2698 {
				t.Fatal("the second sample is not cut")
			}
			st, err := l.Update(context.Background(), samples, 0)
			must(t, err)
			got := l.snapshotOfGradients()
			logp, err := l.LogProbs(context.Background(), samples)
			must(t, err)
			want, ce := oneByOne(samples, logp, term, opts.Loss)
			_, err = l.Update(context.Background(), ce, 0)
			must(t, err)
			near(t, loss.Terms[term].Name+": loss", st[monitor.LossPolicy], want, 1e-5)
			for i, g := range l.snapshotOfGradients() {
				if d, n := distance(got[i], g), distance(g, nil); d > 2e-4*n || n == 0 {
					t.Errorf("%s, %s: the gradient of %s differs by %g of %g", loss.Terms[term].Name, name, l.host().w.specs[i].Name, d, n)
				}
			}
		}
	}
}

// snapshotOfGradients copies the sum of the last update's gradients.
func (l *Learner) snapshotOfGradients() (out [][]float32) {
	for _, g := range l.host().grads[0].flat {
		out = append(out, append([]float32(nil), g...))
	}
	return out
}

// oneByOne evaluates a term over samples that are not cut up, and returns its value and
// samples with a cross entropy of the same derivative.
func oneByOne(samples []ballast.Sample, logp [][]float32, term int, p loss.Params) (float64, []ballast.Sample) {
	out, total := append([]ballast.Sample(nil), samples...), 0.0
	for k, s := range samples {
		var b loss.Batch
		for i := range s.Tokens {
			b.LogProb, b.Old = append(b.LogProb, float64(logp[k][i])), append(b.Old, float64(s.OldLogProb[i]))
			b.Weight[term] = append(b.Weight[term], float64(s.Terms[term].Weight[i]))
		}
		b.Count[term] = float64(len(samples))
		b.Seq[term] = loss.Sequences(b.LogProb, b.Old, b.Weight[term], make([]int, len(s.Tokens)))
		r := loss.Evaluate(b, p)
		total += r.Total
		w := make([]float32, len(s.Tokens))
		for i, g := range r.Grad {
			w[i] = float32(-g)
		}
		out[k].Terms = [ballast.MaxTerms]ballast.Term{}
		out[k].Terms[loss.TermCrossEntropy] = ballast.Term{Weight: w, Count: 1 / float64(len(samples))}
	}
	return total, out
}
