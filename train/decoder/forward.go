package decoder

import (
	"ballast/model/attn"
)

// layer runs layer i on x [rows, Hidden], leaves its tape and returns its output.
// In Inference the output takes x's place.
func (r *Run) layer(i int, x []float32) []float32 {
	d, t := r.d, &r.tapes[i]
	n, which := r.rows(i)
	y, mid := x, x
	if r.mode != Inference || which != nil {
		y = r.stack.take(n * d.c.Hidden)
		mid = y
	}
	t.x = x
	if r.mode != Inference {
		t.att, t.lse = r.stack.take(n*d.q), r.stack.take(n*d.c.Heads)
	}
	if r.mode == Keep {
		mid = r.stack.take(n * d.c.Hidden)
		t.mid, t.gate, t.up = mid, r.stack.take(n*d.c.FFN), r.stack.take(n*d.c.FFN)
		r.takeQKV(i)
	}
	mark := r.stack.mark()
	if r.mode == Inference {
		t.att, t.lse = r.stack.take(n*d.q), r.stack.take(n*d.c.Heads)
	}
	if r.mode != Keep {
		r.takeQKV(i)
	}
	r.pre(i)
	attn.Forward(t.att, t.lse, t.q, t.k, t.v, d.heads, r.in.Segments, which, d.workers)
	r.post(i, mid, y)
	r.stack.release(mark)
	switch r.mode {
	case Inference:
		*t = tape{}
	case Recompute:
		t.q, t.k, t.v = nil, nil, nil
	}
	return y
}

func (r *Run) takeQKV(i int) {
	n, _ := r.rows(i)
	t, all := &r.tapes[i], len(r.in.Tokens)
	t.q, t.k, t.v = r.stack.take(n*r.d.q), r.stack.take(all*r.d.kv), r.stack.take(all*r.d.kv)
}

// pre sets layer i's q, k and v from its x.
func (r *Run) pre(i int) {
	d, c, t, w := r.d, &r.d.c, &r.tapes[i], &r.w.layers[i]
	_, which := r.rows(i)
	defer r.stack.release(r.stack.mark())
	mq, mk, mv := r.forth(w.q, d.q, c.Hidden), r.forth(w.k, d.kv, c.Hidden), r.forth(w.v, d.kv, c.Hidden)
	positions, rotates := r.positions(which), c.Rotates(i)
	r.blocks(0, len(r.in.Tokens), func(worker, from, to int) {
		own := r.own[worker]
		n := cut(&own, block*c.Hidden)
		r.normalize(n, t.x[from*c.Hidden:], w.norm1, to-from)
		k, v := t.k[from*d.kv:to*d.kv], t.v[from*d.kv:to*d.kv]
		d.mul(k, n, to-from, mk, w.biasK)
		d.mul(v, n, to-from, mv, w.biasV)
		a, b := part(which, from, to)
		if which != nil {
			gatherRows(n, n, which[a:b], from, c.Hidden)
		}
		q := t.q[a*d.q : b*d.q]
		d.mul(q, n, b-a, mq, w.biasQ)
		if w.headNormQ != nil {
			r.headNorm(q, w.headNormQ)
			r.headNorm(k, w.headNormK)
		}
		if rotates {
			d.rot.Rotate(q, positions[a:b], c.Heads, false)
			d.rot.Rotate(k, r.in.Positions[from:to], c.KVHeads, false)
		}
	})
}

// post sets mid [rows, Hidden], the residual stream after attention, and y, the
// layer's output; y may be mid, and gate and up are kept where the tape has them.
func (r *Run) post(i int, mid, y []float32) {
	d, c, t, w := r.d, &r.d.c, &r.tapes[i], &r.w.layers[i]
	rows, which := r.rows(i)
	defer r.stack.release(r.stack.mark())
	mo, md := r.forth(w.o, c.Hidden, d.q), r.forth(w.down, c.Hidden, c.FFN)
	mg, mu := r.forth(w.gate, c.FFN, c.Hidden), r.forth(w.up, c.FFN, c.Hidden)
	r.blocks(0, rows, func(worker, from, to int) {
		own, rows := r.own[worker], to-from
		n, gate, up := cut(&own, block*c.Hidden), cut(&own, rows*c.FFN), cut(&own, rows*c.FFN)
		act := cut(&own, rows*c.FFN)
		if t.gate != nil {
			gate, up = t.gate[from*c.FFN:to*c.FFN], t.up[from*c.FFN:to*c.FFN]
		}
		mid, y := mid[from*c.Hidden:to*c.Hidden], y[from*c.Hidden:to*c.Hidden]
		r.residual(i, mid, which, from, to, mo)
		r.normalize(n, mid, w.norm2, rows)
		d.mul(gate, n, rows, mg, nil)
		d.mul(up, n, rows, mu, nil)
		attn.SwiGLU(act, gate, up)
		copy(y, mid)
		d.mulAdd(y, act, rows, md)
	})
}

// residual sets mid to rows [from, to) of layer i's input plus attention's output
// through mo.
func (r *Run) residual(i int, mid []float32, which []int32, from, to int, mo packed) {
	t, width := &r.tapes[i], r.d.c.Hidden
	if which != nil {
		gatherRows(mid, t.x, which[from:to], 0, width)
	} else {
		copy(mid, t.x[from*width:to*width])
	}
	r.d.mulAdd(mid, t.att[from*r.d.q:], to-from, mo)
}

// forth and back pack a weight [out, in], with its adapter, in the stack's memory.
func (r *Run) forth(w matrix, out, in int) packed {
	mem := r.stack.take(packedSize(in, out))
	defer r.stack.release(r.stack.mark())
	return forth(mem, r.merged(w, out, in), out, in)
}

func (r *Run) back(w matrix, out, in int) packed {
	mem := r.stack.take(packedSize(out, in))
	defer r.stack.release(r.stack.mark())
	return back(mem, r.merged(w, out, in), out, in)
}

// normalize is RMSNorm of rows rows.
func (r *Run) normalize(dst, x, w []float32, rows int) {
	n, eps := r.d.c.Hidden, float32(r.d.c.NormEps)
	for i := range rows {
		r.d.k.RMSNorm(dst[i*n:(i+1)*n], x[i*n:(i+1)*n], w, n, eps)
	}
}

// headNorm is RMSNorm of every head of x, in place.
func (r *Run) headNorm(x, w []float32) {
	n, eps := r.d.c.HeadDim, float32(r.d.c.NormEps)
	for i := 0; i < len(x); i += n {
		r.d.k.RMSNorm(x[i:i+n], x[i:i+n], w, n, eps)
	}
}

// gatherRows copies the rows of x that which names, counted from base, one after
// the other; dst may be x, because which ascends.
func gatherRows(dst, x []float32, which []int32, base, width int) {
	for i, row := range which {
		at := (int(row) - base) * width
		copy(dst[i*width:(i+1)*width], x[at:at+width])
	}
}
