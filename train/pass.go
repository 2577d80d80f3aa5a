package train

import (
	"ballast"
	"ballast/model/attn"
	"ballast/model/graph"

	"github.com/gomlx/gomlx/core/tensors"
)

// pass is one batch on its way forward and backward.
type pass struct {
	e       *engine
	w       *params
	b       *Batch
	rows    int // padded
	samples []ballast.Sample
	layers  []layerTape
	h       *tensors.Tensor // [rows, Hidden] the residual stream
}

// layerTape is what one layer's backward pass needs of its forward pass.
type layerTape struct {
	x, att    *tensors.Tensor
	lse       []float32
	q, k, v   *tensors.Tensor   // q and k rotated; nil if not kept
	pre, post []*tensors.Tensor // what the graphs keep; nil if not kept
}

// forward embeds the batch and runs all layers. With train set it keeps tapes.
func (e *engine) forward(w *params, samples []ballast.Sample, b *Batch, train bool) *pass {
	p := &pass{e: e, w: w, b: b, rows: bucket(len(b.Tokens)), samples: samples}
	var x []float32
	p.h, x = e.alloc(p.rows, e.c.Hidden)
	gather(x, w.flat[w.embed], b.Tokens, e.c.Hidden)
	for i := range e.c.Layers {
		p.layer(i, train)
	}
	return p
}

// gather copies the rows of matrix that ids name.
func gather(dst, matrix []float32, ids []int32, width int) {
	for i, id := range ids {
		copy(dst[i*width:(i+1)*width], matrix[int(id)*width:])
	}
}

func (p *pass) layer(i int, train bool) {
	e, w := p.e, p.w
	t := layerTape{x: p.h}
	out := call(e.pre, append([]*tensors.Tensor{p.h}, w.pre[i]...)...)
	t.q, t.k, t.v, t.pre = out[0], out[1], out[2], out[3:]
	p.rotate(t.q, t.k, false)
	var att []float32
	t.att, att = e.alloc(p.rows, e.c.Heads*e.c.HeadDim)
	t.lse = make([]float32, p.rows*e.c.Heads)
	attn.Forward(att, t.lse, host(t.q), host(t.k), host(t.v), e.heads, p.b.Segments, e.inner)
	out = call(e.post, append([]*tensors.Tensor{p.h, t.att}, w.post[i]...)...)
	p.h, t.post = out[0], out[1:]
	switch {
	case !train:
		free(t.x, t.q, t.k, t.v, t.att)
		free(t.pre...)
		free(t.post...)
		return
	case e.keep:
		free(t.x) // the kept tape stands for it
		t.x = nil
	default:
		free(t.q, t.k, t.v)
		t.q, t.k, t.v = nil, nil, nil
	}
	p.layers = append(p.layers, t)
}

func (p *pass) rotate(q, k *tensors.Tensor, inverse bool) {
	p.e.rot.Rotate(host(q), p.b.Positions, p.e.c.Heads, inverse)
	p.e.rot.Rotate(host(k), p.b.Positions, p.e.c.KVHeads, inverse)
}

// backward takes dh, the derivative with respect to the last layer's output, and
// adds all weights' derivatives to g. It frees dh and the tapes.
func (p *pass) backward(g *gradient, dh *tensors.Tensor) {
	e, w := p.e, p.w
	for i := e.c.Layers - 1; i >= 0; i-- {
		t := p.layers[i]
		more := t.post
		if !e.keep {
			more = []*tensors.Tensor{t.x}
			out := call(e.pre, append([]*tensors.Tensor{t.x}, w.pre[i]...)...)
			t.q, t.k, t.v = out[0], out[1], out[2]
			p.rotate(t.q, t.k, false)
		}
		out := call(e.postBack, join([]*tensors.Tensor{dh, t.att}, w.post[i], more)...)
		free(dh)
		rest, datt := out[0], out[1]
		g.add(out[2:], w.postAt[i])
		dq, dqFlat := e.alloc(p.rows, e.c.Heads*e.c.HeadDim)
		dk, dkFlat := e.alloc(p.rows, e.c.KVHeads*e.c.HeadDim)
		dv, dvFlat := e.alloc(p.rows, e.c.KVHeads*e.c.HeadDim)
		attn.Backward(dqFlat, dkFlat, dvFlat, host(datt), host(t.att), t.lse,
			host(t.q), host(t.k), host(t.v), e.heads, p.b.Segments, e.inner)
		e.rot.Rotate(dqFlat, p.b.Positions, e.c.Heads, true)
		e.rot.Rotate(dkFlat, p.b.Positions, e.c.KVHeads, true)
		free(datt, t.q, t.k, t.v, t.att)
		free(t.post...)
		more = t.pre
		if !e.keep {
			more = []*tensors.Tensor{t.x}
		}
		out = call(e.preBack, join([]*tensors.Tensor{dq, dk, dv, rest}, w.pre[i], more)...)
		free(dq, dk, dv, rest, t.x)
		free(t.pre...)
		dh = out[0]
		g.add(out[1:], w.preAt[i])
		p.layers[i] = layerTape{}
	}
	g.scatter(w.embed, p.b.Tokens, host(dh), e.c.Hidden)
	free(dh)
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
func (p *pass) rowsOf(targets []Target) (h, target *tensors.Tensor, rows int) {
	c := &p.e.c
	rows = bucket(len(targets))
	h, hFlat := p.e.alloc(rows, c.Hidden)
	target, targetFlat := p.e.alloc(rows, c.Hidden)
	from, out := host(p.h), p.w.flat[p.w.out]
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
	for from := 0; from < len(p.b.Targets); from += headRows(&p.e.c) {
		part := p.b.Targets[from:min(from+headRows(&p.e.c), len(p.b.Targets))]
		h, target, _ := p.rowsOf(part)
		got := call(p.e.predict, h, p.w.t[p.w.norm], p.w.t[p.w.out], target)
		out = append(out, host(got[0])[:len(part)]...)
		free(got...)
		free(h, target)
	}
	return out
}

// lossInput is what the loss of a batch needs besides the model.
type lossInput struct {
	has      terms
	invCount [ballast.NumTerms]float32
	ref      []float32 // [targets] or nil
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
	for from := 0; from < len(p.b.Targets); from += headRows(c) {
		part := p.b.Targets[from:min(from+headRows(c), len(p.b.Targets))]
		h, target, rows := p.rowsOf(part)
		args := []*tensors.Tensor{h, p.w.t[p.w.norm], p.w.t[p.w.out], target}
		vector := func(at func(i int, t Target) float32) {
			v, flat := e.alloc(rows)
			for i, t := range part {
				flat[i] = at(i, t)
			}
			args = append(args, v)
		}
		vector(func(_ int, t Target) float32 {
			if old := p.samples[t.Sample].OldLogProb; old != nil {
				return old[t.Index]
			}
			return 0
		})
		vector(func(i int, _ Target) float32 {
			if in.ref != nil {
				return in.ref[from+i]
			}
			return 0
		})
		for term := range in.has {
			if !in.has[term] {
				continue
			}
			vector(func(_ int, t Target) float32 { return weight(&p.samples[t.Sample], term, t.Index) })
			args = append(args, tensors.FromScalar(in.invCount[term]))
		}
		out := call(x, args...)
		st.take(p.samples, part, host(out[0]), host(out[1]), in, from)
		for i, t := range part {
			add(dhFlat[t.Row*c.Hidden:(t.Row+1)*c.Hidden], host(out[2])[i*c.Hidden:])
		}
		add(g.flat[p.w.norm], host(out[3]))
		addTransposed(g.flat[p.w.out], host(out[4]), c.Vocab, c.Hidden)
		ids := make([]int32, len(part))
		for i, t := range part {
			ids[i] = p.samples[t.Sample].Tokens[t.Index]
		}
		g.scatter(p.w.out, ids, host(out[5]), c.Hidden)
		next := 6
		for term := range in.has {
			if in.has[term] {
				st.loss[term] += float64(host(out[next])[0])
				next++
			}
		}
		free(out...)
		free(h, target)
		free(args[4:]...)
	}
	free(p.h)
	return dh, nil
}

// weight is a token's weight in a term, 0 if the term is absent.
func weight(s *ballast.Sample, term, index int) float32 {
	if w := s.Terms[term].Weight; w != nil {
		return w[index]
	}
	return 0
}

// layerNames are the names of one layer's weights for both parts.
func layerNames(e *engine, layer int) (pre, post []string) {
	for _, n := range graph.PreNames(&e.c) {
		pre = append(pre, graph.LayerName(layer, n))
	}
	for _, n := range graph.PostNames() {
		post = append(post, graph.LayerName(layer, n))
	}
	return pre, post
}
