package tally

import (
	"ballast"
	"ballast/loss"
	"ballast/train/pack"
)

// Evaluate adds the loss of some targets of a batch, from the one at index from on, and
// returns its derivatives with respect to their log-probabilities.
func (s *Sums) Evaluate(samples []ballast.Sample, part []pack.Target, logp []float32, in *Input, from int) []float32 {
	vector := func(has bool, at func(i int, t pack.Target) float32) []float64 {
		if !has {
			return nil
		}
		out := make([]float64, len(part))
		for i, t := range part {
			out[i] = float64(at(i, t))
		}
		return out
	}
	batch := loss.Batch{
		LogProb: vector(true, func(i int, _ pack.Target) float32 { return logp[i] }),
		Ref:     vector(in.Ref != nil, func(i int, _ pack.Target) float32 { return in.Ref[from+i] }),
		Old: vector(in.Needs(func(t *loss.Term) bool { return t.Old }), func(_ int, t pack.Target) float32 {
			return Old(&samples[t.Sample], t.Index)
		}),
		Count: in.Count,
	}
	for term, has := range in.Has {
		batch.Weight[term] = vector(has, func(_ int, t pack.Target) float32 { return Weight(&samples[t.Sample], term, t.Index) })
	}
	for term, q := range in.Seq {
		if q.Gap != nil {
			batch.Seq[term] = loss.Sequence{Gap: q.Gap[from : from+len(part)], Mean: q.Mean[from : from+len(part)]}
		}
	}
	res := loss.Evaluate(batch, *s.p)
	for term, x := range res.Term {
		s.Loss[term] += x
	}
	d := make([]float32, len(part))
	for i, x := range res.Grad {
		d[i] = float32(x)
	}
	return d
}
