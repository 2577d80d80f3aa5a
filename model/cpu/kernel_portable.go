//go:build !(goexperiment.simd && amd64)

package cpu

// detect returns the portable kernels: this build has no others.
func detect() *kernels { return portable() }
