// Package acebench simulates the phone and the airline of ACEBench's agent categories
// (English): the five classes of APIs, how messages of the agent become calls, what is told
// about them, and the two loops of agent, user and execution.
//
// Contract: what the original answers, byte by byte, faults included; the original is Python
// 3.10. Nothing is evaluated: a call is a name and literal values, the name is looked up in the
// table of its class. Where that is not what the original does:
//
//   - Names outside the tables are undefined, also those that the interpreter knows.
//   - Operators among literals are computed for + - * / // % ** << >> & | and ^, within bounds; a value
//     that holds any other operation is an error, and so is everything that would run code.
//   - Nothing is shared between scenes: the original keeps its objects in globals by the
//     model's name and the item's number.
//   - Brackets that are nested more than 200 deep in JSON are an error; the original reads about
//     a thousand.
//
// The original loads the configuration of each class, then the one of BaseApi over it, with a default for
// each key that is missing. So only BaseApi's counts.
//
// How it fails: a class that nobody knows is an error of NewScene. A failing call is an answer. Anything
// else is a bug and panics.
package acebench

import (
	"fmt"

	"ballast"
	"ballast/value"
	"ballast/world"
	"ballast/world/python"
)

// All is the table of the classes.
var All = []world.API{
	&api[*baseAPI]{baseClass, newBase},
	&api[*messageAPI]{messageClass, newMessage},
	&api[*reminderAPI]{reminderClass, newReminder},
	&api[*foodAPI]{foodClass, newFood},
	&api[*travelAPI]{travelClass, newTravel},
}

// Get returns the class of that name.
func Get(name string) (world.API, error) {
	for _, w := range All {
		if w.Name() == name {
			return w, nil
		}
	}
	return nil, fmt.Errorf("acebench: no class is named %q", name)
}

// config is the configuration of BaseApi.
type config struct{ *value.Dict }

// get is config.get(key, missing).
func (c config) get(key string, missing any) any {
	if v, ok := c.Get(key); ok {
		return v
	}
	return missing
}

// api is one class as a world.API.
type api[S state] struct {
	class *class[S]
	load  func(c config) S
}

// state is a world.State that says what the original saves of it.
type state interface {
	world.State
	// saved returns the attributes that the original saves, alternating names and values.
	saved() []any
	// run answers a call of a method that the class has, or raises.
	run(c ballast.Call) string
	later() func() string
}

// Name returns the class's name, such as MessageApi.
func (w *api[S]) Name() string { return w.class.name }

// Tools returns the methods with their parameters' names; the documentation comes with the task.
func (w *api[S]) Tools() []ballast.Tool {
	tools := make([]ballast.Tool, len(w.class.order))
	for i, m := range w.class.order {
		tools[i].Name = m.name
		for j, p := range m.params {
			tools[i].Params = append(tools[i].Params, ballast.Param{Name: p, Required: j < len(m.params)-len(m.defaults)})
		}
	}
	return tools
}

// Has reports whether the class has a method of that name.
func (w *api[S]) Has(name string) bool { return w.class.methods[name] != nil }

// New starts a state. config is what the original reads: the configuration of BaseApi, as a *value.Dict, or nil.
func (w *api[S]) New(c any, variant string) (world.State, error) {
	if variant != "" {
		return nil, fmt.Errorf("acebench: %s has no variant %q", w.class.name, variant)
	}
	d, ok := c.(*value.Dict)
	if c != nil && !ok {
		return nil, fmt.Errorf("acebench: the configuration of %s is %s, not an object", w.class.name, value.TypeName(c))
	}
	if d == nil {
		d = &value.Dict{}
	}
	if users, ok := d.Get("logged_in_users"); ok {
		if _, ok := users.(*value.List); !ok {
			return nil, fmt.Errorf("acebench: logged_in_users of the configuration is %s, not a list", value.TypeName(users))
		}
	}
	return w.load(config{d}), nil
}

// method is one row of a class's table. The owner is the class that defines it. The last
// len(defaults) parameters have default values.
type method[S any] struct {
	owner, name string
	params      []string
	defaults    []any
	run         func(s S, a []any) string
}

// class is a table of methods.
type class[S any] struct {
	name    string
	order   []*method[S]
	methods map[string]*method[S]
}

func newClass[S any](name string, methods ...method[S]) *class[S] {
	c := &class[S]{name: name, methods: make(map[string]*method[S])}
	for i := range methods {
		m := &methods[i]
		if m.owner == "" {
			m.owner = name
		}
		c.order = append(c.order, m)
		c.methods[m.name] = m
	}
	return c
}

// core is what every state has: room for the arguments of the call in progress, and the result of the last call where
// that holds parts of the state which later calls of the message change: the original writes results down at its end.
type core struct {
	args [python.MaxParams]any
	late func() string
}

// later is the result as it has become, nil where it has not; it is told once.
func (k *core) later() func() string {
	f := k.late
	k.late = nil
	return f
}

// live answers with what a function gives, now and at the end of the message.
func (k *core) live(f func() string) string {
	k.late = f
	return f()
}

// run binds and runs a call of a method that the class has. It may raise.
func (c *class[S]) run(s S, k *core, call ballast.Call) string {
	m := c.methods[call.Name]
	if m == nil {
		python.Raise(python.OtherError, unknownFirst)
	}
	a := k.args[:len(m.params)]
	python.Bind(m.owner, m.name, m.params, m.defaults, a, call.Args)
	out := m.run(s, a)
	clear(a)
	return out
}

// answer is the text of a call: what it says, or its exception.
func answer(s state, call ballast.Call) (out string) {
	defer func() {
		if r := recover(); r != nil {
			out = failed + python.Caught(r)
		}
	}()
	return s.run(call)
}

// Texts of calls that fail.
const (
	failed       = "Error during execution: "
	unknownFirst = "local variable 'func_call_result' referenced before assignment"
)

// Unknown answers a call of a name that no class of the task has, as the first one of a message.
func (w *api[S]) Unknown(string) string { return failed + unknownFirst }

// str appends the parts' str() put together.
func str(b []byte, parts ...any) []byte {
	for _, p := range parts {
		if s, ok := p.(string); ok {
			b = append(b, s...)
		} else {
			b = value.AppendRepr(b, p)
		}
	}
	return b
}

// said is the answer {"status": ..., "message": the parts' str()}.
func said(status bool, parts ...any) string {
	b := append(make([]byte, 0, 128), saidFalse...)
	if status {
		b = append(b[:0], saidTrue...)
	}
	for _, p := range parts {
		s, ok := p.(string)
		if !ok {
			s = value.Repr(p)
		}
		b = value.AppendEscaped(b, s)
	}
	return string(append(b, saidEnd...))
}

// wrong is the answer of a class that says "error" for its status.
func wrong(text string) string { return told(value.NewDict("status", "error", "message", text)) }

// told is the answer that a value is: the JSON of a dict, or its repr where it has none.
func told(d *value.Dict) string {
	b, err := value.AppendJSON(make([]byte, 0, 256), d)
	if err != nil {
		return value.Repr(d)
	}
	return string(b)
}

// off is v == False.
func off(v any) bool { return value.Equal(v, false) }

// own is a value that nobody else writes to.
func own(v any) any { return value.Clone(v) }
