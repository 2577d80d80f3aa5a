package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Partial is a file that arrives over several attempts, of one process or several one
// after another, such as a download: what came so far lies beside its place as
// NAME.incomplete and outlives the process. Keep gives it its name. One process at a time
// has it. What it holds is only as good as whoever keeps it checks.
type Partial struct {
	path string // it is to get
	file *os.File
	size int64
}

// incomplete is what a Partial's name ends in, as in the Hugging Face cache.
const incomplete = ".incomplete"

// OpenPartial opens or makes what is to become path. It fails with ErrLocked while
// another process has it. The folder must exist.
func OpenPartial(path string) (*Partial, error) {
	f, err := openFile(path+incomplete, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	p := &Partial{path: path, file: f}
	if err = lockFile(f); err == nil {
		// Between opening and locking another process may have given it its name.
		var here, there os.FileInfo
		if here, err = f.Stat(); err == nil {
			if there, err = os.Lstat(f.Name()); err != nil || !os.SameFile(here, there) {
				err = ErrLocked
			}
		}
	}
	if err == nil {
		p.size, err = f.Seek(0, io.SeekEnd)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return p, nil
}

// Size is how many bytes came.
func (p *Partial) Size() int64 { return p.size }

// Write appends.
func (p *Partial) Write(data []byte) (int, error) {
	n, err := p.file.Write(data)
	p.size += int64(n)
	return n, err
}

// ReadAt reads what came.
func (p *Partial) ReadAt(data []byte, at int64) (int, error) { return p.file.ReadAt(data, at) }

// Restart drops what came.
func (p *Partial) Restart() error {
	if err := p.file.Truncate(0); err != nil {
		return err
	}
	p.size = 0
	_, err := p.file.Seek(0, io.SeekStart)
	return err
}

// Keep flushes the file to disk, gives it its name, and closes it.
func (p *Partial) Keep() error {
	err := p.file.Sync()
	if err == nil {
		err = os.Rename(p.file.Name(), p.path)
	}
	if err = errors.Join(err, p.file.Close()); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(p.path))
}

// Close leaves what came for the next attempt.
func (p *Partial) Close() error { return p.file.Close() }

// Link makes path a symbolic link to target, which is as the system resolves it: relative
// to the folder of path. What is there is replaced at once. Where links cannot be made the
// file gets a second name.
func Link(target, path string) error {
	aside := aside(path)
	err := os.Symlink(target, aside)
	if err != nil {
		err = os.Link(filepath.Join(filepath.Dir(path), target), aside)
	}
	if err == nil {
		if err = os.Rename(aside, path); err != nil {
			os.Remove(aside)
		}
	}
	return err
}
