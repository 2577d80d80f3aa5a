package sweep

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"

	"ballast/durable"
)

// Alone locks the folder of a sweep or a study until unlock is called: a second one would
// take the runs of the first for failed ones, and write tables of half of them.
func Alone(dir, what string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w; name a folder that can be made, with --out", what, err)
	}
	unlock, err = durable.Lock(filepath.Join(dir, what+".lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("another %s runs in %s: wait until it has ended, or name another folder with --out", what, dir)
	}
	return unlock, err
}

// Processes runs training commands as processes of a program, with so many cores each. The end
// of their context lets each finish its update, the end of hurry lets it stop at once.
func Processes(hurry context.Context, program string, cores int) func(ctx context.Context, args []string, out io.Writer) error {
	return func(ctx context.Context, args []string, out io.Writer) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores))
		interrupt := func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.Cancel = interrupt
		tie(cmd)
		runtime.LockOSThread() // see tie
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			return err
		}
		defer context.AfterFunc(hurry, func() { _ = interrupt() })() // of no effect where it has ended
		return cmd.Wait()
	}
}
