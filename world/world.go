// Package world plays tool calls against simulated tool APIs and compares what
// a policy did with what the gold answer does.
//
// Contract: worlds hold no state; a Session holds a state of every world of a task,
// its own copy from the first call on. Gold's states belong to the Prepared; no
// session writes to them. They live as long as the episode. Calls are dispatched by function name through tables;
// no text is ever evaluated.
//
// How it fails: a task that names an unknown world or has a configuration that
// the world does not take is an error of NewSession. A call that makes no sense
// is answered with a short error text, which the policy sees. A panic inside a
// world is a bug of the world: the session stops playing and Err says so; the
// rollout then ends the episode as StopInfra, and it is never scored.
package world

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/world/bfcl"
	"ballast/world/desk"
)

// All returns the table of the worlds. A new package of worlds is one line here.
func All() []ballast.World {
	var all []ballast.World
	all = append(all, desk.All...)
	all = append(all, bfcl.All...)
	return all
}

// entry is a world and the names of its functions.
type entry struct {
	world ballast.World
	has   func(name string) bool
}

// haver is a world with a fast way to tell whether it has a function.
type haver interface{ Has(name string) bool }

// entries is the table by name, made once and then only read.
var entries = func() map[string]*entry {
	m := make(map[string]*entry)
	for _, w := range All() {
		e := &entry{world: w}
		if h, ok := w.(haver); ok {
			e.has = h.Has
		} else {
			names := make(map[string]bool)
			for _, t := range w.Tools() {
				names[t.Name] = true
			}
			e.has = func(name string) bool { return names[name] }
		}
		if m[w.Name()] != nil {
			panic("world: two worlds are named " + w.Name())
		}
		m[w.Name()] = e
	}
	return m
}()

// Get returns the world of that name. The error lists the names there are.
func Get(name string) (ballast.World, error) {
	e, err := get(name)
	if err != nil {
		return nil, err
	}
	return e.world, nil
}

func get(name string) (*entry, error) {
	if e := entries[name]; e != nil {
		return e, nil
	}
	var names []string
	for _, w := range All() {
		names = append(names, w.Name())
	}
	return nil, fmt.Errorf("world: no world is named %q; there are %s", name, strings.Join(names, ", "))
}

// Tools returns the documentation of the functions of the named worlds, in
// order.
func Tools(names ...string) ([]ballast.Tool, error) {
	var tools []ballast.Tool
	for _, name := range names {
		e, err := get(name)
		if err != nil {
			return nil, err
		}
		tools = append(tools, e.world.Tools()...)
	}
	return tools, nil
}

// Unknowner is a world that has its own wording for calls of functions that do
// not exist. The first such world of a task answers.
type Unknowner interface {
	Unknown(name string) string
}

// Failer is a world that can tell the answer of a failed call and promises that
// such a call left the state as it was.
type Failer interface {
	Failed(answer string) bool
}

// Failed reports whether one of the named worlds knows the answer for that of a
// failed call.
func Failed(worlds []string, answer string) bool {
	for _, name := range worlds {
		if e := entries[name]; e != nil {
			if f, ok := e.world.(Failer); ok && f.Failed(answer) {
				return true
			}
		}
	}
	return false
}
