//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast/sweep"
)

// TestInterruptedSweep: whichever signal the parent gets, each run finishes its update
// and keeps a checkpoint of it. The terminal sends an interrupt to every process of the
// group.
func TestInterruptedSweep(t *testing.T) {
	for sig, group := range map[syscall.Signal]bool{syscall.SIGINT: true, syscall.SIGHUP: false} {
		t.Run(sig.String(), func(t *testing.T) { interruptSweep(t, sig, group) })
	}
}

func interruptSweep(t *testing.T, sig syscall.Signal, group bool) {
	dir := t.TempDir()
	c := start(t, append([]string{"sweep", "grpo", "--out", dir, "--seeds", "2", "--parallel", "2"}, endless...)...)
	logs := []string{filepath.Join(dir, "default", "seed-1.log"), filepath.Join(dir, "default", "seed-2.log")}
	said := func(text string) bool {
		for _, l := range logs {
			if data, err := os.ReadFile(l); err != nil || !strings.Contains(string(data), text) {
				return false
			}
		}
		return true
	}
	c.until(func() bool { return said("update 2/") })
	pid := c.cmd.Process.Pid
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatal(err)
	}
	if got := c.code(); got != 128+int(sig) || !strings.Contains(c.stderr.String(), "the same command goes on") {
		t.Errorf("exit code %d: %s", got, &c.stderr)
	}
	if !said("interrupted after update") {
		t.Error("a run was cut off")
	}
	if n := strings.Count(c.stderr.String(), ": interrupted (terminated)"); n != 2 || strings.Contains(c.stderr.String(), "failed") {
		t.Errorf("%d runs are told of as interrupted: %s", n, &c.stderr)
	}
	for _, l := range logs {
		kept(t, strings.TrimSuffix(l, ".log"))
	}
}

// TestInterrupts: the first interrupt ends one context, the second the other.
func TestInterrupts(t *testing.T) {
	told := 0
	first, second, stop := interrupts(t.Context(), func() { told++ })
	defer stop()
	for _, c := range []context.Context{first, second} {
		if c.Err() != nil {
			t.Fatal("it ended before its interrupt")
		}
		if err := syscall.Kill(os.Getpid(), syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		select {
		case <-c.Done():
		case <-time.After(time.Minute):
			t.Fatal("an interrupt is not heard")
		}
	}
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// TestOneSweepAtATime: a second sweep or study in a folder is refused before it begins a run.
func TestOneSweepAtATime(t *testing.T) {
	plan := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(plan, []byte("title: t\nseeds: 1\nrows: [{name: a, method: grpo}]\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for what, args := range map[string][]string{"sweep": {"sweep", "grpo"}, "study": {"study", plan}} {
		dir := filepath.Join(t.TempDir(), "new")
		unlock, err := sweep.Alone(dir, what)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // were it not refused, it would begin nothing
		root := newRoot()
		root.SetArgs(append(args, "--out", dir))
		if err := root.ExecuteContext(ctx); err == nil || !strings.Contains(err.Error(), "another "+what+" runs in "+dir) {
			t.Errorf("%s: %v", what, err)
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
	}
}
