package runlog

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/provenance"
)

// copyTree copies a run, so that it can be spoilt.
func copyTree(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "run")
	must(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// again resumes a run from its newest checkpoint.
func again(dir string) (int, error) {
	r, err := Open(dir)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	c, err := r.Latest()
	if err != nil {
		return 0, err
	}
	return c.Update, r.Resume(c, nil)
}

// TestTampered: of what a resumed run counts on, no file can be changed, cut or taken
// away without a word that names it; what it does not count on may be.
func TestTampered(t *testing.T) {
	whole := filepath.Join(t.TempDir(), "run")
	must(t, train(whole, 10))
	past, err := Read(whole)
	must(t, err)
	list, err := past.Checkpoints()
	must(t, err)
	newest := list[len(list)-1]
	for _, rel := range []string{"run.json", "recipe.yaml", "updates.jsonl", "events.jsonl", "checkpoints/000008/checkpoint.json", "checkpoints/000008/weights"} {
		data, err := os.ReadFile(filepath.Join(whole, rel))
		must(t, err)
		counts := len(data)
		switch rel {
		case "updates.jsonl":
			counts = int(newest.updates)
		case "events.jsonl":
			counts = int(newest.events)
		}
		dir := copyTree(t, whole)
		path := filepath.Join(dir, rel)
		spoil := func(what string, text []byte) {
			t.Helper()
			for name, text := range tree(t, whole) {
				must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
			}
			must(t, os.WriteFile(path, text, 0o666))
			if _, err := again(dir); err == nil || !strings.Contains(err.Error(), filepath.Base(rel)) {
				t.Errorf("%s %s: %v", rel, what, err)
			}
		}
		flips := 97
		if testing.Short() {
			flips = 23
		}
		for i := 0; i < counts; i += max(1, counts/flips) {
			bad := append([]byte(nil), data...)
			bad[i] ^= 1 << (i % 8)
			spoil(fmt.Sprintf("flipped at %d", i), bad)
		}
		for _, n := range []int{0, 1, counts / 2, counts - 1} {
			spoil(fmt.Sprintf("cut at %d", n), data[:n])
		}
		must(t, os.Remove(path))
		if _, err := again(dir); err == nil {
			t.Errorf("%s removed: no error", rel)
		}
	}
	for _, change := range []struct {
		what string
		do   func(dir string) error
		from int
	}{
		{"the newest checkpoint is gone", func(dir string) error { return os.RemoveAll(filepath.Join(dir, "checkpoints/000008")) }, 4},
		{"an older one was changed", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "checkpoints/000004/weights"), []byte("other"), 0o666)
		}, 8},
		{"a later line was changed", func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, "updates.jsonl"))
			data[newest.updates+3] ^= 1
			return errors.Join(err, os.WriteFile(filepath.Join(dir, "updates.jsonl"), data, 0o666))
		}, 8},
		{"a note lies in the checkpoint", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "checkpoints/000008/notes.txt"), []byte("best so far"), 0o666)
		}, 8},
	} {
		dir := copyTree(t, whole)
		must(t, change.do(dir))
		if from, err := again(dir); err != nil || from != change.from {
			t.Errorf("%s: resumed from %d, %v; want %d", change.what, from, err, change.from)
		}
	}
}

// TestVerifyEpisodes: episodes that were swapped or changed are found by their hashes.
func TestVerifyEpisodes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, train(dir, 4))
	l, err := Read(dir)
	must(t, err)
	must(t, l.VerifyEpisodes(1, 2, 3, 4))
	a, b := filepath.Join(dir, "episodes/000001.jsonl.zst"), filepath.Join(dir, "episodes/000002.jsonl.zst")
	must(t, os.Rename(a, a+"x"))
	must(t, os.Rename(b, a))
	must(t, os.Rename(a+"x", b))
	must(t, l.VerifyEpisodes(3, 4))
	wantErr(t, l.VerifyEpisodes(2, 3), "000002.jsonl.zst was changed")
	must(t, os.Remove(b))
	wantErr(t, l.VerifyEpisodes(2), "update 2")
}

// TestExtend: an extension that is killed at any point leaves the run as it was or
// extended, and never both or neither.
func TestExtend(t *testing.T) {
	was, longer := "phases: 4\n", "phases: 6\n"
	for stop := range 4 {
		dir := filepath.Join(t.TempDir(), "run")
		r, err := Create(dir, []byte(was))
		must(t, err)
		died, steps := errors.New("killed"), 0
		crash = func(string) error {
			if steps++; steps == stop {
				return died
			}
			return nil
		}
		err = r.Extend([]byte(longer), 2, 4)
		crash = nil
		if (err != nil) != (stop == 1 || stop == 2) {
			t.Fatal(stop, err)
		}
		must(t, r.Close())
		must(t, func() error { l, err := Read(dir); return errors.Join(err, l.Unchanged()) }())
		for range 2 {
			r, err = Open(dir)
			must(t, err)
			l, err := Read(dir)
			must(t, err)
			h := r.Header()
			if done := stop != 1; (string(l.Recipe) == longer) != done || (len(h.Extended) == 1) != done || h.Pending != nil ||
				done && (h.Extended[0].Updates != 2 || h.Extended[0].At != 4) || h.Recipe != provenance.Bytes(l.Recipe) {
				t.Errorf("killed at step %d: recipe %q, header %+v", stop, l.Recipe, h)
			}
			must(t, r.Close())
		}
	}
}

// TestAdopt: a run of version 1 is read and resumed, and has checksums then.
func TestAdopt(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	must(t, train(dir, 10))
	must(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(`{"format":"ballast-run","version":1}`+"\n"), 0o666))
	for _, u := range []string{"000004", "000008"} {
		c, err := OpenCheckpoint(filepath.Join(dir, "checkpoints", u))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(c.Dir, "checkpoint.json"),
			fmt.Appendf(nil, "{\n\t\"update\": %d,\n\t\"updates_bytes\": %d,\n\t\"events_bytes\": %d,\n\t\"state\": %s\n}\n", c.Update, c.updates, c.events, c.State), 0o666))
	}
	r, err := Open(dir)
	must(t, err)
	if h := r.Header(); h.Version != 1 {
		t.Errorf("%+v", h)
	}
	c, err := r.Latest()
	must(t, err)
	if c.sealed() {
		t.Error("version 1 has no checksums")
	}
	must(t, r.Resume(c, nil))
	must(t, r.Adopt(Origin{Program: provenance.Here(true, "AVX2", "cpu")}))
	must(t, r.Update(ballast.Update{Index: 9}))
	must(t, r.Close())
	if from, err := again(dir); err != nil || from != 8 {
		t.Errorf("resumed from %d, %v", from, err)
	}
	l, err := Read(dir)
	must(t, err)
	if h := l.Header; h.Version != Version || h.Adopted != 1 || h.Program.Kernels != "AVX2" || h.Recipe != provenance.Bytes(l.Recipe) {
		t.Errorf("%+v", h)
	}
	must(t, os.WriteFile(filepath.Join(dir, "checkpoints/000008/weights"), []byte("weights 9"), 0o666))
	_, err = again(dir)
	wantErr(t, err, "weights was changed", "delete the folder")
}

// TestStrangersAmongCheckpoints: a copy or a folder under a name that ballast does not
// give is no checkpoint of the run, and a note in one outlives it.
func TestStrangersAmongCheckpoints(t *testing.T) {
	r := create(t)
	dir := filepath.Join(r.Dir(), checkpointsDir)
	for u := 1; u <= 4; u++ {
		must(t, r.Update(ballast.Update{Index: u}))
		_, err := r.Checkpoint(u, nil, saveText("x"))
		must(t, err)
		if u == 1 {
			must(t, os.CopyFS(filepath.Join(dir, "1"), os.DirFS(filepath.Join(dir, name(1)))))
			must(t, os.Mkdir(filepath.Join(dir, "2026"), 0o777))
		}
		if u == 2 {
			must(t, os.WriteFile(filepath.Join(dir, name(2), "notes.md"), []byte("mine"), 0o666))
		}
		must(t, r.Prune(1, ""))
	}
	var left []string
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if want := []string{name(2) + keptExt, name(4), "1", "2026"}; !slices.Equal(left, want) {
		t.Errorf("checkpoints/ holds %v, want %v", left, want)
	}
	if _, err := os.Stat(filepath.Join(dir, name(2)+keptExt, "notes.md")); err != nil {
		t.Error(err)
	}
	if c, err := r.Latest(); err != nil || c.Update != 4 {
		t.Errorf("the newest is %v, %v", c.Dir, err)
	}
}
