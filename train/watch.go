package train

import (
	"context"
	"fmt"
	"math"

	"ballast"
	"ballast/train/decoder"
	"ballast/train/pack"
	"ballast/train/tally"
)

// Reference returns the reference policy's probability of each of ids at every
// token of the samples that has a weight, given the tokens before it:
// [sample][token][id], nil where there is no weight, and nil without a reference.
// It costs a forward pass, and a pass of the output matrix for every id.
func (l *Learner) Reference(ctx context.Context, samples []ballast.Sample, ids []int32) ([][][]float32, error) {
	if l.ref == nil {
		return nil, nil
	}
	out := make([][][]float32, len(samples))
	for i := range samples {
		if err := tally.Check(&samples[i], l.m.Config.Vocab); err != nil {
			return nil, fmt.Errorf("train: sample %d: %w", i, err)
		}
		out[i] = make([][]float32, len(samples[i].Tokens))
	}
	batches := pack.Batches(samples, l.plan.Budget(samples), false)
	l.grow(batches)
	err := l.parallel(len(batches), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		r := l.e.borrow()
		defer l.e.giveBack(r)
		in, targets := lay(samples, &batches[i])
		var asked []decoder.Target
		for _, t := range targets {
			for _, id := range ids {
				asked = append(asked, decoder.Target{Row: t.Row, ID: id})
			}
		}
		p := logProbs(r, l.ref, in, asked)
		for k, x := range p {
			p[k] = float32(math.Exp(float64(x)))
		}
		for k, t := range batches[i].Targets {
			out[t.Sample][t.Index] = p[k*len(ids) : (k+1)*len(ids)]
		}
		return nil
	})
	return out, err
}
