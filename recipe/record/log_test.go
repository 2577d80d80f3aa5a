package record

import (
	"path/filepath"
	"testing"

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
