package rollouts

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"

	"ballast/bounded"
)

// A compressed file may unpack to 64 MiB plus 500 times its size, more than any
// log of rollouts needs.
const (
	unpackedFloor = 64 << 20
	unpackedRatio = 500
)

// input is one opened file as UTF-8 text, or nothing but the word that it is parquet.
type input struct {
	*bufio.Reader
	head    []byte // its first bytes
	parquet bool
	size    int64
	close   []func() error
}

func (in *input) Close() {
	for _, f := range in.close {
		f()
	}
}

// sniffed is how many bytes the kind of a file is told from.
const sniffed = 1 << 16

// open opens a regular file, unpacks gzip and zstd, drops a byte order mark and
// turns UTF-16 into UTF-8.
func open(path string) (*input, error) {
	f, err := bounded.Open(path)
	if err != nil {
		return nil, err
	}
	in := &input{close: []func() error{f.Close}}
	if err := in.begin(f); err != nil {
		in.Close()
		return nil, err
	}
	return in, nil
}

func (in *input) begin(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	in.size = info.Size()
	magic := make([]byte, 4)
	if n, _ := f.ReadAt(magic, 0); n == 4 && string(magic) == "PAR1" {
		in.parquet = true
		return nil
	}
	limit := max(info.Size(), unpackedFloor+unpackedRatio*info.Size())
	r, _, err := bounded.Unpack(f, limit)
	if err != nil {
		return err
	}
	in.close = append([]func() error{r.Close}, in.close...)
	in.Reader = bufio.NewReaderSize(r, sniffed)
	if in.head, err = in.Peek(sniffed); len(in.head) == 0 && err != nil && err != io.EOF {
		return err
	}
	switch head := in.head; {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		in.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")), wide(head, 1):
		in.decode(unicode.UTF16(unicode.LittleEndian, unicode.UseBOM))
	case wide(head, 0):
		in.decode(unicode.UTF16(unicode.BigEndian, unicode.UseBOM))
	default:
		return foreign(head)
	}
	if in.head, err = in.Peek(sniffed); len(in.head) == 0 && err != nil && err != io.EOF {
		return err
	}
	return nil
}

func (in *input) decode(e encoding.Encoding) {
	in.Reader = bufio.NewReaderSize(transform.NewReader(in.Reader, e.NewDecoder()), sniffed)
}

// wide reports UTF-16 without a byte order mark: JSON's first signs with a zero byte
// after (1) or before (0) each.
func wide(head []byte, zero int) bool {
	return len(head) >= 4 && head[zero] == 0 && head[2+zero] == 0 && (head[1-zero] == '{' || head[1-zero] == '[') && head[3-zero] != 0
}

// foreign names the kinds of files that are refused by their first bytes.
func foreign(head []byte) error {
	for _, k := range []struct{ magic, why string }{
		{"PK\x03\x04", "a zip archive, or a file of torch.save, which holds a pickle: unpack an archive first; a pickle is not read, since " +
			"reading one runs its code"},
		{"\x80\x02", pickle}, {"\x80\x03", pickle}, {"\x80\x04", pickle}, {"\x80\x05", pickle},
		{"BZh", "compressed with bzip2: unpack it first"},
		{"\xfd7zXZ", "compressed with xz: unpack it first"},
		{"ARROW1", "an Arrow file: write it as parquet or JSON lines"},
		{"SQLite format 3", "an SQLite database: write its table as JSON lines"},
	} {
		if bytes.HasPrefix(head, []byte(k.magic)) {
			return errors.New(k.why)
		}
	}
	return nil
}

const pickle = "a pickle, which is not read, since reading one runs its code: write the rollouts as JSON lines or parquet"

// tooLarge says what a file past its bound means.
func tooLarge(err error) error {
	if errors.Is(err, bounded.ErrTooLarge) {
		return fmt.Errorf("%w when unpacked, over %d times its size: unpack it yourself if it is meant so", err, unpackedRatio)
	}
	return err
}
