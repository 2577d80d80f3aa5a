package cpu

import (
	"fmt"
	"testing"
)

func BenchmarkMul(b *testing.B) {
	k := detect()
	for _, c := range []struct{ rows, in int }{{64, 64}, {64, 192}, {16, 16}, {512, 576}, {4, 64}, {3, 64}, {2, 16}, {1, 64}} {
		b.Run(fmt.Sprintf("%dx%d", c.rows, c.in), func(b *testing.B) {
			x, w := make([]float32, c.rows*c.in), make([]float32, c.in*32*8)
			d, z := make([]float32, c.rows*32), make([]float32, 32)
			for b.Loop() {
				for p := range 8 {
					k.mul32(d, 32, x, c.in, c.rows, w[p*c.in*32:], 32, c.in, z, 0)
				}
			}
			b.ReportMetric(float64(b.N)*float64(2*8*32*c.rows*c.in)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	for _, rows := range []int{2, 16} {
		b.Run(fmt.Sprintf("values/%d", rows), func(b *testing.B) {
			x, w, d := make([]float32, rows*256), make([]float32, 32*16), make([]float32, rows*16)
			for b.Loop() {
				for p := range 8 {
					k.mul16(d, 16, x[p*32:], 256, rows, w, 16, 32, d, 16)
				}
			}
			b.ReportMetric(float64(b.N)*float64(2*8*32*rows*16)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
		})
	}
	b.Run("softmax/220", func(b *testing.B) {
		s := make([]float32, 1024)
		for b.Loop() {
			k.softmax(s, 220, 0.25)
		}
	})
	b.Run("swiglu/192", func(b *testing.B) {
		s := make([]float32, 1024)
		for b.Loop() {
			k.swiglu(s[:192], s[192:384], s[384:576])
		}
	})
	for _, x := range []float32{0, -50, -95, -200, negInf} {
		b.Run(fmt.Sprintf("exps/512/%g", x), func(b *testing.B) {
			s := make([]float32, 1024)
			for i := 512; i < 1024; i++ {
				s[i] = x
			}
			for b.Loop() {
				k.exps(s[:512], s[512:], 1, 0)
			}
		})
	}
	for _, n := range []int{208, 224} {
		b.Run(fmt.Sprintf("in/max/%d", n), func(b *testing.B) {
			s := make([]float32, 1024)
			for b.Loop() {
				k.max(s[:n])
			}
		})
		b.Run(fmt.Sprintf("in/exps/%d", n), func(b *testing.B) {
			s := make([]float32, 1024)
			for b.Loop() {
				k.exps(s[:n], s[:n], 0.25, -0.25)
			}
		})
		b.Run(fmt.Sprintf("in/exps2/%d", n), func(b *testing.B) {
			s := make([]float32, 1024)
			for b.Loop() {
				k.exps(s[512:512+n], s[:n], 0.25, -0.25)
			}
		})
	}
	b.Run("exps/512", func(b *testing.B) {
		s := make([]float32, 1024)
		for b.Loop() {
			k.exps(s[:512], s[512:], 0.5, 1)
		}
	})
	b.Run("rmsnorm/64", func(b *testing.B) {
		s := make([]float32, 192)
		for b.Loop() {
			k.rmsnorm(s, s[64:], s[128:], 64, 1)
		}
	})
}
