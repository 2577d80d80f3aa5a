package file

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"ballast"
	"ballast/env/expect"
	"ballast/safetext"
	"ballast/value"
	"ballast/value/shape"
)

// Bind gives tasks of a file the documentation of their tools, as the server has it: those that a
// line lists, or all but the held ones, and behind them those that a turn reveals. What Check
// finds is returned, and tasks with faults are not for playing.
func Bind(tasks []ballast.Task, server []ballast.Tool) []Fault {
	for i := range tasks {
		t := &tasks[i]
		t.Tools = []ballast.Tool{}
		names, some := listed(t, initTools)
		hold, _ := listed(t, initHold)
		if !some {
			for _, tool := range server {
				if !slices.Contains(hold, tool.Name) {
					names = append(names, tool.Name)
				}
			}
		}
		for _, turn := range t.Turns {
			names = append(names, turn.Reveal...)
		}
		for _, name := range names {
			if tool := find(server, name); tool != nil {
				t.Tools = append(t.Tools, *tool)
			}
		}
	}
	return Check(tasks, server)
}

func find(tools []ballast.Tool, name string) *ballast.Tool {
	if i := slices.IndexFunc(tools, func(t ballast.Tool) bool { return t.Name == name }); i >= 0 {
		return &tools[i]
	}
	return nil
}

// Check compares tasks of a file with the tools of a server, without a call: tools that it does not
// have, arguments that a tool does not take, lacks or has with another type or value, and gold
// calls that the turn's own expectation refuses. It looks into schemas as far as types, enums,
// constants, properties, items and references go; the server says the rest when gold is played.
func Check(tasks []ballast.Task, server []ballast.Tool) []Fault {
	c := checker{server: server}
	for i := range tasks {
		c.task(&tasks[i])
	}
	return c.found
}

type checker struct {
	server []ballast.Tool
	at     string
	found  []Fault
}

func (c *checker) say(key, format string, args ...any) {
	c.found = append(c.found, Fault{c.at, key, fmt.Sprintf(format, args...)})
}

func (c *checker) task(t *ballast.Task) {
	if c.at = t.Source; c.at == "" {
		c.at = "task " + t.ID
	}
	for _, key := range []string{initTools, initHold} {
		names, _ := listed(t, key)
		for i, name := range names {
			c.known(shape.Index(key, i), name)
		}
	}
	for i := range t.Turns {
		turn, at := &t.Turns[i], shape.Index("turns", i)
		good := true
		for j, call := range turn.Gold {
			good = c.call(shape.Index(at+".gold", j), call) && good
		}
		want, faults := expect.Parse(turn.Want, turn.Gold)
		if len(faults) > 0 || turn.Want == nil {
			continue // the reader said so
		}
		at += ".expect"
		if want.Calls != nil {
			if d, _ := turn.Want.(*value.Dict).GetString(expect.PartCalls); has(d, "calls") {
				for j, call := range want.Calls.Calls {
					good = c.call(shape.Index(at+".calls.calls", j), call) && good
				}
			}
			if where := want.Calls.Differs(c.server, turn.Gold); where != "" && good {
				c.say(at+"."+expect.PartCalls, "refuses the turn's own gold: %s; mend one of both", where)
			}
		}
		for j, s := range want.State {
			c.call(shape.Index(at+"."+expect.PartState, j)+".call", s.Call)
		}
	}
}

func has(v any, key string) bool {
	d, ok := v.(*value.Dict)
	if !ok || d == nil {
		return false
	}
	_, ok = d.GetString(key)
	return ok
}

// known says whether the server has a tool.
func (c *checker) known(key, name string) *ballast.Tool {
	t := find(c.server, name)
	if t == nil {
		var names []string
		for _, t := range c.server {
			names = append(names, t.Name)
		}
		c.say(key, "is %q, which is no tool of the server; it has %s", safetext.Brief(name, 60), safetext.Brief(strings.Join(names, ", "), 400))
	}
	return t
}

// call compares a call with its tool, and says whether it fits.
func (c *checker) call(key string, call ballast.Call) bool {
	t := c.known(key+".name", call.Name)
	if t == nil {
		return false
	}
	args := &value.Dict{}
	for _, a := range call.Args {
		args.Set(a.Name, a.Value)
	}
	before := len(c.found)
	schema := expect.Parameters(*t)
	s := schemas{checker: c, root: schema, tool: t.Name}
	s.object(key+".arguments", args, schema, true)
	return len(c.found) == before
}

// schemas compares values with one tool's schema.
type schemas struct {
	*checker
	root  *value.Dict
	tool  string
	depth int
}

// maxDepth bounds references that lead to themselves.
const maxDepth = 50

// sub is an object in a schema, nil for none.
func sub(d *value.Dict, key string) *value.Dict {
	if d == nil {
		return nil
	}
	v, _ := d.GetString(key)
	m, _ := v.(*value.Dict)
	return m
}

// elsewhere are the words of a schema by which members may be known that its properties do not have.
var elsewhere = []string{"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"}

// object compares an object's members with its properties. arguments says that it is the
// arguments of the call, whose names the tool must know unless it says that it takes any.
func (s *schemas) object(key string, d, schema *value.Dict, arguments bool) {
	properties := sub(schema, "properties")
	more, says := any(nil), false
	if schema != nil {
		more, says = schema.GetString("additionalProperties")
	}
	closed := (more == false || arguments && !says && schema != nil) && !slices.ContainsFunc(elsewhere, func(word string) bool {
		return has(schema, word)
	})
	for i := range d.Len() {
		k, v := d.At(i)
		name, _ := k.(string)
		about, ok := any(nil), false
		if properties != nil {
			about, ok = properties.GetString(name)
		}
		inner, _ := about.(*value.Dict)
		switch {
		case ok && inner != nil:
			s.value(shape.Key(key, name), v, inner)
		case !ok && closed:
			s.say(shape.Key(key, name), "is no argument of %s; it takes %s", s.tool, taken(properties))
		}
	}
	for _, x := range list(orEmpty(schema), "required") {
		if name, ok := x.(string); ok && !has(d, name) {
			s.say(shape.Key(key, name), "is missing, and %s needs it", s.tool)
		}
	}
}

func orEmpty(d *value.Dict) *value.Dict {
	if d == nil {
		return &value.Dict{}
	}
	return d
}

// taken lists the names of properties.
func taken(properties *value.Dict) string {
	var names []string
	for i := range orEmpty(properties).Len() {
		k, _ := properties.At(i)
		names = append(names, fmt.Sprint(k))
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// value compares a value with its schema.
func (s *schemas) value(key string, v any, schema *value.Dict) {
	if s.depth++; s.depth > maxDepth {
		s.depth--
		return
	}
	defer func() { s.depth-- }()
	if ref, ok := get(schema, "$ref").(string); ok {
		if to := s.refer(ref); to != nil {
			s.value(key, v, to)
		}
		return
	}
	for _, word := range []string{"anyOf", "oneOf"} {
		if branches := list(schema, word); len(branches) > 0 && !s.any(key, v, branches) {
			return
		}
	}
	if types := typesOf(schema); len(types) > 0 && !slices.ContainsFunc(types, func(t string) bool { return isType(v, t) }) {
		s.say(key, "is %s, and %s takes %s", shape.KindOf(v), s.tool, strings.Join(types, " or "))
		return
	}
	if enum := list(schema, "enum"); len(enum) > 0 && !slices.ContainsFunc(enum, func(x any) bool { return equal(x, v) }) {
		s.say(key, "is %s, and %s takes one of %s", safetext.Brief(value.Repr(v), 60), s.tool, safetext.Brief(written(enum), 300))
		return
	}
	if want, ok := schema.GetString("const"); ok && !equal(want, v) {
		s.say(key, "is %s, and %s takes %s", safetext.Brief(value.Repr(v), 60), s.tool, safetext.Brief(value.Repr(want), 60))
		return
	}
	switch v := v.(type) {
	case *value.Dict:
		s.object(key, v, schema, false)
	case *value.List:
		if items := sub(schema, "items"); items != nil {
			for i, x := range v.Items {
				s.value(shape.Index(key, i), x, items)
			}
		}
	}
}

// any says whether a value fits one of some schemas; where it fits none that is a fault.
func (s *schemas) any(key string, v any, branches []any) bool {
	var types []string
	for _, b := range branches {
		schema, ok := b.(*value.Dict)
		if !ok {
			return true // true and false are schemas, too
		}
		try := schemas{checker: &checker{}, root: s.root, tool: s.tool, depth: s.depth}
		if try.value(key, v, schema); len(try.found) == 0 {
			return true
		}
		types = append(types, typesOf(schema)...)
	}
	if len(types) == 0 {
		types = []string{"none of the kinds that it lists"}
	}
	s.say(key, "is %s, and %s takes %s", safetext.Brief(value.Repr(v), 60), s.tool, strings.Join(types, " or "))
	return false
}

// refer finds what a reference inside of the tool's schema names, nil for others.
func (s *schemas) refer(ref string) *value.Dict {
	rest, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	at := s.root
	for _, part := range strings.Split(rest, "/") {
		at = sub(at, strings.NewReplacer("~1", "/", "~0", "~").Replace(part))
	}
	return at
}

// typesOf are the types that a schema names: one, or a list.
func typesOf(schema *value.Dict) []string {
	if one, ok := get(schema, "type").(string); ok {
		return []string{one}
	}
	var out []string
	for _, x := range list(schema, "type") {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// isType says whether a value is of a type; every value is of one that JSON Schema does not have.
func isType(v any, name string) bool {
	switch name {
	case "string":
		_, ok := v.(string)
		return ok
	case "boolean":
		_, ok := v.(bool)
		return ok
	case "null":
		return v == nil
	case "array":
		_, ok := v.(*value.List)
		return ok
	case "object":
		_, ok := v.(*value.Dict)
		return ok
	case "number", "integer":
		switch x := v.(type) {
		case int64, *big.Int:
			return true
		case float64:
			return name == "number" || x == math.Trunc(x)
		}
		return false
	}
	return true
}

// equal compares as JSON does: true is no 1.
func equal(a, b any) bool {
	_, x := a.(bool)
	_, y := b.(bool)
	return x == y && value.Equal(a, b)
}

func written(list []any) string {
	var out []string
	for _, x := range list {
		out = append(out, value.Repr(x))
	}
	return strings.Join(out, ", ")
}

// Refuse is the error of a file whose tasks have faults.
func Refuse(path string, faults []Fault) error {
	e := &Error{Path: path, Faults: faults}
	if n := len(faults) - MaxFaults; n > 0 {
		e.Faults, e.More = faults[:MaxFaults], n
	}
	return e
}
