// Package foreign reads files of dialogues that other projects wrote.
//
// Contract: a row becomes a dialogue whose calls, results and tools are values,
// so that it can be rendered in any template and format. Nothing is guessed: a
// row that cannot be read is skipped and counted by reason.
//
// How it fails: a file that cannot be read, or of which most rows cannot be
// used, is an error that names the row or the reasons.
package foreign

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/bounded/parquetfile"
	"ballast/supervise"
	"ballast/value"
)

// Imported is what a file of dialogues held.
type Imported struct {
	Dialogues []supervise.Dialogue
	Skipped   map[string]int // rows that could not be used, by reason
}

// maxReasons bounds the reasons that are told apart, some of which quote the file.
const maxReasons = 50

// skip counts a row that cannot be used.
func (in *Imported) skip(reason string) {
	if r := []rune(reason); len(r) > 200 {
		reason = string(r[:200]) + " ..."
	}
	if in.Skipped[reason] == 0 && len(in.Skipped) >= maxReasons {
		reason = "for other reasons"
	}
	in.Skipped[reason]++
}

// Import reads a file of dialogues: a JSON array, one JSON object a line, or
// parquet. Rows may be ShareGPT's or ToolACE's (conversations, system, tools), chat
// messages (messages, tools; OpenAI's names, as verl's multi-turn SFT has them
// too), or verl's single-turn rows (prompt, response; the prompt as messages or as
// ChatML text). Lists that a column holds as JSON text are read as lists. A row
// that cannot be used is skipped and counted; a file of which most rows cannot is
// an error.
func Import(path string) (Imported, error) {
	out := Imported{Skipped: map[string]int{}}
	add := func(n int, row []byte) error {
		v, err := value.ParseJSON(row)
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n+1, err)
		}
		d, err := convert(v)
		if err != nil {
			out.skip(err.Error())
			return nil
		}
		d.ID = fmt.Sprintf("row-%d", n)
		out.Dialogues = append(out.Dialogues, d)
		return nil
	}
	var err error
	if strings.HasSuffix(path, ".parquet") {
		err = parquetRows(path, add)
	} else {
		err = jsonRows(path, add)
	}
	if err != nil {
		return out, fmt.Errorf("import: %w", err)
	}
	lost := 0
	for _, n := range out.Skipped {
		lost += n
	}
	if lost >= len(out.Dialogues) {
		return out, fmt.Errorf("import: %s: %d of %d rows cannot be used: %v", path, lost, lost+len(out.Dialogues), slices.Sorted(maps.Keys(out.Skipped)))
	}
	return out, nil
}

// Bounds on a file of JSON, and on one row.
const maxJSON, maxRow = 4 * bounded.GiB, 64 * bounded.MiB

// rowReader gives every row so many bytes, and what the decoder read ahead.
type rowReader struct {
	r    io.Reader
	left int
}

func (r *rowReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("a row: %w: more than %s", bounded.ErrTooLarge, bounded.Bytes(maxRow))
	}
	n, err := r.r.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err
}

// jsonRows yields the objects of a JSON array or of JSON lines.
func jsonRows(path string, add func(int, []byte) error) error {
	f, err := bounded.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	in := bufio.NewReader(bounded.Reader(f, maxJSON))
	if mark, _ := in.Peek(3); string(mark) == "\ufeff" {
		in.Discard(3)
	}
	rows := &rowReader{in, maxRow}
	dec := json.NewDecoder(rows)
	array := false
	if c, err := first(in); err == nil && c == '[' {
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		array = true
	}
	for n := 0; ; n++ {
		if array && !dec.More() {
			if _, err := dec.Token(); err != nil {
				return fmt.Errorf("%s: row %d: %w", path, n+1, err)
			}
			return nil
		}
		rows.left = maxRow
		var row json.RawMessage
		switch err := dec.Decode(&row); {
		case errors.Is(err, io.EOF) && !array:
			return nil
		case err != nil:
			return fmt.Errorf("%s: row %d: %w", path, n+1, err)
		}
		if err := add(n, row); err != nil {
			return err
		}
	}
}

// first is the first byte that is no white space; it stays unread.
func first(in *bufio.Reader) (byte, error) {
	for {
		c, err := in.ReadByte()
		if err != nil || !strings.ContainsRune(" \t\r\n", rune(c)) {
			return c, errors.Join(err, in.UnreadByte())
		}
	}
}

// parquetRows yields the rows of a parquet file as JSON.
func parquetRows(path string, add func(int, []byte) error) error {
	f, err := parquetfile.Open(path, parquetfile.Default)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	n := 0
	for row, err := range f.Rows(nil) {
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n+1, err)
		}
		v, err := f.Object(row)
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n+1, err)
		}
		text, err := json.Marshal(unwrap(v))
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n+1, err)
		}
		if err := add(n, text); err != nil {
			return err
		}
		n++
	}
	return nil
}

// unwrap takes parquet's {list: [{element: x}]} and byte strings off, and absent
// members: parquet gives every struct of a column the members of all of them.
func unwrap(v any) any {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case []any:
		for i := range v {
			v[i] = unwrap(v[i])
		}
	case map[string]any:
		if l, ok := v["list"].([]any); ok && len(v) == 1 {
			for i := range l {
				if m, ok := l[i].(map[string]any); ok && len(m) == 1 {
					for _, x := range m {
						l[i] = x
					}
				}
			}
			return unwrap(l)
		}
		for k := range v {
			if v[k] == nil {
				delete(v, k)
				continue
			}
			v[k] = unwrap(v[k])
		}
	}
	return v
}

func field(v any, key string) any {
	d, ok := v.(*value.Dict)
	if !ok || d == nil {
		return nil
	}
	x, _ := d.Get(key)
	return x
}

func text(v any, key string) string {
	s, _ := field(v, key).(string)
	return s
}

// list is a member that is a list, or JSON text of one.
func list(v any, key string) []any {
	x := field(v, key)
	if s, ok := x.(string); ok && strings.HasPrefix(strings.TrimSpace(s), "[") {
		x, _ = value.ParseJSON([]byte(s))
	}
	l, ok := x.(*value.List)
	if !ok {
		return nil
	}
	return l.Items
}

// content is a message's text: a string, or OpenAI's parts, of which only texts
// can be used.
func content(m any) (string, error) {
	parts, ok := field(m, "content").(*value.List)
	if !ok {
		return text(m, "content"), nil
	}
	var b strings.Builder
	for _, p := range parts.Items {
		if kind := text(p, "type"); kind != "text" {
			return "", fmt.Errorf("content of type %.40q", kind)
		}
		b.WriteString(text(p, "text"))
	}
	return b.String(), nil
}
