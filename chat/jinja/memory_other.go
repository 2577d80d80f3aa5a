//go:build !linux

package jinja

// limitMemory does nothing: the kernel keeps no limit on data that Go's runtime respects.
func limitMemory(int64) {}
