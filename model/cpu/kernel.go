package cpu

import "math"

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
	// softmax replaces s[:n] by exp(scale * (s - max)) and s[n:] up to the
	// next multiple of 8 by 0; it returns 1 / sum.
	softmax func(s []float32, n int, scale float32) float32
	// swiglu: gate = silu(gate) * up.
	swiglu func(gate, up []float32)
	// expSum: v = (x - most) * scale; dst = e^v; returns sum e^v and sum v e^v.
	expSum func(dst, x []float32, most, scale float32) (sum, dot float32)
	// scale multiplies x in place.
	scale func(x []float32, by float32)
}

// Constants of the exponential: x = n ln 2 + r with ln 2 in two parts, then
// 1 + r + r^2 (1/2 + exp3 r + ... + exp6 r^4), minimax on |r| <= ln 2 / 2.
const (
	log2e = 1.44269504088896341
	ln2hi = 0.693359375
	ln2lo = -2.12194440e-4
	exp3  = 1.6666665459e-1
	exp4  = 4.1665795894e-2
	exp5  = 8.3334519073e-3
	exp6  = 1.3981999507e-3
)

var negInf = float32(math.Inf(-1))

// portable returns the kernels in plain Go, the meaning of the fast ones.
func portable() *kernels {
	return &kernels{name: "portable", mul32: mul32, mul16: mul16, rmsnorm: rmsnorm, rope: rope,
		softmax: softmax, swiglu: swiglu, expSum: expSum, scale: scale}
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

func softmax(s []float32, n int, scale float32) float32 {
	most, sum := negInf, float32(0)
	for _, v := range s[:n] {
		most = max(most, v)
	}
	for i, v := range s[:n] {
		s[i] = exp32((v - most) * scale)
		sum += s[i]
	}
	clear(s[n : (n+7)&^7])
	return 1 / sum
}

func swiglu(gate, up []float32) {
	for i, g := range gate {
		gate[i] = g / (1 + exp32(-g)) * up[i]
	}
}

func expSum(dst, x []float32, most, scale float32) (sum, dot float32) {
	for i, v := range x {
		v = (v - most) * scale
		e := exp32(v)
		dst[i] = e
		sum += e
		dot += e * max(v, -1e30)
	}
	return sum, dot
}

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}
