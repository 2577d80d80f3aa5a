package main

import (
	"os/exec"
	"syscall"
)

// tie lets a process die with this one, however that ends: a sweep that was killed
// leaves nothing that still writes its runs. The thread that starts the process
// must live until it has ended. An interrupt of the terminal reaches this process
// alone, which passes it on once.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
