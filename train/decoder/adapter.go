package decoder

// merged is a weight [out, in] with its adapter, in the stack's memory where it has one. The
// workers share the rows, which changes no bit.
func (r *Run) merged(w matrix, out, in int) []float32 {
	if w.pair == nil {
		return w.w
	}
	dst := r.stack.take(out * in)
	parts := r.d.workers
	r.each(parts, func(_, i int) {
		from, to := out*i/parts, out*(i+1)/parts
		w.pair.Merge(dst[from*in:to*in], w.w, from, to)
	})
	return dst
}

// derivative is one part of a projection's derivative, of the weight w or its adapter, whichever g
// has.
type derivative struct {
	g, w    matrix
	dy, x   []float32 // [rows, out], [rows, in]
	out, in int
}

// derivatives adds up all of list over rows.
func (r *Run) derivatives(rows int, list ...derivative) {
	if rows == 0 {
		return
	}
	defer r.stack.release(r.stack.mark())
	var all []outer
	for _, s := range list {
		if s.g.w != nil {
			all = append(all, outer{s.g.w, s.dy, s.x, s.out, s.in, s.out})
		}
		if s.g.pair != nil {
			all = append(all, r.lowRank(rows, s)...)
		}
	}
	r.outers(rows, all...)
}

// lowRank are the derivatives of an adapter. With y = x wT + scale (x AT) BT they are
// dB = dyT (scale x AT) and dA = (scale dy B)T x, both through the rank: dyT x is not formed.
func (r *Run) lowRank(rows int, s derivative) []outer {
	d, p := r.d, s.w.pair
	down, up := r.stack.take(rows*p.Rank), r.stack.take(rows*p.Rank) // x AT and dy B
	a := forth(r.stack.take(packedSize(s.in, p.Rank)), p.A, p.Rank, s.in)
	b := back(r.stack.take(packedSize(s.out, p.Rank)), p.B, s.out, p.Rank)
	r.blocks(0, rows, func(_, from, to int) {
		down, up := down[from*p.Rank:to*p.Rank], up[from*p.Rank:to*p.Rank]
		d.mul(down, s.x[from*s.in:], to-from, a, nil)
		d.mul(up, s.dy[from*s.out:], to-from, b, nil)
		d.k.Scale(down, p.Scale)
		d.k.Scale(up, p.Scale)
	})
	return []outer{{s.g.pair.B, s.dy, down, s.out, p.Rank, s.out}, {s.g.pair.A, up, s.x, p.Rank, s.in, p.Rank}}
}
