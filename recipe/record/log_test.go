package record

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ballast"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/runlog"
)

// TestStoppedRun: pruning spares the checkpoint that a guard keeps, and the model of a
// run that a guard stopped is the checkpoint that it named.
func TestStoppedRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	log, err := runlog.Create(dir, []byte("method: grpo\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	r := Log{Run: log, Keep: 1}
	for u := 0; u <= 30; u += 10 {
		state := loop.State{Update: u, Guard: loop.Guarded{Healthy: min(u, 10)}}
		if err := r.Checkpoint(u, state, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	best := func() string {
		h, err := models.Here(dir, false)
		path := h.Path
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Base(path)
	}
	if got := best(); got != "000030" {
		t.Errorf("the best of a run without evaluations is %s, want the newest", got)
	}
	if err := log.Event(runlog.Event{Update: 30, What: runlog.Alarm{}}); err != nil {
		t.Fatal(err)
	}
	if err := log.Event(runlog.Event{Update: 30, What: runlog.Acted{Do: runlog.DoStop, Checkpoint: new(10)}}); err != nil {
		t.Fatal(err)
	}
	if got := best(); got != "000010" {
		t.Errorf("the best of the stopped run is %s, want 000010", got)
	}
}

// keeps is a learner that keeps something elsewhere for checkpoints.
type keeps struct {
	ballast.Learner
	tidied []int // checkpoints that were there
}

func (k *keeps) Tidy(dir string) {
	list, _ := os.ReadDir(filepath.Join(dir, "checkpoints"))
	k.tidied = append(k.tidied, len(list))
}

// TestTidy: who keeps things elsewhere for checkpoints is asked before and after some are deleted.
func TestTidy(t *testing.T) {
	log, err := runlog.Create(filepath.Join(t.TempDir(), "run"), []byte("method: grpo\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	k := &keeps{}
	for u := range 3 {
		if err := (Log{Run: log, Keep: 1, Tidy: Tidy(k)}).Checkpoint(u, loop.State{Update: u, Guard: loop.Guarded{Healthy: -1}}, func(string) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if want := []int{1, 1, 2, 1, 2, 1}; !slices.Equal(k.tidied, want) {
		t.Errorf("%v checkpoints, want %v", k.tidied, want)
	}
	if Tidy(nil) != nil || Tidy(struct{ ballast.Learner }{}) != nil {
		t.Error("a learner that keeps nothing elsewhere is asked")
	}
}
