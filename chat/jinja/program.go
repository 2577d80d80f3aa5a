package jinja

import (
	"fmt"
	"strings"
	"time"

	"ballast/value"
)

// program is a compiled template.
type program struct{ root scoped }

func compile(source string, limits Limits) (p *program, err error) {
	if len(source) > limits.Source {
		return nil, sourceLimit(limits)
	}
	defer catch(&err)
	return &program{parse(source, limits)}, nil
}

func sourceLimit(limits Limits) error {
	return &LimitError{"source", fmt.Sprintf("%d bytes", limits.Source)}
}

// catch makes a panic with an error the error of the function that defers it.
func catch(err *error) {
	switch e := recover().(type) {
	case nil:
	case *Error:
		*err = e
	case *LimitError:
		*err = e
	default:
		panic(e)
	}
}

// run is one render of a program. All its methods panic with an *Error or a *LimitError where
// there is no text.
type run struct {
	limits Limits
	steps  int
	made   int // bytes of texts and lists made on the way
	depth  int
	line   int // of the statement that runs
	until  time.Time
	now    time.Time // of strftime_now
	reads  int       // of namespaces
	writes int
}

func (p *program) render(data *value.Dict, limits Limits) (text string, err error) {
	r := &run{limits: limits, until: time.Now().Add(limits.Time)}
	defer func() {
		if e, ok := err.(*Error); ok && e.Line == 0 {
			err = &Error{e.Kind, r.line, e.Text}
		}
	}()
	defer catch(&err)
	root := &scope{vars: map[string]any{"tools": nil, "documents": nil, "add_generation_prompt": false}}
	date := defaultDate
	for i := range data.Len() {
		k, v := data.At(i)
		name, ok := k.(string)
		if !ok {
			panic(failed("a variable's name is no text: %s", value.Repr(k)))
		}
		if name != dateKey {
			root.vars[name] = plain(v)
		} else if date, ok = v.(string); !ok {
			panic(failed("%s is no text", dateKey))
		}
	}
	r.now = readDate(date)
	var b strings.Builder
	// What the template sets has a scope of its own, as in Jinja: data stay what they are.
	r.exec(p.root.body, p.root.in(root), &b)
	return b.String(), nil
}

func readDate(text string) time.Time {
	t, err := time.Parse("2006-01-02", text)
	if err != nil {
		t, err = time.Parse("2006-01-02 15:04:05", text)
	}
	if err != nil {
		panic(failed("the date %s is %q, not like 2006-01-02 or 2006-01-02 15:04:05", dateKey, text))
	}
	return t
}

// step counts one operation.
func (r *run) step() {
	r.steps++
	if r.steps > r.limits.Steps {
		panic(&LimitError{"steps", fmt.Sprint(r.limits.Steps)})
	}
	if r.steps&63 == 0 && time.Now().After(r.until) {
		panic(&LimitError{"time", r.limits.Time.String()})
	}
}

// charge counts n bytes before they are made. It is called with counts that may be huge.
func (r *run) charge(n int) {
	if most := 8 * r.limits.Output; n < 0 || n > most || r.made+n > most {
		panic(&LimitError{"output", fmt.Sprintf("%d bytes", r.limits.Output)})
	}
	r.made += n
}

// times is charge for n pieces of size bytes.
func (r *run) times(n, size int) {
	if n > 0 && size > 8*r.limits.Output/n {
		r.charge(-1)
	}
	r.charge(max(n, 0) * size)
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
