package report

import (
	"path/filepath"
	"strings"
	"testing"

	"ballast/runlog"
)

// TestLeftOut: episodes that could not be played stand before the figure that lacks them.
func TestLeftOut(t *testing.T) {
	e := evaluated(runlog.Event{}, runlog.Score{OK: 10, All: 40, Left: 2})
	if got := e.String(); !strings.HasPrefix(got, "25") || !strings.Contains(got, "(40 of 42 played, 2 left out: 10 of 40, ") {
		t.Error(got)
	}
	if e = evaluated(runlog.Event{}, runlog.Score{OK: 10, All: 40}); strings.Contains(e.String(), "played") {
		t.Errorf("%s", e)
	}
	dir := filepath.Join(t.TempDir(), "run")
	log, err := runlog.Create(dir, []byte("method: grpo\n"))
	must(t, err)
	must(t, log.Event(runlog.Event{What: runlog.Evaluated{Score: runlog.Score{Left: 5}}}))
	must(t, log.Close())
	if r, err := load(dir); err != nil || len(r.evals) != 0 {
		t.Errorf("an evaluation that played nothing has a rate: %+v, %v", r.evals, err)
	}
}
