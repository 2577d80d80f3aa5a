package runlog

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ballast/provenance"
)

func TestCreateRefuses(t *testing.T) {
	r := create(t)
	_, err := Create(r.Dir(), nil)
	wantErr(t, err, "--resume")
	full := t.TempDir()
	must(t, os.WriteFile(filepath.Join(full, "thesis.tex"), nil, 0o666))
	_, err = Create(full, nil)
	wantErr(t, err, "not empty", "thesis.tex")
	_, err = Open(full)
	wantErr(t, err, "not a run directory")
	_, err = Read(full)
	wantErr(t, err, "not a run directory")
	must(t, os.WriteFile(filepath.Join(r.Dir(), "run.json"), []byte(`{"format":"ballast-run","version":9}`), 0o666))
	_, err = Read(r.Dir())
	wantErr(t, err, "version 9")
}

// TestCreateTakesNothing: a user's file is never taken for what a killed creation left,
// with the marker of one beside it neither, and nothing in the directory changes.
func TestCreateTakesNothing(t *testing.T) {
	for _, file := range []string{"recipe.yaml", "events.jsonl", "updates.jsonl", "lock", "episodes/000001.jsonl.zst", "checkpoints/000001/x", ".recipe.yaml",
		".notes.yaml.ballast-ABCDEFGH", ".git/HEAD", "report.html"} {
		for _, marked := range []bool{false, true} {
			dir := t.TempDir()
			path := filepath.Join(dir, file)
			must(t, os.MkdirAll(filepath.Dir(path), 0o777))
			must(t, os.WriteFile(path, []byte("mine"), 0o666))
			if marked {
				must(t, os.WriteFile(filepath.Join(dir, makingFile), []byte(`{"format":"ballast-run","recipe":"`+provenance.Bytes([]byte("theirs"))+`"}`), 0o666))
			}
			before := tree(t, dir)
			_, err := Create(dir, []byte("theirs"))
			wantErr(t, err, "not empty", strings.Split(file, "/")[0])
			if after := tree(t, dir); !reflect.DeepEqual(after, before) {
				t.Errorf("%s: %v, was %v", file, after, before)
			}
		}
	}
}

// TestCreateKilled: whenever the creation is killed, another one makes the same run.
func TestCreateKilled(t *testing.T) {
	recipe := []byte("method: grpo\n")
	want := filepath.Join(t.TempDir(), "run")
	r, err := Create(want, recipe)
	must(t, err)
	must(t, r.Close())
	for stop := 1; ; stop++ {
		dir := filepath.Join(t.TempDir(), "run")
		steps := 0
		died := errors.New("killed")
		crash = func(string) error { // of the removal of what another left too
			if steps++; steps == stop {
				return died
			}
			return nil
		}
		_, err := Create(dir, recipe)
		crash = nil
		if err == nil {
			if stop < 8 {
				t.Errorf("only %d steps", stop)
			}
			break
		}
		if !errors.Is(err, died) {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil {
			t.Errorf("step %d: a half-made run opens", stop)
		}
		for inner := 1; ; inner++ { // the second creation is killed too
			steps, stop := 0, inner
			crash = func(string) error {
				if steps++; steps == stop {
					return died
				}
				return nil
			}
			r, err := Create(dir, []byte("method: other\n"))
			crash = nil
			if err == nil {
				must(t, r.Close())
				break
			}
			if !errors.Is(err, died) {
				t.Fatalf("step %d, %d: %v", stop, inner, err)
			}
		}
		if got := tree(t, dir)["recipe.yaml"]; got != "method: other\n" {
			t.Errorf("step %d: recipe %q", stop, got)
		}
		if len(tree(t, dir)) != len(tree(t, want)) {
			t.Errorf("step %d: left %v", stop, tree(t, dir))
		}
	}
}
