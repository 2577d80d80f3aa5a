package runlog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"ballast/durable"
	"ballast/provenance"
)

// lines is a file of lines with the hash of what it holds from its start.
type lines struct {
	*durable.Log
	sum hash.Hash
	at  int64 // bytes that are in sum
}

func openLines(path string, write durable.Write) (*lines, error) {
	l, err := durable.OpenLog(path, write)
	if err != nil {
		return nil, err
	}
	return &lines{Log: l, sum: sha256.New()}, nil
}

// upTo is the hash of the first size bytes. Bytes that were appended since the last call
// are all that is read where size has grown.
func (l *lines) upTo(size int64) (string, error) {
	if size < l.at {
		l.sum.Reset()
		l.at = 0
	}
	if _, err := io.Copy(l.sum, io.NewSectionReader(l.Log, l.at, size-l.at)); err != nil {
		return "", err
	}
	l.at = size
	return hex.EncodeToString(l.sum.Sum(nil)), nil
}

// cut shortens the file.
func (l *lines) truncate(size int64) error {
	l.sum.Reset()
	l.at = 0
	return l.Cut(size)
}

// fileSum is what a checkpoint knows of one of its files.
type fileSum struct {
	Bytes int64  `json:"bytes"`
	Sum   string `json:"sha256"`
}

// sums reads the files of a checkpoint's folder, but for its marker, side by side.
func sums(dir string) (map[string]fileSum, error) {
	var names []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if _, aside := durable.Leftover(d.Name()); err == nil && rel != checkpointFile && !aside {
			names = append(names, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]fileSum, len(names))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			out[i].Sum, out[i].Bytes, errs[i] = provenance.File(filepath.Join(dir, filepath.FromSlash(name)))
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	all := make(map[string]fileSum, len(names))
	for i, name := range names {
		all[name] = out[i]
	}
	return all, nil
}

// sealed says whether the checkpoint has checksums. Those of version 1 have none.
func (c *Checkpoint) sealed() bool { return c.files != nil }

// Verify reads every file of the checkpoint and fails where one is not as it was
// written. Of a checkpoint without checksums it knows nothing.
func (c *Checkpoint) Verify() error {
	names := slices.Sorted(maps.Keys(c.files))
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for i, name := range names {
		wg.Go(func() {
			path := filepath.Join(c.Dir, filepath.FromSlash(name))
			want := c.files[name]
			why := ""
			info, err := os.Stat(path)
			switch {
			case !filepath.IsLocal(filepath.FromSlash(name)):
				why = "is no name of a file there"
			case errors.Is(err, fs.ErrNotExist):
				why = "is gone"
			case err == nil && info.Mode().IsRegular() && info.Size() != want.Bytes:
				why = fmt.Sprintf("has %d bytes and had %d", info.Size(), want.Bytes)
			default:
				sum, _, err := provenance.File(path)
				if err != nil {
					errs[i] = err
				} else if sum != want.Sum {
					why = "was changed since it was written: its checksum differs"
				}
			}
			if why != "" {
				errs[i] = fmt.Errorf("%s %s", path, why)
			}
		})
	}
	wg.Wait()
	for _, err := range errs { // one is enough
		if err != nil {
			return fmt.Errorf("%w; delete the folder %s, and resuming takes the checkpoint before it", err, c.Dir)
		}
	}
	return nil
}

// Equal fails where a checkpoint of another run is of another update or holds other bits,
// beside its marker, which knows how long lines with timings were. It says how many files
// it compared.
func (c *Checkpoint) Equal(o *Checkpoint) (files int, err error) {
	if c.Update != o.Update {
		return 0, fmt.Errorf("%s and %s are of other updates", c.Dir, o.Dir)
	}
	if err := errors.Join(c.Verify(), o.Verify()); err != nil {
		return 0, err
	}
	for _, name := range slices.Sorted(maps.Keys(c.files)) {
		if o.files[name] != c.files[name] {
			return 0, fmt.Errorf("%s differs between %s and %s", name, c.Dir, o.Dir)
		}
	}
	if len(o.files) != len(c.files) {
		return 0, fmt.Errorf("%s has other files than %s", o.Dir, c.Dir)
	}
	return len(c.files), nil
}

// Unchanged fails where recipe.yaml is not the one that the run was made with, or was
// extended to.
func (l *Log) Unchanged() error {
	sum := provenance.Bytes(l.Recipe)
	h := &l.Header
	if h.Version < 2 || sum == h.Recipe || h.Pending != nil && sum == h.Pending.Recipe {
		return nil
	}
	return fmt.Errorf("%s was changed since the run began: put it back as it was, or start a new run with these settings; "+
		"more updates are asked for with --resume %s --extend N",
		Dir(l.Dir).Recipe(), l.Dir)
}

// VerifyEpisodes fails where the episodes of one of these updates are not as they were
// written. Of runs of version 1 it knows nothing.
func (l *Log) VerifyEpisodes(updates ...int) error {
	want := map[int]string{}
	read := func(line []byte) (w wireUpdate, err error) { return w, json.Unmarshal(line, &w) }
	for w, err := range readLines(Dir(l.Dir).updates(), read) {
		if err != nil {
			return err
		}
		want[w.Index] = w.Episodes
	}
	for _, u := range updates {
		if want[u] == "" {
			continue
		}
		path := Dir(l.Dir).episodes(u)
		sum, _, err := provenance.File(path)
		if err != nil {
			return fmt.Errorf("the run trains on the episodes of update %d: %w; go back to a checkpoint before it "+
				"by deleting the later ones", u, err)
		}
		if sum != want[u] {
			return fmt.Errorf("%s was changed since it was written, and the run trains on it; go back to a checkpoint before update %d "+
				"by deleting the later ones", path, u)
		}
	}
	return nil
}
