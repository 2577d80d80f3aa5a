package rollouts

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
)

// maxRecord bounds one record of a foreign file, and with it the memory that a
// broken file can cost.
const maxRecord = 64 << 20

// errJSON says that a record is no JSON object.
var errJSON = errors.New("not a JSON object")

// fields calls visit with every key and raw value of a JSON object, without
// looking into the values: what nobody asks for costs a scan for quotes. It is
// lenient inside values; those that are decoded are checked then.
func fields(object []byte, visit func(key string, raw []byte) error) error {
	i := space(object, 0)
	if i >= len(object) || object[i] != '{' {
		return errJSON
	}
	for i = space(object, i+1); i < len(object) && object[i] != '}'; {
		if object[i] != '"' {
			return errJSON
		}
		end := quoted(object, i)
		if end < 0 {
			return errJSON
		}
		key := object[i+1 : end-1]
		if i = space(object, end); i >= len(object) || object[i] != ':' {
			return errJSON
		}
		i = space(object, i+1)
		if end = value(object, i); end < 0 {
			return errJSON
		}
		if err := visit(string(key), object[i:end]); err != nil {
			return err
		}
		if i = space(object, end); i < len(object) && object[i] == ',' {
			i = space(object, i+1)
		}
	}
	if i >= len(object) {
		return errJSON
	}
	return nil
}

func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// quoted returns the index behind the string that begins at i, or -1.
func quoted(b []byte, i int) int {
	for j := i + 1; ; {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			return -1
		}
		j += k
		n := j - 1
		for b[n] == '\\' { // the opening quote ends this
			n--
		}
		if (j-n)%2 == 1 { // an even number of backslashes before it
			return j + 1
		}
		j++
	}
}

// value returns the index behind the value that begins at i, or -1.
func value(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return quoted(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				if i = quoted(b, i); i < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return -1
	}
	start := i
	for i < len(b) && !bytes.ContainsRune([]byte(",}] \n\r\t"), rune(b[i])) {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// text decodes a JSON string; other values are their own text.
func text(raw []byte) (string, error) {
	if len(raw) == 0 || raw[0] != '"' {
		return string(raw), nil
	}
	if quoted(raw, 0) != len(raw) {
		return "", errJSON
	}
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// errTruncated marks the end of a file in the middle of a record.
var errTruncated = errors.New("the file ends in the middle of a record")

// errLong says that a record is longer than what is held in memory.
var errLong = fmt.Errorf("longer than %d bytes", maxRecord)

// lines yields the lines of r without their newlines, each good until the next;
// an unfinished last line is yielded too. A line beyond maxRecord is errLong in its
// place; any other error is the last.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		br := bufio.NewReaderSize(r, 1<<20)
		var long []byte
		skip := false
		for {
			part, err := br.ReadSlice('\n')
			line := part
			if skip = skip || len(long)+len(part) > maxRecord; skip {
				long = long[:0]
			} else if err == bufio.ErrBufferFull || len(long) > 0 {
				long = append(long, part...)
				line = long
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			switch {
			case err != nil && err != io.EOF:
				yield(nil, err)
				return
			case skip && !yield(nil, errLong):
				return
			case !skip && len(line) > 0 && !yield(bytes.TrimRight(line, "\r\n"), nil):
				return
			case err == io.EOF:
				return
			}
			long, skip = long[:0], false
		}
	}
}

// window is a part of a stream that is looked at piece by piece, in memory bounded
// by the largest piece.
type window struct {
	r   io.Reader
	buf []byte
	at  int // of what was not taken yet
	end bool
}

// fill drops what was taken and reads until the buffer is full, so that a piece is
// looked at again only after its size has doubled.
func (w *window) fill() error {
	w.buf = append(w.buf[:0], w.buf[w.at:]...)
	w.at = 0
	if len(w.buf) > maxRecord {
		return fmt.Errorf("a record is %w", errLong)
	}
	if len(w.buf) == cap(w.buf) {
		w.buf = append(make([]byte, 0, max(1<<20, 2*cap(w.buf))), w.buf...)
	}
	n, err := io.ReadFull(w.r, w.buf[len(w.buf):cap(w.buf)])
	w.buf = w.buf[:len(w.buf)+n]
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		w.end, err = true, nil
	}
	return err
}

// elements yields the values of a stream one after the other, and the elements of
// arrays in it one by one, each good until the next.
func elements(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w := window{r: r}
		inside := false // an array
		for {
			for w.at < len(w.buf) && bytes.IndexByte([]byte(" \t\r\n,\x00"), w.buf[w.at]) >= 0 {
				w.at++
			}
			switch {
			case w.at >= len(w.buf) && w.end && !inside:
				return
			case w.at < len(w.buf) && w.buf[w.at] == '[' && !inside:
				inside = true
				w.at++
				continue
			case w.at < len(w.buf) && w.buf[w.at] == ']' && inside:
				inside = false
				w.at++
				continue
			}
			if stop := value(w.buf, w.at); stop > 0 && (stop < len(w.buf) || w.end) {
				if !yield(w.buf[w.at:stop], nil) {
					return
				}
				w.at = stop
				continue
			}
			if w.end {
				yield(nil, errTruncated)
				return
			}
			if err := w.fill(); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// pieces yields the texts that a separator parts, with so many of its first bytes.
func pieces(r io.Reader, sep string, keep int) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		w := window{r: r}
		seen := 0 // bytes behind at without a separator
		for {
			if i := bytes.Index(w.buf[w.at+seen:], []byte(sep)); i >= 0 {
				if !yield(w.buf[w.at:w.at+seen+i+keep], nil) {
					return
				}
				w.at, seen = w.at+seen+i+len(sep), 0
				continue
			}
			if w.end {
				if w.at < len(w.buf) {
					yield(w.buf[w.at:], nil)
				}
				return
			}
			seen = max(0, len(w.buf)-w.at-len(sep)+1)
			if err := w.fill(); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}
