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
	if inner := raw[1 : len(raw)-1]; bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err
}

// truncated marks the end of a file in the middle of a record.
var errTruncated = errors.New("the file ends in the middle of a record")

// lines yields the lines of r without their newlines, each good until the next;
// an unfinished last line is yielded too. Lines beyond maxRecord are an error.
func lines(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		br := bufio.NewReaderSize(r, 1<<20)
		var long []byte
		for {
			part, err := br.ReadSlice('\n')
			line := part
			if err == bufio.ErrBufferFull || len(long) > 0 {
				long = append(long, part...)
				line = long
			}
			if len(long) > maxRecord {
				yield(nil, fmt.Errorf("a record is longer than %d bytes", maxRecord))
				return
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			if err != nil && err != io.EOF {
				yield(nil, err)
				return
			}
			if len(line) > 0 && !yield(bytes.TrimRight(line, "\r\n"), nil) || err == io.EOF {
				return
			}
			long = long[:0]
		}
	}
}

// elements yields the elements of a JSON array, each good until the next, in
// memory bounded by the largest one.
func elements(r io.Reader) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		buf := make([]byte, 0, 1<<20)
		begun, end := false, false
		at := 0 // of what is not yielded yet
		fill := func() error {
			buf = append(buf[:0], buf[at:]...)
			at = 0
			if len(buf) > maxRecord {
				return fmt.Errorf("a record is longer than %d bytes", maxRecord)
			}
			if len(buf) == cap(buf) {
				buf = append(make([]byte, 0, 2*cap(buf)), buf...)
			}
			n, err := r.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
			if err == io.EOF {
				end, err = true, nil
			}
			return err
		}
		for {
			at = space(buf, at)
			for begun && at < len(buf) && buf[at] == ',' {
				at = space(buf, at+1)
			}
			if at < len(buf) && !begun {
				if buf[at] != '[' {
					yield(nil, errors.New("not a JSON array"))
					return
				}
				begun = true
				at++
				continue
			}
			if at < len(buf) && buf[at] == ']' {
				return
			}
			if stop := value(buf, at); stop > 0 && (stop < len(buf) || end) {
				if !yield(buf[at:stop], nil) {
					return
				}
				at = stop
				continue
			}
			if end {
				yield(nil, errTruncated)
				return
			}
			if err := fill(); err != nil {
				yield(nil, err)
				return
			}
		}
	}
}
