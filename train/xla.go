//go:build xla

package train

// The XLA backend needs cgo and a PJRT plugin; -tags xla compiles it in, and
// GOMLX_BACKEND=xla:cpu or xla:cuda (or Options.Backend) chooses it.
import _ "github.com/gomlx/go-xla/compute/xla"
