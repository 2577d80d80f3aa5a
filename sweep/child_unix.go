//go:build unix && !linux

package sweep

import (
	"os/exec"
	"syscall"
)

// tie keeps interrupts of the terminal from a process: they reach this one alone,
// which passes them on; so does Ctrl-Z, which stops no run. Nothing here lets it die
// with this one; the run's lock then tells the next sweep that its run is still being
// written.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
