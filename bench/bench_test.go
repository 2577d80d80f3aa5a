package bench

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"ballast/runlog"
)

// TestGroup: a prompt that a group shares is computed once, and the last token of a
// continuation not at all.
func TestGroup(t *testing.T) {
	var res EngineResult
	res.group()
	if res.GroupTokens != 8*(4096+1024) || res.GroupComputed != 4096+8*1023 {
		t.Errorf("%d of %d tokens", res.GroupComputed, res.GroupTokens)
	}
}

// TestPlayTasks: every task is played as often as there are passes, and an error ends it.
func TestPlayTasks(t *testing.T) {
	var played [3]atomic.Int64
	calls, err := playTasks(3, 5, 2, func(i int) (int, error) { played[i].Add(1); return i, nil })
	if err != nil || calls != 5*(0+1+2) {
		t.Errorf("%d calls, %v", calls, err)
	}
	for i := range played {
		if n := played[i].Load(); n != 5 {
			t.Errorf("task %d was played %d times", i, n)
		}
	}
	broken := errors.New("broken")
	if _, err := playTasks(3, 5, 2, func(int) (int, error) { return 0, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

// TestCompareRuns: the last checkpoints are equal or that is an error; timings do not count.
func TestCompareRuns(t *testing.T) {
	dir := t.TempDir()
	run := func(name, weights, times string) string {
		path := filepath.Join(dir, name)
		log, err := runlog.Create(path, []byte("method: grpo\n"))
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		fill := func(dir string) error { return os.WriteFile(filepath.Join(dir, "weights.bin"), []byte(weights), 0o666) }
		if _, err := log.Checkpoint(2, map[string]string{"time": times}, fill); err != nil {
			t.Fatal(err)
		}
		return path
	}
	calm, same, other := run("calm", "abc", "1"), run("same", "abc", "2"), run("other", "abd", "1")
	if err := compareRuns(io.Discard, calm, same, 3); err != nil {
		t.Error(err)
	}
	if err := compareRuns(io.Discard, calm, other, 3); err == nil || !strings.Contains(err.Error(), "weights.bin differs") {
		t.Errorf("got %v", err)
	}
	if err := compareRuns(io.Discard, calm, filepath.Join(dir, "none"), 3); err == nil {
		t.Error("a run without a checkpoint is equal")
	}
}
