// Package livetest has servers of tools in memory, for tests of what makes tasks of live servers:
// an office with orders, a file system that answers in text, a graph of memories, one whose answers
// are drawn, one that fails, and one that keeps what it was told for good.
//
// Contract: a World is used by many goroutines. A session has a state of its own, unless the world
// says that it is Shared. Mistakes of a caller are answered in text that begins with "Error: ".
package livetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"ballast"
	"ballast/value"
)

// World is a server.
type World struct {
	List   []ballast.Tool
	New    func() func(name string, args *value.Dict) string // the state of a session, and what answers
	Shared bool                                              // sessions share one state
	Opened atomic.Int64                                      // sessions so far
	Calls  atomic.Int64                                      // calls so far
	Broken func(n int64) error                               // of the n-th call: an error of the machine
	mu     sync.Mutex
	one    func(string, *value.Dict) string
}

// Tools lists the tools.
func (w *World) Tools(context.Context, *ballast.Task) ([]ballast.Tool, error) { return w.List, nil }

// Open starts a session.
func (w *World) Open(context.Context, *ballast.Task) (ballast.Session, error) {
	w.Opened.Add(1)
	if !w.Shared {
		return &session{w: w, answer: w.New()}, nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.one == nil {
		w.one = w.New()
	}
	return &session{w: w, answer: w.one}, nil
}

// Bare is the same server whose tools do not say that they only read.
func (w *World) Bare() *World {
	b := &World{New: w.New, Shared: w.Shared}
	for _, t := range w.List {
		t.ReadOnly = false
		b.List = append(b.List, t)
	}
	return b
}

type session struct {
	w      *World
	answer func(string, *value.Dict) string
	closed bool
}

func (s *session) Call(ctx context.Context, c ballast.Call) (string, error) {
	n := s.w.Calls.Add(1)
	if s.w.Broken != nil {
		if err := s.w.Broken(n); err != nil {
			return "", err
		}
	}
	if s.closed {
		return "", errors.New("livetest: the session is closed")
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	args := &value.Dict{}
	for _, a := range c.Args {
		args.Set(a.Name, value.Clone(a.Value))
	}
	for _, t := range s.w.List {
		if t.Name != c.Name {
			continue
		}
		if text := wrong(t, args); text != "" {
			return "Error: " + text, nil
		}
		s.w.mu.Lock()
		defer s.w.mu.Unlock()
		return s.answer(c.Name, args), nil
	}
	return "Error: unknown tool " + c.Name, nil
}

func (s *session) Close() error {
	s.closed = true
	return nil
}

// wrong says what a server that checks arguments has against them.
func wrong(t ballast.Tool, args *value.Dict) string {
	known := map[string]bool{}
	for _, p := range t.Params {
		known[p.Name] = true
		if _, ok := args.Get(p.Name); !ok && p.Required {
			return "missing argument " + p.Name
		}
	}
	for _, k := range args.Keys() {
		if !known[k.(string)] {
			return fmt.Sprintf("unexpected argument %s", k)
		}
	}
	return ""
}

// tool makes a tool of the JSON of its parameters.
func tool(name, doc, properties string, readOnly bool, required ...string) ballast.Tool {
	v, err := value.ParseJSON([]byte("{" + properties + "}"))
	if err != nil {
		panic("livetest: " + name + ": " + err.Error())
	}
	must := &value.List{}
	t := ballast.Tool{Name: name, Doc: doc, ReadOnly: readOnly}
	for _, r := range required {
		must.Items = append(must.Items, r)
	}
	props := v.(*value.Dict)
	for i := range props.Len() {
		k, x := props.At(i)
		p := ballast.Param{Name: k.(string)}
		if s, ok := x.(*value.Dict).GetString("type"); ok {
			p.Type, _ = s.(string)
		}
		for _, r := range required {
			p.Required = p.Required || r == p.Name
		}
		t.Params = append(t.Params, p)
	}
	t.Schema = value.NewDict("name", name, "description", doc,
		"parameters", value.NewDict("type", "object", "properties", props, "required", must))
	return t
}

// show is a value as JSON.
func show(v any) string {
	text, err := value.JSON(v)
	if err != nil {
		panic(err)
	}
	return text
}

func text(args *value.Dict, key string) string {
	v, _ := args.GetString(key)
	s, _ := v.(string)
	return s
}

func list(args *value.Dict, key string) []any {
	v, _ := args.GetString(key)
	if l, ok := v.(*value.List); ok {
		return l.Items
	}
	return nil
}
