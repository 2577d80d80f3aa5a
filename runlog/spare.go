package runlog

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ballast/durable"
)

// keptExt is what the name of a checkpoint's folder gets that goes and holds files of
// the user: they stay in it, and it is no checkpoint any more.
const keptExt = ".kept"

// spare makes way for what comes in a checkpoint's place where its folder holds files that
// ballast did not make: the folder gets another name, and the checkpoint's files go. It
// does nothing where there are none, and where nobody knows: of version 1.
func (c *Checkpoint) spare() (kept bool, err error) {
	if !c.Sealed() {
		return false, nil
	}
	var theirs, ours []string
	err = filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(c.Dir, path)
		_, mine := c.files[filepath.ToSlash(rel)]
		if _, aside := durable.Leftover(d.Name()); mine || aside || rel == checkpointFile {
			ours = append(ours, rel)
		} else {
			theirs = append(theirs, rel)
		}
		return err
	})
	if err != nil || len(theirs) == 0 {
		return false, err
	}
	to := c.Dir + keptExt
	for n := 2; isThere(to); n++ {
		to = fmt.Sprintf("%s%s-%d", c.Dir, keptExt, n)
	}
	if err := os.Rename(c.Dir, to); err != nil {
		return false, err
	}
	for _, rel := range ours {
		if err := os.Remove(filepath.Join(to, rel)); err != nil {
			return true, err
		}
	}
	return true, nil
}
