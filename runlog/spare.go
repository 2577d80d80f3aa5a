package runlog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"ballast/durable"
)

// keptExt is what the name of a checkpoint's folder gets that goes and holds files of
// the user: they stay in it, and it is no checkpoint any more.
const keptExt = ".kept"

// discard removes a checkpoint that was given a name of the table leftovers. Files that
// ballast did not make stay, in a folder NNNNNN.kept. The checkpoint's marker goes last of
// its files, so that a discard that was killed can be done again. Of a checkpoint of
// version 1 nobody knows which files are its own: all go.
func discard(folder string) error {
	switch info, err := os.Lstat(folder); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.IsDir(): // a link that somebody put there: what it names is not ours
		return keep(folder)
	}
	c, err := OpenCheckpoint(folder)
	marked := err == nil
	if marked && !c.sealed() {
		return os.RemoveAll(folder)
	}
	theirs := false
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		_, ours := c.files[filepath.ToSlash(rel)]
		_, aside := durable.Leftover(d.Name())
		switch {
		case ours || aside:
			return os.Remove(path)
		case rel != checkpointFile:
			theirs = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !theirs {
		return os.RemoveAll(folder)
	}
	if marked {
		if err := os.Remove(filepath.Join(folder, checkpointFile)); err != nil {
			return err
		}
	}
	return keep(folder)
}

// keep gives what stays the name of the checkpoint with keptExt, or the next that is free.
func keep(folder string) error {
	base := filepath.Base(folder)
	base = base[strings.LastIndexAny(base, ".-")+1:]
	to := filepath.Join(filepath.Dir(folder), base+keptExt)
	for n := 2; isThere(to); n++ {
		to = filepath.Join(filepath.Dir(folder), fmt.Sprintf("%s%s-%d", base, keptExt, n))
	}
	return os.Rename(folder, to)
}
