package runlog

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ballast"
)

// TestFoldersGone: git drops empty folders; a run without them is read, and goes on.
func TestFoldersGone(t *testing.T) {
	for _, gone := range [][]string{{episodesDir}, {checkpointsDir}, {episodesDir, checkpointsDir}} {
		r := create(t)
		must(t, r.Update(ballast.Update{Index: 1, Phase: "rl"}))
		must(t, r.Close())
		for _, sub := range gone {
			must(t, os.Remove(filepath.Join(r.Dir(), sub)))
		}
		l, err := Read(r.Dir())
		must(t, err)
		if list, err := l.Checkpoints(); err != nil || len(list) > 0 {
			t.Errorf("%v gone: checkpoints %v, %v", gone, list, err)
		}
		if list, err := l.EpisodeUpdates(); err != nil || len(list) > 0 {
			t.Errorf("%v gone: episodes of %v, %v", gone, list, err)
		}
		if c, err := l.Best("x"); err != nil || c.Dir != "" {
			t.Errorf("%v gone: best %v, %v", gone, c, err)
		}
		if err := train(r.Dir(), 4); err != nil {
			t.Errorf("%v gone: %v", gone, err)
		}
	}
}

// TestCheckpointsGone: a run whose checkpoints are lost does not start over unasked.
func TestCheckpointsGone(t *testing.T) {
	r := create(t)
	must(t, r.Close())
	must(t, train(r.Dir(), 6))
	path := filepath.Join(r.Dir(), checkpointsDir)
	must(t, os.RemoveAll(path))
	before := tree(t, r.Dir())
	_, err := Open(r.Dir())
	wantErr(t, err, path, "is gone", "put it back")
	if after := tree(t, r.Dir()); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("a refused Open changed the run")
	}
	must(t, os.Mkdir(path, 0o777))
	must(t, train(r.Dir(), 6))
}

// TestReadOnlyDisk: the host's failures come with what to do.
func TestReadOnlyDisk(t *testing.T) {
	for errno, want := range map[syscall.Errno]string{
		syscall.EROFS: "writable", syscall.EACCES: "writable for this user", syscall.ENOSPC: "free some space",
	} {
		r := create(t)
		r.write = func(f *os.File, p []byte) (int, error) {
			return 0, &os.PathError{Op: "write", Path: f.Name(), Err: errno}
		}
		wantErr(t, r.Update(ballast.Update{Index: 1}), want, r.Dir())
		_, err := r.Checkpoint(1, 1, func(string) error { return &os.PathError{Op: "mkdir", Path: "x", Err: errno} })
		wantErr(t, err, want, r.Dir())
		must(t, r.Close())
	}
}
