// Package parquetfile reads parquet files of strangers.
//
// Contract: everything that a file says of itself is checked before the library
// believes it: sizes and nesting of its metadata, sizes of pages packed and unpacked,
// numbers of values, run lengths. Rows are put together here, value by value, within
// limits on values, rows and the whole. A panic of the library is an error. Errors
// name the column; those past a bound wrap bounded.ErrTooLarge.
package parquetfile

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/bits"
	"os"
	"strings"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"ballast/bounded"
)

// Limits bound what one file may ask for, in bytes where not said otherwise.
type Limits struct {
	Page   int64 // one page, packed or unpacked, with the values that it holds
	Memory int64 // the pages that are open at once, one and a dictionary for each column
	Value  int64 // one text
	Row    int64 // the values of a row; one that holds no text counts 8
	Rows   int64 // a number of rows
	Total  int64 // the values of all rows
}

// Default are limits for files of replies and dialogues.
var Default = Limits{
	Page: 128 * bounded.MiB, Memory: 512 * bounded.MiB, Value: 16 * bounded.MiB, Row: 64 * bounded.MiB,
	Rows: 20_000_000, Total: 4 * bounded.GiB,
}

// File is an open file.
type File struct {
	file    *os.File
	parquet *parquet.File
	columns [][]string
	limit   Limits
}

// Open opens a regular file and reads its metadata.
func Open(path string, limit Limits) (f *File, err error) {
	defer recovered(&err, new(bool))
	file, err := bounded.Open(path)
	if err != nil {
		return nil, err
	}
	f = &File{file: file, limit: limit}
	if err := f.open(); err != nil {
		file.Close()
		return nil, fmt.Errorf("broken parquet file: %w", err)
	}
	return f, nil
}

// recovered, deferred, makes a panic of the library an error; while not is set the
// panic is the caller's own.
func recovered(err *error, not *bool) {
	if *not {
		return
	}
	if p := recover(); p != nil {
		*err = fmt.Errorf("broken parquet file: %v", p)
	}
}

func (f *File) open() error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if err := checkFooter(f.file, info.Size()); err != nil {
		return err
	}
	f.parquet, err = parquet.OpenFile(f.file, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	f.columns = f.parquet.Schema().Columns()
	sum := int64(0)
	for _, g := range f.parquet.Metadata().RowGroups {
		if len(g.Columns) != len(f.columns) {
			return fmt.Errorf("a row group of %d columns where the schema has %d", len(g.Columns), len(f.columns))
		}
		for i, c := range g.Columns {
			start, size := where(c.MetaData)
			sum += size
			if start < 0 || size < 0 || start > info.Size() || size > info.Size()-start || sum > 2*info.Size() {
				return fmt.Errorf("column %s lies outside of the file", f.name(i))
			}
		}
	}
	if n := f.parquet.NumRows(); n < 0 || n > f.limit.Rows {
		return fmt.Errorf("%d rows: %w: more than %d", n, bounded.ErrTooLarge, f.limit.Rows)
	}
	return nil
}

// where says where a column's pages lie, as the library reads it.
func where(m format.ColumnMetaData) (start, size int64) {
	if m.DictionaryPageOffset != 0 {
		return m.DictionaryPageOffset, m.TotalCompressedSize
	}
	return m.DataPageOffset, m.TotalCompressedSize
}

// checkFooter reads the metadata at the end of a file as far as it takes to know that
// the library can.
func checkFooter(r io.ReaderAt, size int64) error {
	var tail [8]byte
	if size < 12 {
		return errors.New("it is too short")
	}
	if _, err := r.ReadAt(tail[:], size-8); err != nil {
		return err
	}
	if magic := string(tail[4:]); magic != "PAR1" {
		return fmt.Errorf("it ends with %q and not with PAR1: it is cut off, encrypted, or of another kind", magic)
	}
	n := int64(binary.LittleEndian.Uint32(tail[:]))
	switch {
	case n > size-12:
		return fmt.Errorf("its metadata claims %d bytes and the file has %d", n, size)
	case n > maxFooter:
		return fmt.Errorf("its metadata: %w: more than %s", bounded.ErrTooLarge, bounded.Bytes(maxFooter))
	}
	data := make([]byte, n)
	if _, err := r.ReadAt(data, size-8-n); err != nil {
		return err
	}
	end, err := scan(data)
	if err != nil {
		return err
	}
	var m format.FileMetaData
	if err := thrift.Unmarshal(&thrift.CompactProtocol{}, data[:end], &m); err != nil {
		return err
	}
	return checkSchema(m.Schema)
}

// Bounds on a schema.
const maxColumns, maxSchemaDepth = 10_000, 64

// checkSchema checks that the tree of columns is one, and shallow.
func checkSchema(elements []format.SchemaElement) error {
	if len(elements) > maxColumns {
		return fmt.Errorf("%d columns: %w", len(elements), bounded.ErrTooLarge)
	}
	var open []int32 // children that the open groups still lack
	for i, e := range elements {
		for len(open) > 0 && open[len(open)-1] == 0 {
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			open[len(open)-1]--
		} else if i > 0 {
			return errors.New("its schema has more than one root")
		}
		n := e.NumChildren.V
		if n < 0 || int(n) > len(elements) {
			return fmt.Errorf("its schema has a column of %d parts", n)
		}
		if open = append(open, n); len(open) > maxSchemaDepth {
			return fmt.Errorf("its schema is nested more than %d deep: %w", maxSchemaDepth, bounded.ErrTooLarge)
		}
	}
	for _, n := range open {
		if n > 0 {
			return errors.New("its schema is cut off")
		}
	}
	return nil
}

// Columns are the paths of the columns that hold values; a value's Column is an index
// in them.
func (f *File) Columns() [][]string { return f.columns }

// Logical names what a column says that its values are: "STRING", "INT(64,true)",
// "DECIMAL(9,2)", "JSON"; "" if it says nothing.
func (f *File) Logical(column int) string {
	leaf, ok := f.parquet.Schema().Lookup(f.columns[column]...)
	if !ok {
		return ""
	}
	if t := leaf.Node.Type().LogicalType(); t != nil {
		return t.String()
	}
	return ""
}

func (f *File) name(i int) string {
	if i >= len(f.columns) {
		return fmt.Sprint(i)
	}
	return strings.Join(f.columns[i], ".")
}

// Close closes the file.
func (f *File) Close() error { return f.file.Close() }

// Object makes a row of all columns the value that it stands for: maps, slices,
// texts, numbers.
func (f *File) Object(row parquet.Row) (v any, err error) {
	defer recovered(&err, new(bool))
	err = f.parquet.Schema().Reconstruct(&v, row)
	return v, err
}

// Rows yields the rows, and at most one error, last. Of the columns only those are
// read, and their values given, of which use says so; nil means all. The row is used
// again for the next one, the texts in it are not.
func (f *File) Rows(use func(path []string) bool) iter.Seq2[parquet.Row, error] {
	return func(yield func(parquet.Row, error) bool) {
		more, err := true, error(nil)
		total := int64(0)
		for g, group := range f.parquet.RowGroups() {
			if more, err = f.group(g, group, use, &total, func(r parquet.Row) bool { return yield(r, nil) }); err != nil {
				yield(nil, err)
			}
			if !more || err != nil {
				return
			}
		}
	}
}

// group yields the rows of a group.
func (f *File) group(number int, group parquet.RowGroup, use func([]string) bool, total *int64,
	yield func(parquet.Row) bool) (more bool, err error) {
	yielding := false
	defer recovered(&err, &yielding)
	var cursors []*cursor
	defer func() {
		for _, c := range cursors {
			c.close()
		}
	}()
	memory := int64(0)
	for i, path := range f.columns {
		if use != nil && !use(path) {
			continue
		}
		need, err := f.chunk(number, i).check()
		if err != nil {
			return false, f.broken(i, err)
		}
		if memory += need; memory > f.limit.Memory {
			return false, f.broken(i, fmt.Errorf("the pages of a row: %w: more than %s of memory", bounded.ErrTooLarge,
				bounded.Bytes(f.limit.Memory)))
		}
		cursors = append(cursors, &cursor{column: i, pages: group.ColumnChunks()[i].Pages()})
	}
	var row parquet.Row
	for range group.NumRows() {
		row = row[:0]
		left := f.limit.Row
		for _, c := range cursors {
			before := left
			if row, err = c.row(row, &left, f.limit.Value); err != nil {
				return false, f.broken(c.column, err)
			}
			if *total += before - left; *total > f.limit.Total {
				return false, f.broken(c.column, fmt.Errorf("the rows so far: %w: more than %s", bounded.ErrTooLarge, bounded.Bytes(f.limit.Total)))
			}
		}
		yielding = true
		more := yield(row)
		if yielding = false; !more {
			return false, nil
		}
	}
	for _, c := range cursors {
		if v, err := c.peek(); v != nil || err != nil {
			return false, f.broken(c.column, cmp.Or(err, errors.New("it has more rows than the file says")))
		}
	}
	return true, nil
}

func (f *File) broken(column int, err error) error {
	return fmt.Errorf("column %s: %w", f.name(column), err)
}

// chunk is a column's part of a row group.
func (f *File) chunk(group, column int) *chunk {
	m := f.parquet.Metadata().RowGroups[group].Columns[column].MetaData
	leaf, _ := f.parquet.Schema().Lookup(f.columns[column]...)
	c := &chunk{file: f.file, codec: m.Codec, limit: f.limit}
	c.rep, c.def = int64(bits.Len(uint(leaf.MaxRepetitionLevel))), int64(bits.Len(uint(leaf.MaxDefinitionLevel)))
	c.start, c.size = where(m)
	if t := leaf.Node.Type(); t.Kind() == parquet.FixedLenByteArray {
		c.fixed = int64(t.Length())
	}
	return c
}

// cursor walks over the values of a column.
type cursor struct {
	column int
	pages  parquet.Pages
	page   parquet.Page
	values parquet.ValueReader
	buf    [64]parquet.Value
	at, n  int
}

func (c *cursor) close() {
	c.release()
	c.pages.Close()
}

func (c *cursor) release() {
	if c.page != nil {
		parquet.Release(c.page)
		c.page = nil
	}
}

// peek returns the next value, or nil at the end.
func (c *cursor) peek() (*parquet.Value, error) {
	for c.at == c.n {
		if c.values == nil {
			c.release()
			page, err := c.pages.ReadPage()
			if errors.Is(err, io.EOF) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			c.page, c.values = page, page.Values()
		}
		n, err := c.values.ReadValues(c.buf[:])
		c.at, c.n = 0, n
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil || n == 0 {
			c.values = nil
		}
	}
	return &c.buf[c.at], nil
}

// row appends the values of the next row. left are the bytes that the row may still
// take.
func (c *cursor) row(row parquet.Row, left *int64, limit int64) (parquet.Row, error) {
	for first := true; ; first = false {
		v, err := c.peek()
		switch {
		case err != nil:
			return nil, err
		case first && v == nil:
			return nil, errors.New("it has fewer rows than the file says")
		case first && v.RepetitionLevel() != 0:
			return nil, errors.New("its first row begins in the middle")
		case !first && (v == nil || v.RepetitionLevel() == 0):
			return row, nil
		}
		c.at++
		x, size := *v, int64(8)
		if k := x.Kind(); !x.IsNull() && (k == parquet.ByteArray || k == parquet.FixedLenByteArray) {
			if size += int64(len(x.ByteArray())); size > limit {
				return nil, fmt.Errorf("a value of %s: %w: more than %s", bounded.Bytes(size), bounded.ErrTooLarge, bounded.Bytes(limit))
			}
		}
		if *left -= size; *left < 0 {
			return nil, fmt.Errorf("a row: %w: more than it may hold", bounded.ErrTooLarge)
		}
		row = append(row, x.Clone())
	}
}
