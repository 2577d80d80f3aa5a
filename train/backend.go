package train

import (
	"fmt"
	"os"
	"runtime/debug"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the pure-Go backend

	"ballast/model/kernel"
)

// goBackend is the pure-Go backend's configuration: one operation after the
// other in the order of the code, so that memory is what the code says.
const goBackend = "go:ops_sequential,creation_order"

// backendName is the GoMLX backend to use: the one asked for, or that of the
// environment variable GOMLX_BACKEND; "" is none.
func backendName(name string) string {
	if name == "" {
		name = os.Getenv(compute.ConfigEnvVar)
	}
	if name == "go" {
		name = goBackend
	}
	return name
}

// newBackend makes the named backend.
func newBackend(name string) (b compute.Backend, err error) {
	defer func() { // an unknown name panics
		if r := recover(); r != nil {
			err = fmt.Errorf("train: backend %q: %v", name, r)
		}
	}()
	if b, err = compute.NewWithConfig(name); err != nil {
		return nil, fmt.Errorf("train: backend %q: %w", name, err)
	}
	return b, nil
}

// lean keeps the collector's head room small for a large model: its heap is a few
// gigabytes in large blocks without pointers, which cost nothing to mark, and by
// default would be let grow to twice that. GOGC in the environment wins.
func lean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
}

// Notice returns a sentence for the user if this binary computes far slower than
// it could on this machine, else "".
func Notice() string {
	if kernel.Best().Name != kernel.Portable().Name {
		return ""
	}
	return "this binary has no vector code, so training is 8 to 18 times slower: build it with GOEXPERIMENT=simd on an x86-64-v3 machine"
}
