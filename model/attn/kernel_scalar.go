//go:build !amd64 || !goexperiment.simd

package attn

// Vector says whether the vector kernels are compiled in and can run here.
func Vector() bool { return false }

func pick(int) kernels { return scalar }

func swigluVector(_, _, _ []float32) { panic("attn: no vector code") }

func swigluBackVector(_, _, _, _, _ []float32) { panic("attn: no vector code") }
