package sweep

import (
	"os/exec"
	"syscall"
)

// tie lets a process die with this one, however that ends: a sweep that was killed
// leaves nothing that still writes its runs. The thread that starts the process
// must live until it has ended. Interrupts of the terminal reach this process alone,
// which passes them on; so does Ctrl-Z, which stops no run.
func tie(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
