// Package rollouts reads files in which trainers and endpoints leave what a policy
// wrote: verl rollout dumps, verl-tool step records, TRL completions, OpenAI chats
// and plain text. It recognises them by their content.
//
// Contract: files are streamed, and memory is bounded by the largest record, which
// is bounded too; so is what a compressed file may unpack to. Only regular files are
// read. Values of keys that nobody asks for are not decoded. A value is read where it
// has one meaning; where it has none its State says so, and it is never a 0.
//
// Failures: errors name the line or record and come after everything that could be
// read; a record without a reply is such an error. Nothing panics on what a file
// holds.
package rollouts

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Options say how to read.
type Options struct {
	Light bool   // leave the replies out: who asks wants steps and rewards
	Also  string // a key that holds the reward, besides those that are known
	// Columns, where set, is told the columns of numbers that are not read.
	Columns func(names []string)
}

// Read reads one file and hands over its records. An error comes after the records
// that could be read; it does not name the file.
func Read(path string, o Options, give func(Record)) error {
	in, err := open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	d := &reader{light: o.Light, also: o.Also, columns: o.Columns, give: give}
	if in.parquet {
		return d.completions(path, in.size)
	}
	head := bytes.TrimLeft(in.head, " \t\r\n\x00")
	json := false
	switch strings.ToLower(filepath.Ext(Unpacked(path))) {
	case ".json", ".jsonl", ".ndjson":
		json = true
	}
	switch {
	case len(head) == 0:
		return errors.New("the file is empty")
	case head[0] == '[' && jsonList(head), head[0] == '{' && pretty(head):
		err = d.objects(elements(in))
	case json || head[0] == '{' && bytes.Contains(head[:min(len(head), 200)], []byte(`"`)) && !bytes.HasPrefix(head, []byte(`{"name"`)):
		err = d.jsonLines(in)
	case !text8(in.head):
		return errors.New("neither JSON nor parquet nor text")
	case logged(head):
		return errors.New("the log of a program, and no rollouts: name the folder or file that the trainer writes its rollouts to")
	default:
		err = d.plainText(in, head)
	}
	return tooLarge(err)
}

// logLine begins a line of a trainer's console: metrics as Python prints a dict, a
// level, a time, or the process's name in front of them.
var logLine = regexp.MustCompile(`^\s*(\([^()]{1,60}\) )?(\{'[^']{1,60}': |\[?(INFO|WARN|WARNING|DEBUG|ERROR)\b|\[?\d{4}-\d\d-\d\d[ T,]\d\d:\d\d|step:\d+ - )`)

// logged tells a program's log from replies by its first lines.
func logged(head []byte) bool {
	n, logs := 0, 0
	for line := range bytes.Lines(head) {
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		if n++; logLine.Match(line) {
			logs++
		}
		if n == 40 {
			break
		}
	}
	return 2*logs > n
}

// Unpacked is a file's name without the endings of compression.
func Unpacked(path string) string {
	for _, ext := range []string{".gz", ".gzip", ".zst", ".zstd"} {
		if rest, ok := strings.CutSuffix(path, ext); ok {
			return rest
		}
	}
	return path
}

// text8 tells text in UTF-8, also text with zero bytes here and there, from other bytes.
func text8(head []byte) bool {
	return utf8.Valid(head[:max(0, len(head)-4)]) && (len(head) < 8 || bytes.Count(head, []byte{0}) <= len(head)/8)
}

// pretty tells an object over several lines from one that is a line.
func pretty(head []byte) bool {
	line, _, more := bytes.Cut(head, []byte("\n"))
	return more && len(bytes.TrimSpace(line)) == 1
}

// jsonList tells a list of objects from plain text that begins with a bracket,
// such as a call in Python's syntax.
func jsonList(head []byte) bool {
	i := space(head, 1)
	return i < len(head) && (head[i] == '{' || head[i] == ']')
}

// broken is how many bad records in a row end the reading of a file.
const broken = 100_000

// faults counts what could not be read and keeps the first of it.
type faults struct {
	first  error
	n, run int
}

// add notes a fault and reports whether to go on.
func (f *faults) add(what string, number int, err error) bool {
	if f.n++; f.first == nil {
		f.first = fmt.Errorf("%s %d: %w", what, number, err)
	}
	f.run++
	return f.run < broken
}

// end is the account of all faults, nil of none.
func (f *faults) end(what string, last error) error {
	err := f.first
	if f.n > 1 {
		err = fmt.Errorf("%w; and %d more bad %ss", err, f.n-1, what)
	}
	if f.run >= broken {
		err = fmt.Errorf("%w; %d bad %ss in a row, the rest was not read", err, f.run, what)
	}
	if err == nil || last == nil {
		return errors.Join(err, last)
	}
	return fmt.Errorf("%w; %w", err, last)
}

// objects reads the records of a JSON list, or of objects one after the other.
func (d *reader) objects(list func(func([]byte, error) bool)) error {
	var bad faults
	i := 0
	for raw, err := range list {
		if err != nil {
			return bad.end("record", fmt.Errorf("after record %d: %w", i, err))
		}
		i++
		if err := d.decode(raw, i); err == nil {
			bad.run = 0
		} else if !bad.add("record", i, err) {
			break
		}
	}
	return bad.end("record", nil)
}

// jsonLines reads records that are written one a line, or several: what a trainer
// writes that was killed and went on in the same file. Bad parts are left out; the
// first is reported with its line.
func (d *reader) jsonLines(r io.Reader) error {
	var bad faults
	i := 0
	var opening []byte // of the first good record: its first key
	for line, err := range lines(r) {
		if err != nil && !errors.Is(err, errLong) {
			return bad.end("line", fmt.Errorf("after line %d: %w", i, err))
		}
		i++
		if err == nil {
			line = bytes.TrimSpace(line)
			if rest := bytes.Trim(line, "\x00"); len(rest) < len(line) {
				err = fmt.Errorf("%d zero bytes, as a file system leaves them after a crash", len(line)-len(rest))
				line = rest
			}
		}
		if err == nil && len(line) == 0 {
			continue
		}
		if err != nil && !bad.add("line", i, err) {
			break
		}
		if len(line) == 0 {
			continue
		}
		if err := d.line(line, i, &opening); err == nil {
			bad.run = 0
		} else if !bad.add("line", i, err) {
			break
		}
	}
	return bad.end("line", nil)
}

// line reads the records of one line.
func (d *reader) line(line []byte, number int, opening *[]byte) error {
	var bad error
	for at := 0; at < len(line); {
		end := value(line, at)
		if end < 0 {
			err := fmt.Errorf("%w: it breaks off", errJSON)
			if k := bytes.LastIndex(line[at+1:], *opening); len(*opening) > 0 && k >= 0 && value(line, at+1+k) > 0 {
				at += 1 + k
				bad = errors.Join(bad, err)
				continue
			}
			return errors.Join(bad, err)
		}
		raw := line[at:end]
		var err error
		switch {
		case raw[0] == '[':
			err = items(raw, func(raw []byte) error { return d.decode(raw, number) })
		default:
			err = d.decode(raw, number)
		}
		if err == nil && len(*opening) == 0 && raw[0] == '{' {
			if k := bytes.IndexByte(raw, ':'); k > 0 {
				*opening = bytes.Clone(raw[:k])
			}
		}
		bad = errors.Join(bad, err)
		if at = space(line, end); at < len(line) && line[at] == ',' {
			at = space(line, at+1)
		}
	}
	return bad
}

// plainText reads replies that are parted by lines of "---", by NUL bytes, or by
// the end token that each of them has; without any of these a line is a reply.
func (d *reader) plainText(r io.Reader, head []byte) error {
	sep := "\n"
	for _, s := range []string{"\x00", "\n---\n", "<|im_end|>\n", "<|eot_id|>\n"} {
		if bytes.Contains(head, []byte(s)) {
			sep = s
			break
		}
	}
	ending := strings.TrimSuffix(strings.TrimPrefix(sep, "\n"), "\n")
	if !strings.HasPrefix(ending, "<|") {
		ending = "" // parts, and is not part of a reply
	}
	i := 0
	for piece, err := range pieces(r, sep, len(ending)) {
		if err != nil {
			return fmt.Errorf("after reply %d: %w", i, err)
		}
		i++
		if len(bytes.TrimSpace(piece)) > 0 || sep != "\n" {
			d.hand(Record{Kind: KindText, Line: i, Step: -1, Replies: []string{strings.TrimRight(string(piece), "\r\n")}}, nil)
		}
	}
	return nil
}
