package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-4*(1+math.Abs(b)) }

func normal(rng *rand.Rand, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(rng.NormFloat64())
	}
	return out
}

// TestProductOfARowIsItsOwn compares products of many rows with those of each
// row alone, to the bit, for every number of rows and in every kernel.
func TestProductOfARowIsItsOwn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const in, ldx, ldd = 37, 41, 48
	w, x, start := normal(rng, in*Panel), normal(rng, 11*ldx), normal(rng, 11*ldd)
	for name, mul := range products() {
		for rows := 1; rows <= 11; rows++ {
			many, one := append([]float32(nil), start...), append([]float32(nil), start...)
			mul(many, ldd, x, ldx, rows, w, Panel, in, many, ldd)
			for r := range rows {
				mul(one[r*ldd:], ldd, x[r*ldx:], ldx, 1, w, Panel, in, one[r*ldd:], ldd)
			}
			if !reflect.DeepEqual(many, one) {
				t.Errorf("%s: %d rows differ from single rows", name, rows)
			}
		}
	}
}

func products() map[string]Product {
	k, p := Best(), Portable()
	out := map[string]Product{"mul32": k.Mul32, "mul16": k.Mul16, "portable32": p.Mul32, "portable16": p.Mul16}
	for name, f := range others() {
		out[name] = f
	}
	return out
}

func TestInstructionSetsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	x, w, zero := normal(rng, 7*50), normal(rng, 50*Panel), make([]float32, Panel)
	run := func(f Product) []float32 {
		d := make([]float32, 7*Panel)
		f(d, Panel, x, 50, 7, w, Panel, 50, zero, 0)
		return d
	}
	want := run(Best().Mul32)
	for name, f := range others() {
		if got := run(f); name == "AVX2 32" && !reflect.DeepEqual(got, want) {
			t.Errorf("%s differs from %s", name, Best().Name)
		}
	}
	for i, v := range run(Portable().Mul32) {
		if math.Abs(float64(v-want[i])) > 1e-4 {
			t.Errorf("portable output %d is %g, want %g", i, v, want[i])
		}
	}
}

// TestOuterProducts compares with the plain kernel, the AVX kernels among each
// other to the bit; and a sum cut in two has the bits of the whole.
func TestOuterProducts(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 2))
	const k, ldx, ldd = 37, 19, 40
	for rows := 1; rows <= 9; rows++ {
		x, w, start := normal(rng, k*ldx), normal(rng, k*ldd), normal(rng, rows*ldd)
		run := func(f Outer, cut int) []float32 {
			d := append([]float32(nil), start...)
			f(d, ldd, x, ldx, rows, w, ldd, cut)
			f(d, ldd, x[cut*ldx:], ldx, rows, w[cut*ldd:], ldd, k-cut)
			return d
		}
		want := run(Best().Outer32, 0)
		for name, f := range outers() {
			if got := run(f, 5); !reflect.DeepEqual(got, want) {
				t.Errorf("%s with %d rows differs from %s", name, rows, Best().Name)
			}
		}
		for i, v := range run(outer32, 5) {
			if !near(float64(v), float64(want[i])) {
				t.Fatalf("%d rows, output %d: %g, portable %g", rows, i, want[i], v)
			}
		}
	}
}

func TestExponentialIsAccurate(t *testing.T) {
	var x []float32
	for v := -86.0; v < 20; v += 0.013 {
		x = append(x, float32(v))
	}
	x = append(x[:len(x)/16*16-8], -104.5, -1e30, negInf, -200, 0, 1, -0.5, 0.5)
	for name, f := range exponentials() {
		got := make([]float32, len(x))
		sum, total := float64(f(got, x, 1, 0)), 0.0
		for i, v := range x {
			want := math.Exp(float64(v))
			total += want
			// The argument is a float32 in units of ln 2: its last bit counts.
			if tol := (3e-7 + 1.2e-7*math.Abs(float64(v))) * want; math.Abs(float64(got[i])-want) > tol+1e-38 {
				t.Fatalf("%s: e^%g is %g, want %g", name, v, got[i], want)
			}
			if v <= -104.5 && got[i] != 0 {
				t.Errorf("%s: e^%g is %g, want 0", name, v, got[i])
			}
		}
		if math.Abs(sum-total) > 1e-5*total {
			t.Errorf("%s: sum %g, want %g", name, sum, total)
		}
	}
}

// TestMax: the largest value counts wherever it is.
func TestMax(t *testing.T) {
	for name, most := range maxima() {
		for n := 8; n <= 200; n += 8 {
			x := make([]float32, n)
			for at := range x {
				for i := range x {
					x[i] = -float32(1 + (i*37)%n)
				}
				x[at] = 0.5
				if got := most(x); got != 0.5 {
					t.Fatalf("%s: of %d values with the largest at %d: %v", name, n, at, got)
				}
			}
		}
	}
}

func TestSmallKernelsAgree(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 2))
	a, b := Best(), Portable()
	for _, n := range []int{32, 64, 96} {
		x, y := normal(rng, n), normal(rng, n)
		run := func(k *Set) [][]float32 {
			norm, gates, s := make([]float32, n), append([]float32(nil), x...), append([]float32(nil), x...)
			k.RMSNorm(norm, x, y, n, 1e-6)
			k.SwiGLU(gates, y, make([]float32, n))
			inv := k.Softmax(s, n-5, 0.7)
			turned := append([]float32(nil), x...)
			k.Rope(turned, y, x, n/2)
			k.Scale(turned, 1.5)
			dx, dw := append([]float32(nil), x...), append([]float32(nil), y...)
			k.RMSNormBack(dx, dw, norm, x, y, n, 1e-6)
			dgate, dup, centered := make([]float32, n), make([]float32, n), append([]float32(nil), x...)
			k.SwiGLUBack(dgate, dup, norm, x, y, make([]float32, n))
			k.Center(centered, y, 0.3, 0.7)
			return [][]float32{norm, gates, s, turned, dx, dw, dgate, dup, centered, {inv, k.Max(x), k.Dot(x, y, 0.3)}}
		}
		p, q := run(a), run(b)
		for i := range p {
			for j := range p[i] {
				if !near(float64(p[i][j]), float64(q[i][j])) {
					t.Errorf("n %d, kernel %d, output %d: %g, portable %g", n, i, j, p[i][j], q[i][j])
				}
			}
		}
	}
}

func BenchmarkMul(b *testing.B) {
	k := Best()
	for _, c := range []struct{ rows, in int }{{64, 64}, {64, 192}, {16, 16}, {512, 576}, {4, 64}, {3, 64}, {2, 16}, {1, 64}} {
		b.Run(fmt.Sprintf("%dx%d", c.rows, c.in), func(b *testing.B) {
			x, w := make([]float32, c.rows*c.in), make([]float32, c.in*32*8)
			d, z := make([]float32, c.rows*32), make([]float32, 32)
			for b.Loop() {
				for p := range 8 {
					k.Mul32(d, 32, x, c.in, c.rows, w[p*c.in*32:], 32, c.in, z, 0)
				}
			}
			b.ReportMetric(float64(b.N)*float64(2*8*32*c.rows*c.in)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	b.Run("outer/64x64x256", func(b *testing.B) {
		x, w, d := make([]float32, 64*256), make([]float32, 64*256), make([]float32, 64*64)
		for b.Loop() {
			k.Outer32(d, 64, x, 64, 64, w, 64, 256)
		}
		b.ReportMetric(float64(b.N)*float64(2*32*64*256)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	})
	for _, rows := range []int{2, 16} {
		b.Run(fmt.Sprintf("values/%d", rows), func(b *testing.B) {
			x, w, d := make([]float32, rows*256), make([]float32, 32*16), make([]float32, rows*16)
			for b.Loop() {
				for p := range 8 {
					k.Mul16(d, 16, x[p*32:], 256, rows, w, 16, 32, d, 16)
				}
			}
			b.ReportMetric(float64(b.N)*float64(2*8*32*rows*16)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	b.Run("softmax/220", func(b *testing.B) {
		s := make([]float32, 1024)
		for b.Loop() {
			k.Softmax(s, 220, 0.25)
		}
	})
	b.Run("swiglu/192", func(b *testing.B) {
		s := make([]float32, 1024)
		for b.Loop() {
			k.SwiGLU(s[:192], s[192:384], s[384:576])
		}
	})
	b.Run("exps/512", func(b *testing.B) {
		s := make([]float32, 1024)
		for b.Loop() {
			k.Exps(s[:512], s[512:], 0.5, 1)
		}
	})
	b.Run("rmsnorm/64", func(b *testing.B) {
		s := make([]float32, 192)
		for b.Loop() {
			k.RMSNorm(s, s[64:], s[128:], 64, 1)
		}
	})
}
