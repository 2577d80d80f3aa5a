//go:build goexperiment.simd && amd64

package kernel

import "simd/archsimd"

func load8(p ptr, n int) archsimd.Float32x8 {
	return archsimd.LoadFloat32x8((*[8]float32)(at(p, n)))
}

func store8(v archsimd.Float32x8, p ptr, n int) { v.Store((*[8]float32)(at(p, n))) }

func all8(p ptr, n int) archsimd.Float32x8 {
	return archsimd.BroadcastFloat32x8(*(*float32)(at(p, n)))
}

func set8(v float32) archsimd.Float32x8 { return archsimd.BroadcastFloat32x8(v) }

// mul32AVX2 takes the two halves of the panel one after the other.
func mul32AVX2(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int) {
	mul16AVX2(dst, ldd, x, ldx, rows, w, ldw, k, init, ldi)
	mul16AVX2(dst[16:], ldd, x, ldx, rows, w[16:], ldw, k, init[16:], ldi)
}

// mul16AVX2 is the half-width product, in tiles of 4 and 1 rows.
func mul16AVX2(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int) {
	check(dst, ldd, x, ldx, rows, w, ldw, k, init, ldi, 16)
	d, a, b, c := base(dst), base(x), base(w), base(init)
	r := 0
	for ; r+4 <= rows; r += 4 {
		d, a, c := at(d, r*ldd), at(a, r*ldx), at(c, r*ldi)
		a0, b0 := load8(c, 0), load8(c, 8)
		a1, b1 := load8(c, ldi), load8(c, ldi+8)
		a2, b2 := load8(c, 2*ldi), load8(c, 2*ldi+8)
		a3, b3 := load8(c, 3*ldi), load8(c, 3*ldi+8)
		x1, x2, x3 := at(a, ldx), at(a, 2*ldx), at(a, 3*ldx)
		for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
			u, v := load8(b, j), load8(b, j+8)
			s := all8(a, i)
			a0, b0 = s.MulAdd(u, a0), s.MulAdd(v, b0)
			s = all8(x1, i)
			a1, b1 = s.MulAdd(u, a1), s.MulAdd(v, b1)
			s = all8(x2, i)
			a2, b2 = s.MulAdd(u, a2), s.MulAdd(v, b2)
			s = all8(x3, i)
			a3, b3 = s.MulAdd(u, a3), s.MulAdd(v, b3)
		}
		store8(a0, d, 0)
		store8(b0, d, 8)
		store8(a1, d, ldd)
		store8(b1, d, ldd+8)
		store8(a2, d, 2*ldd)
		store8(b2, d, 2*ldd+8)
		store8(a3, d, 3*ldd)
		store8(b3, d, 3*ldd+8)
	}
	for ; r < rows; r++ {
		s, t, a := load8(c, r*ldi), load8(c, r*ldi+8), at(a, r*ldx)
		for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
			e := all8(a, i)
			s, t = e.MulAdd(load8(b, j), s), e.MulAdd(load8(b, j+8), t)
		}
		store8(s, d, r*ldd)
		store8(t, d, r*ldd+8)
	}
	leave()
}

// expsAVX2: dst = e^(x*by + off), exactly 0 below e^-87; returns the sum. It
// computes 2^y = 2^t 2^f with t = round(y) and a polynomial in f. The constants
// stand outside the loop, where the compiler would not move them; more of them
// than registers and the loop is four times slower.
func expsAVX2(dst, x []float32, by, off float32) float32 {
	d, p, n := base(dst[:len(x)]), base(x), len(x)
	vby, voff, low := set8(by*log2e), set8(off*log2e), set8(-126)
	c5, c4, c3, c2, c1, one := set8(exp5), set8(exp4), set8(exp3), set8(exp2), set8(exp1), set8(1)
	var sum archsimd.Float32x8
	for i := 0; i < n; i += 8 {
		z := load8(p, i).MulAdd(vby, voff)
		y := z.Max(low)
		t := y.RoundToEven()
		y = y.Sub(t)
		q := y.MulAdd(c5, c4)
		q = q.MulAdd(y, c3)
		q = q.MulAdd(y, c2)
		q = q.MulAdd(y, c1)
		q = q.MulAdd(y, one)
		// 2^t is added to the exponent's bits; q is in [0.7, 1.42].
		q = q.AsInt32x8().Add(t.ConvertToInt32().ShiftAllLeft(23)).AsFloat32x8().Masked(z.Greater(low))
		store8(q, d, i)
		sum = sum.Add(q)
	}
	return fold(sum)
}

// fold adds the lanes of v in a fixed order.
func fold(v archsimd.Float32x8) float32 {
	var a [4]float32
	v.GetLo().Add(v.GetHi()).Store(&a)
	leave()
	return (a[0] + a[2]) + (a[1] + a[3])
}

// leave is called before scalar arithmetic and at the end of every kernel: an Intel
// processor takes up to a hundred times as long for it while the upper halves of
// the vector registers hold something.
func leave() { archsimd.ClearAVXUpperBits() }

// scalarRMS is invRMS as a call, for scalar instructions that the compiler would move to
// before leave.
//
//go:noinline
func scalarRMS(squares float32, n int, eps float32) float32 { return invRMS(squares, n, eps) }

func rmsnormAVX2(dst, x, w []float32, n int, eps float32) {
	if n%8 != 0 {
		rmsnorm(dst, x, w, n, eps)
		return
	}
	d, a, b := base(dst[:n]), base(x[:n]), base(w[:n])
	var s archsimd.Float32x8
	for i := 0; i < n; i += 8 {
		v := load8(a, i)
		s = v.MulAdd(v, s)
	}
	r := set8(scalarRMS(fold(s), n, eps))
	for i := 0; i < n; i += 8 {
		store8(load8(a, i).Mul(r).Mul(load8(b, i)), d, i)
	}
	leave()
}

func ropeAVX2(x, cos, sin []float32, half int) {
	if half%8 != 0 {
		rope(x, cos, sin, half)
		return
	}
	p, c, s := base(x[:2*half]), base(cos[:half]), base(sin[:half])
	for i := 0; i < half; i += 8 {
		a, b, co, si := load8(p, i), load8(p, i+half), load8(c, i), load8(s, i)
		store8(a.Mul(co).Sub(b.Mul(si)), p, i)
		store8(b.Mul(co).Add(a.Mul(si)), p, i+half)
	}
	leave()
}

func maxAVX2(x []float32) float32 {
	p, n := base(x), len(x)
	a := set8(negInf)
	for i := 0; i < n; i += 8 {
		a = a.Max(load8(p, i))
	}
	return peak(a)
}

// peak is the largest lane of v.
func peak(v archsimd.Float32x8) float32 {
	var a [4]float32
	v.GetLo().Max(v.GetHi()).Store(&a)
	leave()
	m := a[0]
	for _, x := range a[1:] {
		if x > m {
			m = x
		}
	}
	return m
}

// gateAVX2: gate = gate / (1 + e) * up, where e = exp(-gate).
func gateAVX2(gate, e, up []float32) {
	n := len(gate)
	g, u, x, one := base(gate), base(up[:n]), base(e[:n]), set8(1)
	for i := 0; i < n; i += 8 {
		store8(load8(g, i).Div(one.Add(load8(x, i))).Mul(load8(u, i)), g, i)
	}
	leave()
}

func centerAVX2(x, p []float32, off, by float32) {
	a, b, n := base(x), base(p[:len(x)]), len(x)
	o, f := set8(off), set8(by)
	for i := 0; i < n; i += 8 {
		store8(load8(a, i).Sub(o).Mul(load8(b, i)).Mul(f), a, i)
	}
	leave()
}

func gateBackAVX2(dgate, dup, dact, gate, e, up []float32) {
	n := len(dact)
	pg, pu, pd := base(dgate[:n]), base(dup[:n]), base(dact)
	g, x, u, one := base(gate[:n]), base(e[:n]), base(up[:n]), set8(1)
	for i := 0; i < n; i += 8 {
		v, d := load8(g, i), load8(pd, i)
		on := one.Div(one.Add(load8(x, i)))
		act := v.Mul(on)
		store8(d.Mul(act), pu, i)
		store8(d.Mul(load8(u, i)).Mul(on.Add(act.Sub(act.Mul(on)))), pg, i)
	}
	leave()
}

func dotAVX2(x, y []float32, off float32) float32 {
	p, q, n := base(x), base(y[:len(x)]), len(x)
	o := set8(off)
	var s archsimd.Float32x8
	for i := 0; i < n; i += 8 {
		s = load8(p, i).MulAdd(load8(q, i).Sub(o), s)
	}
	return fold(s)
}

func scaleAVX2(x []float32, by float32) {
	if len(x)%8 != 0 {
		scale(x, by)
		return
	}
	p, b := base(x), set8(by)
	for i := 0; i < len(x); i += 8 {
		store8(load8(p, i).Mul(b), p, i)
	}
	leave()
}
