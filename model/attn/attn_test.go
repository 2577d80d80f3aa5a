package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// case1 is a prefix shared by three segments, a lone segment, and padding.
var case1 = []Segment{{0, 21, 0, 0}, {21, 40, 0, 21}, {40, 41, 0, 21}, {41, 60, 0, 21}, {60, 83, 0, 0}}

const tokens = 90

type io struct{ q, k, v, do, out, lse, dq, dk, dv []float32 }

func random(h Heads) io {
	rng := rand.New(rand.NewPCG(1, 2))
	mk := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		return x
	}
	a, b := tokens*h.Q*h.Dim, tokens*h.KV*h.Dim
	return io{mk(a), mk(b), mk(b), mk(a), mk(a), mk(tokens * h.Q), mk(a), mk(b), mk(b)}
}

// naive is attention by the book in float64.
func naive(q, k, v []float32, h Heads, segs []Segment) []float64 {
	out := make([]float64, len(q))
	for _, s := range segs {
		for t := s.Start; t < s.End; t++ {
			var keys []int
			for j := s.PrefixStart; j < s.PrefixEnd; j++ {
				keys = append(keys, j)
			}
			for j := s.Start; j <= t; j++ {
				keys = append(keys, j)
			}
			for hq := range h.Q {
				kv, p, sum := hq*h.KV/h.Q, make([]float64, len(keys)), 0.0
				for i, j := range keys {
					for d := range h.Dim {
						p[i] += float64(q[(t*h.Q+hq)*h.Dim+d]) * float64(k[(j*h.KV+kv)*h.Dim+d])
					}
					p[i] = math.Exp(p[i] / math.Sqrt(float64(h.Dim)))
					sum += p[i]
				}
				for i, j := range keys {
					for d := range h.Dim {
						out[(t*h.Q+hq)*h.Dim+d] += p[i] / sum * float64(v[(j*h.KV+kv)*h.Dim+d])
					}
				}
			}
		}
	}
	return out
}

func TestForwardAndBackward(t *testing.T) {
	for _, h := range []Heads{{4, 2, 16}, {3, 1, 32}, {3, 3, 64}, {2, 1, 8}} {
		t.Run(fmt.Sprint(h), func(t *testing.T) {
			x := random(h)
			Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, 1)
			for i, want := range naive(x.q, x.k, x.v, h, case1) {
				if math.Abs(float64(x.out[i])-want) > 2e-6 {
					t.Fatalf("out[%d] = %g, want %g", i, x.out[i], want)
				}
			}
			Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, 1)
			rng := rand.New(rand.NewPCG(3, 4))
			for name, pair := range map[string][2][]float32{"q": {x.q, x.dq}, "k": {x.k, x.dk}, "v": {x.v, x.dv}} {
				for range 25 {
					at := rng.IntN(len(pair[0]))
					if got, want := float64(pair[1][at]), slope(x, pair[0], at, h); math.Abs(got-want) > 2e-4 {
						t.Errorf("d%s[%d] = %g, want %g", name, at, got, want)
					}
				}
			}
		})
	}
}

// slope is the central difference of sum(do * out) along one input.
func slope(x io, in []float32, at int, h Heads) float64 {
	value := func(v float32) (sum float64) {
		old := in[at]
		in[at] = v
		for i, o := range naive(x.q, x.k, x.v, h, case1) {
			sum += o * float64(x.do[i])
		}
		in[at] = old
		return sum
	}
	const step = 1.0 / 256
	return (value(in[at]+step) - value(in[at]-step)) / (2 * step)
}

func TestSameBitsForAnyWorkers(t *testing.T) {
	h := Heads{8, 4, 16}
	a, b := random(h), random(h)
	for i, x := range []io{a, b} {
		Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, 1+3*i)
		Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, 1+3*i)
	}
	if !slices.Equal(a.out, b.out) || !slices.Equal(a.dq, b.dq) || !slices.Equal(a.dk, b.dk) || !slices.Equal(a.dv, b.dv) {
		t.Error("bits depend on the number of workers")
	}
}

func TestPaddingIsZero(t *testing.T) {
	h := Heads{4, 2, 16}
	x := random(h)
	Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, 1)
	Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, 1)
	for _, y := range append(x.out[83*64:], x.dq[83*64:]...) {
		if y != 0 {
			t.Fatal("a row outside all segments is not 0")
		}
	}
}

func TestRotateInverse(t *testing.T) {
	r := NewRotary([]float64{1, 0.1, 0.01, 0.001})
	r.Grow(50)
	x := []float32{1, 2, 3, 4, 5, 6, 7, 8}
	r.Rotate(x, []int32{37}, 1, false)
	s, c := math.Sincos(37)
	if want := c - 5*s; math.Abs(float64(x[0])-want) > 1e-5 {
		t.Errorf("x[0] = %g, want %g", x[0], want)
	}
	r.Rotate(x, []int32{37}, 1, true)
	for i, y := range x {
		if math.Abs(float64(y)-float64(i+1)) > 1e-5 {
			t.Errorf("back at %d: %g", i, y)
		}
	}
}

// BenchmarkDesk is one desk-shaped group: prefix 150, eight continuations of 100.
func BenchmarkDesk(b *testing.B) {
	h := Heads{4, 2, 16}
	segs := []Segment{{0, 150, 0, 0}}
	for i := range 8 {
		segs = append(segs, Segment{150 + 100*i, 250 + 100*i, 0, 150})
	}
	n := 950
	mk := func(m int) []float32 { return make([]float32, n*m) }
	q, k, v, out, lse, dq, dk, dv := mk(64), mk(32), mk(32), mk(64), mk(4), mk(64), mk(32), mk(32)
	for range b.N {
		Forward(out, lse, q, k, v, h, segs, 1)
		Backward(dq, dk, dv, q, out, lse, q, k, v, h, segs, 1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n)/1000, "us/token")
}

func TestSwiGLU(t *testing.T) {
	const n = 1003
	var gate, up, dact []float32
	rng := rand.New(rand.NewPCG(9, 9))
	for i := range n {
		gate, up, dact = append(gate, float32(i-500)/10), append(up, float32(rng.NormFloat64())), append(dact, float32(rng.NormFloat64()))
	}
	act, dgate, dup := make([]float32, n), make([]float32, n), make([]float32, n)
	SwiGLU(act, gate, up)
	SwiGLUBack(dgate, dup, dact, gate, up)
	for i := range n {
		g, u, d := float64(gate[i]), float64(up[i]), float64(dact[i])
		on := 1 / (1 + math.Exp(-g))
		for _, pair := range [][2]float64{{float64(act[i]), g * on * u}, {float64(dgate[i]), d * u * on * (1 + g*(1-on))}, {float64(dup[i]), d * g * on}} {
			if math.Abs(pair[0]-pair[1]) > 5e-6*(1e-3+math.Abs(pair[1])) {
				t.Errorf("at gate %g: %g, want %g", g, pair[0], pair[1])
			}
		}
	}
}
