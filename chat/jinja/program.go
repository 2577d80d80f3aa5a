package jinja

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"ballast/value"
)

// program is a compiled template.
type program struct {
	root   scoped
	tables *tables
}

// tables are what names of filters, tests, methods and functions stand for.
type tables struct {
	filters map[string]filter
	tests   map[string]test
	strings map[string]stringMethod
	dicts   map[string]dictMethod
	globals map[string]any
}

func compile(source string, limits Limits) (*program, error) {
	if len(source) > limits.Source {
		return nil, sourceLimit(limits)
	}
	t := &tables{filterTable(), testTable(), stringTable(), dictTable(), globalTable()}
	root, err := parse(source, limits, t)
	if err != nil {
		return nil, err
	}
	return &program{root, t}, nil
}

func sourceLimit(limits Limits) error {
	return &LimitError{"source", fmt.Sprintf("%d bytes", limits.Source)}
}

// run is one render of a program.
type run struct {
	limits Limits
	steps  int
	made   int // bytes of texts and lists made on the way
	depth  int
	until  time.Time
	now    time.Time // of strftime_now
	tables *tables
	reads  int // of namespaces
	writes int
}

func (p *program) render(data *value.Dict, limits Limits) (text string, err error) {
	r := &run{limits: limits, tables: p.tables, until: time.Now().Add(limits.Time)}
	root := &scope{vars: map[string]any{"tools": nil, "documents": nil, "add_generation_prompt": false}}
	date := DefaultDate
	for i := range data.Len() {
		k, v := data.At(i)
		name, ok := k.(string)
		if !ok {
			return "", failed("a variable's name is no text: %s", value.Repr(k))
		}
		if name == DateKey {
			if date, ok = v.(string); !ok {
				return "", failed("%s is no text", DateKey)
			}
			continue
		}
		if root.vars[name], err = plain(v); err != nil {
			return "", fmt.Errorf("variable %s: %w", name, err)
		}
	}
	if r.now, err = readDate(date); err != nil {
		return "", err
	}
	var b strings.Builder
	// What the template sets has a scope of its own, as in Jinja: data stay what they are.
	if err := r.exec(p.root.body, p.root.in(root), &b); err != nil {
		return "", err
	}
	return b.String(), nil
}

func readDate(text string) (time.Time, error) {
	t, err := time.Parse("2006-01-02", text)
	if err != nil {
		t, err = time.Parse("2006-01-02 15:04:05", text)
	}
	if err != nil {
		return t, failed("the date %s is %q, not like 2006-01-02 or 2006-01-02 15:04:05", DateKey, text)
	}
	return t, nil
}

// plain refuses values of kinds that are not those of JSON and Python literals, and makes
// ints int64.
func plain(v any) (any, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case *value.List:
		out := v
		for i, x := range v.Items {
			y, err := plain(x)
			if err != nil {
				return nil, err
			}
			if y != x {
				if out == v {
					out = &value.List{Items: append([]any{}, v.Items...)}
				}
				out.Items[i] = y
			}
		}
		return out, nil
	case *value.Dict:
		out := v
		for i := range v.Len() {
			k, x := v.At(i)
			y, err := plain(x)
			if err != nil {
				return nil, err
			}
			if y != x {
				if out == v {
					out = v.Copy()
				}
				out.Set(k, y)
			}
		}
		return out, nil
	case value.Custom, value.Bytes:
		return nil, unsupported("a value of type %s", value.TypeName(v))
	}
	if kindOf(v) == "" {
		return nil, unsupported("a value of Go's type %T", v)
	}
	return v, nil
}

var (
	errBreak    = errors.New("break")
	errContinue = errors.New("continue")
)

// step counts one operation.
func (r *run) step() error {
	r.steps++
	if r.steps > r.limits.Steps {
		return &LimitError{"steps", fmt.Sprint(r.limits.Steps)}
	}
	if r.steps&63 == 0 && time.Now().After(r.until) {
		return &LimitError{"time", r.limits.Time.String()}
	}
	return nil
}

// charge counts n bytes before they are made. It is called with counts that may be huge.
func (r *run) charge(n int) error {
	if most := 8 * r.limits.Output; n < 0 || n > most || r.made+n > most {
		return &LimitError{"output", fmt.Sprintf("%d bytes", r.limits.Output)}
	}
	r.made += n
	return nil
}

// times is charge for n pieces of size bytes.
func (r *run) times(n, size int) error {
	if n > 0 && size > 8*r.limits.Output/n {
		return r.charge(-1)
	}
	return r.charge(max(n, 0) * size)
}

// inner runs f one level deeper.
func (r *run) inner(f func() error) error {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > r.limits.Depth {
		return depthLimit(r.limits)
	}
	return f()
}

// scope holds the variables of a template, a loop's round or a macro's call.
type scope struct {
	vars   map[string]any
	parent *scope
}

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(name string, v any) {
	if s.vars == nil {
		s.vars = map[string]any{}
	}
	s.vars[name] = v
}
