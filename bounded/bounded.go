// Package bounded reads what comes from outside: files, streams, compressed data,
// YAML and JSON of strangers.
//
// Contract: only regular files are read; a pipe or a device is an error at once. Every
// reader has a bound, in bytes as they come, in bytes as they unpack, in bytes of a
// line, in depth. Past a bound the answer is an error that wraps ErrTooLarge and names
// the bound, never data that was cut silently.
package bounded

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// Sizes in bytes.
const (
	KiB = 1 << 10
	MiB = 1 << 20
	GiB = 1 << 30
)

// ErrTooLarge says that an input is past its bound.
var ErrTooLarge = errors.New("too large")

// Open opens a regular file for reading; links are followed. A folder, pipe, socket or
// device is an error; opening one never blocks.
func Open(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is a %s and no regular file", path, kind(info.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Regular says what is wrong with a file that is to be read later.
func Regular(path string) error {
	f, err := Open(path)
	if err != nil {
		return err
	}
	return f.Close()
}

func kind(m os.FileMode) string {
	switch {
	case m.IsDir():
		return "folder"
	case m&os.ModeNamedPipe != 0:
		return "pipe"
	case m&os.ModeSocket != 0:
		return "socket"
	}
	return "device"
}

// Dir is the folder as a file system whose files are read as Open reads them: links
// are followed, pipes are not waited for.
func Dir(path string) fs.FS { return dir(path) }

type dir string

func (d dir) path(op, name string) (string, error) {
	if !fs.ValidPath(name) {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return filepath.Join(string(d), filepath.FromSlash(name)), nil
}

// Open opens a regular file.
func (d dir) Open(name string) (fs.File, error) {
	path, err := d.path("open", name)
	if err != nil {
		return nil, err
	}
	f, err := Open(path)
	if err != nil {
		return nil, err // and no *os.File that is nil inside of an interface
	}
	return f, nil
}

// ReadDir lists a folder.
func (d dir) ReadDir(name string) ([]fs.DirEntry, error) {
	path, err := d.path("readdir", name)
	if err != nil {
		return nil, err
	}
	return os.ReadDir(path)
}

// Stat describes a file.
func (d dir) Stat(name string) (fs.FileInfo, error) {
	path, err := d.path("stat", name)
	if err != nil {
		return nil, err
	}
	return os.Stat(path)
}

// ReadFS reads a file of a file system, of at most limit bytes.
func ReadFS(fsys fs.FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(Reader(f, limit))
}

// ReadFile reads a regular file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(Reader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}

// Reader reads at most limit bytes of r; where r has more, the read that would go past
// the bound fails with ErrTooLarge.
func Reader(r io.Reader, limit int64) io.Reader { return &reader{r, limit, limit} }

type reader struct {
	r           io.Reader
	left, limit int64
}

func (b *reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), fmt.Errorf("%w: more than %s", ErrTooLarge, Bytes(b.limit))
	}
	b.left -= int64(n)
	return n, err
}

// Bytes writes a number of bytes for people.
func Bytes(n int64) string {
	switch {
	case n >= GiB && n%(GiB/10) == 0:
		return fmt.Sprintf("%.4g GiB", float64(n)/GiB)
	case n >= MiB:
		return fmt.Sprintf("%.4g MiB", float64(n)/MiB)
	case n >= KiB:
		return fmt.Sprintf("%.4g KiB", float64(n)/KiB)
	}
	return fmt.Sprintf("%d bytes", n)
}

// Unpack reads what r holds, unpacked where its first bytes are those of gzip, zstd or
// bzip2; limit bounds the unpacked bytes. how is "gzip", "zstd", "bzip2" or "". Close
// frees the decoder and not r.
func Unpack(r io.Reader, limit int64) (out io.ReadCloser, how string, err error) {
	br := bufio.NewReaderSize(r, 64*KiB)
	head, err := br.Peek(10)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, "", err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(br)
		if err != nil {
			return nil, "gzip", err
		}
		return readCloser{Reader(z, limit), z.Close}, "gzip", nil
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		z, err := zstd.NewReader(br, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128*MiB), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, "zstd", err
		}
		return readCloser{Reader(z, limit), func() error { z.Close(); return nil }}, "zstd", nil
	case len(head) == 10 && bytes.HasPrefix(head, []byte("BZh")) && (string(head[4:]) == "1AY&SY" || string(head[4:]) == "\x17rE8P\x90"):
		return readCloser{Reader(bzip2.NewReader(br), limit), func() error { return nil }}, "bzip2", nil
	}
	return readCloser{Reader(br, limit), func() error { return nil }}, "", nil
}

// Pack is data as one zstd frame, which Unpack reads.
func Pack(data []byte) []byte { return packer().EncodeAll(data, nil) }

// packer is made once: it is safe for concurrent use, and large.
var packer = sync.OnceValue(func() *zstd.Encoder {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		panic(err) // of the options alone
	}
	return z
})

type readCloser struct {
	io.Reader
	close func() error
}

func (r readCloser) Close() error { return r.close() }

// Line is one line without its newline. Text is good until the next one.
type Line struct {
	Number int // from 1
	Text   []byte
	Ended  bool // by a newline, and not by the end of the input
}

// Lines yields the lines of r, each of at most limit bytes. It yields at most one
// error, last, with the number of the line in it.
func Lines(r io.Reader, limit int) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		br := bufio.NewReaderSize(r, 64*KiB)
		var line []byte
		for number := 1; ; {
			part, err := br.ReadSlice('\n')
			line = append(line, part...)
			switch {
			case len(line) > limit:
				yield(Line{}, fmt.Errorf("line %d: %w: more than %s", number, ErrTooLarge, Bytes(int64(limit))))
				return
			case errors.Is(err, bufio.ErrBufferFull):
				continue
			case err == io.EOF:
				if len(line) > 0 {
					yield(Line{number, line, false}, nil)
				}
				return
			case err != nil:
				yield(Line{}, fmt.Errorf("line %d: %w", number, err))
				return
			}
			if !yield(Line{number, line[:len(line)-1], true}, nil) {
				return
			}
			number, line = number+1, line[:0]
		}
	}
}
