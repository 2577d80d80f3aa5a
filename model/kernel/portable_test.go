//go:build !(goexperiment.simd && amd64)

package kernel

func others() map[string]Product { return nil }

func outers() map[string]Outer { return nil }

func exponentials() map[string]func(dst, x []float32, by, off float32) float32 {
	return map[string]func(dst, x []float32, by, off float32) float32{"portable": exps}
}

func maxima() map[string]func(x []float32) float32 {
	return map[string]func(x []float32) float32{"portable": Portable().Max}
}
