package remote

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/durable"
	"ballast/safetext"
	"ballast/tinker"
)

// Bounds of what a server sends as a checkpoint.
const (
	maxArchive = 256 * bounded.GiB
	maxFiles   = 512
)

// Pull writes the weights of a checkpoint into a new folder: an adapter as PEFT writes it, or
// whatever files the server keeps of all weights. It gives their names.
func Pull(ctx context.Context, c *tinker.Client, m *Manifest, dir string) (names []string, err error) {
	err = durable.Folder(dir, func(aside string) error {
		r, w := io.Pipe()
		sent := make(chan error, 1)
		go func() {
			_, err := c.Archive(ctx, m.Sampler, w, maxArchive)
			sent <- errors.Join(err, w.CloseWithError(err))
		}()
		names, err = unpack(r, aside)
		if err == nil {
			_, err = io.Copy(io.Discard, r) // what follows the end of a tar
		}
		_ = r.CloseWithError(err)
		if failed := <-sent; failed != nil { // it is why the archive ended
			return failed
		}
		if err != nil {
			err = fmt.Errorf("the archive of %s: %w", m.Sampler, err)
		}
		return err
	})
	return names, err
}

// unpack writes the plain files of a tar, which may be packed, by their last names.
func unpack(r io.Reader, dir string) (names []string, err error) {
	all, _, err := bounded.Unpack(r, maxArchive)
	if err != nil {
		return nil, err
	}
	defer all.Close()
	t, left := tar.NewReader(all), int64(maxArchive)
	for range maxFiles {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			if len(names) == 0 {
				return nil, errors.New("it has no files")
			}
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tar.TypeDir {
			continue
		}
		name := path.Base(path.Clean(h.Name))
		if h.Typeflag != tar.TypeReg || strings.HasPrefix(name, ".") || name == "/" || strings.ContainsAny(name, `\:`) {
			return nil, fmt.Errorf("%q is no plain file of a model", safetext.Brief(h.Name, 80))
		}
		if left -= h.Size; left < 0 { // a sparse file is larger than what it is read from
			return nil, fmt.Errorf("it has more than %s", bounded.Bytes(maxArchive))
		}
		if slices.Contains(names, name) {
			return nil, fmt.Errorf("it has two files %s", safetext.Brief(name, 80))
		}
		if err := durable.Replace(filepath.Join(dir, name), func(w io.Writer) error { _, err := io.Copy(w, t); return err }); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return nil, fmt.Errorf("it has more than %d files", maxFiles)
}
