package train

import (
	"os"
	"runtime/debug"
	"strconv"

	"ballast/model/kernel"
	"ballast/train/plan"
)

// Room is by how many percent the collector lets the heap of a learner under a plan
// grow: GOGC, or what lean makes of it.
func Room(p plan.Plan) int {
	text := os.Getenv("GOGC")
	if n, err := strconv.Atoi(text); err == nil && n > 0 {
		return n
	}
	if text == "" && !p.Keep {
		return leanRoom
	}
	return 100
}

const leanRoom = 25

// lean keeps the collector's head room small for a large model: its heap is a few
// gigabytes in large blocks without pointers, which cost nothing to mark, and by
// default would be let grow to twice that. GOGC in the environment wins.
func lean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(leanRoom)
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
