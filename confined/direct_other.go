//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package confined

import (
	"context"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Main must be called first thing in main. Here it does nothing: there is no supervisor.
func Main() {}

// direct is a program that this process itself holds.
type direct struct {
	cmd    *exec.Cmd
	mu     sync.Mutex
	passed string
}

func start(_ context.Context, r resolved, l Limits, files []*os.File, ended func(Exit)) (tree, string, error) {
	base, err := os.MkdirTemp("", "ballast-confined-*")
	if err != nil {
		return nil, "", err
	}
	dir, env, err := settle(r, base)
	if err != nil {
		sweep(base)
		return nil, "", err
	}
	d := &direct{cmd: &exec.Cmd{Path: r.Path, Args: r.Argv, Dir: dir, Env: env, Stdin: files[0], Stdout: files[1], Stderr: files[2]}}
	if err := d.cmd.Start(); err != nil {
		sweep(base)
		return nil, "", err
	}
	var timer *time.Timer
	if l.Time > 0 {
		timer = time.AfterFunc(l.Time, func() { d.kill(LimitTime) })
	}
	go func() {
		_ = d.cmd.Wait() // its status is in the state
		if timer != nil {
			timer.Stop()
		}
		sweep(base)
		d.mu.Lock()
		defer d.mu.Unlock()
		ended(Exit{Code: d.cmd.ProcessState.ExitCode(), Limit: d.passed})
	}()
	return d, dir, nil
}

func (d *direct) pid() int { return d.cmd.Process.Pid }

func (d *direct) kill(limit string) {
	d.mu.Lock()
	if d.passed == "" {
		d.passed = limit
	}
	d.mu.Unlock()
	_ = d.cmd.Process.Kill() // it may have ended by itself
}

func (d *direct) memory(context.Context) (int64, error) { return 0, nil }
