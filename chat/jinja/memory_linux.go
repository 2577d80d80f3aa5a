package jinja

import "syscall"

// limitMemory lets the kernel refuse this process more than bytes of data, over what it
// has mapped already. Its address space is not limited: Go reserves much that it never uses.
func limitMemory(bytes int64) {
	if raceEnabled {
		return // the detector's own tables are larger than any limit
	}
	const slack = 256 << 20 // the program's own data and the stacks of its threads
	n := uint64(bytes) + slack
	// Where the kernel refuses, the look at the memory remains.
	_ = syscall.Setrlimit(syscall.RLIMIT_DATA, &syscall.Rlimit{Cur: n, Max: n})
}
