package accel

import (
	"context"
	"math/bits"

	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"ballast"
	"ballast/model/device"
	"ballast/model/graph"
	"ballast/train"
	"ballast/train/pack"
	"ballast/train/tally"
)

// pass is one batch on its way forward and backward.
type pass struct {
	e    *engine
	w    tensorList
	b    *pack.Batch
	rows int               // padded
	ids  *tensors.Tensor   // [rows]
	seen []*tensors.Tensor // see layerGraph
	flat []*tensors.Tensor // the rotation of layers that have none; nil if all have one
	x    []*tensors.Tensor // each layer's input, if kept
	h    *tensors.Tensor   // the residual stream
}

// size rounds a number of rows up to a power of two or one and a half of one, so
// that few sizes are compiled.
func size(n int) int {
	p := max(1<<bits.Len(uint(n-1)), 16)
	if half := p / 4 * 3; n <= half && p >= 64 {
		return half
	}
	return p
}

// forward embeds the batch and runs all layers.
func (e *engine) forward(w tensorList, b *pack.Batch, keep bool) *pass {
	n, rows := len(b.Tokens), size(len(b.Tokens))
	p := &pass{e: e, w: w, b: b, rows: rows}
	ids, first, from, to := make([]int32, rows), make([]int32, rows), make([]int32, rows), make([]int32, rows)
	copy(ids, b.Tokens)
	for _, s := range b.Segments {
		for i := s.Start; i < s.End; i++ {
			first[i], from[i], to[i] = int32(s.Start), int32(s.PrefixStart), int32(s.PrefixEnd)
		}
	}
	for i := n; i < rows; i++ {
		first[i] = int32(i) // padding sees itself
	}
	p.ids = device.Put(e.d, ids, rows)
	for _, x := range [][]int32{first, from, to} {
		p.seen = append(p.seen, device.Put(e.d, x, rows))
	}
	p.seen = append(p.seen, e.rotation(b.Positions, rows)...)
	if len(e.c.NoRope) > 0 {
		p.flat = e.rotation(make([]int32, n), rows)
	}
	p.h = e.d.Run(e.gather, w[e.embed], p.ids)[0]
	for i := range e.c.Layers {
		y := e.d.Run(e.layer, join([]*tensors.Tensor{p.h}, p.seenBy(i), pick(w, e.layers[i]))...)[0]
		if keep {
			p.x = append(p.x, p.h)
		} else {
			device.Free(p.h)
		}
		p.h = y
	}
	return p
}

// seenBy is what layer i takes of the batch; see seen.
func (p *pass) seenBy(i int) []*tensors.Tensor {
	if p.e.c.Rotates(i) {
		return p.seen
	}
	return join(p.seen[:len(p.seen)-len(p.flat)], p.flat)
}

// free gives back what the pass holds.
func (p *pass) free() {
	device.Free(p.ids, p.h)
	device.Free(p.seen...)
	device.Free(p.flat...)
	device.Free(p.x...)
	p.ids, p.h, p.seen, p.flat, p.x = nil, nil, nil, nil, nil
}

// backward takes dy, the derivative with respect to the last layer's output, and
// adds all weights' derivatives to g. It frees dy and the pass.
func (p *pass) backward(g tensorList, dy *tensors.Tensor) {
	e := p.e
	for i := e.c.Layers - 1; i >= 0; i-- {
		at := e.layers[i]
		out := e.d.Run(e.layerBack, join([]*tensors.Tensor{p.x[i], dy}, p.seenBy(i), pick(p.w, at), pick(g, at))...)
		device.Free(dy)
		dy = out[0]
		for k, j := range at {
			device.Free(g[j])
			g[j] = out[1+k]
		}
	}
	old := g[e.embed]
	g[e.embed] = e.d.Run(e.scatter, old, p.ids, dy)[0]
	device.Free(old, dy)
	p.free()
}

// headRows is the most targets that the head takes at a time.
const headRows = 1024

// chunks calls do for parts of the batch's targets, with the tensors of their rows
// and tokens, padded to n.
func (p *pass) chunks(samples []ballast.Sample, do func(from int, part []pack.Target, n int, rows, ids *tensors.Tensor)) {
	for from := 0; from < len(p.b.Targets); from += headRows {
		part := p.b.Targets[from:min(from+headRows, len(p.b.Targets))]
		n := min(size(len(part)), headRows)
		rows, ids := make([]int32, n), make([]int32, n)
		for i, t := range part {
			rows[i], ids[i] = int32(t.Row), samples[t.Sample].Tokens[t.Index]
		}
		r, d := device.Put(p.e.d, rows, n), device.Put(p.e.d, ids, n)
		do(from, part, n, r, d)
		device.Free(r, d)
	}
}

// predict returns the log-probability of every target.
func (p *pass) predict(samples []ballast.Sample) (logp []float32) {
	p.chunks(samples, func(_ int, part []pack.Target, _ int, rows, ids *tensors.Tensor) {
		out := p.e.d.Run(p.e.predict, p.h, rows, ids, p.w[p.e.finalNorm], p.w[p.e.out])
		logp = append(logp, device.Get[float32](out[0])[:len(part)]...)
	})
	return logp
}

// headBackward computes the loss of the batch's targets and adds the head's
// derivatives to g and the tokens' facts to st. It returns the derivative with
// respect to the last layer's output.
func (p *pass) headBackward(g tensorList, samples []ballast.Sample, in tally.Input, st *tally.Sums) *tensors.Tensor {
	e := p.e
	x := e.headGraph(in.Has)
	dh := e.d.Run(e.zero, p.h)[0]
	p.chunks(samples, func(from int, part []pack.Target, n int, rows, ids *tensors.Tensor) {
		vector := func(at func(i int, t pack.Target) float32) *tensors.Tensor {
			v := make([]float32, n)
			for i, t := range part {
				v[i] = at(i, t)
			}
			return device.Put(e.d, v, n)
		}
		own := []*tensors.Tensor{
			vector(func(_ int, t pack.Target) float32 { return tally.Old(&samples[t.Sample], t.Index) }),
			vector(func(i int, _ pack.Target) float32 {
				if in.Ref != nil {
					return in.Ref[from+i]
				}
				return 0
			}),
		}
		for term := range in.Has {
			if in.Has[term] {
				own = append(own, vector(func(_ int, t pack.Target) float32 { return tally.Weight(&samples[t.Sample], term, t.Index) }),
					device.Put(e.d, []float32{float32(1 / in.Count[term])}))
				if seq := in.Seq[term]; seq.Gap != nil {
					own = append(own, vector(func(i int, _ pack.Target) float32 { return float32(seq.Gap[from+i]) }),
						vector(func(i int, _ pack.Target) float32 { return float32(seq.Mean[from+i]) }))
				}
			}
		}
		sums := []*tensors.Tensor{dh, g[e.finalNorm], g[e.out]}
		out := e.d.Run(x, join([]*tensors.Tensor{p.h, rows, ids, p.w[e.finalNorm], p.w[e.out]}, sums, own)...)
		device.Free(sums...)
		device.Free(own...)
		dh, g[e.finalNorm], g[e.out] = out[2], out[3], out[4]
		logp, entropy := device.Get[float32](out[0])[:len(part)], device.Get[float32](out[1])[:len(part)]
		st.Take(samples, part, logp, entropy, &in, from)
		next := 5
		for term := range in.Has {
			if in.Has[term] {
				st.Loss[term] += float64(device.Get[float32](out[next])[0])
				next++
			}
		}
	})
	return dh
}

// pick returns the tensors with some indices.
func pick(all tensorList, at []int) []*tensors.Tensor {
	out := make([]*tensors.Tensor, len(at))
	for i, k := range at {
		out[i] = all[k]
	}
	return out
}

func join(lists ...[]*tensors.Tensor) []*tensors.Tensor {
	var out []*tensors.Tensor
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

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
