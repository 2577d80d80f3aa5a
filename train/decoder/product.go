package decoder

import "ballast/model/kernel"

const panel = kernel.Panel

// packed is a matrix [k, n] for products x [rows, k] times it: panels of 32
// columns, in a panel the 32 of one k side by side; missing columns are 0.
type packed struct {
	k, n int
	w    []float32
}

func packedSize(k, n int) int { return k * ((n + panel - 1) / panel * panel) }

// forth packs w [out, in] for y = x wT.
func forth(mem, w []float32, out, in int) packed {
	p := packed{k: in, n: out, w: mem[:packedSize(in, out)]}
	for o := 0; o < out; o += panel {
		dst := p.w[o*in : (o+panel)*in]
		if o+panel > out {
			clear(dst)
		}
		rows := min(panel, out-o)
		// Eight rows at a time, so that a line of dst is written in few visits.
		for r := 0; r < rows; r += 8 {
			if r+8 > rows {
				for ; r < rows; r++ {
					for i, x := range w[(o+r)*in : (o+r+1)*in] {
						dst[i*panel+r] = x
					}
				}
				break
			}
			turn8(dst[r:], w[(o+r)*in:(o+r+8)*in], in)
		}
	}
	return p
}

// turn8 writes eight rows of w side by side.
func turn8(dst, w []float32, in int) {
	a, b, c, d := w[:in], w[in:2*in], w[2*in:3*in], w[3*in:4*in]
	e, f, g, h := w[4*in:5*in], w[5*in:6*in], w[6*in:7*in], w[7*in:8*in]
	for i := range in {
		to := (*[8]float32)(dst[i*panel:])
		to[0], to[1], to[2], to[3] = a[i], b[i], c[i], d[i]
		to[4], to[5], to[6], to[7] = e[i], f[i], g[i], h[i]
	}
}

// back packs w [out, in] for dx = dy w.
func back(mem, w []float32, out, in int) packed {
	p := packed{k: out, n: in, w: mem[:packedSize(out, in)]}
	for i := 0; i < in; i += panel {
		stripe(p.w[i*out:(i+panel)*out], w[i:], in, out, min(panel, in-i))
	}
	return p
}

// stripe copies width columns of rows rows of x, which begins at the first of them
// and is ldx wide, side by side into dst [rows, 32], the rest being 0.
func stripe(dst, x []float32, ldx, rows, width int) {
	for r := range rows {
		to := dst[r*panel : (r+1)*panel]
		if width == panel {
			copy(to, x[r*ldx:r*ldx+panel])
			continue
		}
		clear(to)
		copy(to, x[r*ldx:r*ldx+width])
	}
}

// mul sets y [rows, n] to x [rows, k] times m, plus bias [n] if there is one.
func (d *Decoder) mul(y, x []float32, rows int, m packed, bias []float32) {
	if rows == 0 {
		return
	}
	for from := 0; from < m.n; from += panel {
		w := m.w[from*m.k:]
		init := d.zero
		switch {
		case bias != nil && from+panel <= m.n:
			init = bias[from:]
		case bias != nil:
			init = append(append(make([]float32, 0, panel), bias[from:]...), d.zero[:from+panel-m.n]...)
		}
		if from+panel <= m.n {
			d.k.Mul32(y[from:], m.n, x, m.k, rows, w, panel, m.k, init, 0)
			continue
		}
		var tmp [block * panel]float32
		for at := 0; at < rows; at += block {
			some := min(block, rows-at)
			d.k.Mul32(tmp[:], panel, x[at*m.k:], m.k, some, w, panel, m.k, init, 0)
			for r := range some {
				copy(y[(at+r)*m.n+from:(at+r+1)*m.n], tmp[r*panel:])
			}
		}
	}
}

// mulAdd adds x [rows, k] times m to y [rows, n].
func (d *Decoder) mulAdd(y, x []float32, rows int, m packed) { d.mulAddFrom(y, x, m.k, rows, m) }

// mulAddFrom is mulAdd with rows of x that are ldx apart.
func (d *Decoder) mulAddFrom(y, x []float32, ldx, rows int, m packed) {
	if rows == 0 {
		return
	}
	for from := 0; from < m.n; from += panel {
		w := m.w[from*m.k:]
		if from+panel <= m.n {
			d.k.Mul32(y[from:], m.n, x, ldx, rows, w, panel, m.k, y[from:], m.n)
			continue
		}
		var tmp [block * panel]float32
		for at := 0; at < rows; at += block {
			some := min(block, rows-at)
			stripe(tmp[:], y[at*m.n+from:], m.n, some, m.n-from)
			d.k.Mul32(tmp[:], panel, x[at*ldx:], ldx, some, w, panel, m.k, tmp[:], panel)
			for r := range some {
				copy(y[(at+r)*m.n+from:(at+r+1)*m.n], tmp[r*panel:])
			}
		}
	}
}

// outer is one part of a weight's derivative: dw [out, in] += dyT x over rows.
type outer struct {
	dw, dy, x    []float32 // dy [rows, ldy], x [rows, in]
	out, in, ldy int
}

// wide is the width from which the columns of a panel are copied side by side
// first: far apart, they fight for the same lines of the cache.
const wide = 512

// outers adds up all of list over rows, panels of columns on the workers. A sum
// takes its rows in order, so that cuts in rows change no bit.
func (r *Run) outers(rows int, list ...outer) {
	if rows == 0 {
		return
	}
	type item struct{ which, from int }
	var items []item
	for i, o := range list {
		for from := 0; from < o.in; from += panel {
			items = append(items, item{i, from})
		}
	}
	mark := r.stack.mark()
	mem := make([][]float32, r.d.workers)
	for i := range mem {
		mem[i] = r.stack.take(rows * panel)
	}
	r.each(len(items), func(worker, i int) {
		o, from := &list[items[i].which], items[i].from
		width := min(panel, o.in-from)
		x, ldx := o.x[from:], o.in
		if width < panel || o.in > wide {
			stripe(mem[worker], x, o.in, rows, width)
			x, ldx = mem[worker], panel
		}
		if width == panel {
			r.d.k.Outer32(o.dw[from:], o.in, o.dy, o.ldy, o.out, x, ldx, rows)
			return
		}
		tmp := make([]float32, o.out*panel)
		stripe(tmp, o.dw[from:], o.in, o.out, width)
		r.d.k.Outer32(tmp, panel, o.dy, o.ldy, o.out, x, ldx, rows)
		for k := range o.out {
			copy(o.dw[k*o.in+from:k*o.in+from+width], tmp[k*panel:])
		}
	})
	r.stack.release(mark)
}
