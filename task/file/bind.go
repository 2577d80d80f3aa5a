package file

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/env/expect"
	"ballast/safetext"
	"ballast/value"
	jsonschema "ballast/value/schema"
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
			if turn.Want.(*value.Dict).Object(expect.PartCalls).Has("calls") {
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
	faults := jsonschema.Arguments(key+".arguments", args, tooldoc.Parameters(*t), t.Name)
	for _, f := range faults {
		c.say(f.Path, "%s", f.Text)
	}
	return len(faults) == 0
}

// Refuse is the error of a file whose tasks have faults.
func Refuse(path string, faults []Fault) error {
	e := &Error{Path: path, Faults: faults}
	if n := len(faults) - MaxFaults; n > 0 {
		e.Faults, e.More = faults[:MaxFaults], n
	}
	return e
}
