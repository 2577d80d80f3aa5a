//go:build !unix

package main

// cpuSeconds is 0: the processor time is not known here.
func cpuSeconds() float64 { return 0 }
