//go:build amd64 && goexperiment.simd

package attn

import (
	"simd/archsimd"
	"unsafe"
)

// The vector kernels work on pairs of 8 floats and half a block of rows, which
// the registers of every x86-64-v3 machine hold; d and n are multiples of 16.
// Vectors of 16 floats and whole blocks were a third slower on a Zen 4.

type vec = archsimd.Float32x8

const half = block / 2

var vector = kernels{
	dot: func(s, at, bt []float32, d, n int) {
		dotVector(s, at, bt, d, n)
		dotVector(s[half*tile:], at[half:], bt, d, n)
	},
	sum: func(out, p, b []float32, d, n int) {
		sumVector(out, p, b, d, n)
		sumVector(out[half*d:], p[half*tile:], b, d, n)
	},
	outer: func(b, p, a []float32, d, n int) {
		outerVector(b, p, a, d, n)
		outerVector(b, p[half*tile:], a[half*d:], d, n)
	},
	exp: expVector, max: maxVector, scale: scaleVector,
}

// Vector says whether the vector kernels are compiled in and can run here.
func Vector() bool { return archsimd.X86.AVX2() && archsimd.X86.FMA() }

func pick(dim int) kernels {
	if dim%lanes == 0 && Vector() {
		return vector
	}
	return scalar
}

// at points at element i of a slice's data, eight floats wide. The kernels check
// their slices' lengths once, before the loops.
func at(p unsafe.Pointer, i int) *[8]float32 {
	return (*[8]float32)(unsafe.Add(p, 4*i))
}

func one(p unsafe.Pointer, i int) vec {
	return archsimd.BroadcastFloat32x8(*(*float32)(unsafe.Add(p, 4*i)))
}

func data(x []float32, atLeast int) unsafe.Pointer {
	_ = x[:atLeast]
	return unsafe.Pointer(unsafe.SliceData(x))
}

// The three products step their pointers once more than they read, which the
// race detector's pointer checks would stop.
//
//go:nocheckptr
func dotVector(s, a, bt []float32, d, n int) {
	ps, pa, pb := data(s, 3*tile+n), data(a, (d-1)*block+half), data(bt, (d-1)*tile+n)
	for j := 0; j < n; j += 16 {
		var s00, s01, s10, s11, s20, s21, s30, s31 vec
		a, b := pa, unsafe.Add(pb, 4*j)
		for range d {
			b0, b1 := archsimd.LoadFloat32x8(at(b, 0)), archsimd.LoadFloat32x8(at(b, 8))
			x0 := one(a, 0)
			s00, s01 = x0.MulAdd(b0, s00), x0.MulAdd(b1, s01)
			x1 := one(a, 1)
			s10, s11 = x1.MulAdd(b0, s10), x1.MulAdd(b1, s11)
			x2 := one(a, 2)
			s20, s21 = x2.MulAdd(b0, s20), x2.MulAdd(b1, s21)
			x3 := one(a, 3)
			s30, s31 = x3.MulAdd(b0, s30), x3.MulAdd(b1, s31)
			a, b = unsafe.Add(a, 4*block), unsafe.Add(b, 4*tile)
		}
		out := unsafe.Add(ps, 4*j)
		s00.Store(at(out, 0))
		s01.Store(at(out, 8))
		s10.Store(at(out, tile))
		s11.Store(at(out, tile+8))
		s20.Store(at(out, 2*tile))
		s21.Store(at(out, 2*tile+8))
		s30.Store(at(out, 3*tile))
		s31.Store(at(out, 3*tile+8))
	}
}

//go:nocheckptr
func sumVector(out, p, b []float32, d, n int) {
	po, pp, pb := data(out, half*d), data(p, 3*tile+n), data(b, n*d)
	for i := 0; i < d; i += 16 {
		load := func(k int) vec { return archsimd.LoadFloat32x8(at(po, k+i)) }
		s00, s01, s10, s11 := load(0), load(8), load(d), load(d+8)
		s20, s21, s30, s31 := load(2*d), load(2*d+8), load(3*d), load(3*d+8)
		p, row := pp, unsafe.Add(pb, 4*i)
		for range n {
			b0, b1 := archsimd.LoadFloat32x8(at(row, 0)), archsimd.LoadFloat32x8(at(row, 8))
			x0 := one(p, 0)
			s00, s01 = x0.MulAdd(b0, s00), x0.MulAdd(b1, s01)
			x1 := one(p, tile)
			s10, s11 = x1.MulAdd(b0, s10), x1.MulAdd(b1, s11)
			x2 := one(p, 2*tile)
			s20, s21 = x2.MulAdd(b0, s20), x2.MulAdd(b1, s21)
			x3 := one(p, 3*tile)
			s30, s31 = x3.MulAdd(b0, s30), x3.MulAdd(b1, s31)
			p, row = unsafe.Add(p, 4), unsafe.Add(row, 4*d)
		}
		s00.Store(at(po, i))
		s01.Store(at(po, i+8))
		s10.Store(at(po, d+i))
		s11.Store(at(po, d+i+8))
		s20.Store(at(po, 2*d+i))
		s21.Store(at(po, 2*d+i+8))
		s30.Store(at(po, 3*d+i))
		s31.Store(at(po, 3*d+i+8))
	}
}

//go:nocheckptr
func outerVector(b, p, a []float32, d, n int) {
	pb, pp, pa := data(b, n*d), data(p, 3*tile+n), data(a, half*d)
	for i := 0; i < d; i += 16 {
		load := func(k int) vec { return archsimd.LoadFloat32x8(at(pa, k+i)) }
		a00, a01, a10, a11 := load(0), load(8), load(d), load(d+8)
		a20, a21, a30, a31 := load(2*d), load(2*d+8), load(3*d), load(3*d+8)
		p, row := pp, unsafe.Add(pb, 4*i)
		for range n {
			b0, b1 := archsimd.LoadFloat32x8(at(row, 0)), archsimd.LoadFloat32x8(at(row, 8))
			x0 := one(p, 0)
			b0, b1 = x0.MulAdd(a00, b0), x0.MulAdd(a01, b1)
			x1 := one(p, tile)
			b0, b1 = x1.MulAdd(a10, b0), x1.MulAdd(a11, b1)
			x2 := one(p, 2*tile)
			b0, b1 = x2.MulAdd(a20, b0), x2.MulAdd(a21, b1)
			x3 := one(p, 3*tile)
			b0, b1 = x3.MulAdd(a30, b0), x3.MulAdd(a31, b1)
			b0.Store(at(row, 0))
			b1.Store(at(row, 8))
			p, row = unsafe.Add(p, 4), unsafe.Add(row, 4*d)
		}
	}
}

// exponent holds the constants of e^x by range reduction to |g| <= ln(2)/2 and a
// Taylor polynomial of degree 6: relative error below 3e-7. Below -88 it is 0,
// above 88 it stays at e^88.
type exponent struct {
	low, high, log2e, ln2hi, ln2lo vec
	c6, c5, c4, c3, c2, c1         vec
	bias                           archsimd.Int32x8
}

func newExponent() exponent {
	bc := archsimd.BroadcastFloat32x8
	return exponent{bc(-88.02), bc(88.02), bc(1.44269504), bc(-0.693145752), bc(-1.42860677e-6),
		bc(1.0 / 720), bc(1.0 / 120), bc(1.0 / 24), bc(1.0 / 6), bc(0.5), bc(1), archsimd.BroadcastInt32x8(127)}
}

func (k *exponent) of(x vec) vec {
	y := x.Max(k.low).Min(k.high)
	n := y.Mul(k.log2e).RoundToEven()
	g := n.MulAdd(k.ln2lo, n.MulAdd(k.ln2hi, y))
	e := k.c6.MulAdd(g, k.c5)
	e = e.MulAdd(g, k.c4)
	e = e.MulAdd(g, k.c3)
	e = e.MulAdd(g, k.c2)
	e = e.MulAdd(g, k.c1)
	e = e.MulAdd(g, k.c1)
	return e.Mul(n.ConvertToInt32().Add(k.bias).ShiftAllLeft(23).AsFloat32x8())
}

func expVector(x []float32, shift float32) float32 {
	k, s := newExponent(), archsimd.BroadcastFloat32x8(shift)
	var sum vec
	p := data(x, len(x))
	for i := 0; i < len(x); i += 8 {
		e := k.of(archsimd.LoadFloat32x8(at(p, i)).Sub(s))
		e.Store(at(p, i))
		sum = sum.Add(e)
	}
	return total(sum)
}

func swigluVector(act, gate, up []float32) {
	k, zero := newExponent(), archsimd.BroadcastFloat32x8(0)
	pa, pg, pu := data(act, len(act)), data(gate, len(act)), data(up, len(act))
	for i := 0; i < len(act); i += 8 {
		g := archsimd.LoadFloat32x8(at(pg, i))
		on := k.c1.Div(k.c1.Add(k.of(zero.Sub(g))))
		g.Mul(on).Mul(archsimd.LoadFloat32x8(at(pu, i))).Store(at(pa, i))
	}
}

func swigluBackVector(dgate, dup, dact, gate, up []float32) {
	k, zero, n := newExponent(), archsimd.BroadcastFloat32x8(0), len(dgate)
	pg, pu, pa, pdg, pdu := data(gate, n), data(up, n), data(dact, n), data(dgate, n), data(dup, n)
	for i := 0; i < n; i += 8 {
		g, d := archsimd.LoadFloat32x8(at(pg, i)), archsimd.LoadFloat32x8(at(pa, i))
		on := k.c1.Div(k.c1.Add(k.of(zero.Sub(g))))
		act := g.Mul(on)
		slope := on.Add(act.Sub(act.Mul(on)))
		d.Mul(archsimd.LoadFloat32x8(at(pu, i))).Mul(slope).Store(at(pdg, i))
		d.Mul(act).Store(at(pdu, i))
	}
}

// total adds the eight lanes in a fixed order.
func total(x vec) float32 {
	var y [8]float32
	x.Store(&y)
	return ((y[0] + y[4]) + (y[1] + y[5])) + ((y[2] + y[6]) + (y[3] + y[7]))
}

func maxVector(x []float32) float32 {
	p := data(x, len(x))
	top := archsimd.LoadFloat32x8(at(p, 0))
	for i := 8; i < len(x); i += 8 {
		top = top.Max(archsimd.LoadFloat32x8(at(p, i)))
	}
	var y [8]float32
	top.Store(&y)
	return max(y[0], y[1], y[2], y[3], y[4], y[5], y[6], y[7])
}

func scaleVector(x, p []float32, delta float32) {
	px, pp, d := data(x, len(x)), data(p, len(x)), archsimd.BroadcastFloat32x8(delta)
	for i := 0; i < len(x); i += 8 {
		y := archsimd.LoadFloat32x8(at(px, i)).Sub(d)
		y.Mul(archsimd.LoadFloat32x8(at(pp, i))).Store(at(px, i))
	}
}
