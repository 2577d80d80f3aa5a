package accel

import (
	"context"
	"fmt"

	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"ballast"
	"ballast/model/device"
	"ballast/model/graph"
	"ballast/train/pack"
	"ballast/train/tally"
)

// watchGraph takes the residual stream [rows, Hidden], the targets' rows
// [targets], the final norm, the output matrix and ids [ids]; it returns the ids'
// probabilities, [targets, ids].
func (e *engine) watchGraph(in []*gx.Node) []*gx.Node {
	h := graph.Embed(in[0], in[1])
	logits := graph.Last(&e.c, h, in[2], in[3])
	top := gx.ReduceAndKeep(logits, gx.ReduceMax, 1)
	sum := gx.ReduceAndKeep(gx.Exp(gx.Sub(logits, top)), gx.ReduceSum, 1)
	asked := graph.Last(&e.c, h, in[2], graph.Embed(in[3], in[4]))
	return []*gx.Node{gx.Div(gx.Exp(gx.Sub(asked, top)), sum)}
}

// Reference returns the reference policy's probability of each of ids at every
// token of the samples that has a weight, as train.Learner.Reference does.
func (l *Learner) Reference(ctx context.Context, samples []ballast.Sample, ids []int32) ([][][]float32, error) {
	if l.ref == nil || len(ids) == 0 {
		return nil, nil
	}
	out := make([][][]float32, len(samples))
	for i := range samples {
		if err := tally.Check(&samples[i], l.m.Config.Vocab); err != nil {
			return nil, fmt.Errorf("train: sample %d: %w", i, err)
		}
		out[i] = make([][]float32, len(samples[i].Tokens))
	}
	batches := pack.Batches(samples, l.budget(samples), false)
	err := device.Guard(func() {
		asked := device.Put(l.d, ids, len(ids))
		defer device.Free(asked)
		for i := range batches {
			if err := ctx.Err(); err != nil {
				panic(err)
			}
			p := l.e.forward(l.ref, &batches[i], false)
			p.chunks(samples, func(_ int, part []pack.Target, _ int, rows, _ *tensors.Tensor) {
				got := device.Get[float32](l.d.Run(l.e.watch, p.h, rows, l.ref[l.e.finalNorm], l.ref[l.e.out], asked)[0])
				for k, t := range part {
					out[t.Sample][t.Index] = got[k*len(ids) : (k+1)*len(ids)]
				}
			})
			p.free()
		}
	})
	return out, err
}
