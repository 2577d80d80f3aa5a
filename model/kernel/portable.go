//go:build !(goexperiment.simd && amd64)

package kernel

// SIMD says whether this build has vector code, whatever the processor runs.
const SIMD = false

// Best returns the portable kernels: this build has no others.
func Best() *Set { return Portable() }
