// Package sim plays tasks in simulated APIs: a World of package env over the APIs of
// package world.
//
// Contract: a Session holds a state of every API of its task, its own copy from the first
// call on. Gold's states belong to the Prepared, which all sessions of a task share; no
// session writes to them. Calls are dispatched by function name through tables. Nothing
// waits: a call takes microseconds.
//
// How it fails: a task that names an unknown API or has a configuration that the API does
// not take is an error of Prepare. A call that makes no sense is answered with a short error
// text, which the policy sees. A panic inside an API is a bug of the API: the session stops
// playing and every later call and check is that error, so that the episode ends as
// StopInfra and is never scored.
package sim

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/world"
	"ballast/world/bfcl"
	"ballast/world/desk"
	"ballast/world/drawn"
)

// All returns the table of the simulated APIs. A new package of them is one line here.
func All() []world.API {
	var all []world.API
	all = append(all, desk.All...)
	all = append(all, bfcl.All...)
	all = append(all, drawn.All...)
	return all
}

// entry is an API and the names of its functions.
type entry struct {
	api world.API
	has func(name string) bool
}

// have reports whether the API has a function in a task that began with the state.
func (e *entry) have(s world.State, name string) bool {
	if h, ok := s.(world.Haver); ok {
		return h.Has(name)
	}
	return e.has(name)
}

// tools documents the API's functions in a task that began with the state.
func (e *entry) tools(s world.State) []ballast.Tool {
	if d, ok := s.(world.Documenter); ok {
		return d.Tools()
	}
	return e.api.Tools()
}

// entries is the table by name, made once and then only read.
var entries = func() map[string]*entry {
	m := make(map[string]*entry)
	for _, w := range All() {
		e := &entry{api: w}
		if h, ok := w.(world.Haver); ok {
			e.has = h.Has
		} else {
			names := make(map[string]bool)
			for _, t := range w.Tools() {
				names[t.Name] = true
			}
			e.has = func(name string) bool { return names[name] }
		}
		if m[w.Name()] != nil {
			panic("sim: two APIs are named " + w.Name())
		}
		m[w.Name()] = e
	}
	return m
}()

// Get returns the API of that name. The error lists the names there are.
func Get(name string) (world.API, error) {
	e, err := get(name)
	if err != nil {
		return nil, err
	}
	return e.api, nil
}

func get(name string) (*entry, error) {
	if e := entries[name]; e != nil {
		return e, nil
	}
	var names []string
	for _, w := range All() {
		names = append(names, w.Name())
	}
	return nil, fmt.Errorf("sim: no simulated API is named %q; there are %s", name, strings.Join(names, ", "))
}

// Tools returns the documentation of the functions of the named APIs, in
// order.
func Tools(names ...string) ([]ballast.Tool, error) {
	var tools []ballast.Tool
	for _, name := range names {
		e, err := get(name)
		if err != nil {
			return nil, err
		}
		tools = append(tools, e.api.Tools()...)
	}
	return tools, nil
}

// Failed reports whether one of the named APIs knows the answer for that of a
// failed call.
func Failed(apis []string, answer string) bool {
	for _, name := range apis {
		if e := entries[name]; e != nil {
			if f, ok := e.api.(world.Failer); ok && f.Failed(answer) {
				return true
			}
		}
	}
	return false
}
