//go:build !xla

package device

// Built reports whether this binary can run on XLA.
const Built = false
