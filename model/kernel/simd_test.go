//go:build goexperiment.simd && amd64

package kernel

import "simd/archsimd"

// others are the products that Best did not choose but this CPU can run.
func others() map[string]Product {
	if !archsimd.X86.AVX2() || !archsimd.X86.FMA() {
		return nil
	}
	return map[string]Product{"AVX2 32": mul32AVX2, "AVX2 16": mul16AVX2}
}

func outers() map[string]Outer {
	if !archsimd.X86.AVX2() || !archsimd.X86.FMA() {
		return nil
	}
	return map[string]Outer{"AVX2": outer32AVX2, "best": Best().Outer32}
}

func exponentials() map[string]func(dst, x []float32, by, off float32) float32 {
	return map[string]func(dst, x []float32, by, off float32) float32{"AVX2": expsAVX2, "best": Best().Exps, "portable": exps}
}

func maxima() map[string]func(x []float32) float32 {
	return map[string]func(x []float32) float32{"AVX2": maxAVX2, "best": Best().Max, "portable": Portable().Max}
}
