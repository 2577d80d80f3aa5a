package durable

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// ErrLocked says that another process has the file.
var ErrLocked = errors.New("another process writes here")

// openFile opens a regular file for writing and follows no link. A file with a second
// name is refused as well: it may be of somebody else, such as a backup made with cp -al.
func openFile(path string, flag int) (*os.File, error) {
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is a link or no file: what is written there would go elsewhere; remove it", path)
	}
	f, err := os.OpenFile(path, flag|noFollow, 0o666)
	if err != nil {
		if isLink(err) {
			return nil, fmt.Errorf("%s is a link: what is written there would go elsewhere; remove it", path)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if !info.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is no file", path)
	}
	if linked(info) {
		f.Close()
		return nil, fmt.Errorf("%s has another name elsewhere (a hard link): what is written here would change there; put a copy of it in "+
			"its place", path)
	}
	return f, nil
}

// Log is a file of whole lines that this process alone appends to. It is safe for
// several goroutines.
type Log struct {
	path   string
	write  Write
	mu     sync.Mutex
	file   *os.File
	size   int64
	torn   int64
	broken error // set when the file may hold half a line
}

// OpenLog opens or creates a file of lines, locks it, and cuts off a last line that
// was torn when a process died. It fails with ErrLocked while another process has it.
// write is a hook for tests; nil writes as usual.
func OpenLog(path string, write Write) (*Log, error) {
	f, err := openFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, err
	}
	l := &Log{path: path, write: write, file: f}
	err = lockFile(f)
	if err == nil {
		l.size, err = f.Seek(0, io.SeekEnd)
	}
	if err == nil {
		whole := int64(0)
		if whole, err = wholeLines(f, l.size); err == nil && whole < l.size {
			l.torn = l.size - whole
			l.size, err = whole, f.Truncate(whole)
		}
	}
	if err == nil {
		_, err = f.Seek(l.size, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return l, nil
}

// wholeLines returns the offset behind the last newline in the first size bytes.
func wholeLines(f io.ReaderAt, size int64) (int64, error) {
	buf := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(0, end-int64(len(buf)))
		part := buf[:end-start]
		if _, err := f.ReadAt(part, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			return start + int64(i) + 1, nil
		}
		end = start
	}
	return 0, nil
}

// Path returns the file's path.
func (l *Log) Path() string { return l.path }

// Size returns the length in bytes, which is that of whole lines.
func (l *Log) Size() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size
}

// Torn says how many bytes of a last line that was not whole were cut off when the log was opened.
func (l *Log) Torn() int64 { return l.torn }

// Broken returns the error after which the log takes nothing more, or nil.
func (l *Log) Broken() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.broken
}

// ReadAt reads what was appended.
func (l *Log) ReadAt(p []byte, off int64) (int, error) { return l.file.ReadAt(p, off) }

// Boundary reports whether a line begins at byte at.
func (l *Log) Boundary(at int64) (bool, error) {
	end, err := wholeLines(l.file, at)
	return end == at, err
}

// Append adds one line, with one write; line ends in the only newline it holds. A line
// that could not be written whole is taken back.
func (l *Log) Append(line []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := bytes.IndexByte(line, '\n'); i < 0 || i != len(line)-1 {
		panic("durable: what is appended is not one line")
	}
	if l.broken != nil {
		return fmt.Errorf("append to %s: an earlier append failed and could not be taken back: %w", l.path, l.broken)
	}
	n, err := hooked{l.file, l.write}.Write(line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err == nil {
		l.size += int64(n)
		return nil
	}
	if cut := l.truncate(l.size); cut != nil {
		l.broken = errors.Join(err, cut)
	}
	return fmt.Errorf("append to %s: %w", l.path, err)
}

// Cut shortens the file to size bytes; appends go on from there.
func (l *Log) Cut(size int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.truncate(size)
}

func (l *Log) truncate(size int64) error {
	if err := l.file.Truncate(size); err != nil {
		return err
	}
	if _, err := l.file.Seek(size, io.SeekStart); err != nil {
		return err
	}
	l.size = size
	return nil
}

// Sync flushes what was appended to disk.
func (l *Log) Sync() error { return l.file.Sync() }

// Close closes the file and gives up its lock.
func (l *Log) Close() error { return l.file.Close() }
