//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// TestMemory: what the dry run says a process holds at most is at least what one really
// held, and no more than three times that. Budgets are near what episodes need.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a race detector holds memory of its own")
	}
	small := []string{"--set", "tasks.test=4", "--set", "tasks.level={max_turns: 2, calls: 3}", "--set", "budget.prompt=120", "--set", "budget.episode=256"}
	shape := []string{"--set", "model=init", "--set", "init={vocab: 700, hidden: 128, layers: 6, heads: 4, kv: 2, ffn: 512}"}
	for _, c := range []struct {
		name, method string
		args         []string
	}{
		{"untrained", "vanilla", nil},
		{"embedded, rl", "grpo", []string{"--set", "phases=[{rl: 2}]"}},
		{"embedded, both", "sft-grpo", []string{"--set", "phases=[{sft: gold}, {rl: 1}]", "--set", "sft.updates=2"}},
		{"larger, sft", "sft", append([]string{"--set", "sft.updates=2", "--set", "sft.batch=32"}, shape...)},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := append(append([]string{"train", c.method}, small...), c.args...)
			text, err := exec.Command("ballast", append(args, "--dry-run")...).Output()
			if err != nil {
				t.Fatal(err)
			}
			m := regexp.MustCompile(`# memory +at most ([0-9.]+) GiB`).FindSubmatch(text)
			if m == nil {
				t.Fatalf("no memory in\n%s", text)
			}
			said, err := strconv.ParseFloat(string(m[1]), 64)
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("ballast", append(args, "--out", filepath.Join(t.TempDir(), "run"))...)
			held, out, err := peak(cmd)
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			t.Logf("said %.2f GiB, held %.2f", said, held)
			if held > said || said > 3*held {
				t.Errorf("the dry run says %.2f GiB, the run held %.2f", said, held)
			}
		})
	}
}

// peak runs a command and returns the most memory that it held, in GiB, as the kernel
// counts while it runs: its account of a process that has ended begins with what the
// parent held.
func peak(cmd *exec.Cmd) (gib float64, out []byte, err error) {
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	if err := cmd.Start(); err != nil {
		return 0, nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	status := filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid), "status")
	most := regexp.MustCompile(`VmHWM:\s+([0-9]+) kB`)
	for {
		if data, err := os.ReadFile(status); err == nil {
			if m := most.FindSubmatch(data); m != nil {
				kib, err := strconv.ParseFloat(string(m[1]), 64)
				if err != nil {
					return 0, nil, err
				}
				gib = kib / (1 << 20)
			}
		}
		select {
		case err := <-done:
			return gib, text.Bytes(), err
		case <-time.After(5 * time.Millisecond):
		}
	}
}
