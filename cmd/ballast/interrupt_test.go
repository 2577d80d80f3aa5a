//go:build unix

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestInterruptedStart: a signal ends a training, or a look at what it costs, that waits for a server to start.
func TestInterruptedStart(t *testing.T) {
	for _, more := range [][]string{{"--dry-run"}, {"--out"}} {
		t.Run(more[0], func(t *testing.T) {
			files := t.TempDir()
			tasks, begun, dir := filepath.Join(files, "tasks.jsonl"), filepath.Join(files, "begun"), filepath.Join(files, "run")
			if err := os.WriteFile(tasks, []byte(killTasks), 0o600); err != nil {
				t.Fatal(err)
			}
			if more[0] == "--out" {
				more = append(more, dir)
			}
			server := fmt.Sprintf("sh -c 'echo > %s; exec sleep 1000'", begun)
			c := start(t, append([]string{"train", "grpo", "--mcp", server, "--tasks", tasks, "--model", "embedded-reader"}, more...)...)
			c.until(func() bool { return countLines(begun) > 0 })
			told := time.Now()
			if err := c.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if got := c.code(); got != 130 || !strings.Contains(c.stderr.String(), "interrupt") {
				t.Errorf("exit code %d: %s", got, &c.stderr)
			}
			if took := time.Since(told); took > 40*time.Second { // a server has 60 seconds to start
				t.Errorf("it took %s", took)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("there is a run")
			}
		})
	}
}
