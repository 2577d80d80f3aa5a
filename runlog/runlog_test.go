package runlog

import (
	"flag"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"ballast"
	"ballast/monitor/verdict"
)

// helperDir makes the test binary play the part of a trainer in TestKill.
var helperDir = flag.String("train", "", "run directory to write to until killed")

func TestMain(m *testing.M) {
	flag.Parse()
	if *helperDir != "" {
		if err := train(*helperDir, killUpdates); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails unless err mentions all the words.
func wantErr(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Fatalf("error %v, want one that mentions %q", err, w)
		}
	}
}

// create makes a run in a fresh directory that is closed at the end.
func create(t *testing.T) *Run {
	t.Helper()
	r, err := Create(filepath.Join(t.TempDir(), "run"), []byte("method: grpo\n"))
	must(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

func collect[T any](t *testing.T, seq func(func(T, error) bool)) (list []T) {
	t.Helper()
	seq(func(v T, err error) bool {
		must(t, err)
		list = append(list, v)
		return true
	})
	return list
}

func TestUpdatesAndEvents(t *testing.T) {
	r := create(t)
	u := ballast.Update{Index: 1, Phase: "rl", Seconds: 1.5, Metrics: map[string]float64{"a": 0.1, "inf": math.Inf(-1)}}
	must(t, r.Update(u))
	must(t, r.Update(ballast.Update{Index: 2, Metrics: map[string]float64{"nan": math.NaN()}}))
	e := Event{Update: 1, What: Alarm{Sign: verdict.Polluted, Began: 1}, Text: "<tool_call> spikes"}
	must(t, r.Event(e))
	l, err := Read(r.Dir())
	must(t, err)
	if string(l.Recipe) != "method: grpo\n" {
		t.Errorf("recipe %q", l.Recipe)
	}
	us := collect(t, l.Updates())
	if len(us) != 2 || !reflect.DeepEqual(us[0], u) || !math.IsNaN(us[1].Metrics["nan"]) {
		t.Errorf("updates %+v", us)
	}
	if es := collect(t, l.Events()); len(es) != 1 || !reflect.DeepEqual(es[0], e) {
		t.Errorf("events %+v", es)
	}
}

// TestLinks: a run whose files stand for others elsewhere is not opened, and what they
// stand for stays as it is.
func TestLinks(t *testing.T) {
	for _, rel := range []string{"run.json", "recipe.yaml", "updates.jsonl", "events.jsonl", "lock", "episodes", "checkpoints"} {
		r := create(t)
		must(t, r.Update(ballast.Update{Index: 1}))
		must(t, r.Close())
		far := filepath.Join(t.TempDir(), "far")
		path := filepath.Join(r.Dir(), rel)
		must(t, os.Rename(path, far))
		must(t, os.Symlink(far, path))
		before := tree(t, filepath.Dir(far))
		_, err := Open(r.Dir())
		wantErr(t, err, rel+" is a link")
		if after := tree(t, filepath.Dir(far)); !reflect.DeepEqual(after, before) {
			t.Errorf("%s: %v, was %v", rel, after, before)
		}
	}
	dir := t.TempDir()
	must(t, os.Symlink(filepath.Join(t.TempDir(), "elsewhere"), filepath.Join(dir, "events.jsonl")))
	_, err := Create(dir, nil)
	wantErr(t, err, "not empty (events.jsonl)")
}

// TestUmask: files of a run are as open as the user wants them.
func TestUmask(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	r := create(t)
	must(t, r.Update(ballast.Update{Index: 1}))
	must(t, r.Episodes(1, []ballast.Episode{episode(1, 0)}))
	_, err := r.Checkpoint(1, nil, saveText("x"))
	must(t, err)
	must(t, filepath.WalkDir(r.Dir(), func(path string, d fs.DirEntry, err error) error {
		must(t, err)
		info, err := d.Info()
		must(t, err)
		if want := fs.FileMode(0o640); !d.IsDir() && info.Mode().Perm() != want || d.IsDir() && info.Mode().Perm() != 0o750 {
			t.Errorf("%s: %v", path, info.Mode())
		}
		return nil
	}))
}

func TestLock(t *testing.T) {
	r := create(t)
	_, err := Open(r.Dir())
	wantErr(t, err, "another process")
	must(t, r.Close())
	again, err := Open(r.Dir())
	must(t, err)
	must(t, again.Close())
}

func TestFullDisk(t *testing.T) {
	r := create(t)
	must(t, r.Update(ballast.Update{Index: 1}))
	must(t, r.Episodes(1, []ballast.Episode{episode(1, 0)}))
	_, err := r.Checkpoint(1, nil, saveText("good"))
	must(t, err)
	before := tree(t, r.Dir())
	r.write = func(f *os.File, p []byte) (int, error) { // half of it fits
		n, _ := f.Write(p[:len(p)/2])
		return n, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	wantErr(t, r.Update(ballast.Update{Index: 2}), "updates.jsonl", "space", "--resume")
	wantErr(t, r.Event(Event{What: Done{}}), "events.jsonl", "space")
	wantErr(t, r.Episodes(1, []ballast.Episode{episode(1, 1)}), "episodes of update 1", "space")
	_, err = r.Checkpoint(2, nil, saveText("bad"))
	wantErr(t, err, "checkpoint of update 2", "space")
	if after := tree(t, r.Dir()); !reflect.DeepEqual(after, before) {
		t.Errorf("the files changed:\n%v\nwant\n%v", after, before)
	}
	r.write = nil
	must(t, r.Update(ballast.Update{Index: 2}))
	l, err := Read(r.Dir())
	must(t, err)
	if us := collect(t, l.Updates()); len(us) != 2 {
		t.Errorf("after space was freed: %+v", us)
	}
}

// TestBrokenLog: an append that failed and could not be taken back ends the writing.
func TestBrokenLog(t *testing.T) {
	r := create(t)
	r.write = func(f *os.File, p []byte) (int, error) {
		f.Close()
		return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	wantErr(t, r.Update(ballast.Update{Index: 1}), "space")
	r.write = nil
	wantErr(t, r.Update(ballast.Update{Index: 1}), "could not be taken back")
	_, err := r.Checkpoint(1, nil, saveText(""))
	wantErr(t, err, "checkpoint of update 1")
}
