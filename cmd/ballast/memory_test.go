//go:build linux

package main

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
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
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			held := float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / (1 << 20) // of KiB
			t.Logf("said %.2f GiB, held %.2f", said, held)
			if held > said || said > 3*held {
				t.Errorf("the dry run says %.2f GiB, the run held %.2f", said, held)
			}
		})
	}
}
