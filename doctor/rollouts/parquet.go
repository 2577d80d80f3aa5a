package rollouts

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// completions yields the rows of a parquet file as TRL writes it when it logs
// completions: step, prompt, completion, advantage, and one column of numbers for
// every reward function. The library panics on some broken files; that is an
// error here.
func completions(path string, yield func(Record) bool) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("broken parquet file: %v", p)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	file, err := parquet.OpenFile(f, info.Size())
	if err != nil {
		return fmt.Errorf("broken parquet file: %w", err)
	}
	columns := file.Schema().Columns()
	found := false
	for _, c := range columns {
		found = found || isCompletion(c[0])
	}
	if !found {
		var names []string
		for _, c := range columns {
			names = append(names, strings.Join(c, "."))
		}
		return fmt.Errorf("no column of completions; it has %s", strings.Join(names, ", "))
	}
	buf := make([]parquet.Row, 32)
	for _, g := range file.RowGroups() {
		rows := g.Rows()
		for {
			n, err := rows.ReadRows(buf)
			for _, row := range buf[:n] {
				if !yield(completion(row, columns)) {
					return rows.Close()
				}
			}
			if errors.Is(err, io.EOF) || n == 0 && err == nil {
				break
			}
			if err != nil {
				rows.Close()
				return fmt.Errorf("broken parquet file: %w", err)
			}
		}
		if err := rows.Close(); err != nil {
			return err
		}
	}
	return nil
}

func isCompletion(name string) bool { return name == "completion" || name == "completions" }

// completion reads one row.
func completion(row parquet.Row, columns [][]string) Record {
	r := Record{Kind: KindTRL, Step: -1}
	var roles, contents []string
	sum, total := 0.0, false
	var h maphash.Hash
	h.SetSeed(seed)
	for _, v := range row {
		if v.IsNull() {
			continue
		}
		path := columns[v.Column()]
		switch name := path[0]; {
		case isCompletion(name) && path[len(path)-1] == "role":
			roles = append(roles, string(v.ByteArray()))
		case isCompletion(name) && v.Kind() == parquet.ByteArray && (len(path) == 1 || path[len(path)-1] == "content" || path[len(path)-1] == "element"):
			contents = append(contents, string(v.ByteArray()))
		case name == "prompt" && v.Kind() == parquet.ByteArray:
			h.Write(v.ByteArray())
			r.Group = h.Sum64()
		case name == "step":
			r.Step = int(plain(v))
		case name == "reward":
			r.Reward, r.Scored, total = plain(v), true, true
		case name != "advantage" && len(path) == 1 && (v.Kind() == parquet.Double || v.Kind() == parquet.Float):
			sum += plain(v)
			if !total {
				r.Reward, r.Scored = sum, true
			}
		}
	}
	for i, c := range contents {
		switch {
		case len(roles) == 0:
			r.Replies = append(r.Replies, replies(c)...)
		case i < len(roles) && roles[i] == "assistant":
			r.Replies = append(r.Replies, c)
		}
	}
	return r
}

// plain returns a value of any numeric kind.
func plain(v parquet.Value) float64 {
	switch v.Kind() {
	case parquet.Int32:
		return float64(v.Int32())
	case parquet.Int64:
		return float64(v.Int64())
	case parquet.Float:
		return float64(v.Float())
	case parquet.Double:
		return v.Double()
	}
	return 0
}
