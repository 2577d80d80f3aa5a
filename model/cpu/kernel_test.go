package cpu

import "testing"

func BenchmarkMul(b *testing.B) {
	k := detect()
	for _, c := range []struct {
		name     string
		rows, in int
	}{{"64x64", 64, 64}, {"512x576", 512, 576}, {"512x1536", 512, 1536}, {"8x576", 8, 576}, {"4x64", 4, 64}, {"4x576", 4, 576}, {"2x64", 2, 64}, {"1x64", 1, 64}} {
		b.Run(c.name, func(b *testing.B) {
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
}
