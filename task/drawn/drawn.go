// Package drawn composes multi-turn tasks in worlds that are drawn anew for every task: kinds
// of entities, their fields, the functions that read, create, change, delete, search and compute,
// how those are named and documented, what is there, and what the user wants. Names and words
// are partly invented, so that only who reads the documentation can call.
//
// Contract: task i of a (seed, split, category, options) is always the same one, there are as
// many as one asks for, and every task is verified: its gold calls are played, all of them
// succeed, every turn passes its check, and calls must be chosen (sim.Sparing). The splits train,
// valid and test share no word that carries meaning (words.go), hence no kind, field, function or
// name, and no goal: the sequence of the kinds of requests of a task with the borders of turns
// belongs to one split, but for goals of one request.
//
// The categories are those of BFCL multi-turn, as package task/desk has them.
//
// How it fails: unknown splits and categories and impossible options are errors. A composition
// that does not play is thrown away and drawn again.
package drawn

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"ballast"
	"ballast/env/sim"
	"ballast/task/compose"
	api "ballast/world/drawn"
)

// Options are the difficulty of tasks. The zero value of a field means its default.
type Options struct {
	Kinds    int // most kinds of entities in a world (2)
	MinTurns int // fewest turns, the extra one of miss_* included (2)
	MaxTurns int // most turns (3)
	Calls    int // most gold calls in a task (5)
	MinTools int // fewest tools that the prompt lists (4)
	Tools    int // most tools that the prompt lists (8)
	// Docs is the set that tasks are of: what their prompts tell of tools.
	Docs Docs
}

// withDefaults fills the zero fields and rejects what cannot work.
func (o Options) withDefaults() (Options, error) {
	o.Kinds = cmp.Or(o.Kinds, 2)
	o.MinTurns = cmp.Or(o.MinTurns, min(2, cmp.Or(o.MaxTurns, 2)))
	o.MaxTurns = cmp.Or(o.MaxTurns, max(3, o.MinTurns))
	o.Calls = cmp.Or(o.Calls, max(5, o.MaxTurns))
	o.Tools = cmp.Or(o.Tools, max(8, o.MinTools))
	o.MinTools = cmp.Or(o.MinTools, min(4, o.Tools))
	err := compose.Within(name, compose.Range{Name: "kinds", Is: o.Kinds, Low: 1, High: 4},
		compose.Range{Name: "min_turns", Is: o.MinTurns, Low: 1, High: 6}, compose.Range{Name: "max_turns", Is: o.MaxTurns, Low: 1, High: 6},
		compose.Range{Name: "calls", Is: o.Calls, Low: 1, High: 20}, compose.Range{Name: "tools", Is: o.Tools, Low: 2, High: 30},
		compose.Range{Name: "min_tools", Is: o.MinTools, Low: 2, High: 30})
	if err != nil {
		return o, err
	}
	switch {
	case o.Docs < Whole || o.Docs > None:
		return o, fmt.Errorf("task: drawn: no documentation %d; there are %d to %d", o.Docs, Whole, None)
	case o.MinTurns > o.MaxTurns:
		return o, fmt.Errorf("task: drawn: min_turns is %d, more than max_turns %d", o.MinTurns, o.MaxTurns)
	case o.MinTools > o.Tools:
		return o, fmt.Errorf("task: drawn: min_tools is %d, more than tools %d", o.MinTools, o.Tools)
	case o.Calls < o.MaxTurns:
		return o, fmt.Errorf("task: drawn: calls is %d, fewer than max_turns %d: every turn wants one", o.Calls, o.MaxTurns)
	}
	return o, nil
}

// Generate returns task index of the given seed, split and category.
func Generate(seed uint64, split, category string, index int, o Options) (*ballast.Task, error) {
	t, _, err := generate(seed, split, category, index, o)
	return t, err
}

// generate returns the goal as well: the kinds of requests, "|" after each turn.
func generate(seed uint64, split, category string, index int, o Options) (*ballast.Task, []string, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	// There is no salt of the set: the sets differ in nothing but the documentation.
	return compose.Generator{
		Name:  name,
		Sizes: fmt.Sprintf("%d to %d turns, %d calls and %d tools", o.MinTurns, o.MaxTurns, o.Calls, o.Tools),
		Try:   func(rng *rand.Rand) (*ballast.Task, []string) { return try(rng, split, category, o) },
	}.Draw(seed, split, category, index)
}

// name is that of the package in errors.
const name = "drawn"

// try composes one task and its goal, or nil where the draw does not work out.
func try(rng *rand.Rand, split, category string, o Options) (t *ballast.Task, goal []string) {
	t = &ballast.Task{Set: o.Docs.Set(), Category: category, APIs: []string{api.Name}, Grader: sim.Sparing}
	w := newScene(rng, split, 1+rng.IntN(o.Kinds), compose.Size(t))
	t.Init = map[string]any{api.Name: w.config()}
	s := &dialogue{scene: w, done: map[string]bool{}}

	turns, special := compose.Turns(rng, category, o.MinTurns, o.MaxTurns)
	used := map[*tool]bool{}
	var held *tool
	for i := range turns {
		name, r, ok := s.draw(i == special && compose.LeavesOut(category))
		if !ok {
			return nil, nil
		}
		if i == special && compose.HoldsBack(category) {
			held = r.tools[len(r.tools)-1]
			if used[held] {
				return nil, nil // it would be needed before it is revealed
			}
		}
		for _, x := range r.tools {
			used[x] = true
		}
		goal = append(goal, name, "|")
		t.Turns = append(t.Turns, render(r, i == special, category)...)
	}
	if !inSplit(goal, split) || !s.offer(t, used, o) || replaceable(held, used) || !verify(t, o.Calls) {
		return nil, nil
	}
	s.withhold(t, o)
	return t, goal
}

// draw makes one request: two in five need two steps, one in five says "it" where that has a
// meaning, the others are plain. A task has no kind of request twice.
func (s *dialogue) draw(partial bool) (string, request, bool) {
	want := plain
	switch p := s.rng.IntN(5); {
	case partial:
	case p < 2:
		want = chain
	case p == 2 && s.it != nil:
		want = follow
	}
	var fit []goal
	for _, g := range goals {
		if g.shape == want && !s.done[g.name] {
			fit = append(fit, g)
		}
	}
	for range 6 {
		g := pick(s.rng, fit)
		r, ok := g.make(s)
		switch {
		case !ok:
			continue
		case partial && r.part == "":
			return "", request{}, false // the world has moved on without the request
		}
		s.done[g.name] = true
		return g.name, r, true
	}
	return "", request{}, false
}

// render turns a request into turns: one, or two where the category does something special
// here. Replies are filled in by verify.
func render(r request, special bool, category string) []ballast.TaskTurn {
	turn := ballast.TaskTurn{User: r.user, Gold: r.calls}
	if r.query {
		turn.Reply = compose.Answer
	}
	if !special {
		return []ballast.TaskTurn{turn}
	}
	return compose.Special(turn, category, compose.Part{Part: r.part, Ask: r.ask, Fill: r.fill})
}

// inSplit says whether a sequence of kinds of requests belongs to a split, by hash. A single
// request is no composition and belongs to all.
func inSplit(goal []string, split string) bool {
	return len(goal) <= 2 || splitOf(strings.Join(goal, " ")) == split
}

// offer lists the tools: those that gold calls, and others of the world.
func (s *dialogue) offer(t *ballast.Task, used map[*tool]bool, o Options) bool {
	most := o.MinTools + s.rng.IntN(o.Tools-o.MinTools+1)
	if len(used) > o.Tools {
		return false
	}
	for _, i := range s.rng.Perm(len(s.tools)) {
		if len(used) < most {
			used[s.tools[i]] = true
		}
	}
	// In an order that tells nothing.
	for _, i := range s.rng.Perm(len(s.tools)) {
		if used[s.tools[i]] {
			t.Tools = append(t.Tools, s.tools[i].document())
		}
	}
	return true
}

// replaceable says whether other tools that are listed do what the held back one does.
func replaceable(held *tool, listed map[*tool]bool) bool {
	if held == nil {
		return false
	}
	by := map[string]bool{}
	for t := range listed {
		by[t.operation] = by[t.operation] || t.kind == held.kind && t.field == held.field
	}
	return held.operation == "add" && by["read"] && by["set"] || held.operation == "count" && by["find"]
}

// others are the calls of other tools that the prompt lists, with the same values: what a
// policy might try that has not read which tool is which.
func others(t *ballast.Task, c ballast.Call) (out []ballast.Call) {
	for _, tool := range t.Tools {
		if tool.Name == c.Name || len(tool.Params) < len(c.Args) {
			continue
		}
		for shift := range max(len(c.Args), 1) {
			o := ballast.Call{Name: tool.Name}
			for i := range c.Args {
				o.Args = append(o.Args, ballast.Arg{Name: tool.Params[i].Name, Value: c.Args[(i+shift)%len(c.Args)].Value})
			}
			out = append(out, o)
		}
	}
	return out
}

// told says whether a call of another tool would get the same answer, so that it tells nothing
// that the right one was called.
func told(s *sim.Session, t *ballast.Task, c ballast.Call) bool {
	want, changes, err := s.Try(c)
	if err != nil || changes {
		return false
	}
	return slices.ContainsFunc(others(t, c), func(o ballast.Call) bool {
		answer, changes, err := s.Try(o)
		return err == nil && !changes && answer == want
	})
}

// verify plays gold. A task in which a call of another tool would get the same answer is none.
func verify(t *ballast.Task, most int) bool {
	return compose.Verify(name, t, most, func(s *sim.Session, c ballast.Call) bool { return told(s, t, c) })
}
