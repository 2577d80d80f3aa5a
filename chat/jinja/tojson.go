package jinja

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"ballast/value"
)

// encoder is json.dumps.
type encoder struct {
	r      *run
	b      []byte
	ascii  bool
	indent string
	lines  bool
	item   string
	key    string
	sorted bool
}

// toJSON is transformers' own filter, which does not escape HTML.
func toJSON(r *run, v any, a args) (any, error) {
	p, err := a.bind("tojson", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	if err != nil {
		return nil, err
	}
	e := &encoder{r: r, item: ", ", key: ": "}
	if p[0] != any(missing{}) {
		if e.ascii, err = truth(p[0]); err != nil {
			return nil, err
		}
	}
	if p[3] != (missing{}) {
		if e.sorted, err = truth(p[3]); err != nil {
			return nil, err
		}
	}
	switch by := p[1].(type) {
	case missing, nil:
	case string:
		e.lines, e.indent, e.item = true, by, ","
	default:
		n, err := number("tojson", by, 0)
		if err != nil {
			return nil, err
		}
		if err := r.times(n, 1); err != nil {
			return nil, err
		}
		e.lines, e.indent, e.item = true, strings.Repeat(" ", max(n, 0)), ","
	}
	if p[2] != nil && p[2] != (missing{}) {
		parts, err := r.iterate(p[2])
		if err != nil {
			return nil, err
		}
		if len(parts) != 2 {
			return nil, failed("tojson takes two separators")
		}
		if e.item, err = text("tojson", parts[0]); err != nil {
			return nil, err
		}
		if e.key, err = text("tojson", parts[1]); err != nil {
			return nil, err
		}
	}
	if err := r.visit(v, 0, false); err != nil {
		return nil, err
	}
	if err := e.value(v, 0); err != nil {
		return nil, err
	}
	return string(e.b), nil
}

// grow appends and counts.
func (e *encoder) grow(s string) error {
	e.b = append(e.b, s...)
	return e.r.charge(len(s))
}

func (e *encoder) line(depth int) error {
	if !e.lines {
		return nil
	}
	if err := e.r.times(depth, len(e.indent)); err != nil {
		return err
	}
	return e.grow("\n" + strings.Repeat(e.indent, depth))
}

func (e *encoder) value(v any, depth int) error {
	switch v := v.(type) {
	case nil:
		return e.grow("null")
	case bool:
		return e.grow(strconv.FormatBool(v))
	case string:
		return e.grow(quoted(v, e.ascii))
	case int64, *big.Int, float64:
		s, err := value.JSON(v)
		if err != nil {
			return failed("%v", err)
		}
		return e.grow(s)
	case *value.List:
		return e.list(v.Items, depth)
	case *value.Tuple:
		return e.list(v.Items, depth)
	case *value.Dict:
		return e.dict(v, depth)
	case *undefined:
		return failed("what is undefined has no JSON: %s", v.why)
	}
	return failed("a value of type %s has no JSON", value.TypeName(v))
}

func (e *encoder) list(items []any, depth int) error {
	if len(items) == 0 {
		return e.grow("[]")
	}
	return e.inside("[", "]", len(items), depth, func(i int) error { return e.value(items[i], depth+1) })
}

func (e *encoder) inside(open, shut string, n, depth int, one func(i int) error) error {
	if err := e.grow(open); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := e.grow(e.item); err != nil {
				return err
			}
		}
		if err := e.line(depth + 1); err != nil {
			return err
		}
		if err := one(i); err != nil {
			return err
		}
	}
	if err := e.line(depth); err != nil {
		return err
	}
	return e.grow(shut)
}

func (e *encoder) dict(d *value.Dict, depth int) error {
	if d.Len() == 0 {
		return e.grow("{}")
	}
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if e.sorted {
		var err error
		slices.SortStableFunc(order, func(i, j int) int {
			a, _ := d.At(i)
			b, _ := d.At(j)
			c, _, wrong := e.r.three(a, b, "<")
			if wrong != nil {
				err = wrong
			}
			return c
		})
		if err != nil {
			return err
		}
	}
	return e.inside("{", "}", len(order), depth, func(i int) error {
		k, v := d.At(order[i])
		name, ok := k.(string)
		if !ok {
			switch k.(type) {
			case nil, bool, int64, *big.Int, float64:
			default:
				return failed("a key of type %s has no JSON", value.TypeName(k))
			}
			var err error
			if name, err = value.JSON(k); err != nil {
				return failed("%v", err)
			}
		}
		if err := e.grow(quoted(name, e.ascii) + e.key); err != nil {
			return err
		}
		return e.value(v, depth+1)
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
