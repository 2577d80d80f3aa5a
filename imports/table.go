package imports

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"ballast/bounded/parquetfile"
	"ballast/value"
)

// table reads the rows of a parquet file.
type table struct {
	file    *parquetfile.File
	names   [][]string
	order   *column
	strange []string // by column: what its values are, where the library makes others of them
}

// plain are the kinds of columns whose values the library gives as they are.
var plain = []string{"", "STRING", "ENUM", "INT(8,true)", "INT(16,true)", "INT(32,true)", "INT(64,true)", "INT(8,false)",
	"INT(16,false)", "INT(32,false)"}

func newTable(f *parquetfile.File) *table {
	t := &table{file: f, names: f.Columns(), order: ordered(f.Columns())}
	t.strange = make([]string, len(t.names))
	for i := range t.names {
		if kind := f.Logical(i); !slices.Contains(plain, kind) {
			t.strange[i] = kind
		}
	}
	return t
}

// row is a row as a value; an error is a *Fault. Texts of the first level are taken as
// they are written, JSON too: it is read later, in its order.
func (t *table) row(row parquet.Row) (any, error) {
	texts := map[string]string{}
	for _, v := range row {
		path, strange := t.names[v.Column()], t.strange[v.Column()]
		switch top := len(path) == 1; {
		case v.IsNull():
		case top && v.Kind() == parquet.ByteArray:
			texts[path[0]] = string(v.ByteArray())
		case strange != "" && !top:
			return nil, &fault{reasonType, strings.Join(path, "."), "a column of the kind " + strange + "; write it as text"}
		}
	}
	o, err := t.file.Object(row)
	if err != nil {
		return nil, &fault{reasonType, "", err.Error()}
	}
	m, ok := o.(map[string]any)
	if !ok {
		return nil, &fault{reasonObject, "", fmt.Sprintf("%T", o)}
	}
	out := &value.Dict{}
	for _, name := range t.order.names {
		var v any
		if text, ok := texts[name]; ok {
			v, err = t.order.text(text)
		} else {
			v, err = t.order.parts[name].value(m[name])
		}
		if err != nil && slices.Contains(passable, name) {
			v, err = true, nil // it carries no words, whatever it is
		}
		if err != nil {
			return nil, &fault{reasonType, name, err.Error()}
		}
		out.Set(name, v)
	}
	return out, nil
}

// column is a column of a table or a part of one. Its parts are in the file's order,
// which is that of the keys that were written.
type column struct {
	names []string
	parts map[string]*column
}

func ordered(paths [][]string) *column {
	root := &column{}
	for _, path := range paths {
		c := root
		for _, name := range path {
			if c.parts == nil {
				c.parts = map[string]*column{}
			}
			if c.parts[name] == nil {
				c.parts[name] = &column{}
				c.names = append(c.names, name)
			}
			c = c.parts[name]
		}
	}
	return root
}

// elements are the names that writers give the items of a list.
var elements = []string{"element", "item", "array", "array_element"}

// inside is the column of the items of a list. Writers put it into {list: {element: x}}.
func (c *column) inside() *column {
	if len(c.names) == 1 && (c.names[0] == "list" || c.names[0] == "bag") {
		c = c.parts[c.names[0]]
		if len(c.names) == 1 && slices.Contains(elements, c.names[0]) {
			c = c.parts[c.names[0]]
		}
	}
	return c
}

// value makes what the parquet library gives a value.
func (c *column) value(v any) (any, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return c.text(string(v))
	case string:
		return c.text(v)
	case bool, int64:
		return v, nil
	case int32:
		return int64(v), nil
	case uint32:
		return int64(v), nil
	case float32:
		return c.number(float64(v))
	case float64:
		return c.number(v)
	case []any:
		return c.items(v)
	case map[string]any:
		return c.object(v)
	}
	return nil, fmt.Errorf("a column of the kind %T", v)
}

func (c *column) text(s string) (any, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("text that is not UTF-8")
	}
	return s, nil
}

func (c *column) number(f float64) (any, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("a number that is none")
	}
	return f, nil
}

func (c *column) items(items []any) (any, error) {
	inner := c.inside()
	out := &value.List{}
	for _, x := range items {
		v, err := inner.value(x)
		if err != nil {
			return nil, err
		}
		out.Items = append(out.Items, v)
	}
	return out, nil
}

// object makes a structure an object. A list whose column does not say that it is one
// comes as {list: [{element: x}]}.
func (c *column) object(m map[string]any) (any, error) {
	if len(c.names) == 1 && c.names[0] == "key_value" {
		return nil, errors.New("a column of the kind map, which has no order; write it as JSON text")
	}
	if inner := c.inside(); inner != c {
		l, _ := m[c.names[0]].([]any)
		for i, x := range l {
			if e, ok := x.(map[string]any); ok && inner != c.parts[c.names[0]] {
				for _, only := range e {
					l[i] = only
				}
			}
		}
		return inner.items(l)
	}
	out := &value.Dict{}
	for _, name := range c.names {
		v, err := c.parts[name].value(m[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out.Set(name, v)
	}
	return out, nil
}
