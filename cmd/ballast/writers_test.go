//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"ballast/runlog"
)

// together runs commands at once and returns their exit codes and what they complained of.
func together(t *testing.T, commands ...[]string) (codes []int, errs []string) {
	t.Helper()
	var list []*child
	for _, args := range commands {
		list = append(list, start(t, args...))
	}
	for _, c := range list {
		codes, errs = append(codes, c.code()), append(errs, c.stderr.String())
	}
	return codes, errs
}

// TestSecondWriters: while a run is written, whoever would write into it is refused with a
// sentence, readers read, and the run goes on as if nobody had asked.
func TestSecondWriters(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	c := start(t, append([]string{"train", "grpo", "--out", dir}, endless...)...)
	c.until(func() bool { return updates(dir) >= 2 })
	writers := [][]string{{"train", "--resume", dir}, {"train", "--resume", dir, "--extend", "3"}, {"train", "grpo", "--out", dir}, {"eval", "--run", dir}}
	codes, errs := together(t, append(writers, writers...)...)
	for i, code := range codes {
		text := errs[i]
		if code != 1 || !strings.Contains(text, dir) || !strings.Contains(text, "another process writes here") && !strings.Contains(text, "already holds a run") {
			t.Errorf("%q: exit code %d: %s", writers[i%len(writers)], code, text)
		}
	}
	readers := [][]string{{"report", dir}, {"report", dir}, {"compare", dir}, {"doctor", dir, "--out", filepath.Join(t.TempDir(), "d")}}
	for i, code := range first(together(t, readers...)) {
		if code != 0 {
			t.Errorf("%q: exit code %d", readers[i], code)
		}
	}
	at := updates(dir)
	c.until(func() bool { return updates(dir) > at+1 })
	must(t, c.cmd.Process.Signal(syscall.SIGTERM))
	if got := c.code(); got != 143 {
		t.Errorf("exit code %d: %s", got, &c.stderr)
	}
	kept(t, dir)
	r, err := runlog.Read(dir)
	must(t, err)
	n := 0
	for u, err := range r.Updates() {
		must(t, err)
		if n++; u.Index != n {
			t.Fatalf("line %d of updates.jsonl is of update %d", n, u.Index)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	if err != nil || !strings.HasSuffix(string(page), "</html>\n") {
		t.Errorf("the page is not whole: %v", err)
	}
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			t.Errorf("left: %s", e.Name())
		}
	}
}

func first[A, B any](a A, _ B) A { return a }

// TestTwoCreations: of several that make a run in one directory at once, one does.
func TestTwoCreations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"train", "ets", "--out", dir, "--model", "init", "--set", shape}
	for _, s := range small {
		args = append(args, "--set", s)
	}
	codes, errs := together(t, args, args, args, args)
	made := 0
	for i, code := range codes {
		if made += 1 - code; code != 0 && (code != 1 || !strings.Contains(errs[i], dir)) {
			t.Errorf("exit code %d: %s", code, errs[i])
		}
	}
	if made != 1 || updates(dir) != 7 {
		t.Errorf("%d made the run, which has %d updates: %q", made, updates(dir), errs)
	}
}

// TestTwoEvaluations: the second that would write into the folder is refused, and no line
// is broken or there twice.
func TestTwoEvaluations(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "eval")
	lines := filepath.Join(dir, "episodes.jsonl")
	args := []string{"eval", "--count", "2000", "--out", dir} // more than are played meanwhile
	c := start(t, args...)
	c.until(func() bool { return countLines(lines) >= 1 })
	for i, err := range second(together(t, args, args)) {
		if !strings.Contains(err, "another evaluation writes to "+dir) {
			t.Errorf("evaluation %d: %s", i+2, err)
		}
	}
	at := countLines(lines)
	c.until(func() bool { return countLines(lines) > at })
	must(t, c.cmd.Process.Signal(syscall.SIGTERM))
	if got := c.code(); got != 143 {
		t.Errorf("exit code %d: %s", got, &c.stderr)
	}
	data, err := os.ReadFile(lines)
	must(t, err)
	seen := map[string]bool{}
	for line := range strings.Lines(string(data)) {
		var e struct{ Task string }
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Task == "" || seen[e.Task] {
			t.Errorf("%.100s: %v", line, err)
		}
		seen[e.Task] = true
	}
}

func second[A, B any](_ A, b B) B { return b }

// TestTwoTables: several that write tables into one folder at once leave whole files.
func TestTwoTables(t *testing.T) {
	dir, run := t.TempDir(), filepath.Join(t.TempDir(), "run")
	hostileRun(t, run, "x", []byte(`"x"`))
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			if code := start(t, "compare", run, "--out", dir).code(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
	wg.Wait()
	data, err := os.ReadFile(filepath.Join(dir, "tables.json"))
	must(t, err)
	if entries, _ := os.ReadDir(dir); !json.Valid(data) || len(entries) < 5 || strings.Contains(fmt.Sprint(entries), ".ballast-") {
		t.Errorf("%v", entries)
	}
}
