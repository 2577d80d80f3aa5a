//go:build !(goexperiment.simd && amd64)

package kernel

// Best returns the portable kernels: this build has no others.
func Best() *Set { return Portable() }
