package decoder

import "ballast/model/attn"

// Backward takes the derivative that Head left and adds all layers' and the
// embedding's derivatives to g, as far as g has them. The pass is over with it.
func (r *Run) Backward(g *Weights) {
	c := &r.d.c
	dy := r.dh
	for i := c.Layers - 1; i >= 0; i-- {
		dy = r.layerBack(i, g, dy)
	}
	if g.embed == nil {
		return
	}
	for i, id := range r.in.Tokens {
		add(g.embed[int(id)*c.Hidden:(int(id)+1)*c.Hidden], dy[i*c.Hidden:])
	}
}

// layerBack takes the derivative with respect to layer i's output and returns the
// one with respect to its input, in dy's memory where the rows are the same.
func (r *Run) layerBack(i int, g *Weights, dy []float32) []float32 {
	d, c, t := r.d, &r.d.c, &r.tapes[i]
	rows, which := r.rows(i)
	dx := dy
	if which != nil {
		dx = r.stack.take(len(r.in.Tokens) * c.Hidden)
		clear(dx)
	}
	defer r.stack.release(r.stack.mark())
	if t.q == nil {
		r.takeQKV(i)
		r.pre(i)
	}
	datt := r.stack.take(rows * d.q)
	r.postBack(i, g, dy, datt)
	dq, dk, dv := r.stack.take(len(t.q)), r.stack.take(len(t.k)), r.stack.take(len(t.v))
	attn.Backward(dq, dk, dv, datt, t.att, t.lse, t.q, t.k, t.v, d.heads, r.in.Segments, which, d.workers)
	if which != nil {
		for k, row := range which {
			copy(dx[int(row)*c.Hidden:(int(row)+1)*c.Hidden], dy[k*c.Hidden:])
		}
	}
	r.preBack(i, g, dx, dq, dk, dv)
	return dx
}

// postBack goes back from dy, the derivative with respect to layer i's output, to
// datt, with respect to attention's output, and leaves in dy the one with respect
// to the residual stream after attention.
func (r *Run) postBack(i int, g *Weights, dy, datt []float32) {
	d, c, t, w, gw := r.d, &r.d.c, &r.tapes[i], &r.w.layers[i], &g.layers[i]
	rows, which := r.rows(i)
	defer r.stack.release(r.stack.mark())
	bo, bd := r.back(w.o, c.Hidden, d.q), r.back(w.down, c.Hidden, c.FFN)
	bg, bu := r.back(w.gate, c.FFN, c.Hidden), r.back(w.up, c.FFN, c.Hidden)
	var mo, mg, mu packed
	if t.gate == nil {
		mo, mg, mu = r.forth(w.o, c.Hidden, d.q), r.forth(w.gate, c.FFN, c.Hidden), r.forth(w.up, c.FFN, c.Hidden)
	}
	size := r.chunk()
	n, dmid := r.stack.take(size*c.Hidden), r.stack.take(size*c.Hidden)
	act, dgate, dup := r.stack.take(size*c.FFN), r.stack.take(size*c.FFN), r.stack.take(size*c.FFN)
	dnorm := r.partials(c.Hidden)
	r.chunks(rows, func(start, end int) {
		dnorm.clear()
		r.blocks(start, end, func(worker, from, to int) {
			own, rows, lo, hi := r.own[worker], to-from, from-start, to-start
			dn, mid, dact := cut(&own, rows*c.Hidden), cut(&own, rows*c.Hidden), cut(&own, rows*c.FFN)
			gate, up := cut(&own, rows*c.FFN), cut(&own, rows*c.FFN)
			n, dmid, dy := n[lo*c.Hidden:hi*c.Hidden], dmid[lo*c.Hidden:hi*c.Hidden], dy[from*c.Hidden:to*c.Hidden]
			act, dgate, dup := act[lo*c.FFN:hi*c.FFN], dgate[lo*c.FFN:hi*c.FFN], dup[lo*c.FFN:hi*c.FFN]
			if t.gate != nil {
				mid, gate, up = t.mid[from*c.Hidden:to*c.Hidden], t.gate[from*c.FFN:to*c.FFN], t.up[from*c.FFN:to*c.FFN]
			} else {
				r.residual(i, mid, which, from, to, mo)
			}
			r.normalize(n, mid, w.norm2, rows)
			if t.gate == nil {
				d.mul(gate, n, rows, mg, nil)
				d.mul(up, n, rows, mu, nil)
			}
			attn.SwiGLU(act, gate, up)
			d.mul(dact, dy, rows, bd, nil)
			attn.SwiGLUBack(dgate, dup, dact, gate, up)
			d.mul(dn, dgate, rows, bg, nil)
			d.mulAdd(dn, dup, rows, bu)
			copy(dmid, dy)
			r.normBack(dmid, dnorm.of(lo), dn, mid, w.norm2, rows)
			d.mul(datt[from*d.q:to*d.q], dmid, rows, bo, nil)
		})
		dnorm.addTo(gw.norm2)
		part := dy[start*c.Hidden : end*c.Hidden]
		r.derivatives(end-start,
			derivative{gw.down, w.down, part, act, c.Hidden, c.FFN},
			derivative{gw.gate, w.gate, dgate, n, c.FFN, c.Hidden},
			derivative{gw.up, w.up, dup, n, c.FFN, c.Hidden},
			derivative{gw.o, w.o, dmid, t.att[start*d.q:], c.Hidden, d.q})
		copy(part, dmid)
	})
}

// preBack takes the derivatives with respect to layer i's q, k and v, and adds the
// one with respect to the layer's input to dx.
func (r *Run) preBack(i int, g *Weights, dx, dq, dk, dv []float32) {
	d, c, t, w, gw := r.d, &r.d.c, &r.tapes[i], &r.w.layers[i], &g.layers[i]
	_, which := r.rows(i)
	defer r.stack.release(r.stack.mark())
	bq, bk, bv := r.back(w.q, d.q, c.Hidden), r.back(w.k, d.kv, c.Hidden), r.back(w.v, d.kv, c.Hidden)
	var mq, mk packed
	if w.headNormQ != nil {
		mq, mk = r.forth(w.q, d.q, c.Hidden), r.forth(w.k, d.kv, c.Hidden)
	}
	positions, rotates := r.positions(which), c.Rotates(i)
	size := r.chunk()
	n, nq := r.stack.take(size*c.Hidden), r.stack.take(size*c.Hidden) // the norm's output, all rows and the wanted ones
	dnorm, dheadQ, dheadK := r.partials(c.Hidden), r.partials(c.HeadDim), r.partials(c.HeadDim)
	if which == nil {
		nq = n
	}
	r.chunks(len(r.in.Tokens), func(start, end int) {
		dnorm.clear()
		dheadQ.clear()
		dheadK.clear()
		first, last := part(which, start, end)
		r.blocks(start, end, func(worker, from, to int) {
			own, rows, lo := r.own[worker], to-from, from-start
			a, b := part(which, from, to)
			n, nq := n[lo*c.Hidden:(lo+rows)*c.Hidden], nq[(a-first)*c.Hidden:(b-first)*c.Hidden]
			dq, dk, dv := dq[a*d.q:b*d.q], dk[from*d.kv:to*d.kv], dv[from*d.kv:to*d.kv]
			dn := cut(&own, rows*c.Hidden)
			r.normalize(n, t.x[from*c.Hidden:], w.norm1, rows)
			if which != nil {
				gatherRows(nq, n, which[a:b], from, c.Hidden)
			}
			if rotates {
				d.rot.Rotate(dq, positions[a:b], c.Heads, true)
				d.rot.Rotate(dk, r.in.Positions[from:to], c.KVHeads, true)
			}
			if w.headNormQ != nil {
				raw := cut(&own, block*max(d.q, d.kv))
				d.mul(raw, nq, b-a, mq, w.biasQ)
				r.headNormBack(dq, dheadQ.of(lo), raw, w.headNormQ)
				d.mul(raw, n, rows, mk, w.biasK)
				r.headNormBack(dk, dheadK.of(lo), raw, w.headNormK)
			}
			d.mul(dn, dk, rows, bk, nil)
			d.mulAdd(dn, dv, rows, bv)
			if which == nil {
				d.mulAdd(dn, dq, rows, bq)
			} else {
				some := cut(&own, (b-a)*c.Hidden)
				d.mul(some, dq, b-a, bq, nil)
				for k, row := range which[a:b] {
					at := (int(row) - from) * c.Hidden
					add(dn[at:at+c.Hidden], some[k*c.Hidden:])
				}
			}
			r.normBack(dx[from*c.Hidden:], dnorm.of(lo), dn, t.x[from*c.Hidden:], w.norm1, rows)
		})
		dnorm.addTo(gw.norm1)
		dheadQ.addTo(gw.headNormQ)
		dheadK.addTo(gw.headNormK)
		dq, dk, dv := dq[first*d.q:last*d.q], dk[start*d.kv:end*d.kv], dv[start*d.kv:end*d.kv]
		sumRows(gw.biasQ, dq)
		sumRows(gw.biasK, dk)
		sumRows(gw.biasV, dv)
		r.derivatives(last-first, derivative{gw.q, w.q, dq, nq, d.q, c.Hidden})
		r.derivatives(end-start, derivative{gw.k, w.k, dk, n, d.kv, c.Hidden}, derivative{gw.v, w.v, dv, n, d.kv, c.Hidden})
	})
}

// normBack adds the derivatives of normalize from dn to dx and dw.
func (r *Run) normBack(dx, dw, dn, x, w []float32, rows int) {
	n, eps := r.d.c.Hidden, float32(r.d.c.NormEps)
	for i := range rows {
		at := i * n
		r.d.k.RMSNormBack(dx[at:at+n], dw, dn[at:at+n], x[at:at+n], w, n, eps)
	}
}

// headNormBack replaces dy, the derivative of headNorm's result, by the one with
// respect to its input x, and adds that of the weight to dw.
func (r *Run) headNormBack(dy, dw, x, w []float32) {
	n, eps := r.d.c.HeadDim, float32(r.d.c.NormEps)
	dx := make([]float32, n)
	for i := 0; i < len(dy); i += n {
		clear(dx)
		r.d.k.RMSNormBack(dx, dw, dy[i:i+n], x[i:i+n], w, n, eps)
		copy(dy[i:i+n], dx)
	}
}

// partials are sums over the rows of each block of a chunk, added up in the order
// of the blocks whoever computed them.
type partials struct {
	width int
	sums  []float32 // [blocks][width]
}

func (r *Run) partials(width int) partials {
	return partials{width, r.stack.take(r.chunk() / block * width)}
}

func (p partials) clear() { clear(p.sums) }

// of is the sum of the block that begins at row at of the chunk.
func (p partials) of(at int) []float32 { return p.sums[at/block*p.width:][:p.width] }

// addTo adds all blocks to dst.
func (p partials) addTo(dst []float32) { sumRows(dst, p.sums) }

// sumRows adds rows, each as long as dst, to dst; nil takes nothing.
func sumRows(dst, rows []float32) {
	if dst == nil {
		return
	}
	for ; len(rows) > 0; rows = rows[len(dst):] {
		add(dst, rows)
	}
}

// add adds y's leading elements to x.
func add(x, y []float32) {
	y = y[:len(x)]
	for i := range x {
		x[i] += y[i]
	}
}
