package rollouts

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/parquet-go/parquet-go"

	"ballast/bounded/parquetfile"
)

// completions yields the rows of a parquet file as TRL writes it when it logs
// completions: step, prompt, completion, advantage, and one column of numbers for
// every reward function.
func (d *reader) completions(path string, size int64) error {
	limit := parquetfile.Default
	limit.Value, limit.Row = maxRecord, 2*maxRecord
	limit.Rows, limit.Total = mostRows+size, unpackedFloor+unpackedRatio*size
	f, err := parquetfile.Open(path, limit)
	if err != nil {
		return err
	}
	defer f.Close()
	t := &table{reader: d, columns: f.Columns()}
	found := false
	var names []string
	for _, c := range t.columns {
		found = found || holdsReplies(c[0])
		names = append(names, fmt.Sprintf("%.60s", strings.Join(c, ".")))
	}
	if !found {
		return fmt.Errorf("%w: no column of completions; it has %s", errNoReply, strings.Join(names[:min(20, len(names))], ", "))
	}
	for row, err := range f.Rows(t.use) {
		if err != nil {
			return fmt.Errorf("after row %d: %w", t.n, err)
		}
		t.n++
		d.hand(t.completion(row), nil) // a row has no fault of its own
	}
	if len(t.unread) > 0 && d.columns != nil {
		d.columns(t.unread)
	}
	return nil
}

// mostRows bounds the rows of a file, besides one for every byte of it.
const mostRows = 1_000_000

// table reads the rows of a parquet file.
type table struct {
	*reader
	columns [][]string
	n       int
	unread  []string // columns of numbers that are no reward
}

// holdsReplies reports whether a column is of replies.
func holdsReplies(name string) bool {
	_, reply := replyKeys[name]
	return reply || chatKeys[name]
}

// use leaves out the columns of long texts where nobody asks for replies.
func (t *table) use(path []string) bool {
	return !t.light || !holdsReplies(path[0]) && !promptKeys[path[0]]
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
		reply := holdsReplies(name)
		switch {
		case reply && last == "role":
			roles = append(roles, string(v.ByteArray()))
		case reply && v.Kind() == parquet.ByteArray && (len(path) == 1 || last == "content" || last == "element"),
			reply && v.IsNull() && last == "content":
			contents = append(contents, v)
		case promptKeys[name] && !v.IsNull() && v.Kind() == parquet.ByteArray:
			h.Write(v.ByteArray())
			r.Group = h.Sum64()
		case reply, name == "advantage", promptKeys[name]:
		case len(path) > 1:
			if telling(name) || name == t.also {
				nested[name] = append(nested[name], entry{last, plain(v)})
			}
		case StepKey(name), runKeys[name], splitKeys[name], heldKeys[name], telling(name), name == t.also:
			r.field(pair{name, encoded(v)}, t.also)
		case v.Kind() == parquet.Double || v.Kind() == parquet.Float:
			if !slices.Contains(t.unread, name) {
				t.unread = append(t.unread, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(nested)) {
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
