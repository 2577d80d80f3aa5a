// Package desk composes multi-turn, multi-step tasks for the desk worlds.
//
// Contract: task i of a (seed, split, category, options) is always the same one,
// there are as many as one asks for, and every task is verified: its gold calls
// are played, all of them succeed, every turn passes its check, and calls must be
// chosen (sim.Sparing): no policy of rollout/attack wins one. Two things keep
// the splits apart:
//
//   - a free name (file, person, event, item, text) that occurs in a task of one
//     split never occurs in a task of the other (names.go has the rule);
//   - the goal of a task, which is the sequence of its kinds of requests with
//     the borders of turns, belongs to one split only (see inSplit).
//
// The categories are those of BFCL multi-turn: base; miss_func holds a function
// back in the turn that needs it and reveals it in the next; miss_param leaves a parameter out, the assistant asks, the next user
// text gives it; long_context has three times the things and answers with
// log lines. Different from BFCL, the user says "try again." when a function is
// revealed: its sentence of fifteen words would cost a small vocabulary too much.
//
// How it fails: unknown splits, categories and worlds and impossible options are
// errors. A composition that does not play is thrown away and drawn again.
package desk

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"ballast"
	"ballast/env/sim"
	"ballast/task/compose"
	"ballast/world"
)

// Options are the difficulty of tasks. The zero value of a field means its
// default. A whole default task fits 512 tokens of a small own vocabulary.
type Options struct {
	Worlds   []string // worlds to draw from (default the four of set desk)
	Mix      int      // most worlds in a task (2)
	MinTurns int      // fewest turns, the extra one of miss_* included (2)
	MaxTurns int      // most turns (3)
	Requests int      // most requests in a turn (1)
	Calls    int      // most gold calls in a task (5); in long_context one fewer, not below the turns
	Tools    int      // tools that the prompt lists, if the task needs no more (8)
}

// withDefaults fills the zero fields and rejects what cannot work.
func (o Options) withDefaults() (Options, error) {
	o.Mix, o.MinTurns = cmp.Or(o.Mix, 2), cmp.Or(o.MinTurns, 2)
	o.MaxTurns = cmp.Or(o.MaxTurns, max(3, o.MinTurns))
	o.Requests, o.Calls, o.Tools = cmp.Or(o.Requests, 1), cmp.Or(o.Calls, 5), cmp.Or(o.Tools, 8)
	err := compose.Within(name, compose.Range{Name: "mix", Is: o.Mix, Low: 1, High: 4},
		compose.Range{Name: "min_turns", Is: o.MinTurns, Low: 1, High: 6}, compose.Range{Name: "max_turns", Is: o.MaxTurns, Low: 1, High: 6},
		compose.Range{Name: "requests", Is: o.Requests, Low: 1, High: 3}, compose.Range{Name: "calls", Is: o.Calls, Low: 1, High: 20},
		compose.Range{Name: "tools", Is: o.Tools, Low: 1, High: 40})
	if err != nil {
		return o, err
	}
	if o.MinTurns > o.MaxTurns {
		return o, fmt.Errorf("task: desk: min_turns is %d, more than max_turns %d", o.MinTurns, o.MaxTurns)
	}
	if o.Calls < o.MaxTurns {
		return o, fmt.Errorf("task: desk: calls is %d, fewer than max_turns %d: every turn wants one", o.Calls, o.MaxTurns)
	}
	if len(o.Worlds) == 0 {
		o.Worlds = Worlds
	}
	known := append(slices.Clone(Worlds), OOD...)
	for _, w := range o.Worlds {
		if !slices.Contains(known, w) {
			return o, fmt.Errorf("task: desk: no tasks for world %q; there are %s", w, strings.Join(known, ", "))
		}
	}
	// Scenes fill worlds in the order of the table.
	o.Worlds = slices.DeleteFunc(known, func(w string) bool { return !slices.Contains(o.Worlds, w) })
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
	return compose.Generator{
		Name:  name,
		Salt:  strings.Join(o.Worlds, " ") + " ",
		Sizes: fmt.Sprintf("%d to %d turns, %d calls and %d tools", o.MinTurns, o.MaxTurns, o.Calls, o.Tools),
		Try:   func(rng *rand.Rand) (*ballast.Task, []string) { return try(rng, split, category, o) },
	}.Draw(seed, split, category, index)
}

// name is that of the package in errors.
const name = "desk"

// try composes one task and its goal, or nil where the draw does not work out.
func try(rng *rand.Rand, split, category string, o Options) (t *ballast.Task, goal []string) {
	t = &ballast.Task{Set: "desk", Category: category, APIs: someWorlds(rng, o), Grader: sim.Sparing}
	if slices.Contains(OOD, t.APIs[0]) {
		t.Set = "desk-ood"
	}
	s := newScene(rng, split, t.APIs, compose.Size(t))
	t.Init = s.init

	turns, special := compose.Turns(rng, category, o.MinTurns, o.MaxTurns)
	for i := range turns {
		n := 1
		if o.Requests > 1 && rng.IntN(4) == 0 {
			n += 1 + rng.IntN(o.Requests-1)
		}
		if i == special {
			n = 1
		}
		requests := make([]request, n)
		for j := range requests {
			name, r, ok := draw(s, t.APIs, i == special && compose.LeavesOut(category))
			if !ok {
				return nil, nil
			}
			goal = append(goal, name)
			requests[j] = r
		}
		goal = append(goal, "|")
		t.Turns = append(t.Turns, render(requests, i == special, category)...)
	}
	if s.short || !inSplit(goal, split) {
		return nil, nil
	}
	most := o.Calls
	if category == world.LongContext {
		most = max(most-1, len(t.Turns))
	}
	if !document(rng, t, o) || !compose.Verify(name, t, most, nil) {
		return nil, nil
	}
	return t, goal
}

// someWorlds draws up to o.Mix worlds, in table order; one more often than two.
// Worlds that no request joins are not mixed with the out-of-distribution ones.
func someWorlds(rng *rand.Rand, o Options) []string {
	n := 1
	for n < o.Mix && n < len(o.Worlds) && rng.IntN(5) < 2 {
		n++
	}
	chosen := shuffled(rng, o.Worlds)[:n]
	return slices.DeleteFunc(slices.Clone(o.Worlds), func(w string) bool { return !slices.Contains(chosen, w) })
}

// draw makes one request: two in five need two steps, one in five says "it"
// where that has a meaning, the others are plain. A task has no kind twice.
func draw(s *scene, worlds []string, partial bool) (string, request, bool) {
	want := plain
	switch p := s.rng.IntN(5); {
	case partial:
	case p < 2:
		want = chain
	case p == 2 && s.it != nil:
		want = follow
	}
	var fit []*kind
	for i := range kinds {
		k := &kinds[i]
		if k.shape == want && !s.done[k.name] && !slices.ContainsFunc(k.worlds, func(w string) bool { return !slices.Contains(worlds, w) }) {
			fit = append(fit, k)
		}
	}
	for range 6 {
		if len(fit) == 0 {
			return "", request{}, false
		}
		k := fit[s.rng.IntN(len(fit))]
		it := s.it
		if r, ok := k.make(s); ok && (!partial || r.part != "") {
			s.done[k.name] = true
			return k.name, r, true
		} else if ok {
			return "", request{}, false // the scene has moved on without the request
		}
		s.it = it
	}
	return "", request{}, false
}

// render turns the requests of one user message into turns: one, or two where
// the category does something special here. Replies are filled in by compose.Verify.
func render(requests []request, special bool, category string) []ballast.TaskTurn {
	var turn ballast.TaskTurn
	for i, r := range requests {
		if i > 0 {
			turn.User += " "
		}
		turn.User += lower(r.user)
		turn.Gold = append(turn.Gold, r.calls...)
	}
	if requests[len(requests)-1].query {
		turn.Reply = compose.Answer
	}
	if !special {
		return []ballast.TaskTurn{turn}
	}
	r := requests[0]
	return compose.Special(turn, category, compose.Part{Part: lower(r.part), Ask: r.ask, Fill: lower(r.fill)})
}

// lower is how the user types: without capitals, so that a word at the start of
// a sentence is the word that calls have.
func lower(sentence string) string { return strings.ToLower(sentence) }

// inSplit says whether a sequence of kinds belongs to a split: one in five, by
// hash, to test. A single request is no composition and belongs to both, or tests
// of short tasks would be about functions that training never asks for.
func inSplit(goal []string, split string) bool {
	if len(goal) == 2 { // one kind and the turn's end
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(strings.Join(goal, " ")))
	return (h.Sum32()%5 == 0) == (split == compose.Test)
}

// document lists the tools: those that gold calls, and others of the task's
// worlds up to o.Tools, in table order. It fails where a function would be
// needed before it is revealed, or gold needs more than o.Tools.
func document(rng *rand.Rand, t *ballast.Task, o Options) bool {
	all, err := sim.Tools(t.APIs...)
	if err != nil {
		panic("task: desk: " + err.Error()) // the table names worlds that do not exist
	}
	need := make(map[string]bool)
	for _, turn := range t.Turns {
		for _, r := range turn.Reveal {
			if need[r] {
				return false
			}
		}
		for _, c := range turn.Gold {
			need[c.Name] = true
		}
	}
	if len(need) > o.Tools {
		return false
	}
	for _, i := range rng.Perm(len(all)) {
		if len(need) < o.Tools {
			need[all[i].Name] = true
		}
	}
	for _, tool := range all {
		if need[tool.Name] {
			t.Tools = append(t.Tools, tool)
		}
	}
	return true
}
