package durable

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// Files writes files into a folder, which it makes, by their names there; a name may have one folder
// in it, with a slash. Where something else has one's name, nothing is written. A file that is there
// with the same content stays. n is how many were written.
func Files(dir string, files map[string][]byte) (n int, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return 0, err
	}
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		same := func(head []byte) bool { return bytes.HasPrefix(files[name], head) }
		if err := Free(filepath.Join(dir, filepath.FromSlash(name)), same); err != nil {
			return 0, err
		}
	}
	for _, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if below := filepath.Dir(path); below != filepath.Clean(dir) {
			if err := Subfolder(below); err != nil {
				return n, err
			}
		}
		if err := ReplaceBytes(path, files[name]); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
