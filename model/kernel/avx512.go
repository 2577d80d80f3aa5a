//go:build goexperiment.simd && amd64

package kernel

import (
	"simd/archsimd"
	"sync"
	"unsafe"
)

// SIMD says whether this build has vector code, whatever the processor runs.
const SIMD = true

// Best returns the fastest kernels that this CPU runs. The AVX2 and AVX-512
// products add in the same order and give the same bits. It is one set for all, not
// to be changed.
func Best() *Set { return best() }

var best = sync.OnceValue(choose)

func choose() *Set {
	if !archsimd.X86.AVX2() || !archsimd.X86.FMA() {
		return Portable()
	}
	k := &Set{Name: "AVX2", Mul32: mul32AVX2, Mul16: mul16AVX2, Outer32: outer32AVX2,
		Center: centerAVX2, GateBack: gateBackAVX2, RMSNorm: rmsnormAVX2, RMSNormBack: rmsnormBackAVX2,
		Rope: ropeAVX2, Exps: expsAVX2, Max: maxAVX2, Gate: gateAVX2, Dot: dotAVX2, Scale: scaleAVX2}
	if archsimd.X86.AVX512() {
		k.Name, k.Mul32, k.Mul16 = "AVX-512", mul32AVX512, mul16AVX512
		k.Outer32, k.Exps, k.Max = outer32AVX512, expsAVX512, maxAVX512
	}
	return k
}

type ptr = unsafe.Pointer

// at returns p moved by n float32. No pointer may leave its slice, not even for
// a moment: the loops count offsets.
func at(p ptr, n int) ptr { return unsafe.Add(p, n*4) }

func load16(p ptr, n int) archsimd.Float32x16 {
	return archsimd.LoadFloat32x16((*[16]float32)(at(p, n)))
}

func store16(v archsimd.Float32x16, p ptr, n int) { v.Store((*[16]float32)(at(p, n))) }

func all16(p ptr, n int) archsimd.Float32x16 {
	return archsimd.BroadcastFloat32x16(*(*float32)(at(p, n)))
}

// mul32AVX512 takes the rows in tiles of 4, 2 and 1. A larger tile does not fit
// the 15 vector registers that the compiler uses and spills.
func mul32AVX512(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int) {
	check(dst, ldd, x, ldx, rows, w, ldw, k, init, ldi, 32)
	d, a, b, c := base(dst), base(x), base(w), base(init)
	r := 0
	for ; r+4 <= rows; r += 4 {
		tile4(at(d, r*ldd), ldd, at(a, r*ldx), ldx, b, ldw, k, at(c, r*ldi), ldi)
	}
	if r+2 <= rows {
		tile2(at(d, r*ldd), ldd, at(a, r*ldx), ldx, b, ldw, k, at(c, r*ldi), ldi)
		r += 2
	}
	if r < rows {
		tile1(at(d, r*ldd), at(a, r*ldx), b, ldw, k, at(c, r*ldi))
	}
	leave()
}

func base(s []float32) ptr { return ptr(unsafe.SliceData(s)) }

// check panics when a product would leave one of its slices.
func check(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi, width int) {
	if rows > 0 && k > 0 {
		_, _ = dst[(rows-1)*ldd+width-1], init[(rows-1)*ldi+width-1]
		_, _ = x[(rows-1)*ldx+k-1], w[(k-1)*ldw+width-1]
	}
}

func tile4(dst ptr, ldd int, x ptr, ldx int, w ptr, ldw, k int, init ptr, ldi int) {
	a0, b0 := load16(init, 0), load16(init, 16)
	a1, b1 := load16(init, ldi), load16(init, ldi+16)
	a2, b2 := load16(init, 2*ldi), load16(init, 2*ldi+16)
	a3, b3 := load16(init, 3*ldi), load16(init, 3*ldi+16)
	x1, x2, x3 := at(x, ldx), at(x, 2*ldx), at(x, 3*ldx)
	for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
		u, v := load16(w, j), load16(w, j+16)
		s := all16(x, i)
		a0, b0 = s.MulAdd(u, a0), s.MulAdd(v, b0)
		s = all16(x1, i)
		a1, b1 = s.MulAdd(u, a1), s.MulAdd(v, b1)
		s = all16(x2, i)
		a2, b2 = s.MulAdd(u, a2), s.MulAdd(v, b2)
		s = all16(x3, i)
		a3, b3 = s.MulAdd(u, a3), s.MulAdd(v, b3)
	}
	store16(a0, dst, 0)
	store16(b0, dst, 16)
	store16(a1, dst, ldd)
	store16(b1, dst, ldd+16)
	store16(a2, dst, 2*ldd)
	store16(b2, dst, 2*ldd+16)
	store16(a3, dst, 3*ldd)
	store16(b3, dst, 3*ldd+16)
}

func tile2(dst ptr, ldd int, x ptr, ldx int, w ptr, ldw, k int, init ptr, ldi int) {
	a0, b0 := load16(init, 0), load16(init, 16)
	a1, b1 := load16(init, ldi), load16(init, ldi+16)
	x1 := at(x, ldx)
	for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
		u, v := load16(w, j), load16(w, j+16)
		s := all16(x, i)
		a0, b0 = s.MulAdd(u, a0), s.MulAdd(v, b0)
		s = all16(x1, i)
		a1, b1 = s.MulAdd(u, a1), s.MulAdd(v, b1)
	}
	store16(a0, dst, 0)
	store16(b0, dst, 16)
	store16(a1, dst, ldd)
	store16(b1, dst, ldd+16)
}

func tile1(dst, x, w ptr, ldw, k int, init ptr) {
	a, b := load16(init, 0), load16(init, 16)
	for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
		u, v := load16(w, j), load16(w, j+16)
		s := all16(x, i)
		a, b = s.MulAdd(u, a), s.MulAdd(v, b)
	}
	store16(a, dst, 0)
	store16(b, dst, 16)
}

// mul16AVX512 is the half-width product.
func mul16AVX512(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int) {
	check(dst, ldd, x, ldx, rows, w, ldw, k, init, ldi, 16)
	d, a, b, c := base(dst), base(x), base(w), base(init)
	r := 0
	for ; r+4 <= rows; r += 4 {
		d, a, c := at(d, r*ldd), at(a, r*ldx), at(c, r*ldi)
		a0, a1, a2, a3 := load16(c, 0), load16(c, ldi), load16(c, 2*ldi), load16(c, 3*ldi)
		x1, x2, x3 := at(a, ldx), at(a, 2*ldx), at(a, 3*ldx)
		for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
			u := load16(b, j)
			a0, a1 = all16(a, i).MulAdd(u, a0), all16(x1, i).MulAdd(u, a1)
			a2, a3 = all16(x2, i).MulAdd(u, a2), all16(x3, i).MulAdd(u, a3)
		}
		store16(a0, d, 0)
		store16(a1, d, ldd)
		store16(a2, d, 2*ldd)
		store16(a3, d, 3*ldd)
	}
	if r+2 <= rows {
		d, a, c := at(d, r*ldd), at(a, r*ldx), at(c, r*ldi)
		a0, a1, x1 := load16(c, 0), load16(c, ldi), at(a, ldx)
		for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
			u := load16(b, j)
			a0, a1 = all16(a, i).MulAdd(u, a0), all16(x1, i).MulAdd(u, a1)
		}
		store16(a0, d, 0)
		store16(a1, d, ldd)
		r += 2
	}
	if r < rows {
		s, a := load16(c, r*ldi), at(a, r*ldx)
		for i, j := 0, 0; i < k; i, j = i+1, j+ldw {
			s = all16(a, i).MulAdd(load16(b, j), s)
		}
		store16(s, d, r*ldd)
	}
	leave()
}

func set16(v float32) archsimd.Float32x16 { return archsimd.BroadcastFloat32x16(v) }

// expsAVX512 is expsAVX2 on whole vectors of 16, the rest left to that one.
// 2^-160 is 0 in float32, so no mask is needed.
func expsAVX512(dst, x []float32, by, off float32) float32 {
	n := len(x) &^ 15
	d, p := base(dst[:len(x)]), base(x)
	vby, voff, low := set16(by*log2e), set16(off*log2e), set16(-160)
	c5, c4, c3, c2, c1, one := set16(exp5), set16(exp4), set16(exp3), set16(exp2), set16(exp1), set16(1)
	var sum archsimd.Float32x16
	for i := 0; i < n; i += 16 {
		y := load16(p, i).MulAdd(vby, voff).Max(low)
		t := y.RoundToEvenScaled(0)
		y = y.Sub(t)
		q := y.MulAdd(c5, c4)
		q = q.MulAdd(y, c3)
		q = q.MulAdd(y, c2)
		q = q.MulAdd(y, c1)
		q = q.MulAdd(y, one).Scale(t)
		store16(q, d, i)
		sum = sum.Add(q)
	}
	total := fold(sum.GetLo().Add(sum.GetHi()))
	if n < len(x) {
		total += expsAVX2(dst[n:], x[n:], by, off)
	}
	return total
}

// maxAVX512 is maxAVX2 on 32 values at a time, the rest by 8.
func maxAVX512(x []float32) float32 {
	n := len(x) &^ 31
	p := base(x)
	a, b := set16(negInf), set16(negInf)
	for i := 0; i < n; i += 32 {
		a, b = a.Max(load16(p, i)), b.Max(load16(p, i+16))
	}
	a = a.Max(b)
	v := a.GetLo().Max(a.GetHi())
	for i := n; i < len(x); i += 8 {
		v = v.Max(load8(p, i))
	}
	return peak(v)
}
