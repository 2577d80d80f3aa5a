// Package kernel holds the inner loops of a decoder's forward pass: products,
// norms, rotary positions, exponentials. They come in three kinds (AVX-512, AVX2
// and plain Go) and Best picks one at run time; builds without GOEXPERIMENT=simd
// and other processors have the plain ones only, with the same results up to
// rounding.
//
// Contract: a result depends on its own row only and is added up in an order
// fixed by the row's own length, so that no batch size, tile or worker count
// changes a bit. Slices that are too short for the sizes given are a bug and
// panic.
package kernel

import (
	"math"
	"slices"
)

// Panel is how many outputs a packed matrix keeps side by side.
const Panel = 32

// Product: dst[r*ldd+j] = init[r*ldi+j] + sum over i < k, in order, of
// x[r*ldx+i] * w[i*ldw+j], for r < rows and all j of the kernel's width.
// init may be dst.
type Product func(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int)

// Outer: dst[r*ldd+j] += sum over i < k, in order, of x[i*ldx+r] * w[i*ldw+j], for
// r < rows and j < Panel: the product of a transposed matrix, as in the
// derivative of a weight.
type Outer func(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int)

// Set is the inner loops for one instruction set. Vectors other than those of
// RMSNorm, Rope and Scale are multiples of 8 long.
type Set struct {
	Name         string // AVX-512, AVX2, portable
	Mul32, Mul16 Product
	Outer32      Outer
	// RMSNorm: dst = x / sqrt(mean(x^2) + eps) * w over n values.
	RMSNorm func(dst, x, w []float32, n int, eps float32)
	// RMSNormBack: from dy, the derivative with respect to RMSNorm's dst, it adds
	// those with respect to x and w to dx and dw.
	RMSNormBack func(dx, dw, dy, x, w []float32, n int, eps float32)
	// Rope rotates x[i] with x[i+half] by the angle of cos[i], sin[i].
	Rope func(x, cos, sin []float32, half int)
	// Exps: dst = e^(x*by + off), 0 for -Inf; returns the sum. dst may be x.
	Exps func(dst, x []float32, by, off float32) float32
	// Max is the largest value; where one is NaN, any.
	Max func(x []float32) float32
	// Dot: sum of x * (y - off).
	Dot func(x, y []float32, off float32) float32
	// Center: x = by * p * (x - off).
	Center func(x, p []float32, off, by float32)
	// GateBack: with e = exp(-gate), the derivatives of gate / (1 + e) * up with
	// respect to gate and up, from dact; dgate may be dact.
	GateBack func(dgate, dup, dact, gate, e, up []float32)
	// Gate: gate = gate / (1 + e) * up.
	Gate func(gate, e, up []float32)
	// Scale multiplies x in place.
	Scale func(x []float32, by float32)
}

// Constants of the exponential: 2^f = 1 + exp1 f + ... + exp5 f^5 for |f| <= 1/2,
// fitted for the least relative error, 1.6e-7 in float32.
const (
	log2e = 1.44269504088896341
	exp1  = 0.69314700
	exp2  = 0.24022242
	exp3  = 0.055507336
	exp4  = 0.009671513
	exp5  = 0.0013264727
)

var negInf = float32(math.Inf(-1))

// Portable returns the kernels in plain Go, the meaning of the fast ones.
func Portable() *Set {
	return &Set{Name: "portable", Mul32: mul32, Mul16: mul16, Outer32: outer32,
		Center: center, GateBack: gateBack, RMSNorm: rmsnorm, RMSNormBack: rmsnormBack, Rope: rope,
		Exps: exps, Max: slices.Max[[]float32], Dot: dot, Gate: gate, Scale: scale}
}

// Softmax replaces s[:n] by exp(by * (s - max)) and s[n:] up to the next
// multiple of 16 by 0, which adds nothing; it returns 1 / sum.
func (k *Set) Softmax(s []float32, n int, by float32) float32 {
	s = s[:(n+15)&^15]
	for i := n; i < len(s); i++ {
		s[i] = negInf
	}
	return 1 / k.Exps(s, s, by, -k.Max(s)*by)
}

// SwiGLU: gate = silu(gate) * up; e is scratch memory as long as gate.
func (k *Set) SwiGLU(gate, up, e []float32) {
	k.Exps(e, gate, -1, 0)
	k.Gate(gate, e, up)
}

// SwiGLUBack: dgate and dup from dact, gate and up; e is scratch memory as long as
// gate, and dgate may be dact.
func (k *Set) SwiGLUBack(dgate, dup, dact, gate, up, e []float32) {
	k.Exps(e, gate, -1, 0)
	k.GateBack(dgate, dup, dact, gate, e, up)
}

func mul32(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int) {
	mul16(dst, ldd, x, ldx, rows, w, ldw, k, init, ldi)
	mul16(dst[16:], ldd, x, ldx, rows, w[16:], ldw, k, init[16:], ldi)
}

func mul16(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int) {
	for r := range rows {
		acc := *(*[16]float32)(init[r*ldi:])
		for i, v := range x[r*ldx : r*ldx+k] {
			for j, u := range (*[16]float32)(w[i*ldw:]) {
				acc[j] += v * u
			}
		}
		*(*[16]float32)(dst[r*ldd:]) = acc
	}
}

func outer32(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int) {
	for r := range rows {
		acc := (*[Panel]float32)(dst[r*ldd:])
		for i := range k {
			v := x[i*ldx+r]
			for j, u := range (*[Panel]float32)(w[i*ldw:]) {
				acc[j] += v * u
			}
		}
	}
}

func rmsnorm(dst, x, w []float32, n int, eps float32) {
	var s float32
	for _, v := range x[:n] {
		s += v * v
	}
	r := invRMS(s, n, eps)
	for i, v := range x[:n] {
		dst[i] = v * r * w[i]
	}
}

// rmsnormBack: with r = 1/rms and hat = x r, dx += r (dy w - hat mean(dy w hat)).
func rmsnormBack(dx, dw, dy, x, w []float32, n int, eps float32) {
	var squares, cross float32
	for i, v := range x[:n] {
		squares += v * v
		cross += v * w[i] * dy[i]
	}
	r := invRMS(squares, n, eps)
	pull := r * r * r * cross / float32(n)
	for i, v := range x[:n] {
		dx[i] += r*w[i]*dy[i] - pull*v
		dw[i] += r * v * dy[i]
	}
}

func invRMS(squares float32, n int, eps float32) float32 {
	return float32(1 / math.Sqrt(float64(squares)/float64(n)+float64(eps)))
}

func rope(x, cos, sin []float32, half int) {
	for i := range half {
		a, b := x[i], x[i+half]
		x[i], x[i+half] = a*cos[i]-b*sin[i], b*cos[i]+a*sin[i]
	}
}

func exp32(x float32) float32 { return float32(math.Exp(float64(x))) }

func exps(dst, x []float32, by, off float32) (sum float32) {
	for i, v := range x {
		dst[i] = exp32(v*by + off)
		sum += dst[i]
	}
	return sum
}

func dot(x, y []float32, off float32) (sum float32) {
	for i, v := range x {
		sum += v * (y[i] - off)
	}
	return sum
}

func gate(gate, e, up []float32) {
	for i, g := range gate {
		gate[i] = g / (1 + e[i]) * up[i]
	}
}

func center(x, p []float32, off, by float32) {
	for i, v := range x {
		x[i] = by * p[i] * (v - off)
	}
}

func gateBack(dgate, dup, dact, gate, e, up []float32) {
	for i, d := range dact {
		g, on := gate[i], 1/(1+e[i])
		dup[i] = d * g * on
		// silu'(g) = on + g on (1 - on)
		dgate[i] = d * up[i] * (on + g*on*(1-on))
	}
}

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}
