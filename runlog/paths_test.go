package runlog

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ballast"
)

// TestDir: a path in a run leads back to it, whatever its directory is called.
func TestDir(t *testing.T) {
	d := Dir(filepath.Join(t.TempDir(), "a [b] *"))
	if d.IsRun() {
		t.Error("nothing is a run")
	}
	r, err := Create(string(d), []byte("method: grpo\n"))
	must(t, err)
	defer r.Close()
	c, err := r.Checkpoint(40, nil, saveText("x"))
	must(t, err)
	run, update, ok := CheckpointAt(c.Dir)
	if !ok || run != d || update != 40 || d.Checkpoint(40) != c.Dir || !d.IsRun() {
		t.Errorf("%s, %d, %v", run, update, ok)
	}
	for _, path := range []string{string(d), filepath.Dir(c.Dir), filepath.Join(c.Dir, "weights"),
		filepath.Join(t.TempDir(), "checkpoints", "000040")} {
		if run, _, ok := CheckpointAt(path); ok {
			t.Errorf("%s is a checkpoint of %s", path, run)
		}
	}
	if list, err := d.Probes(); err != nil || list != nil {
		t.Errorf("%v, %v", list, err)
	}
	must(t, os.Mkdir(filepath.Dir(d.Probe(1)), 0o777))
	probes := filepath.Dir(d.Probe(1))
	for _, path := range []string{d.Probe(12), d.Probe(3), filepath.Join(probes, "4.json"), filepath.Join(probes, "mine.json")} {
		must(t, os.WriteFile(path, nil, 0o666))
	}
	if list, err := d.Probes(); err != nil || !slices.Equal(list, []int{3, 12}) {
		t.Errorf("%v, %v", list, err)
	}
}

// TestEqual: checkpoints are equal where their files are, whatever the lines beside them say.
func TestEqual(t *testing.T) {
	checkpoint := func(update int, text string, seconds float64) Checkpoint {
		r := create(t)
		must(t, r.Update(ballast.Update{Index: 1, Seconds: seconds}))
		_, err := r.Checkpoint(update, nil, saveText(text))
		must(t, err)
		c, err := r.Latest()
		must(t, err)
		return c
	}
	a, same, other, later := checkpoint(1, "x", 1), checkpoint(1, "x", 2.5), checkpoint(1, "y", 1), checkpoint(2, "x", 1)
	if n, err := a.Equal(&same); n != 1 || err != nil {
		t.Errorf("%d files, %v", n, err)
	}
	_, err := a.Equal(&other)
	wantErr(t, err, "weights differs")
	_, err = a.Equal(&later)
	wantErr(t, err, "other updates")
	must(t, os.WriteFile(filepath.Join(same.Dir, "weights"), []byte("z"), 0o666))
	_, err = a.Equal(&same)
	wantErr(t, err, "weights was changed")
}
