// Package file reads tasks that a person wrote: a file of JSON lines, a task a line. The tools
// are those of a server of theirs. docs/tasks-file.md has the format.
//
// Contract: what a line may hold is one table (Line), from which the reader and the JSON Schema
// for editors come. A line that the schema refuses, the reader refuses. What a schema cannot say
// (an id that another line has, a revealed tool that is not held, a gold reply that the line's own
// expectation refuses), the reader refuses besides. The same file gives the same tasks in the
// same order, and a task keeps its split when others are added.
//
// How it fails: Read says every fault of the file in one error (Error), a sentence each, with
// file, line, key and what to do. Nothing is skipped, guessed or read past: a file with a fault
// gives no tasks.
package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"ballast"
	"ballast/bounded"
	"ballast/value"
)

// Bounds of a file and of a line.
const (
	maxFile = 256 * bounded.MiB
	maxLine = bounded.MiB
)

// MaxFaults is how many faults an error lists; the others are counted.
const MaxFaults = 100

// Splits are the words that say what a task is for.
var Splits = []string{"train", "test", "valid"}

// Fault is one thing that is wrong with a file.
type Fault struct {
	At   string // FILE:LINE, or FILE
	Key  string // where in the line, as turns[1].expect.state[0].call.name; "" is the whole line
	Text string // what is wrong and what to do: a sentence without its subject, which is the place
}

// Error is the fault on one line.
func (f Fault) Error() string {
	if f.Key != "" {
		return f.At + ": " + f.Key + " " + f.Text
	}
	return f.At + ": " + f.Text
}

// Error is all that is wrong with a file.
type Error struct {
	Path   string
	Faults []Fault // the first MaxFaults
	More   int     // those after them
}

// Error lists the faults, a line each.
func (e *Error) Error() string {
	var b strings.Builder
	if n := len(e.Faults) + e.More; n > 1 {
		fmt.Fprintf(&b, "tasks: %s has %d faults:\n", e.Path, n)
	}
	for i, f := range e.Faults {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(f.Error())
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\nand %d more", e.More)
	}
	return b.String()
}

// File is a file of tasks that was read.
type File struct {
	Path  string
	Tasks []ballast.Task
	Split []string // of each task, a word of Splits
	Own   bool     // the file's lines say their splits; otherwise they are dealt by id
}

// Load reads the tasks of a file, of all splits.
func Load(path string) ([]ballast.Task, error) {
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	return f.Tasks, nil
}

// Read reads a file of tasks.
func Read(path string) (*File, error) {
	in, err := bounded.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("tasks: %w; name a file of JSON lines, or a set that ballast task list knows", err)
	}
	if err != nil {
		return nil, fmt.Errorf("tasks: %w", err)
	}
	defer in.Close()
	return readFrom(path, in)
}

// readFrom reads a file that is open.
func readFrom(path string, in io.Reader) (*File, error) {
	r := newReader(path)
	for l, err := range bounded.Lines(bounded.Reader(in, maxFile), maxLine) {
		if err != nil {
			return nil, r.broken(err)
		}
		if !r.line(l) {
			break
		}
	}
	return r.done()
}

// broken is the error of a file that cannot be read to its end, with what was found before.
func (r *reader) broken(err error) error {
	if !errors.Is(err, bounded.ErrTooLarge) {
		return fmt.Errorf("tasks: %s: %w", r.path, err)
	}
	what := fmt.Sprintf("is not read from here on: %v; a line has at most %s and a file %s, so split it up", err, bounded.Bytes(maxLine),
		bounded.Bytes(maxFile))
	r.at = r.path
	r.say("", "%s", what)
	return r.err()
}

// reader reads lines.
type reader struct {
	path  string
	set   string
	at    string // FILE:LINE of the line that is read
	file  File
	ids   map[string]int // line of each id
	first [2]int         // first line with a split of its own, first without
	lines int
	out   Error
}

func newReader(path string) *reader {
	name := filepath.Base(path)
	return &reader{path: path, set: strings.TrimSuffix(name, filepath.Ext(name)), file: File{Path: path}, ids: map[string]int{},
		out: Error{Path: path}}
}

func (r *reader) say(key, format string, args ...any) {
	if len(r.out.Faults) == MaxFaults {
		r.out.More++
		return
	}
	r.out.Faults = append(r.out.Faults, Fault{r.at, key, fmt.Sprintf(format, args...)})
}

// err is the error of the file, nil for none.
func (r *reader) err() error {
	if len(r.out.Faults) == 0 {
		return nil
	}
	return &r.out
}

var marks = []struct{ bytes, says string }{
	{"\xff\xfe", "is UTF-16; save the file as UTF-8"},
	{"\xfe\xff", "is UTF-16; save the file as UTF-8"},
	{"\x1f\x8b", "is compressed by gzip; unpack it"},
	{"\x28\xb5\x2f\xfd", "is compressed by zstd; unpack it"},
	{"PAR1", "is a parquet file; write JSON lines"},
}

// line reads one line; false says that the rest is no text.
func (r *reader) line(l bounded.Line) bool {
	r.lines++
	r.at = fmt.Sprintf("%s:%d", r.path, l.Number)
	text := l.Text
	if l.Number == 1 {
		for _, m := range marks {
			if bytes.HasPrefix(text, []byte(m.bytes)) {
				r.at = r.path
				r.say("", "%s", m.says)
				return false
			}
		}
		if rest, ok := bytes.CutPrefix(text, []byte("\xef\xbb\xbf")); ok {
			r.say("", "the line begins with a byte order mark; save the file as UTF-8 without one")
			text = rest
		}
	}
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		r.say("", "the line is empty; take it out")
		return true
	case bytes.IndexByte(text, 0) >= 0:
		r.say("", "the line holds a byte 0, which no JSON has; save the file as UTF-8 text")
		return true
	}
	v, err := value.ParseExact(text)
	if err != nil {
		r.unreadable(text, err)
		return true
	}
	r.task(v, l.Number)
	return true
}

// unreadable says why a line is no JSON.
func (r *reader) unreadable(text []byte, err error) {
	why := strings.TrimPrefix(err.Error(), "json: ")
	if key, twice := twice(text); twice {
		r.say(key, "stands here twice; take one of both out")
		return
	}
	switch trimmed := bytes.TrimSpace(text); {
	case bytes.HasSuffix(trimmed, []byte(",")):
		r.say("", "the line ends with a comma; take it out: lines are no list")
	case strings.HasPrefix(why, "extra data"):
		r.say("", "the line holds more than one object (%s); write one a line", why)
	case len(trimmed) == 1:
		r.say("", "the line is %q alone; write each task on one line of its own, without a list around them", trimmed)
	default:
		r.say("", "the line is no JSON: %s; mend it", why)
	}
}

// done is the file, or its error.
func (r *reader) done() (*File, error) {
	if own, none := r.first[0], r.first[1]; own > 0 && none > 0 {
		r.at = fmt.Sprintf("%s:%d", r.path, none)
		r.say("split", "is missing, and line %d has one; write it on every line or on none", own)
	}
	if r.lines == 0 {
		r.at = r.path
		r.say("", "holds no task; write one a line")
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	f := &r.file
	if f.Own = r.first[0] > 0; !f.Own {
		for i := range f.Tasks {
			f.Split[i] = dealt(f.Tasks[i].ID)
		}
	}
	return f, nil
}

// dealt is the split of a task whose file says none: one in five is for tests. It is a hash of
// the id, so that a task keeps its split when others come and go.
func dealt(id string) string {
	sum := sha256.Sum256([]byte("split of task " + id))
	if binary.BigEndian.Uint64(sum[:8])%5 == 0 {
		return "test"
	}
	return "train"
}

// Of lists the tasks of a split; "" is all.
func (f *File) Of(split string) []ballast.Task {
	var out []ballast.Task
	for i := range f.Tasks {
		if split == "" || f.Split[i] == split {
			out = append(out, f.Tasks[i])
		}
	}
	return out
}

// Counts says how many tasks the splits have: "train 48, test 12".
func (f *File) Counts() string {
	n := map[string]int{}
	for _, s := range f.Split {
		n[s]++
	}
	var parts []string
	for _, s := range Splits {
		if n[s] > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", s, n[s]))
		}
	}
	text := strings.Join(parts, ", ")
	if !f.Own {
		text += " (dealt by id, as no line has a split)"
	}
	return text
}
