// Package desk holds small office worlds for training at laptop scale: files,
// messages, calendar and shop, and two more (notes, lights) that are kept for
// out-of-distribution studies.
//
// Contract: everything is deterministic and order-free. Two states that hold the
// same things are equal whatever order the calls came in, because every list is
// kept sorted. Answers are one short line. A failed call answers "error: ..."
// and leaves the state as it was; no argument, however odd, makes a call panic.
// A configuration that does not have the documented shape is an error of New.
//
// In the long variant every successful answer is followed by a line of log
// chatter, so that what matters must be found among what does not.
package desk

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"ballast"
	"ballast/safetext"
	"ballast/value"
	"ballast/world"
)

// All is the table of the worlds, in the order in which documentation lists
// them. The last two are the out-of-distribution ones.
var All = []world.API{files, messages, calendar, shop, notes, lights}

// maxParams is the most parameters that a function has.
const maxParams = 3

// maxText is the longest text argument, in bytes. It bounds states and answers.
const maxText = 120

// store is the state of one world; S is the concrete pointer type.
type store[S any] interface {
	// load reads a configuration into the fresh state.
	load(c *value.Dict) error
	// diff names the first attribute in which the states differ, or "".
	diff(other S) string
	dump() *value.Dict
	// twin returns a store of the same things that shares nothing that is written to.
	twin() S
}

// arg is one bound argument. Of num and str the one of the declared type holds.
type arg struct {
	str string
	num int64
	set bool
}

// args are the bound arguments of a call, in the order of the parameters.
type args [maxParams]arg

// fn is one function: its documentation and what it does. run is called with
// arguments of the declared types, required ones set.
type fn[S any] struct {
	tool ballast.Tool
	run  func(s S, a args) string
}

// api is a world: a table of functions over a kind of store.
type api[S store[S]] struct {
	name  string
	blank func() S
	fns   []fn[S]
	index map[string]int
}

// newAPI fills the index of a world. A function with too many parameters or a
// name that occurs twice is a mistake in the table and panics at start.
func newAPI[S store[S]](name string, blank func() S, fns ...fn[S]) *api[S] {
	w := &api[S]{name: name, blank: blank, fns: fns, index: make(map[string]int, len(fns))}
	for i, f := range fns {
		if _, twice := w.index[f.tool.Name]; twice || len(f.tool.Params) > maxParams {
			panic("desk: bad table entry " + name + "." + f.tool.Name)
		}
		w.index[f.tool.Name] = i
	}
	return w
}

// tool documents a function from a compact signature such as
// "move(file, folder)". A parameter ending in "#" is an integer; all are
// required.
func tool(signature, doc string) ballast.Tool {
	name, rest, _ := strings.Cut(strings.TrimSuffix(signature, ")"), "(")
	t := ballast.Tool{Name: name, Doc: doc}
	for p := range strings.SplitSeq(rest, ", ") {
		if p == "" {
			continue
		}
		kind := "string"
		if strings.HasSuffix(p, "#") {
			p, kind = strings.TrimSuffix(p, "#"), "integer"
		}
		t.Params = append(t.Params, ballast.Param{Name: p, Type: kind, Required: true})
	}
	return t
}

// Name returns the name of the world.
func (w *api[S]) Name() string { return w.name }

// Tools returns the documentation of the world's functions.
func (w *api[S]) Tools() []ballast.Tool {
	tools := make([]ballast.Tool, len(w.fns))
	for i, f := range w.fns {
		tools[i] = f.tool
	}
	return tools
}

// New starts a state from a configuration (a *value.Dict of the shape that the
// world's file documents, or nil for an empty one).
func (w *api[S]) New(config any, variant string) (world.State, error) {
	long, err := world.Long(w.name, variant)
	if err != nil {
		return nil, err
	}
	st := &state[S]{api: w, s: w.blank(), long: long}
	if config == nil {
		return st, nil
	}
	dict, ok := config.(*value.Dict)
	if !ok {
		return nil, fmt.Errorf("desk: configuration of %s is a %T, want a mapping", w.name, config)
	}
	if err := st.s.load(dict); err != nil {
		return nil, fmt.Errorf("desk: configuration of %s: %w", w.name, err)
	}
	return st, nil
}

// Failed reports whether an answer is that of a failed call, which left the
// state as it was.
func (w *api[S]) Failed(answer string) bool { return strings.HasPrefix(answer, "error: ") }

// Unknown returns the answer to a call of a function that no world has.
func (w *api[S]) Unknown(name string) string { return "error: no tool " + clip(name) }

// state is a store with its world.
type state[S store[S]] struct {
	api  *api[S]
	s    S
	long bool
}

// Call binds the arguments and runs the function.
func (st *state[S]) Call(c ballast.Call) string {
	i, ok := st.api.index[c.Name]
	if !ok {
		return st.api.Unknown(c.Name)
	}
	f := &st.api.fns[i]
	a, problem := bind(f.tool.Params, c.Args)
	if problem != "" {
		return "error: " + problem
	}
	answer := f.run(st.s, a)
	if st.long && !st.api.Failed(answer) {
		answer += chatter[i%len(chatter)]
	}
	return answer
}

// chatter is what the long variant adds to answers.
var chatter = [...]string{
	"\nlog: 4 of 9 left, next in 5 hours",
	"\nlog: read ok, old data in misc",
	"\nlog: 6 of 7 read, next at 12",
}

// Equal names the first attribute in which the states differ.
func (st *state[S]) Equal(other world.State) string {
	o, ok := other.(*state[S])
	if !ok {
		return "kind"
	}
	return st.s.diff(o.s)
}

// Copy returns a state of the same things.
func (st *state[S]) Copy() world.State {
	return &state[S]{api: st.api, s: st.s.twin(), long: st.long}
}

// Dump returns the state in the shape of its configuration, plus what calls made.
func (st *state[S]) Dump() any { return st.s.dump() }

// bind sorts the arguments of a call into the order of the parameters. The
// second result says in a few words what is wrong with them, or is empty.
func bind(params []ballast.Param, given []ballast.Arg) (args, string) {
	var a args
	for n, g := range given {
		i := n
		if g.Name != "" {
			for i = 0; i < len(params) && params[i].Name != g.Name; i++ {
			}
			if i == len(params) {
				return a, "no argument " + clip(g.Name)
			}
		}
		if i >= len(params) {
			return a, "too many arguments"
		}
		p := &params[i]
		if a[i].set {
			return a, p.Name + " given twice"
		}
		a[i].set = true
		if problem := a[i].take(p, g.Value); problem != "" {
			return a, problem
		}
	}
	for i := range params {
		if params[i].Required && !a[i].set {
			return a, "missing " + params[i].Name
		}
	}
	return a, ""
}

// take stores a value of the parameter's type. A float that is a whole number
// passes for an integer, as JSON writers are careless about that.
func (a *arg) take(p *ballast.Param, v any) string {
	if p.Type == "integer" {
		switch x := v.(type) {
		case int64:
			a.num = x
		case float64:
			if x != float64(int32(x)) {
				return p.Name + " must be an integer"
			}
			a.num = int64(x)
		default:
			return p.Name + " must be an integer"
		}
		return ""
	}
	s, ok := v.(string)
	switch {
	case !ok:
		return p.Name + " must be a string"
	case s == "":
		return p.Name + " is empty"
	case len(s) > maxText:
		return p.Name + " is too long"
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		return p.Name + " must be one line"
	}
	a.str = s
	return ""
}

// clip shortens a text that comes from the policy before it is echoed.
func clip(s string) string { return safetext.Brief(s, 32) }

// missing is the answer when there is no thing of that name.
func missing(kind, name string) string { return "error: no " + kind + " " + clip(name) }

// exists is the answer when a name is taken.
func exists(name string) string { return "error: " + clip(name) + " exists" }

// joined lists names, or says that there are none.
func joined(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// number renders an integer.
func number(n int64) string { return strconv.FormatInt(n, 10) }

// Readers of configurations. Each error names the key.

// each calls do for every entry of the mapping under key; a missing key is empty.
func each(c *value.Dict, key string, do func(name string, v any) error) error {
	v, ok := c.Get(key)
	if !ok {
		return nil
	}
	d, ok := v.(*value.Dict)
	if !ok {
		return fmt.Errorf("%s is a %T, want a mapping", key, v)
	}
	for i := range d.Len() {
		k, v := d.At(i)
		name, ok := k.(string)
		if !ok {
			return fmt.Errorf("%s has the key %v, want a string", key, k)
		}
		if err := do(name, v); err != nil {
			return fmt.Errorf("%s.%s: %w", key, name, err)
		}
	}
	return nil
}

// texts reads a list of strings.
func texts(v any) ([]string, error) {
	l, ok := v.(*value.List)
	if !ok {
		return nil, fmt.Errorf("is a %T, want a list of strings", v)
	}
	out := make([]string, len(l.Items))
	for i, item := range l.Items {
		if out[i], ok = item.(string); !ok {
			return nil, fmt.Errorf("holds a %T, want a string", item)
		}
	}
	return out, nil
}

// text reads a string.
func text(v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("is a %T, want a string", v)
	}
	return s, nil
}

// integer reads an integer.
func integer(v any) (int64, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, fmt.Errorf("is a %T, want an integer", v)
	}
	return n, nil
}

// list makes a list value of strings; pairs read "a: b".
func list(names []string) *value.List {
	l := &value.List{}
	for _, n := range names {
		l.Items = append(l.Items, strings.ReplaceAll(n, "\x00", ": "))
	}
	return l
}
