package jinja

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"ballast/value"
)

// encoder is json.dumps.
type encoder struct {
	r                 *run
	b                 []byte
	ascii, lines      bool
	sorted            bool
	indent, item, key string
}

// toJSON is transformers' own filter, which does not escape HTML.
func toJSON(r *run, v any, a args) any {
	p := a.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	e := &encoder{r: r, item: ", ", key: ": ", ascii: flag(p[0]), sorted: flag(p[3])}
	if p[1] != nil && p[1] != (missing{}) {
		var ok bool
		e.lines, e.item = true, ","
		if e.indent, ok = p[1].(string); !ok {
			n := number("tojson", p[1], 0)
			r.times(n, 1)
			e.indent = strings.Repeat(" ", max(n, 0))
		}
	}
	if p[2] != nil && p[2] != (missing{}) {
		parts := r.iterate(p[2])
		if len(parts) != 2 {
			panic(failed("tojson takes two separators"))
		}
		e.item, e.key = text("tojson", parts[0]), text("tojson", parts[1])
	}
	r.visit(v, 0, false)
	e.value(v, 0)
	return string(e.b)
}

// grow appends and counts.
func (e *encoder) grow(s string) {
	e.r.charge(len(s))
	e.b = append(e.b, s...)
}

func (e *encoder) line(depth int) {
	if e.lines {
		e.r.times(depth, len(e.indent))
		e.grow("\n" + strings.Repeat(e.indent, depth))
	}
}

func (e *encoder) value(v any, depth int) {
	switch v := v.(type) {
	case string:
		e.grow(quoted(v, e.ascii))
	case *markup:
		e.grow(quoted(v.text, e.ascii))
	case nil, bool, int64, *big.Int, float64:
		e.grow(scalar(v))
	case *value.List:
		e.list(v.Items, depth)
	case *value.Tuple:
		e.list(v.Items, depth)
	case *value.Dict:
		e.dict(v, depth)
	case *undefined:
		panic(failed("what is undefined has no JSON: %s", v.why))
	default:
		panic(failed("a value of type %s has no JSON", value.TypeName(v)))
	}
}

func scalar(v any) string {
	s, err := value.JSON(v)
	if err != nil {
		panic(failed("%v", err))
	}
	return s
}

func (e *encoder) list(items []any, depth int) {
	e.inside("[", "]", len(items), depth, func(i int) { e.value(items[i], depth+1) })
}

func (e *encoder) inside(open, shut string, n, depth int, one func(i int)) {
	if n == 0 {
		e.grow(open + shut)
		return
	}
	e.grow(open)
	for i := range n {
		if i > 0 {
			e.grow(e.item)
		}
		e.line(depth + 1)
		one(i)
	}
	e.line(depth)
	e.grow(shut)
}

func (e *encoder) dict(d *value.Dict, depth int) {
	keys := d.Keys()
	if e.sorted {
		keys = slices.Clone(keys)
		slices.SortStableFunc(keys, func(a, b any) int { return e.r.three(a, b, "<") })
	}
	e.inside("{", "}", len(keys), depth, func(i int) {
		name, ok := keys[i].(string)
		if _, tuple := keys[i].(*value.Tuple); tuple {
			panic(failed("a key of type tuple has no JSON"))
		} else if !ok {
			name = scalar(keys[i])
		}
		e.grow(quoted(name, e.ascii) + e.key)
		v, _ := d.Get(keys[i])
		e.value(v, depth+1)
	})
}

// quoted is a JSON string as Python writes it.
func quoted(s string, ascii bool) string {
	b := []byte{'"'}
	for i := 0; i < len(s); {
		c, n := value.DecodeRune(s[i:])
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c < 0x20:
			if at := strings.IndexRune("\b\f\n\r\t", c); at >= 0 {
				b = append(b, '\\', "bfnrt"[at])
			} else {
				b = fmt.Appendf(b, `\u%04x`, c)
			}
		case ascii && c > 0xffff:
			b = fmt.Appendf(b, `\u%04x\u%04x`, 0xd800+(c-0x10000)>>10, 0xdc00+(c-0x10000)&0x3ff)
		case ascii && c > 0x7e:
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, s[i:i+n]...)
		}
		i += n
	}
	return string(append(b, '"'))
}
