package train

import (
	"ballast"
	"ballast/model/attn"
	"ballast/train/pack"
	"ballast/train/plan"

	"github.com/gomlx/gomlx/core/tensors"
)

// logProbs implements engine.
func (e *graphEngine) logProbs(w *params, samples []ballast.Sample, b *pack.Batch) (out []float32, err error) {
	return out, guard(func() {
		p := e.forward(w, samples, b, inference)
		out = p.logProbs()
		e.free(p.h)
	})
}

// derive implements engine.
func (e *graphEngine) derive(g *gradient, w, ref *params, samples []ballast.Sample, b *pack.Batch, in lossInput, st *sums) error {
	return guard(func() {
		if in.has[ballast.TermReference] && !in.refIsPolicy {
			p := e.forward(ref, samples, b, inference)
			in.ref = p.logProbs()
			e.free(p.h)
		}
		p := e.forward(w, samples, b, e.tape)
		if in.refIsPolicy {
			in.ref = p.logProbs()
		}
		st.padded += float64(p.rows - len(b.Tokens))
		dh, err := p.headBackward(g, in, st)
		if err != nil {
			panic(err)
		}
		p.backward(g, dh)
	})
}

// pass is one batch on its way forward and backward.
type pass struct {
	e       *graphEngine
	w       *params
	b       *pack.Batch
	samples []ballast.Sample
	rows    int // padded
	layers  []layerTape
	h       *tensors.Tensor // [rows, Hidden] the residual stream
}

// layerTape is what one layer's backward pass needs of its forward pass. Either
// all of it is kept, but for x; or x, att and lse are, and the rest is computed
// again from them.
type layerTape struct {
	x, att   *tensors.Tensor
	lse      []float32
	q, k, v  *tensors.Tensor // q and k rotated
	gate, up *tensors.Tensor
	pre, mid []*tensors.Tensor // what the graphs keep
}

// mode says what a forward pass leaves behind.
type mode int

const (
	inference mode = iota
	recompute      // the short tape
	kept           // the whole tape
)

// forward embeds the batch and runs all layers.
func (e *graphEngine) forward(w *params, samples []ballast.Sample, b *pack.Batch, m mode) *pass {
	p := &pass{e: e, w: w, b: b, rows: pack.Round(len(b.Tokens)), samples: samples}
	var x []float32
	p.h, x = e.alloc(p.rows, e.c.Hidden)
	gather(x, w.flat[w.graph.embed], b.Tokens, e.c.Hidden)
	for i := range e.c.Layers {
		p.layer(i, m)
	}
	return p
}

// gather copies the rows of matrix that ids name.
func gather(dst, matrix []float32, ids []int32, width int) {
	for i, id := range ids {
		copy(dst[i*width:(i+1)*width], matrix[int(id)*width:])
	}
}

// layer runs layer i on p.h and leaves its tape.
func (p *pass) layer(i int, m mode) {
	e := p.e
	t := layerTape{x: p.h}
	p.runPre(i, &t)
	var att []float32
	t.att, att = e.alloc(p.rows, e.c.Heads*e.c.HeadDim)
	t.lse = make([]float32, p.rows*e.c.Heads)
	attn.Forward(att, t.lse, host(t.q), host(t.k), host(t.v), e.heads, p.b.Segments, nil, e.inner)
	x := p.runMid(i, &t)
	act := p.swiglu(&t)
	out := call(e.end, x, act, p.w.graph.end[i][0])
	p.e.free(x, act)
	p.h = out[0]
	if m != kept {
		t.drop(p.e)
	}
	if m != recompute {
		p.e.free(t.x)
		t.x = nil
	}
	if m == inference {
		p.e.free(t.att)
		return
	}
	p.layers = append(p.layers, t)
}

// drop frees what runPre and runMid compute.
func (t *layerTape) drop(e *graphEngine) {
	e.free(t.q, t.k, t.v, t.gate, t.up)
	e.free(t.pre...)
	e.free(t.mid...)
	t.q, t.k, t.v, t.gate, t.up, t.pre, t.mid = nil, nil, nil, nil, nil, nil, nil
}

// runPre sets the tape's q, k, v and pre from its x.
func (p *pass) runPre(i int, t *layerTape) {
	out := call(p.e.pre, join([]*tensors.Tensor{t.x}, p.w.graph.pre[i])...)
	t.q, t.k, t.v, t.pre = out[0], out[1], out[2], out[3:]
	p.e.rot.Rotate(host(t.q), p.b.Positions, p.e.c.Heads, false)
	p.e.rot.Rotate(host(t.k), p.b.Positions, p.e.c.KVHeads, false)
}

// runMid sets the tape's gate, up and mid from its x and att, and returns the
// residual stream.
func (p *pass) runMid(i int, t *layerTape) *tensors.Tensor {
	out := call(p.e.mid, join([]*tensors.Tensor{t.x, t.att}, p.w.graph.mid[i])...)
	t.gate, t.up, t.mid = out[1], out[2], out[3:]
	return out[0]
}

func (p *pass) swiglu(t *layerTape) *tensors.Tensor {
	act, flat := p.e.alloc(p.rows, p.e.c.FFN)
	attn.SwiGLU(flat, host(t.gate), host(t.up))
	return act
}

// backward takes dy, the derivative with respect to the last layer's output, and
// adds all weights' derivatives to g. It frees dy and the tapes.
func (p *pass) backward(g *gradient, dy *tensors.Tensor) {
	for i := p.e.c.Layers - 1; i >= 0; i-- {
		t := &p.layers[i]
		if t.x != nil {
			p.runPre(i, t)
			p.e.free(p.runMid(i, t), t.x)
		}
		dgate, dup := p.endBack(i, t, g, dy)
		out := call(p.e.midBack, join([]*tensors.Tensor{dy, dgate, dup, t.att}, p.w.graph.mid[i], t.mid)...)
		p.e.free(dy, dgate, dup)
		rest, datt := out[0], out[1]
		g.add(p.e, out[2:], p.w.graph.midAt[i])
		dq, dk, dv := p.attnBack(t, datt)
		p.e.free(datt, t.att)
		out = call(p.e.preBack, join([]*tensors.Tensor{dq, dk, dv, rest}, p.w.graph.pre[i], t.pre)...)
		p.e.free(dq, dk, dv, rest)
		t.drop(p.e)
		dy = out[0]
		g.add(p.e, out[1:], p.w.graph.preAt[i])
	}
	g.scatter(p.w.graph.embed, p.b.Tokens, host(dy), p.e.c.Hidden)
	p.e.free(dy)
}

// endBack goes back from a layer's output to gate and up.
func (p *pass) endBack(i int, t *layerTape, g *gradient, dy *tensors.Tensor) (dgate, dup *tensors.Tensor) {
	act := p.swiglu(t)
	out := call(p.e.endBack, dy, act, p.w.graph.end[i][0])
	p.e.free(act)
	g.add(p.e, out[1:], p.w.graph.endAt[i])
	dgate, dgateFlat := p.e.alloc(p.rows, p.e.c.FFN)
	dup, dupFlat := p.e.alloc(p.rows, p.e.c.FFN)
	attn.SwiGLUBack(dgateFlat, dupFlat, host(out[0]), host(t.gate), host(t.up))
	p.e.free(out[0])
	return dgate, dup
}

// attnBack goes back from the attention's output to q, k and v before rotation.
func (p *pass) attnBack(t *layerTape, datt *tensors.Tensor) (dq, dk, dv *tensors.Tensor) {
	e := p.e
	dq, dqFlat := e.alloc(p.rows, e.c.Heads*e.c.HeadDim)
	dk, dkFlat := e.alloc(p.rows, e.c.KVHeads*e.c.HeadDim)
	dv, dvFlat := e.alloc(p.rows, e.c.KVHeads*e.c.HeadDim)
	attn.Backward(dqFlat, dkFlat, dvFlat, host(datt), host(t.att), t.lse,
		host(t.q), host(t.k), host(t.v), e.heads, p.b.Segments, nil, e.inner)
	e.rot.Rotate(dqFlat, p.b.Positions, e.c.Heads, true)
	e.rot.Rotate(dkFlat, p.b.Positions, e.c.KVHeads, true)
	return dq, dk, dv
}

func join(lists ...[]*tensors.Tensor) []*tensors.Tensor {
	var out []*tensors.Tensor
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// rowsOf gathers some targets' residual rows and their tokens' output rows, padded
// to a bucket.
func (p *pass) rowsOf(targets []pack.Target) (h, target *tensors.Tensor, rows int) {
	c := &p.e.c
	rows = pack.Round(len(targets))
	h, hFlat := p.e.alloc(rows, c.Hidden)
	target, targetFlat := p.e.alloc(rows, c.Hidden)
	from, out := host(p.h), p.w.flat[p.w.graph.out]
	for i, t := range targets {
		copy(hFlat[i*c.Hidden:(i+1)*c.Hidden], from[t.Row*c.Hidden:])
		id := int(p.samples[t.Sample].Tokens[t.Index])
		copy(targetFlat[i*c.Hidden:(i+1)*c.Hidden], out[id*c.Hidden:])
	}
	return h, target, rows
}

// logProbs returns the log-probability of every target of the batch.
func (p *pass) logProbs() []float32 {
	out := make([]float32, 0, len(p.b.Targets))
	for from := 0; from < len(p.b.Targets); from += plan.HeadRows(&p.e.c) {
		part := p.b.Targets[from:min(from+plan.HeadRows(&p.e.c), len(p.b.Targets))]
		h, target, _ := p.rowsOf(part)
		got := call(p.e.predict, h, p.w.graph.t[p.w.graph.norm], p.w.graph.t[p.w.graph.out], target)
		out = append(out, host(got[0])[:len(part)]...)
		p.e.free(got...)
		p.e.free(h, target)
	}
	return out
}

// headBackward computes the loss of the batch's targets and adds the head's
// derivatives to g and the tokens' facts to st. It returns the derivative with
// respect to the last layer's output and frees that output.
func (p *pass) headBackward(g *gradient, in lossInput, st *sums) (*tensors.Tensor, error) {
	e, c := p.e, &p.e.c
	x, err := e.headExec(in.has)
	if err != nil {
		return nil, err
	}
	dh, dhFlat := e.alloc(p.rows, c.Hidden)
	for from := 0; from < len(p.b.Targets); from += plan.HeadRows(c) {
		part := p.b.Targets[from:min(from+plan.HeadRows(c), len(p.b.Targets))]
		h, target, rows := p.rowsOf(part)
		args := []*tensors.Tensor{h, p.w.graph.t[p.w.graph.norm], p.w.graph.t[p.w.graph.out], target}
		vector := func(at func(i int, t pack.Target) float32) {
			v, flat := e.alloc(rows)
			for i, t := range part {
				flat[i] = at(i, t)
			}
			args = append(args, v)
		}
		vector(func(_ int, t pack.Target) float32 {
			if old := p.samples[t.Sample].OldLogProb; old != nil {
				return old[t.Index]
			}
			return 0
		})
		vector(func(i int, _ pack.Target) float32 {
			if in.ref != nil {
				return in.ref[from+i]
			}
			return 0
		})
		for term := range in.has {
			if !in.has[term] {
				continue
			}
			vector(func(_ int, t pack.Target) float32 { return weight(&p.samples[t.Sample], term, t.Index) })
			args = append(args, tensors.FromScalar(float32(1/in.count[term])))
		}
		out := call(x, args...)
		st.take(p.samples, part, host(out[0]), host(out[1]), in, from)
		dhPart := host(out[2])
		for i, t := range part {
			add(dhFlat[t.Row*c.Hidden:(t.Row+1)*c.Hidden], dhPart[i*c.Hidden:])
		}
		add(g.flat[p.w.graph.norm], host(out[3]))
		addTransposed(g.flat[p.w.graph.out], host(out[4]), c.Vocab, c.Hidden)
		ids := make([]int32, len(part))
		for i, t := range part {
			ids[i] = p.samples[t.Sample].Tokens[t.Index]
		}
		g.scatter(p.w.graph.out, ids, host(out[5]), c.Hidden)
		next := 6
		for term := range in.has {
			if in.has[term] {
				st.loss[term] += float64(host(out[next])[0])
				next++
			}
		}
		p.e.free(out...)
		p.e.free(h, target)
		p.e.free(args[4:]...)
	}
	p.e.free(p.h)
	return dh, nil
}
