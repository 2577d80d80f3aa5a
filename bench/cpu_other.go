//go:build !unix

package bench

// CPUSeconds is 0: the processor time is not known here.
func CPUSeconds() float64 { return 0 }
