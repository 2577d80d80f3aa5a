package cpu

import (
	"math"
	"slices"
)

// panel is how many outputs a packed weight matrix keeps side by side.
const panel = 32

// kernels is the set of inner loops for one instruction set. In every one of
// them a result depends on its own row only and is added up in an order fixed
// by the row's own length: no batch size, tile or worker count changes a bit.
// Vectors other than those of rmsnorm and rope are multiples of 8 long.
type kernels struct {
	name string
	// mul32: dst[r*ldd+j] = init[r*ldi+j] + sum over i < k, in order, of
	// x[r*ldx+i] * w[i*ldw+j], for r < rows and j < 32. init may be dst.
	// mul16 is the same for j < 16.
	mul32, mul16 func(dst []float32, ldd int, x []float32, ldx, rows int, w []float32, ldw, k int, init []float32, ldi int)
	// rmsnorm: dst = x / sqrt(mean(x^2) + eps) * w over n values.
	rmsnorm func(dst, x, w []float32, n int, eps float32)
	// rope rotates x[i] with x[i+half] by the angle of cos[i], sin[i].
	rope func(x, cos, sin []float32, half int)
	// exps: dst = e^(x*by + off), 0 for -Inf; returns the sum. dst may be x.
	exps func(dst, x []float32, by, off float32) float32
	max  func(x []float32) float32
	// dot: sum of x * (y - off).
	dot func(x, y []float32, off float32) float32
	// gate: gate = gate / (1 + e) * up.
	gate func(gate, e, up []float32)
	// scale multiplies x in place.
	scale func(x []float32, by float32)
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

// portable returns the kernels in plain Go, the meaning of the fast ones.
func portable() *kernels {
	return &kernels{name: "portable", mul32: mul32, mul16: mul16, rmsnorm: rmsnorm, rope: rope,
		exps: exps, max: slices.Max[[]float32], dot: dot, gate: gate, scale: scale}
}

// softmax replaces s[:n] by exp(by * (s - max)) and s[n:] up to the next
// multiple of 16 by 0, which adds nothing; it returns 1 / sum.
func (k *kernels) softmax(s []float32, n int, by float32) float32 {
	s = s[:(n+15)&^15]
	for i := n; i < len(s); i++ {
		s[i] = negInf
	}
	return 1 / k.exps(s, s, by, -k.max(s)*by)
}

// swiglu: gate = silu(gate) * up; e is scratch memory as long as gate.
func (k *kernels) swiglu(gate, up, e []float32) {
	k.exps(e, gate, -1, 0)
	k.gate(gate, e, up)
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

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}
