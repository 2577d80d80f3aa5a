package rollouts

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"ballast/bounded"
)

// completions yields the rows of a parquet file as TRL writes it when it logs
// completions: step, prompt, completion, advantage, and one column of numbers for
// every reward function. The library panics on some broken files; that is an
// error here.
func (d *reader) completions(f *os.File) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("broken parquet file: %v", p)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return fmt.Errorf("broken parquet file: %w", err)
	}
	t := &table{reader: d, columns: file.Schema().Columns(), left: unpackedFloor + unpackedRatio*info.Size(), most: mostRows + int(info.Size())}
	found := false
	var names []string
	for _, c := range t.columns {
		_, reply := replyKeys[c[0]]
		found = found || reply || chatKeys[c[0]]
		names = append(names, fmt.Sprintf("%.60s", strings.Join(c, ".")))
	}
	if !found {
		return fmt.Errorf("%w: no column of completions; it has %s", errNoReply, strings.Join(names[:min(20, len(names))], ", "))
	}
	if err := checkPages(f, info.Size(), file.Metadata()); err != nil {
		return fmt.Errorf("broken parquet file: %w", err)
	}
	for _, g := range file.RowGroups() {
		if err := t.rows(g.Rows()); err != nil {
			return err
		}
	}
	if len(t.unread) > 0 && d.columns != nil {
		d.columns(t.unread)
	}
	return nil
}

// table reads the rows of a parquet file.
type table struct {
	*reader
	columns [][]string
	n       int
	left    int64    // bytes of replies that may still come
	most    int      // rows
	unread  []string // columns of numbers that are no reward
}

func (t *table) rows(rows parquet.Rows) (err error) {
	defer func() { err = errors.Join(err, rows.Close()) }()
	buf := make([]parquet.Row, 8)
	for {
		n, err := rows.ReadRows(buf)
		for _, row := range buf[:n] {
			t.n++
			r := t.completion(row)
			for _, s := range r.Replies {
				t.left -= int64(len(s))
			}
			if t.n > t.most {
				return fmt.Errorf("after row %d: %w: more rows than a file of its size can hold", t.n, bounded.ErrTooLarge)
			}
			if t.left < 0 {
				return fmt.Errorf("after row %d: %w: the replies are over %d times the file's size", t.n, bounded.ErrTooLarge, unpackedRatio)
			}
			t.hand(r, nil)
		}
		if errors.Is(err, io.EOF) || n == 0 && err == nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("broken parquet file: after row %d: %w", t.n, err)
		}
	}
}

// completion reads one row.
func (t *table) completion(row parquet.Row) Record {
	r := Record{Kind: KindTRL, Step: -1, Line: t.n}
	var roles []string
	var contents []parquet.Value
	nested := map[string][]entry{}
	var h maphash.Hash
	h.SetSeed(seed)
	for _, v := range row {
		path := t.columns[v.Column()]
		name, last := path[0], path[len(path)-1]
		_, reply := replyKeys[name]
		reply = reply || chatKeys[name]
		switch {
		case reply && last == "role":
			roles = append(roles, string(v.ByteArray()))
		case reply && v.Kind() == parquet.ByteArray && (len(path) == 1 || last == "content" || last == "element"), reply && v.IsNull() && last == "content":
			contents = append(contents, v)
		case promptKeys[name] && !v.IsNull() && v.Kind() == parquet.ByteArray:
			h.Write(v.ByteArray())
			r.Group = h.Sum64()
		case reply, name == "advantage", promptKeys[name]:
		case len(path) > 1:
			if telling(name) || name == t.also {
				nested[name] = append(nested[name], entry{last, plain(v)})
			}
		case stepKeys[name], runKeys[name], splitKeys[name], heldKeys[name], telling(name), name == t.also:
			r.field(pair{name, encoded(v)}, t.also)
		case v.Kind() == parquet.Double || v.Kind() == parquet.Float:
			if !slices.Contains(t.unread, name) {
				t.unread = append(t.unread, name)
			}
		}
	}
	for _, name := range slices.Sorted(keys(nested)) {
		r.Values = append(r.Values, structure(name, nested[name]))
	}
	if t.light {
		return r
	}
	for i, c := range contents {
		switch {
		case len(roles) == 0 && !c.IsNull():
			r.Replies = append(r.Replies, told(c.ByteArray())...)
		case i < len(roles) && roles[i] == "assistant":
			r.Replies = append(r.Replies, string(c.ByteArray()))
		}
	}
	return r
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// told are the replies of a column of text: a transcript, or messages as JSON.
func told(b []byte) []string {
	if strings.HasPrefix(string(b[:min(2, len(b))]), "[{") && json.Valid(b) {
		if list, err := messages(b); err == nil && len(list) > 0 {
			return list
		}
	}
	return replies(string(b))
}

// structure reads a column of lists or of structs.
func structure(name string, list []entry) Value {
	var values []tree
	for _, e := range list {
		values = append(values, e.value)
		if e.key != "element" && e.key != "item" && e.key != "array" {
			v := object(list, strings.HasSuffix(name, "s"), 0)
			v.Top, v.Key = name, name+v.Key
			return v
		}
	}
	v := total(values, 0)
	v.Top, v.Key = name, name+v.Key
	return v
}

// plain is a value of any kind as a tree.
func plain(v parquet.Value) tree {
	switch v.Kind() {
	case parquet.Boolean:
		return v.Boolean()
	case parquet.Int32:
		return float64(v.Int32())
	case parquet.Int64:
		return float64(v.Int64())
	case parquet.Float:
		return float64(v.Float())
	case parquet.Double:
		return v.Double()
	case parquet.ByteArray:
		return string(v.ByteArray())
	}
	if v.IsNull() {
		return nil
	}
	return v.String()
}

// encoded is a value as JSON, as Python writes it.
func encoded(v parquet.Value) []byte {
	switch p := plain(v).(type) {
	case nil:
		return []byte("null")
	case bool:
		return fmt.Append(nil, p)
	case float64:
		return fmt.Appendf(nil, "%g", p)
	case string:
		b, _ := json.Marshal(p) // a string always has an encoding
		return b
	}
	return []byte("null")
}
