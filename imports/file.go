package imports

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"ballast"
	"ballast/bounded"
	"ballast/bounded/parquetfile"
	"ballast/supervise"
	"ballast/value"
)

// File is what a file of dialogues held.
type File struct {
	Dialogues []supervise.Dialogue // each with the place of its row as its ID, see Where
	Rows      int
	Left      Ledger // rows that were left out
	Lent      int    // of the dialogues, those that document no tools and have the ones that were given
	lent      []ballast.Tool
	Passed    map[string]int // what was not read as it carries no words, keys of rows for the most part, and in how many rows that are used
}

// Where is the place of a row, "line 7" or "row 3 (line 7)", by the ID of its dialogue,
// "line-7" or "row-3-(line-7)".
func Where(id string) string { return strings.ReplaceAll(id, "-", " ") }

// Bounds on a file of JSON, and on one row.
const maxJSON, maxRow = 4 * bounded.GiB, 64 * bounded.MiB

// Read reads a file of dialogues: one JSON object a line, a JSON array, or parquet; JSON
// may be packed with gzip, zstd or bzip2. What a file is shows in its bytes and not in
// its name. A row that cannot be used is left out and counted. A file that cannot be read
// to its end, or of which no row can be used, is an error.
func Read(path string) (*File, error) { return ReadWith(path, nil) }

// ReadWith is Read for rows that may document no tools: these have the ones that are given. Their
// calls are calls of those, with the arguments that their schemas ask for. A row that documents tools
// keeps its own.
func ReadWith(path string, tools []ballast.Tool) (*File, error) {
	f := &File{Passed: map[string]int{}, lent: tools}
	if err := f.read(path); err != nil {
		return f, fmt.Errorf("%s: %w", path, err)
	}
	if len(f.Dialogues) == 0 {
		if f.Rows == 0 {
			return f, fmt.Errorf("%s: it has no rows", path)
		}
		return f, fmt.Errorf("%s: none of its %d rows can be used: %s", path, f.Rows, f.Left.String())
	}
	return f, nil
}

func (f *File) read(path string) error {
	file, err := bounded.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var head [4]byte
	if n, _ := io.ReadFull(file, head[:]); n == len(head) && string(head[:]) == "PAR1" {
		return f.parquet(path)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in, how, err := bounded.Unpack(file, maxJSON)
	if err != nil {
		return err
	}
	defer in.Close()
	r := bufio.NewReaderSize(in, 64*bounded.KiB)
	if mark, _ := r.Peek(3); string(mark) == "\ufeff" {
		r.Discard(3)
	}
	if mark, _ := r.Peek(4); how != "" && string(mark) == "PAR1" {
		return fmt.Errorf("a parquet file inside of %s; unpack it", how)
	}
	lines := 1
	for {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c == '\n':
			lines++
		case c == '[':
			return f.array(r, lines)
		case c != ' ' && c != '\t' && c != '\r':
			r.UnreadByte()
			return f.lines(r, lines-1)
		}
	}
}

// lines reads one row a line; blank lines are none.
func (f *File) lines(r io.Reader, before int) error {
	for line, err := range bounded.Lines(r, maxRow) {
		if err != nil {
			return err
		}
		if text := bytes.TrimSpace(line.Text); len(text) > 0 {
			f.text(text, fmt.Sprintf("line-%d", before+line.Number))
		}
	}
	return nil
}

// text reads a row from JSON.
func (f *File) text(row []byte, id string) {
	v, err := value.ParseExact(row)
	if err != nil {
		f.Rows++
		f.Left.Add(string(reasonJSON), Where(id), "", err.Error())
		return
	}
	f.row(v, false, id)
}

// row reads a row.
func (f *File) row(v any, table bool, id string) {
	f.Rows++
	d, passed, err := read(v, table, f.lent)
	if err != nil {
		var x *fault
		if !errors.As(err, &x) {
			x = &fault{reasonShape, "", err.Error()}
		}
		f.Left.Add(string(x.Reason), Where(id), x.Key, x.Detail)
		return
	}
	for _, key := range passed {
		f.Passed[brief(key)]++
	}
	if d.ID = id; len(f.lent) > 0 && len(d.Tools) > 0 && &d.Tools[0] == &f.lent[0] {
		f.Lent++
	}
	f.Dialogues = append(f.Dialogues, d)
}

// array reads the rows of an array, behind its opening bracket. It cuts the text at
// brackets and commas, so that one broken row costs itself and, where it has all its
// brackets and quotes, no other.
func (f *File) array(r *bufio.Reader, line int) error {
	var row []byte
	depth, start := 0, line
	quoted, escaped := false, false
	after := false // a row ended, and a comma must come before the next
	for {
		c, err := r.ReadByte()
		if errors.Is(err, io.EOF) {
			return fmt.Errorf("the array is cut off: no bracket closes it, after %d rows", f.Rows)
		}
		if err != nil {
			return err
		}
		if c == '\n' {
			line++
		}
		if depth == 0 && !quoted && (c == ',' || c == ']') {
			if len(row) > 0 {
				f.text(row, fmt.Sprintf("row-%d-(line-%d)", f.Rows+1, start)) // an array may be one line
			} else if c == ',' || after {
				return fmt.Errorf("line %d: a comma without a row", line)
			}
			if row = row[:0]; c == ']' {
				return end(r)
			}
			after = true
			continue
		}
		if blank := c == ' ' || c == '\t' || c == '\r' || c == '\n'; len(row) == 0 {
			if blank {
				continue
			}
			start = line
		}
		if row = append(row, c); len(row) > maxRow {
			return fmt.Errorf("line %d: a row: %w: more than %s", start, bounded.ErrTooLarge, bounded.Bytes(maxRow))
		}
		switch {
		case escaped:
			escaped = false
		case quoted && c == '\\':
			escaped = true
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
}

// end insists that nothing follows an array.
func end(r *bufio.Reader) error {
	for {
		c, err := r.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			return errors.New("text after the array")
		}
	}
}

// parquet reads the rows of a parquet file.
func (f *File) parquet(path string) error {
	p, err := parquetfile.Open(path, parquetfile.Default)
	if err != nil {
		return err
	}
	defer p.Close()
	t := newTable(p)
	n := 0
	for row, err := range p.Rows(nil) {
		n++
		where := fmt.Sprintf("row %d", n)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		v, err := t.row(row)
		if x := new(fault); errors.As(err, &x) {
			f.Rows++
			f.Left.Add(string(x.Reason), where, x.Key, x.Detail)
			continue
		}
		f.row(v, true, fmt.Sprintf("row-%d", n))
	}
	return nil
}
