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
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"

	"ballast"
	"ballast/env/sim"
	"ballast/world"
)

// The categories, in the order in which sets mix them.
var Categories = []string{"base", "miss_func", "miss_param", "long_context"}

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
	for _, f := range []struct {
		field    *int
		def, low int
		high     int
		name     string
	}{
		{&o.Mix, 2, 1, 4, "mix"}, {&o.MinTurns, 2, 1, 6, "min_turns"}, {&o.MaxTurns, max(3, o.MinTurns), 1, 6, "max_turns"},
		{&o.Requests, 1, 1, 3, "requests"}, {&o.Calls, 5, 1, 20, "calls"}, {&o.Tools, 8, 1, 40, "tools"},
	} {
		if *f.field == 0 {
			*f.field = f.def
		}
		if *f.field < f.low || *f.field > f.high {
			return o, fmt.Errorf("task: desk: %s is %d, want %d to %d", f.name, *f.field, f.low, f.high)
		}
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
	if split != Train && split != Valid && split != Test {
		return nil, nil, fmt.Errorf("task: desk: no split %q; there are train, valid and test", split)
	}
	if !slices.Contains(Categories, category) {
		return nil, nil, fmt.Errorf("task: desk: no category %q; there are %s", category, strings.Join(Categories, ", "))
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %s %d", split, category, strings.Join(o.Worlds, " "), index)
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	// About one attempt in three succeeds (fewer for test, whose goals are one in five);
	// a thousand failures in a row mean that the options leave nothing to compose.
	for range 1000 {
		if t, goal := compose(rng, split, category, o); t != nil {
			t.ID = fmt.Sprintf("%s/%s/%s/%d/%d", t.Set, split, category, seed, index)
			return t, goal, nil
		}
	}
	return nil, nil, fmt.Errorf("task: desk: no %s task of %d to %d turns, %d calls and %d tools can be composed; ask for more calls or tools",
		category, o.MinTurns, o.MaxTurns, o.Calls, o.Tools)
}

// compose draws one task and its goal, or nil where the draw does not work out.
func compose(rng *rand.Rand, split, category string, o Options) (t *ballast.Task, goal []string) {
	t = &ballast.Task{Set: "desk", Category: category, APIs: someWorlds(rng, o), Grader: sim.Sparing}
	if slices.Contains(OOD, t.APIs[0]) {
		t.Set = "desk-ood"
	}
	size := 1
	if category == world.LongContext {
		size, t.Variant = 3, world.LongContext
	}
	s := newScene(rng, split, t.APIs, size)
	t.Init = s.init

	turns := o.MinTurns + rng.IntN(o.MaxTurns-o.MinTurns+1)
	special := -1 // the turn that gets an extra one
	if category == "miss_func" || category == "miss_param" {
		turns = max(turns-1, min(2, o.MaxTurns-1), 1) // two requests where there is room
		special = rng.IntN(turns)
	}
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
			name, r, ok := draw(s, t.APIs, i == special && category == "miss_param")
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
	if !document(rng, t, o) || !verify(t, most) {
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
// the category does something special here. Replies are filled in by verify.
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
		turn.Reply = answer
	}
	switch {
	case !special:
		return []ballast.TaskTurn{turn}
	case category == "miss_param":
		r := requests[0]
		turn.User = lower(r.fill)
		return []ballast.TaskTurn{{User: lower(r.part), Reply: r.ask}, turn}
	default:
		first := ballast.TaskTurn{User: turn.User, Reply: "No tool for that."}
		turn.User = "try again."
		turn.Reveal = []string{turn.Gold[len(turn.Gold)-1].Name}
		return []ballast.TaskTurn{first, turn}
	}
}

// lower is how the user types: without capitals, so that a word at the start of
// a sentence is the word that calls have.
func lower(sentence string) string { return strings.ToLower(sentence) }

// answer marks a closing reply that repeats the last result; verify fills it in.
const answer = "?"

// inSplit says whether a sequence of kinds belongs to a split: one in five, by
// hash, to test. A single request is no composition and belongs to both, or tests
// of short tasks would be about functions that training never asks for.
func inSplit(goal []string, split string) bool {
	if len(goal) == 2 { // one kind and the turn's end
		return true
	}
	h := fnv.New32a()
	h.Write([]byte(strings.Join(goal, " ")))
	return (h.Sum32()%5 == 0) == (split == Test)
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

// verify plays the gold calls, fills in the replies and reports whether the task
// is good: not too many calls, no call fails, every turn passes its check.
func verify(t *ballast.Task, most int) bool {
	s, err := sim.NewSession(t)
	if err != nil {
		panic("task: desk: " + err.Error()) // a scene made a bad configuration
	}
	calls := 0
	for i := range t.Turns {
		turn := &t.Turns[i]
		last := ""
		for _, c := range turn.Gold {
			calls++
			last = s.Run(c)
			if strings.HasPrefix(last, "error: ") {
				return false
			}
		}
		if turn.Reply == "" {
			turn.Reply = "Done."
		} else if turn.Reply == answer {
			last, _, _ = strings.Cut(last, "\n")
			turn.Reply = last + "."
		}
		if !s.CloseTurn().Check().Passed {
			return false
		}
	}
	return calls <= most
}
