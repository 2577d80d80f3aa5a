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
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"ballast/bounded/parquetfile"
	"ballast/supervise"
	"ballast/value"
)

// Imported is what a file of dialogues held.
type Imported struct {
	Dialogues []supervise.Dialogue
	Skipped   map[string]int // rows that could not be used, by reason
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
			return fmt.Errorf("%s: row %d: %w", path, n, err)
		}
		d, err := convert(v)
		if err != nil {
			out.Skipped[err.Error()]++
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

// jsonRows yields the objects of a JSON array or of JSON lines.
func jsonRows(path string, add func(int, []byte) error) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	dec := json.NewDecoder(f)
	n := 0
	for {
		var row json.RawMessage
		switch err := dec.Decode(&row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: after row %d: %w", path, n, err)
		}
		if n == 0 && bytes.HasPrefix(row, []byte("[")) {
			var rows []json.RawMessage
			if err := json.Unmarshal(row, &rows); err != nil {
				return err
			}
			for i, r := range rows {
				if err := add(i, r); err != nil {
					return err
				}
			}
			return nil
		}
		if err := add(n, row); err != nil {
			return err
		}
		n++
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
			return fmt.Errorf("%s: row %d: %w", path, n, err)
		}
		v, err := f.Object(row)
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n, err)
		}
		text, err := json.Marshal(unwrap(v))
		if err != nil {
			return fmt.Errorf("%s: row %d: %w", path, n, err)
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
			return "", fmt.Errorf("content of type %q", kind)
		}
		b.WriteString(text(p, "text"))
	}
	return b.String(), nil
}
