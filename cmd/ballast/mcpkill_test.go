//go:build linux

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

const killTasks = `{"id": "a", "split": "train", "turns": [{"user": "Set the pears to 7.", "reply": "Done.",` +
	` "gold": [{"name": "set_stock", "arguments": {"item": "pears", "count": 7}}]}]}` + "\n" +
	`{"id": "b", "split": "test", "turns": [{"user": "How many apples?", "reply": "There are 3.",` +
	` "gold": [{"name": "get_stock", "arguments": {"item": "apples"}}]}]}` + "\n"

const killRecipe = `model: embedded-reader
chat: {format: pythonic}
budget: {prompt: 512, episode: 512, reply: 32, result: 64, steps: 3}
rl: {prompts: 1, rollouts: 2, minibatches: 1, warmup: 0, patience: 0}
sft: {updates: 1, batch: 1}
keep: {checkpoint: 1, checkpoints: 0, eval: 0}
phases: [{sft: gold}, {rl: 3}]
`

// TestMCPKilled: a run on an MCP server that was killed in the middle leaves no server, and ends with the
// weights of one that was not killed.
func TestMCPKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes with a race detector")
	}
	shop, err := exec.LookPath("shop")
	if err != nil {
		t.Fatal(err)
	}
	files := t.TempDir()
	tasks, config := filepath.Join(files, "tasks.jsonl"), filepath.Join(files, "small.yaml")
	for path, text := range map[string]string{tasks: killTasks, config: killRecipe} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	args := func(dir string) []string {
		return []string{"train", "sft-grpo", "--mcp", shop, "--tasks", tasks, "--config", config, "--out", dir}
	}
	whole, killed := filepath.Join(files, "whole"), filepath.Join(files, "killed")
	if out, err := said(nil, args(whole)...); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const last = 4
	want := weights(t, whole, last)

	var out bytes.Buffer
	c := exec.Command("ballast", args(killed)...)
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for begun := time.Now(); time.Since(begun) < 5*time.Minute; time.Sleep(2 * time.Millisecond) {
		seen = max(seen, len(running(t, shop)))
		if _, err := os.Stat(filepath.Join(killed, "checkpoints", "000002", "checkpoint.json")); err == nil {
			break
		}
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
		t.Fatalf("it ended before it was killed\n%s", out.String())
	}
	if _, err := os.Stat(filepath.Join(killed, "checkpoints", "000004")); err == nil || seen == 0 {
		t.Errorf("it was killed at its end, or no server ran: %d", seen)
	}
	noneRuns(t, shop)
	if out, err := said(nil, "train", "--resume", killed); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if weights(t, killed, last) != want {
		t.Error("other weights than those of the run that was not killed")
	}
	noneRuns(t, shop)
}

// running are the processes that were started by this name.
func running(t *testing.T, name string) (pids []string) {
	t.Helper()
	all, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // it may be gone
		if first, _, _ := bytes.Cut(line, []byte{0}); string(first) == name {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// noneRuns waits until no process has this name.
func noneRuns(t *testing.T, name string) {
	t.Helper()
	for begun := time.Now(); len(running(t, name)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Since(begun) > 20*time.Second {
			t.Fatalf("servers are left: %v", running(t, name))
		}
	}
}
