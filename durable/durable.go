// Package durable writes files so that a process may be killed at any moment.
//
// Replace writes a whole file: aside, flushed to disk, renamed. Folder does the same for
// a folder. Log appends whole
// lines to a file. Partial arrives over several attempts. Lock is held by one process and ends with it. Name makes a folder's
// name of any text.
//
// Contract: a file is there whole or not at all. Nothing is written through a link:
// Replace puts a file in the link's place, Log and Lock refuse one, a hard link too. New files take the
// umask. What Replace writes aside has a name that Leftover knows; it goes when the
// write fails, and the next Replace or Sweep in that folder clears away what a dead
// process left there, and nothing else.
//
// Failures: errors are those of package os and name the file. Failed appends are taken
// back; a Log that cannot take one back refuses to go on.
package durable

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
)

// Write stands for (*os.File).Write; tests put failing disks here.
type Write func(*os.File, []byte) (int, error)

// hooked is a file whose writes go through a hook.
type hooked struct {
	file  *os.File
	write Write
}

func (h hooked) Write(p []byte) (int, error) {
	if h.write == nil {
		return h.file.Write(p)
	}
	return h.write(h.file, p)
}

// leftover is the name of what Replace writes aside: ".NAME.ballast-XXXXXXXX".
var leftover = regexp.MustCompile(`^\.(.+)\.ballast-[A-Z2-7]{8}$`)

// Leftover returns the name that a file was to get, where name is one that Replace
// gives to what it writes aside.
func Leftover(name string) (base string, ok bool) {
	m := leftover.FindStringSubmatch(name)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// aside returns a fresh path in the folder of path that Leftover knows.
func aside(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".ballast-"+rand.Text()[:8])
}

// Replace gives path the content that fill writes. The folder must exist.
func Replace(path string, fill func(io.Writer) error) error { return ReplaceWith(nil, path, fill) }

// ReplaceBytes gives path this content.
func ReplaceBytes(path string, data []byte) error {
	return Replace(path, func(w io.Writer) error { _, err := w.Write(data); return err })
}

// ReplaceWith is Replace with a hook; nil writes as usual.
func ReplaceWith(write Write, path string, fill func(io.Writer) error) error {
	return replace(write, path, fill, 0)
}

// replace is ReplaceWith with permissions; 0 takes those of the umask.
func replace(write Write, path string, fill func(io.Writer) error, perm fs.FileMode) error {
	path = filepath.Clean(path)
	// The second look goes through a link: one to a device, such as /dev/stdout, stays.
	for _, look := range []func(string) (fs.FileInfo, error){os.Lstat, os.Stat} {
		if info, err := look(path); err == nil && !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0 {
			return fmt.Errorf("%s is there and is no file; name a file", path)
		}
	}
	if err := Sweep(filepath.Dir(path), func(base string) bool { return base == filepath.Base(path) }); err != nil {
		return err
	}
	f, err := create(path)
	if err != nil {
		return err
	}
	err = fill(hooked{f, write})
	if err == nil && perm != 0 {
		err = f.Chmod(perm)
	}
	if err == nil {
		err = f.Sync()
	}
	// Renamed while it is open and locked: a sweep takes what nobody has locked.
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// Folder makes a folder with what fill writes into it: aside, flushed to disk, renamed.
// Nothing may be there under that name but an empty folder; its parent must exist.
func Folder(path string, fill func(dir string) error) error {
	path = filepath.Clean(path)
	parent := filepath.Dir(path)
	if err := Sweep(parent, func(base string) bool { return base == filepath.Base(path) }); err != nil {
		return err
	}
	aside := aside(path)
	if err := os.Mkdir(aside, 0o777); err != nil {
		return err
	}
	// Where a folder cannot be locked, nobody takes it for dead either.
	if d, err := os.Open(aside); err == nil {
		defer d.Close()
		_ = flock(d, false)
	}
	err := fill(aside)
	if err == nil {
		err = SyncTree(aside)
	}
	if err == nil {
		err = os.Remove(path) // it is empty, if there
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			err = os.Rename(aside, path)
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(aside))
	}
	return SyncDir(parent)
}

// Subfolder makes a folder in one that ballast writes into, where it is not there. A
// link in its place is an error: what is written there would go elsewhere.
func Subfolder(path string) error {
	if err := os.Mkdir(path, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(path)
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is a link or no folder: what is written there would go elsewhere; remove it", path)
	}
	return err
}

// headBytes is how much of a file Free looks at.
const headBytes = 64 << 10

// Free says whether an output may take this name: nothing is there, or an empty file,
// or one that ours knows by its beginning. What somebody else made is an error.
func Free(path string, ours func(head []byte) bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is there and is a link or no file: remove it, or name another place", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, headBytes))
	if err == nil && len(head) > 0 && !ours(head) {
		err = fmt.Errorf("%s is there and ballast did not write it: take it away, or name another place", path)
	}
	return err
}

// Edit gives a file of the user other content: through links to the file itself, which
// keeps its permissions.
func Edit(path string, data []byte) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return replace(nil, path, func(f io.Writer) error { _, err := f.Write(data); return err }, info.Mode().Perm())
}

// SyncTree flushes every file and folder in dir to disk.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return SyncDir(path)
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		return f.Sync()
	})
}

// Append opens a file for appending, or makes it; a link is refused. Lines of several
// writers mix: for lines of one writer there is Log.
func Append(path string) (*os.File, error) {
	return openFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
}

// create makes and locks the file that is written aside for path.
func create(path string) (*os.File, error) {
	for {
		f, err := os.OpenFile(aside(path), os.O_WRONLY|os.O_CREATE|os.O_EXCL|noFollow, 0o666)
		if err != nil {
			return nil, err
		}
		if err := flock(f, true); err != nil {
			return nil, errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		// Between creation and lock a sweep may have taken it for dead.
		if _, err := os.Lstat(f.Name()); err == nil {
			return f, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(err, f.Close())
		}
		f.Close()
	}
}

// Sweep removes from dir what a process left aside that died while it wrote: files and
// folders that Leftover knows, that no living process has locked, and whose name pick likes.
// Where the system has no locks that end with a process, it removes nothing.
func Sweep(dir string, pick func(base string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		base, ok := Leftover(e.Name())
		if !ok || !e.Type().IsRegular() && !e.IsDir() || !pick(base) {
			continue
		}
		if err := bury(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// bury removes a leftover that nobody has locked.
func bury(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return nil // gone meanwhile, or of another user
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if flock(f, false) != nil {
		return nil
	}
	return os.RemoveAll(path)
}

// SyncDir flushes a folder's entries, so that a rename survives a power failure. File
// systems that cannot do that are left alone.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, syscall.EINVAL) {
		return err
	}
	return nil
}
