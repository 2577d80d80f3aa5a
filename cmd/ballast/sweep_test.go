//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast/runlog"
)

// TestInterruptedSweep: the terminal sends an interrupt to every process of the
// group. Each run finishes its update and keeps a checkpoint of it.
func TestInterruptedSweep(t *testing.T) {
	dir := t.TempDir()
	args := []string{"sweep", "grpo", "--out", dir, "--seeds", "2", "--parallel", "2"}
	for _, s := range []string{"phases=[{rl: 5000}]", "tasks.count=4", "tasks.test=2", "tasks.eval=valid", "tasks.level={max_turns: 2, calls: 3}",
		"rl.prompts=1", "rl.rollouts=4", "rl.minibatches=1", "rl.patience=0", "keep.checkpoint=5000", "keep.eval=5000"} {
		args = append(args, "--set", s)
	}
	cmd := exec.Command("ballast", args...)
	var told bytes.Buffer
	cmd.Stderr = &told
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // of no effect where it has ended
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	logs := []string{filepath.Join(dir, "default", "seed-1.log"), filepath.Join(dir, "default", "seed-2.log")}
	said := func(text string) bool {
		for _, l := range logs {
			if data, err := os.ReadFile(l); err != nil || !strings.Contains(string(data), text) {
				return false
			}
		}
		return true
	}
	late := time.After(2 * time.Minute)
	for !said("update 2/") {
		select {
		case err := <-ended:
			t.Fatalf("%v: %s", err, &told)
		case <-late:
			t.Fatal("no run came to its second update")
		case <-time.After(20 * time.Millisecond):
		}
	}
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err == nil || !strings.Contains(told.String(), "the same command goes on") {
			t.Errorf("%v: %s", err, &told)
		}
	case <-late:
		t.Fatal("the interrupt ends nothing")
	}
	if !said("interrupted after update") {
		t.Error("a run was cut off")
	}
	for _, l := range logs {
		r, err := runlog.Read(strings.TrimSuffix(l, ".log"))
		if err != nil {
			t.Fatal(err)
		}
		last := 0
		for u, err := range r.Updates() {
			if err != nil {
				t.Fatal(err)
			}
			last = u.Index
		}
		if _, err := os.Stat(filepath.Join(strings.TrimSuffix(l, ".log"), "checkpoints", fmt.Sprintf("%06d", last))); err != nil {
			t.Errorf("update %d is lost: %v", last, err)
		}
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
