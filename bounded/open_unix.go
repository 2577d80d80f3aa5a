//go:build unix

package bounded

import "syscall"

const nonBlock = syscall.O_NONBLOCK // a pipe does not block
