package attn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// case1 is a prefix shared by three segments, a lone segment, and padding; with
// heads 64 wide and more it takes several tiles and panels.
var case1 = []Segment{{0, 90, 0, 0}, {90, 105, 0, 90}, {105, 106, 0, 90}, {106, 140, 0, 90}, {140, 163, 0, 0}}

const tokens, end = 170, 163

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
	for _, h := range []Heads{{4, 2, 16}, {3, 3, 64}, {2, 1, 128}, {2, 1, 8}} {
		t.Run(fmt.Sprint(h), func(t *testing.T) {
			x := random(h)
			Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1)
			for i, want := range naive(x.q, x.k, x.v, h, case1) {
				if math.Abs(float64(x.out[i])-want) > 4e-6 {
					t.Fatalf("out[%d] = %g, want %g", i, x.out[i], want)
				}
			}
			Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1)
			rng := rand.New(rand.NewPCG(3, 4))
			for name, pair := range map[string][2][]float32{"q": {x.q, x.dq}, "k": {x.k, x.dk}, "v": {x.v, x.dv}} {
				for range 3 {
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
		Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1+3*i)
		Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1+3*i)
	}
	if !slices.Equal(a.out, b.out) || !slices.Equal(a.dq, b.dq) || !slices.Equal(a.dk, b.dk) || !slices.Equal(a.dv, b.dv) {
		t.Error("bits depend on the number of workers")
	}
}

// TestSomeQueries holds attention for some of the rows against that for all, the
// derivatives of the others being 0.
func TestSomeQueries(t *testing.T) {
	h := Heads{4, 2, 16}
	x, y := random(h), random(h)
	which := []int32{3, 89, 91, 104, 139, 140, 141, 142, 143, 144, 145, 146, 162}
	const width = 64
	some := func(all []float32, width int) []float32 {
		var out []float32
		for _, row := range which {
			out = append(out, all[int(row)*width:(int(row)+1)*width]...)
		}
		return out
	}
	for i := range tokens {
		if !slices.Contains(which, int32(i)) {
			clear(x.do[i*width : (i+1)*width])
		}
	}
	Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1)
	Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1)
	q, out, lse, dq := some(x.q, width), some(y.out, width), some(y.lse, 4), some(y.dq, width)
	Forward(out, lse, q, x.k, x.v, h, case1, which, 1)
	Backward(dq, y.dk, y.dv, some(x.do, width), out, lse, q, x.k, x.v, h, case1, which, 1)
	for name, pair := range map[string][2][]float32{"out": {out, some(x.out, width)}, "lse": {lse, some(x.lse, 4)},
		"dq": {dq, some(x.dq, width)}, "dk": {y.dk, x.dk}, "dv": {y.dv, x.dv}} {
		for i, want := range pair[1] {
			if math.Abs(float64(pair[0][i]-want)) > 1e-5 {
				t.Fatalf("%s[%d] = %g, want %g", name, i, pair[0][i], want)
			}
		}
	}
}

func TestPaddingIsZero(t *testing.T) {
	h := Heads{4, 2, 16}
	x := random(h)
	Forward(x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1)
	Backward(x.dq, x.dk, x.dv, x.do, x.out, x.lse, x.q, x.k, x.v, h, case1, nil, 1)
	for _, y := range append(x.out[end*64:], x.dq[end*64:]...) {
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

// Benchmark is forward and backward of one group: desk-shaped (prefix 150, eight
// continuations of 100, small heads) and long (prefix 2,000, four of 500).
func Benchmark(b *testing.B) {
	for name, x := range map[string]struct {
		h                   Heads
		prefix, count, each int
	}{"desk": {Heads{4, 2, 16}, 150, 8, 100}, "long": {Heads{3, 1, 64}, 2000, 4, 500}} {
		b.Run(name, func(b *testing.B) {
			segs := []Segment{{0, x.prefix, 0, 0}}
			for i := range x.count {
				segs = append(segs, Segment{x.prefix + x.each*i, x.prefix + x.each*(i+1), 0, x.prefix})
			}
			n := x.prefix + x.count*x.each
			scores := x.h.Q * (x.prefix*x.prefix/2 + x.count*x.each*(x.prefix+x.each/2))
			mk := func(m int) []float32 { return make([]float32, n*m) }
			a, c := x.h.Q*x.h.Dim, x.h.KV*x.h.Dim
			q, k, v, out, lse, dq, dk, dv := mk(a), mk(c), mk(c), mk(a), mk(x.h.Q), mk(a), mk(c), mk(c)
			for range b.N {
				Forward(out, lse, q, k, v, x.h, segs, nil, 1)
				Backward(dq, dk, dv, q, out, lse, q, k, v, x.h, segs, nil, 1)
			}
			// Seven products of Dim multiply-adds a score.
			seconds := b.Elapsed().Seconds() / float64(b.N)
			b.ReportMetric(float64(14*x.h.Dim*scores)/seconds/1e9, "GFLOP/s")
			b.ReportMetric(seconds/float64(n)*1e6, "us/token")
		})
	}
}
