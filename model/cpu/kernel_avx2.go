//go:build goexperiment.simd && amd64

package cpu

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
	d, a, b, c := base(dst), base(x), base(w), base(init)
	for ; rows >= 4; rows -= 4 {
		a0, b0 := load8(c, 0), load8(c, 8)
		a1, b1 := load8(c, ldi), load8(c, ldi+8)
		a2, b2 := load8(c, 2*ldi), load8(c, 2*ldi+8)
		a3, b3 := load8(c, 3*ldi), load8(c, 3*ldi+8)
		x1, x2, x3 := at(a, ldx), at(a, 2*ldx), at(a, 3*ldx)
		q := b
		for i := 0; i < k; i++ {
			u, v := load8(q, 0), load8(q, 8)
			q = at(q, ldw)
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
		d, a, c = at(d, 4*ldd), at(a, 4*ldx), at(c, 4*ldi)
	}
	for ; rows > 0; rows-- {
		s, t, q := load8(c, 0), load8(c, 8), b
		for i := 0; i < k; i++ {
			e := all8(a, i)
			s, t = e.MulAdd(load8(q, 0), s), e.MulAdd(load8(q, 8), t)
			q = at(q, ldw)
		}
		store8(s, d, 0)
		store8(t, d, 8)
		d, a, c = at(d, ldd), at(a, ldx), at(c, ldi)
	}
}

// exp8 is e^x, relative error below 2e-7; exactly 0 below -87.3.
// The reduction is x = n ln 2 + r, |r| <= ln 2 / 2, then a Taylor-like minimax
// polynomial of degree 6 in r.
func exp8(x archsimd.Float32x8) archsimd.Float32x8 {
	live := x.Greater(set8(-87.3))
	x = x.Min(set8(88)).Max(set8(-87.3))
	n := x.Mul(set8(log2e)).RoundToEven()
	r := n.MulAdd(set8(-ln2hi), x)
	r = n.MulAdd(set8(-ln2lo), r)
	p := set8(exp6).MulAdd(r, set8(exp5))
	p = p.MulAdd(r, set8(exp4))
	p = p.MulAdd(r, set8(exp3))
	p = p.MulAdd(r, set8(0.5))
	p = p.MulAdd(r.Mul(r), r).Add(set8(1))
	two := n.ConvertToInt32().Add(archsimd.BroadcastInt32x8(127)).ShiftAllLeft(23).AsFloat32x8()
	return p.Mul(two).Masked(live)
}

// fold adds the lanes of v in a fixed order.
func fold(v archsimd.Float32x8) float32 {
	var a [8]float32
	v.Store(&a)
	return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
}

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
	r := set8(invRMS(fold(s), n, eps))
	for i := 0; i < n; i += 8 {
		store8(load8(a, i).Mul(r).Mul(load8(b, i)), d, i)
	}
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
}

// softmaxAVX2 works on whole vectors; the tail beyond n is set so that it adds
// exactly nothing, and so the result does not depend on the padding.
func softmaxAVX2(s []float32, n int, scale float32) float32 {
	m := (n + 7) &^ 7
	for i := n; i < m; i++ {
		s[i] = negInf
	}
	p := base(s[:m])
	top, by := set8(negInf), set8(scale)
	for i := 0; i < m; i += 8 {
		top = top.Max(load8(p, i))
	}
	var a [8]float32
	top.Store(&a)
	most := max(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7])
	off := set8(-most * scale)
	var sum archsimd.Float32x8
	for i := 0; i < m; i += 8 {
		e := exp8(load8(p, i).MulAdd(by, off))
		store8(e, p, i)
		sum = sum.Add(e)
	}
	return 1 / fold(sum)
}

func swigluAVX2(gate, up []float32) {
	n := len(gate)
	g, u, one := base(gate), base(up[:n]), set8(1)
	for i := 0; i < n; i += 8 {
		v := load8(g, i)
		e := exp8(set8(0).Sub(v))
		store8(v.Div(one.Add(e)).Mul(load8(u, i)), g, i)
	}
}

// expSumAVX2 takes 32 values at a time so that four chains of adds overlap.
func expSumAVX2(dst, x []float32, most, scale float32) (sum, dot float32) {
	n := len(x)
	d, p := base(dst[:n]), base(x)
	off, by := set8(-most), set8(scale)
	var s, t archsimd.Float32x8
	for i := 0; i < n; i += 8 {
		v := load8(p, i).Add(off).Mul(by)
		e := exp8(v)
		store8(e, d, i)
		s = s.Add(e)
		t = e.MulAdd(v.Max(set8(-1e30)), t)
	}
	return fold(s), fold(t)
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
}
