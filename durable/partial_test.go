package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestPartial: what came outlives who fetched it, and one has it at a time.
func TestPartial(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "blob")
	p, err := OpenPartial(path)
	must(t, err)
	_, err = p.Write([]byte("abc"))
	must(t, err)
	if _, err := OpenPartial(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a second one: %v", err)
	}
	must(t, p.Close())
	p, err = OpenPartial(path)
	must(t, err)
	if p.Size() != 3 {
		t.Errorf("%d bytes", p.Size())
	}
	_, err = p.Write([]byte("def"))
	must(t, err)
	if got, err := io.ReadAll(io.NewSectionReader(p, 0, p.Size())); err != nil || string(got) != "abcdef" {
		t.Errorf("%q, %v", got, err)
	}
	must(t, p.Restart())
	_, err = p.Write([]byte("new"))
	must(t, err)
	must(t, p.Keep())
	if got, err := os.ReadFile(path); err != nil || string(got) != "new" {
		t.Errorf("%q, %v", got, err)
	}
	if got := names(t, dir); got != "blob" {
		t.Errorf("left: %s", got)
	}
	must(t, os.Symlink(path, path+".incomplete"))
	if _, err := OpenPartial(path); err == nil {
		t.Error("a link was written through")
	}
}

func TestLink(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "a"), []byte("a"), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "b"), []byte("b"), 0o666))
	must(t, os.Mkdir(filepath.Join(dir, "in"), 0o777))
	path := filepath.Join(dir, "in", "x")
	for _, name := range []string{"a", "b"} {
		must(t, Link(filepath.Join("..", name), path))
		if got, err := os.ReadFile(path); err != nil || string(got) != name {
			t.Errorf("%q, %v", got, err)
		}
	}
	if got := names(t, filepath.Join(dir, "in")); got != "x" {
		t.Errorf("left: %s", got)
	}
}
