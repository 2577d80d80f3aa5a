// Package compose is what the generators of tasks share: the splits and categories, the frame that draws a
// task until one works out, the special turns of a category, and the play that verifies a task.
//
// Contract: task i of a (seed, split, category) and a generator's options is always the same one. A task that
// Draw returns was verified by its generator: Verify plays gold and fills in the replies.
//
// How it fails: unknown splits and categories and options out of range are errors that name the generator.
// A task of a generator that cannot be played at all is a panic.
package compose

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

// The splits. What tells them apart is the generator's.
const (
	Train = "train"
	Valid = "valid"
	Test  = "test"
)

// Categories are those of BFCL multi-turn, in the order in which sets mix them: miss_func holds a function back in the
// turn that needs it and reveals it in the next; miss_param leaves a parameter out, the assistant asks, the
// next user text gives it; long_context has three times the things and answers with log lines.
var Categories = []string{"base", missFunc, missParam, world.LongContext}

const (
	missFunc  = "miss_func"
	missParam = "miss_param"
)

// Range is an option of a generator with its bounds.
type Range struct {
	Name          string
	Is, Low, High int
}

// Within is an error for the first option that is out of its range.
func Within(generator string, options ...Range) error {
	for _, o := range options {
		if o.Is < o.Low || o.Is > o.High {
			return fmt.Errorf("task: %s: %s is %d, want %d to %d", generator, o.Name, o.Is, o.Low, o.High)
		}
	}
	return nil
}

// attempts are made at a task. About one in three succeeds, fewer for test, whose goals are rarer; so many
// failures in a row mean that the options leave nothing to compose.
const attempts = 1000

// Generator composes tasks.
type Generator struct {
	Name  string // in errors
	Salt  string // what else the stream of random numbers depends on, with a space behind it
	Sizes string // of tasks, for the error where none can be composed
	// Try composes a task and its goal, nil where the draw does not work out.
	Try func(*rand.Rand) (t *ballast.Task, goal []string)
}

// Draw makes task index of a seed, split and category: it tries with one stream of random numbers, which
// depends on these and on the salt, until there is a task, and names it.
func (g Generator) Draw(seed uint64, split, category string, index int) (*ballast.Task, []string, error) {
	if split != Train && split != Valid && split != Test {
		return nil, nil, fmt.Errorf("task: %s: no split %q; there are train, valid and test", g.Name, split)
	}
	if !slices.Contains(Categories, category) {
		return nil, nil, fmt.Errorf("task: %s: no category %q; there are %s", g.Name, category, strings.Join(Categories, ", "))
	}
	h := fnv.New64a()
	fmt.Fprintf(h, "%s %s %s%d", split, category, g.Salt, index)
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	for range attempts {
		if t, goal := g.Try(rng); t != nil {
			t.ID = fmt.Sprintf("%s/%s/%s/%d/%d", t.Set, split, category, seed, index)
			return t, goal, nil
		}
	}
	return nil, nil, fmt.Errorf("task: %s: no %s task of %s can be composed; ask for more calls or tools",
		g.Name, category, g.Sizes)
}

// Size gives a task its variant, and says how many times the usual number of things its world has.
func Size(t *ballast.Task) int {
	if t.Category != world.LongContext {
		return 1
	}
	t.Variant = world.LongContext
	return 3
}

// Turns draws how many turns with requests a task has, and which of them gets an extra one, -1 for none: then
// there are two requests where there is room.
func Turns(rng *rand.Rand, category string, least, most int) (turns, special int) {
	turns = least + rng.IntN(most-least+1)
	if category != missFunc && category != missParam {
		return turns, -1
	}
	turns = max(turns-1, min(2, most-1), 1)
	return turns, rng.IntN(turns)
}

// LeavesOut says whether the special turn of a category leaves a parameter out, HoldsBack whether it holds a
// function back.
func LeavesOut(category string) bool { return category == missParam }

// HoldsBack says whether the special turn of a category holds a function back.
func HoldsBack(category string) bool { return category == missFunc }

// Part is how a request sounds with a parameter left out, the question that the assistant then has, and what
// the user answers.
type Part struct{ Part, Ask, Fill string }

// Special is the turn of a request as the two turns that its category makes of it.
func Special(turn ballast.TaskTurn, category string, p Part) []ballast.TaskTurn {
	if LeavesOut(category) {
		turn.User = p.Fill
		return []ballast.TaskTurn{{User: p.Part, Reply: p.Ask}, turn}
	}
	first := ballast.TaskTurn{User: turn.User, Reply: "No tool for that."}
	turn.User = "try again."
	turn.Reveal = []string{turn.Gold[len(turn.Gold)-1].Name}
	return []ballast.TaskTurn{first, turn}
}

// Answer marks a closing reply that repeats the last result. Verify fills it in.
const Answer = "?"

// Verify plays the gold calls, fills in the replies and reports whether the task is good: at most so many
// calls, none fails, none is refused, every turn passes its check. refuse may be nil.
func Verify(generator string, t *ballast.Task, most int, refuse func(*sim.Session, ballast.Call) bool) bool {
	s, err := sim.NewSession(t)
	if err != nil {
		panic("task: " + generator + ": " + err.Error()) // it made a bad configuration
	}
	calls := 0
	for i := range t.Turns {
		turn := &t.Turns[i]
		last := ""
		for _, c := range turn.Gold {
			if refuse != nil && refuse(s, c) {
				return false
			}
			calls++
			if last = s.Run(c); sim.Failed(t.APIs, last) {
				return false
			}
		}
		if turn.Reply == "" {
			turn.Reply = "Done."
		} else if turn.Reply == Answer {
			last, _, _ = strings.Cut(last, "\n")
			turn.Reply = last + "."
		}
		if !s.CloseTurn().Check().Passed {
			return false
		}
	}
	return calls <= most
}
