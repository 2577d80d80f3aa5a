package accel

import (
	"math"

	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"ballast/loss"
	"ballast/model"
	"ballast/model/device"
	"ballast/model/graph"
	"ballast/train"
	"ballast/train/adamw"
	"ballast/train/tally"
)

// engine has the compiled graphs of a model's learner.
type engine struct {
	d         *device.Device
	c         model.Config
	loss      loss.Params
	embed     int // the embedding, the final norm and the output matrix among the specs
	finalNorm int
	out       int
	layers    [][]int // as graph.LayerNames
	cos, sin  []float32
	// One layer's worth, run for all layers; and by the terms that are present.
	layer, layerBack, gather, scatter, predict, step, squares, zero, watch *gx.Exec
	head                                                                   map[tally.Terms]*gx.Exec
}

func newEngine(d *device.Device, c model.Config, o train.Options) *engine {
	e := &engine{d: d, c: c, loss: o.Loss, head: map[tally.Terms]*gx.Exec{}}
	index := map[string]int{}
	for i, s := range c.Specs() {
		index[s.Name] = i
	}
	e.embed, e.finalNorm, e.out = index["model.embed_tokens.weight"], index["model.norm.weight"], index[graph.OutName(&c)]
	for i := range c.Layers {
		var at []int
		for _, n := range graph.LayerNames(&c) {
			at = append(at, index[graph.LayerName(i, n)])
		}
		e.layers = append(e.layers, at)
	}
	e.layer, e.layerBack = d.Graph("layer", e.layerGraph), d.Graph("layerBack", e.layerBackGraph)
	e.zero = d.Graph("zeros", func(in []*gx.Node) []*gx.Node { return []*gx.Node{gx.ZerosLike(in[0])} })
	e.gather = d.Graph("gather", func(in []*gx.Node) []*gx.Node { return []*gx.Node{graph.Embed(in[0], in[1])} })
	e.scatter = d.Graph("scatter", func(in []*gx.Node) []*gx.Node {
		return []*gx.Node{gx.ScatterSum(in[0], gx.ExpandDims(in[1], -1), in[2], false, false)}
	})
	e.predict = d.Graph("predict", func(in []*gx.Node) []*gx.Node {
		return []*gx.Node{e.headTape(in).LogProb}
	})
	e.watch = d.Graph("watch", e.watchGraph)
	e.step, e.squares = d.Graph("adamw", adamGraph(o.AdamW)), d.Graph("norm", normGraph)
	return e
}

// zeros returns tensors of zeros with the shapes of like.
func (e *engine) zeros(like tensorList) (out tensorList) {
	for _, t := range like {
		out = append(out, e.d.Run(e.zero, t)...)
	}
	return out
}

// seen are the inputs of a batch that every layer takes: who attends to whom, and
// the rotation, which is the layer's.
func seen(in []*gx.Node) graph.Packed {
	return graph.Packed{First: in[0], PrefixFrom: in[1], PrefixTo: in[2], Cos: in[3], Sin: in[4]}
}

// layerGraph takes x [rows, Hidden], what seen wants, and the layer's weights; it
// returns the layer's output.
func (e *engine) layerGraph(in []*gx.Node) []*gx.Node {
	return []*gx.Node{graph.PackedForward(&e.c, in[0], in[6:], seen(in[1:])).Y}
}

// layerBackGraph takes x, dy [rows, Hidden], what seen wants, the layer's weights,
// and the sums of their derivatives so far; it returns dx and the new sums.
func (e *engine) layerBackGraph(in []*gx.Node) []*gx.Node {
	n := len(graph.LayerNames(&e.c))
	w, sums := in[7:7+n], in[7+n:]
	dx, dw := graph.PackedForward(&e.c, in[0], w, seen(in[2:])).PackedBack(in[1])
	out := []*gx.Node{dx}
	for i, d := range dw {
		out = append(out, gx.Add(sums[i], d))
	}
	return out
}

// headTape takes the residual stream [rows, Hidden], the targets' rows and ids
// [targets], the final norm and the output matrix.
func (e *engine) headTape(in []*gx.Node) graph.HeadTape {
	return graph.Head(&e.c, graph.Embed(in[0], in[1]), in[3], in[4], graph.Embed(in[4], in[2]))
}

// headGraph is head, loss and their derivative for some terms.
//
//	in: as headTape; then the sums so far of the derivatives with respect to the
//	    residual stream, the norm and the output matrix; old and reference
//	    log-probabilities [targets]; then weight [targets] and 1/count for each
//	    term present, and its Gap and Mean [targets] if it couples tokens. A target of padding has weight 0 everywhere.
//	out: log-probabilities and entropies [targets], the three sums, each term's loss
func (e *engine) headGraph(has tally.Terms) *gx.Exec {
	if x := e.head[has]; x != nil {
		return x
	}
	x := e.d.Graph("head", func(in []*gx.Node) []*gx.Node {
		t := e.headTape(in)
		li := loss.Inputs{LogProb: t.LogProb, Old: in[8], Ref: in[9], Params: e.loss}
		for term, next := 0, 10; term < len(has); term++ {
			if has[term] {
				li.Weight[term], li.InvCount[term] = in[next], in[next+1]
				next += 2
				if loss.Terms[term].Couple {
					li.Gap[term], li.Mean[term] = in[next], in[next+1]
					next += 2
				}
			}
		}
		lo := loss.Graph(li)
		dh, dnorm, doutT, dtarget := graph.HeadBack(t, in[3], lo.Grad)
		rows, ids := gx.ExpandDims(in[1], -1), gx.ExpandDims(in[2], -1)
		out := []*gx.Node{t.LogProb, t.Entropy,
			gx.ScatterSum(in[5], rows, dh, false, false),
			gx.Add(in[6], dnorm),
			gx.ScatterSum(gx.Add(in[7], gx.Transpose(doutT, 0, 1)), ids, dtarget, false, false)}
		for term := range has {
			if has[term] {
				out = append(out, lo.Term[term])
			}
		}
		return out
	})
	e.head[has] = x
	return x
}

// adamGraph is one tensor's step, as package adamw has it, in float32: what a
// weight moves by is added up before the weight itself, which is much larger.
//
//	in: weights, first and second moments, gradient; the step's numbers (adamw.Step.Numbers)
func adamGraph(o adamw.Options) func(in []*gx.Node) []*gx.Node {
	return func(in []*gx.Node) []*gx.Node {
		at := func(i int) *gx.Node { return gx.Reshape(gx.Slice(in[4], gx.AxisElem(i))) }
		scale, decay, size, fix := at(0), at(1), at(2), at(3)
		d := gx.Mul(in[3], scale)
		m := gx.Add(gx.MulScalar(in[1], o.Beta1), gx.MulScalar(d, 1-o.Beta1))
		v := gx.Add(gx.MulScalar(in[2], o.Beta2), gx.MulScalar(gx.Mul(d, d), 1-o.Beta2))
		move := gx.Div(gx.Mul(m, size), gx.AddScalar(gx.Div(gx.Sqrt(v), fix), o.Eps))
		return []*gx.Node{gx.Sub(in[0], gx.Add(move, gx.Mul(in[0], decay))), m, v}
	}
}

// adam steps one tensor with coefficients on the device.
func (e *engine) adam(w, m, v, g, co *tensors.Tensor) (w2, m2, v2 *tensors.Tensor) {
	out := e.d.Run(e.step, w, m, v, g, co)
	return out[0], out[1], out[2]
}

// normGraph takes tensors and returns the sums of their squares, [tensors]. Rows
// are summed first, so that no float32 sum is long.
func normGraph(in []*gx.Node) []*gx.Node {
	var out []*gx.Node
	for _, x := range in {
		s := gx.Mul(x, x)
		for s.Rank() > 0 {
			s = gx.ReduceSum(s, -1)
		}
		out = append(out, gx.Reshape(s, 1))
	}
	return []*gx.Node{gx.Concatenate(out, 0)}
}

// norm is the Euclidean norm over all tensors.
func (e *engine) norm(g tensorList) float64 {
	sum := 0.0
	for _, x := range device.Get[float32](e.d.Run(e.squares, g...)[0]) {
		sum += float64(x)
	}
	return math.Sqrt(sum)
}

// rotation returns the cosines and sines of positions, each [rows, HeadDim].
func (e *engine) rotation(positions []int32, rows int) []*tensors.Tensor {
	w := e.c.HeadDim
	most := 0
	for _, p := range positions {
		most = max(most, int(p)+1)
	}
	if known := len(e.cos) / w; known < most {
		more := make([]int32, most-known)
		for i := range more {
			more[i] = int32(known + i)
		}
		c, s := graph.Tables(&e.c, more)
		e.cos, e.sin = append(e.cos, c...), append(e.sin, s...)
	}
	cos, sin := make([]float32, rows*w), make([]float32, rows*w)
	for i, p := range positions {
		copy(cos[i*w:(i+1)*w], e.cos[int(p)*w:])
		copy(sin[i*w:(i+1)*w], e.sin[int(p)*w:])
	}
	return []*tensors.Tensor{device.Put(e.d, cos, rows, w), device.Put(e.d, sin, rows, w)}
}
