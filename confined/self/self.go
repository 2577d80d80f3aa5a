// Package self starts this program's own file again, in another role: as the child that
// renders a stranger's template, as the supervisor of strangers' processes.
//
// Contract: the role is the child's only argument, in the place of a program's name. It has no
// environment and no files but those that the caller gives. Nobody else calls a program so:
// a name with a space and a colon is no path of ours. Main of the role's package must run
// first thing in main, and in TestMain of tests that need the role.
//
// Failures: a system that does not tell where the program's file is.
package self

import (
	"context"
	"fmt"
	"os"
	"os/exec"
)

// Command is this program in a role; nothing has been started. The context ends it.
func Command(ctx context.Context, role string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("a child process needs this program's file: %w", err)
	}
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args, cmd.Env = []string{role}, []string{} // not nil: nil is this process's own
	return cmd, nil
}

// Is reports whether this process was started in the role.
func Is(role string) bool { return len(os.Args) == 1 && os.Args[0] == role }
