//go:build unix

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ballast/runlog"
)

// endless are settings of a run that does not end by itself, of small updates.
var endless = []string{"--set", "phases=[{rl: 5000}]", "--set", "tasks.count=4", "--set", "tasks.test=2",
	"--set", "tasks.level={max_turns: 2, calls: 3}", "--set", "rl.prompts=1", "--set", "rl.rollouts=4",
	"--set", "rl.patience=0", "--set", "keep.checkpoint=5000", "--set", "keep.eval=5000",
	"--model", "init", "--set", "init={vocab: 420, hidden: 8, layers: 1, heads: 1, kv: 1, ffn: 8}"}

// child is a process of the command.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan error
	late   <-chan time.Time
}

// command makes a process ready to begin, in a group of its own.
func command(t *testing.T, name string, args ...string) *child {
	c := &child{t: t, cmd: exec.Command(name, args...), ended: make(chan error, 1), late: time.After(3 * time.Minute)}
	c.cmd.Stderr = &c.stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return c
}

func (c *child) begin() *child {
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { c.cmd.Process.Kill() }) // of no effect where it has ended
	go func() { c.ended <- c.cmd.Wait() }()
	return c
}

// start begins ballast. Under nohup a process ignores hangups, and so does what it starts: what is listened to is not
// handed on.
func start(t *testing.T, args ...string) *child {
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
	return command(t, "ballast", args...).begin()
}

// until waits for something that the process does.
func (c *child) until(yes func() bool) {
	c.t.Helper()
	for !yes() {
		select {
		case err := <-c.ended:
			c.t.Fatalf("it ended: %v: %s", err, &c.stderr)
		case <-c.late:
			c.kill("it is late")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// code waits for the end and returns the exit code, -1 for a process that a signal killed.
func (c *child) code() int {
	c.t.Helper()
	select {
	case err := <-c.ended:
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			c.t.Fatal(err)
		}
		return c.cmd.ProcessState.ExitCode()
	case <-c.late:
		c.kill("it does not end")
	}
	return 0
}

// kill ends the process and the test, with what it said.
func (c *child) kill(why string) {
	c.t.Helper()
	c.cmd.Process.Kill()
	<-c.ended
	c.t.Fatalf("%s: %s", why, &c.stderr)
}

// countLines is how many whole lines a file has; 0 where there is none.
func countLines(path string) int {
	data, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	return bytes.Count(data, []byte("\n"))
}

// updates counts those that a run has recorded.
func updates(dir string) int { return countLines(filepath.Join(dir, "updates.jsonl")) }

// kept checks that a run has a checkpoint of its last update.
func kept(t *testing.T, dir string) {
	t.Helper()
	r, err := runlog.Read(dir)
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
	if _, err := os.Stat(filepath.Join(dir, "checkpoints", fmt.Sprintf("%06d", last))); err != nil || last < 1 {
		t.Errorf("update %d is lost: %v", last, err)
	}
}

// TestTrainSignals: each of the signals lets a run finish its update, keep a checkpoint
// and end with a code of its own.
func TestTrainSignals(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			c := start(t, append([]string{"train", "grpo", "--out", dir}, endless...)...)
			c.until(func() bool { return updates(dir) >= 2 })
			if err := c.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if got := c.code(); got != 128+int(sig) || !strings.Contains(c.stderr.String(), "interrupted after update") {
				t.Errorf("exit code %d: %s", got, &c.stderr)
			}
			kept(t, dir)
			if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNohup: a hang-up that the command was told to ignore does not end it.
func TestNohup(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	c := command(t, "sh", append([]string{"-c", `trap "" HUP; exec "$0" "$@"`, "ballast", "train", "grpo", "--out", dir}, endless...)...).begin()
	c.until(func() bool { return updates(dir) >= 1 })
	if err := c.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	at := updates(dir)
	c.until(func() bool { return updates(dir) >= at+3 })
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := c.code(); got != 143 {
		t.Errorf("exit code %d: %s", got, &c.stderr)
	}
}

// TestReaderGoesAway: a run whose output nobody reads any more, as of a pipe into
// `head -1`, goes on to its end; so does one on a full disk's standard output.
func TestReaderGoesAway(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		t.Run(format, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			args := []string{"train", "grpo", "--out", dir, fmt.Sprintf("--json=%v", format == "json")}
			args = append(append(args, endless...), "--set", "phases=[{rl: 4}]")
			c := command(t, "ballast", args...)
			out, err := c.cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			c.begin()
			if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
				t.Fatal(err)
			}
			out.Close()
			if got := c.code(); got != 0 || strings.Count(c.stderr.String(), "going on without printing") != 1 {
				t.Errorf("exit code %d: %s", got, &c.stderr)
			}
			if n := updates(dir); n != 4 {
				t.Errorf("%d updates", n)
			}
			events, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
			if err != nil || !strings.Contains(string(events), `"kind":"done"`) {
				t.Errorf("not done: %v %s", err, events)
			}
			if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLostOutput: a command whose answer cannot be written has failed, and says so. A training, whose run is kept, has not.
func TestLostOutput(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	must(t, os.WriteFile(path, nil, 0o666))
	full, err := os.Open(path) // for reading: it takes nothing, as a full disk does
	must(t, err)
	defer full.Close()
	run := append([]string{"train", "grpo", "--out", filepath.Join(t.TempDir(), "run")}, endless...)
	for _, c := range []struct {
		want int
		args []string
	}{
		{1, []string{"task", "list", "--count", "2"}}, {1, []string{"task", "check", "--count", "2"}}, {1, []string{"world", "list"}},
		{1, []string{"model", "inspect", "embedded"}}, {1, []string{"eval", "--count", "1"}}, {1, []string{"eval", "--count", "1", "--json"}},
		{1, []string{"eval", "--suite", "words", "--count", "1"}}, {0, append(run, "--set", "phases=[{rl: 1}]")},
	} {
		k := command(t, "ballast", c.args...)
		k.cmd.Stdout = full
		k.begin()
		if got := k.code(); got != c.want || c.want == 1 && !strings.Contains(k.stderr.String(), "what was printed is not whole") {
			t.Errorf("%q: exit code %d, want %d: %s", c.args, got, c.want, &k.stderr)
		}
	}
}

// TestServeSignals: a server of worlds that is ended before it serves, while it looks at its tasks, has the signal's code too.
func TestServeSignals(t *testing.T) {
	shop, err := exec.LookPath("shop")
	must(t, err)
	dir := t.TempDir()
	t.Setenv("SHOPS", dir)
	tasks := filepath.Join(dir, "tasks.jsonl")
	must(t, os.WriteFile(tasks, []byte(`{"id": "a", "turns": [{"user": "Take a pear.", "gold": [{"name": "set_stock", "arguments": {"item": "pears", `+
		`"count": -1}}]}]}`+"\n"), 0o666))
	c := start(t, "serve", "--mcp", shop, "--set", "mcp.env=[SHOPS]", "--tasks", tasks, "--split", "", "--addr", "127.0.0.1:0")
	c.until(func() bool { _, err := os.Stat(filepath.Join(dir, "stuck")); return err == nil })
	must(t, c.cmd.Process.Signal(syscall.SIGTERM))
	if got := c.code(); got != 143 {
		t.Errorf("exit code %d: %s", got, &c.stderr)
	}
}

// TestEvalSignals: an evaluation that is interrupted keeps its episodes.
func TestEvalSignals(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "eval")
	c := start(t, "eval", "--count", "2000", "--out", dir)
	c.until(func() bool { return countLines(filepath.Join(dir, "episodes.jsonl")) >= 2 })
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if got := c.code(); got != 143 || !strings.Contains(c.stderr.String(), "the same command continues") {
		t.Errorf("exit code %d: %s", got, &c.stderr)
	}
}

// TestCode: an error of a command that was interrupted has the signal's code only if it
// is the interruption.
func TestCode(t *testing.T) {
	if got := code(errors.New("disk full")); got != 1 {
		t.Errorf("a failure: %d", got)
	}
	if got := code(fmt.Errorf("x: %w", &interruption{caught{syscall.SIGHUP}, errors.New("y")})); got != 129 {
		t.Errorf("a hang-up: %d", got)
	}
}
