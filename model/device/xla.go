//go:build xla

package device

import (
	_ "github.com/gomlx/go-xla/compute/xla" // needs cgo, and a PJRT plugin when it runs
)

// Built reports whether this binary can run on XLA.
const Built = true
