package accel

import (
	"context"

	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"ballast/model/device"
	"ballast/model/graph"
	"ballast/train"
	"ballast/train/pack"
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

func (h *machine) Watch(ctx context.Context, b *train.Batches, ids []int32, put func(pack.Target, []float32)) error {
	return device.Guard(func() {
		asked := device.Put(h.d, ids, len(ids))
		defer device.Free(asked)
		for i := range b.List {
			must(ctx.Err())
			p := h.e.forward(h.ref, &b.List[i], false)
			p.chunks(b.Samples, func(_ int, part []pack.Target, _ int, rows, _ *tensors.Tensor) {
				got := device.Get[float32](h.d.Run(h.e.watch, p.h, rows, h.ref[h.e.finalNorm], h.ref[h.e.out], asked)[0])
				for k, t := range part {
					put(t, got[k*len(ids):(k+1)*len(ids)])
				}
			})
			p.free()
		}
	})
}
