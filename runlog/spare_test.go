package runlog

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ballast"
)

// TestFilesInCheckpoints: what a user puts into a checkpoint's folder outlives the
// checkpoint, whether that is pruned, gone back behind or made anew.
func TestFilesInCheckpoints(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, r *Run, list []Checkpoint){
		"prune":  func(t *testing.T, r *Run, _ []Checkpoint) { must(t, r.Prune(1, "")) },
		"resume": func(t *testing.T, r *Run, _ []Checkpoint) { must(t, r.Resume(Checkpoint{}, nil)) },
		"anew": func(t *testing.T, r *Run, list []Checkpoint) {
			_, err := r.Checkpoint(1, nil, saveText("x"))
			must(t, err)
		},
	} {
		r := create(t)
		for u := 1; u <= 2; u++ {
			must(t, r.Update(ballast.Update{Index: u}))
			_, err := r.Checkpoint(u, nil, saveText("weights"))
			must(t, err)
		}
		dir := filepath.Join(r.Dir(), checkpointsDir)
		must(t, os.Mkdir(filepath.Join(dir, "000001", "mine"), 0o777))
		must(t, os.WriteFile(filepath.Join(dir, "000001", "mine", "notes.txt"), []byte("theirs"), 0o666))
		must(t, os.Mkdir(filepath.Join(dir, "000001.kept"), 0o777)) // the name is taken
		list, err := checkpoints(r.Dir())
		must(t, err)
		act(t, r, list)
		kept := filepath.Join(dir, "000001.kept-2")
		if data, err := os.ReadFile(filepath.Join(kept, "mine", "notes.txt")); string(data) != "theirs" {
			t.Errorf("%s: %v", name, err)
		}
		if entries, _ := os.ReadDir(kept); len(entries) != 1 {
			t.Errorf("%s: left of the checkpoint: %v", name, entries)
		}
		if list, err = checkpoints(r.Dir()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, c := range list {
			must(t, c.Verify())
		}
		must(t, r.Close())
		again, err := Open(r.Dir())
		must(t, err)
		must(t, again.Close())
		if data, _ := os.ReadFile(filepath.Join(kept, "mine", "notes.txt")); string(data) != "theirs" {
			t.Errorf("%s: gone when the run was opened", name)
		}
		entries, err := os.ReadDir(dir)
		must(t, err)
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), ".") {
				t.Errorf("%s: left: %s", name, e.Name())
			}
		}
	}
}

// TestDiscardIsDoneAgain: a discard that was killed at any file is finished by the next
// Open, and the user's file outlives that too.
func TestDiscardIsDoneAgain(t *testing.T) {
	for gone := range 3 { // files of the checkpoint that are gone already, the marker last
		r := create(t)
		_, err := r.Checkpoint(1, nil, saveText("weights"))
		must(t, err)
		must(t, r.Close())
		dir := filepath.Join(r.Dir(), checkpointsDir)
		trash := filepath.Join(dir, gonePrefix+name(1))
		must(t, os.Rename(filepath.Join(dir, name(1)), trash))
		must(t, os.WriteFile(filepath.Join(trash, "notes.txt"), []byte("theirs"), 0o666))
		for _, file := range []string{"weights", checkpointFile}[:gone] {
			must(t, os.Remove(filepath.Join(trash, file)))
		}
		again, err := Open(r.Dir())
		must(t, err)
		must(t, again.Close())
		entries, err := os.ReadDir(filepath.Join(dir, name(1)+keptExt))
		if err != nil || len(entries) != 1 || entries[0].Name() != "notes.txt" {
			t.Errorf("%d gone: %v, %v", gone, entries, err)
		}
	}
}

// TestLinkForACheckpoint: where somebody put a link in a checkpoint's place, the link is
// moved aside when the checkpoint goes, and what it names is not touched.
func TestLinkForACheckpoint(t *testing.T) {
	for act, do := range map[string]func(r *Run) error{
		"prune":  func(r *Run) error { return r.Prune(1, "") },
		"resume": func(r *Run) error { return r.Resume(Checkpoint{}, nil) },
		"anew":   func(r *Run) error { _, err := r.Checkpoint(1, nil, saveText("x")); return err },
	} {
		r := create(t)
		for u := 1; u <= 2; u++ {
			must(t, r.Update(ballast.Update{Index: u}))
			_, err := r.Checkpoint(u, nil, saveText("weights"))
			must(t, err)
		}
		dir := filepath.Join(r.Dir(), checkpointsDir)
		far := filepath.Join(t.TempDir(), "far")
		must(t, os.Rename(filepath.Join(dir, name(1)), far))
		must(t, os.Symlink(far, filepath.Join(dir, name(1))))
		must(t, do(r))
		must(t, r.Close())
		again, err := Open(r.Dir())
		must(t, err)
		must(t, again.Close())
		for _, file := range []string{"weights", checkpointFile} {
			if _, err := os.Stat(filepath.Join(far, file)); err != nil {
				t.Errorf("%s: %v", act, err)
			}
		}
		if to, err := os.Readlink(filepath.Join(dir, name(1)+keptExt)); err != nil || to != far {
			t.Errorf("%s: the link: %s, %v", act, to, err)
		}
	}
}
