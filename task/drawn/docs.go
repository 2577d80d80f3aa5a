package drawn

import (
	"ballast"
	"ballast/value"
	api "ballast/world/drawn"
)

// Docs is what the prompts of a set tell of tools. Task i of a seed, split and category is the same in
// every set but for that.
type Docs int

// The sets.
const (
	Whole   Docs = iota // all of the documentation
	Renamed             // the tools' names are dealt anew: who goes by names is misled
	Bare                // names and types alone
	None                // no tool that gold calls, and one that it does not call
)

// Set is the name of the set.
func (d Docs) Set() string {
	return [...]string{"worlds", "worlds-renamed", "worlds-bare", "worlds-none"}[d]
}

// withhold takes away what a set does not tell. Nothing else of the task changes, and gold still passes.
func (s *dialogue) withhold(t *ballast.Task, o Options) {
	switch o.Docs {
	case Whole:
		return
	case Renamed:
		s.rename(t)
	case Bare:
		for i := range t.Tools {
			bare := &t.Tools[i]
			if bare.Doc = ""; bare.Schema != nil {
				undescribe(bare.Schema.(*value.Dict))
			}
			for k := range bare.Params {
				bare.Params[k].Doc = ""
			}
		}
	case None:
		s.hide(t, o)
	}
	if !verify(t, o.Calls) {
		panic("task: drawn: " + t.Set + ": gold passes no more") // a task without its documentation is the same task
	}
}

// hide takes away every tool that gold calls and all others but one. Where no tool is shown, prompts do
// not say how calls are written, and what is measured is that.
func (s *dialogue) hide(t *ballast.Task, o Options) {
	needed := map[string]bool{}
	for i := range t.Turns {
		for _, c := range t.Turns[i].Gold {
			needed[c.Name] = true
		}
		t.Turns[i].Reveal = nil
	}
	for _, i := range s.rng.Perm(len(s.tools)) {
		if tool := s.tools[i]; !needed[tool.name] {
			if t.Tools = []ballast.Tool{tool.document()}; verify(t, o.Calls) {
				return
			}
		}
	}
	t.Tools = []ballast.Tool{} // gold calls every tool, or each other one answers as one of gold's does
}

// undescribe takes descriptions out of a schema.
func undescribe(d *value.Dict) {
	d.Delete("description")
	for i := range d.Len() {
		if _, v := d.At(i); v != nil {
			if inner, ok := v.(*value.Dict); ok {
				undescribe(inner)
			}
		}
	}
}

// rename deals the names of the tools that the prompt lists anew, each to another tool, in the
// world, the documentation and gold alike.
func (s *dialogue) rename(t *ballast.Task) {
	to := map[string]string{}
	by := 1 + s.rng.IntN(len(t.Tools)-1)
	for i := range t.Tools {
		to[t.Tools[i].Name] = t.Tools[(i+by)%len(t.Tools)].Name
	}
	config := t.Init[api.Name].(*value.Dict)
	all, _ := config.Get("tools")
	tools := &value.Dict{}
	for i := range all.(*value.Dict).Len() {
		k, v := all.(*value.Dict).At(i)
		name := k.(string)
		if other, ok := to[name]; ok {
			name = other
		}
		tools.Set(name, v)
	}
	config.Set("tools", tools)
	for i := range t.Tools {
		tool := &t.Tools[i]
		if tool.Name = to[tool.Name]; tool.Schema != nil {
			tool.Schema.(*value.Dict).Set("name", tool.Name)
		}
	}
	for i := range t.Turns {
		for k := range t.Turns[i].Gold {
			t.Turns[i].Gold[k].Name = to[t.Turns[i].Gold[k].Name]
		}
		for k, name := range t.Turns[i].Reveal {
			t.Turns[i].Reveal[k] = to[name]
		}
	}
}
