package attack

import (
	"fmt"
	"strings"
	"testing"

	"ballast"
	"ballast/env/sim"
	"ballast/task"
)

// levels are difficulties that a user may ask for: the default, the quickstart's, the
// short and long ones of the study, single turns, few tools, many requests.
var levels = []map[string]int{
	nil,
	{"max_turns": 2, "calls": 3},
	{"min_turns": 3, "max_turns": 5, "calls": 8},
	{"min_turns": 1, "max_turns": 1, "calls": 2},
	{"min_turns": 1, "max_turns": 1, "calls": 2, "tools": 2},
	{"min_turns": 1, "max_turns": 2, "calls": 2, "tools": 3},
	{"requests": 3, "calls": 8, "mix": 1},
}

// drawnLevels are those of the set worlds: the default, short and long ones, single turns, few
// tools and many.
var drawnLevels = []map[string]int{
	nil,
	{"max_turns": 2, "calls": 3},
	{"min_turns": 3, "max_turns": 5, "calls": 9, "tools": 14, "kinds": 3},
	{"min_turns": 1, "max_turns": 1, "calls": 2, "kinds": 1},
	{"min_turns": 1, "max_turns": 1, "calls": 2, "tools": 2},
	{"min_turns": 1, "max_turns": 2, "calls": 2, "tools": 3},
	{"kinds": 4, "min_tools": 20, "tools": 30},
}

func tasks(t *testing.T, set string, level map[string]int, split string, n int) []ballast.Task {
	t.Helper()
	out, err := task.Load(task.Spec{Name: set, Seed: 5, Split: split, Count: n, Level: level})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wins(t *testing.T, x *ballast.Task) []Win {
	t.Helper()
	w, err := Wins(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// TestNoneEarnsMoreThanSilence plays every adversary in generated tasks of all sets,
// splits and levels.
func TestNoneEarnsMoreThanSilence(t *testing.T) {
	for _, set := range []string{"desk", "desk-ood", "worlds", "worlds-renamed", "worlds-bare", "worlds-none"} {
		all, n := levels, 8
		if strings.HasPrefix(set, "worlds") {
			all, n = drawnLevels, 4 // they have more functions, and take longer
		}
		if strings.HasPrefix(set, "worlds-") {
			all = drawnLevels[:1]
		}
		for i, level := range all {
			split := []string{"train", "test", "valid"}[i%3]
			t.Run(fmt.Sprint(set, " ", split, " ", level), func(t *testing.T) {
				t.Parallel()
				for _, x := range tasks(t, set, level, split, n) {
					if w := wins(t, &x); len(w) > 0 {
						t.Errorf("%s: %v, gold of the last turn %v", x.ID, w, x.Turns[len(x.Turns)-1].Gold)
					}
				}
			})
		}
	}
}

// TestHiddenFunctionsAreAttacked: an adversary knows the functions of a task's own world, those that
// nobody documents too.
func TestHiddenFunctionsAreAttacked(t *testing.T) {
	for _, set := range []string{"worlds", "worlds-none"} {
		for _, x := range tasks(t, set, nil, "test", 4) {
			p, err := sim.Prepare(&x)
			if err != nil {
				t.Fatal(err)
			}
			if all := everything(t.Context(), &x, p); len(all) < len(x.Tools)+4 {
				t.Errorf("%s: %d functions are known, %d documented", x.ID, len(all), len(x.Tools))
			}
		}
	}
}

// TestAdversariesWinWhereCallsAreFree: under the benchmark's rules alone the same
// tasks are won, by every kind of adversary but few. If they were not, the test above
// would say nothing.
func TestAdversariesWinWhereCallsAreFree(t *testing.T) {
	whole, by := 0, map[string]int{}
	for _, set := range []string{"desk", "desk-ood", "worlds"} {
		mine := 0
		for _, x := range tasks(t, set, levels[1], "test", 24) {
			x.Grader = sim.Gold
			for i, w := range wins(t, &x) {
				by[w.Adversary]++
				if w.Reward == 1 && i == 0 {
					mine++
				}
			}
		}
		if whole += mine; mine < 3 {
			t.Errorf("%s: %d of 24 tasks are won whole", set, mine)
		}
	}
	for _, name := range []string{"nouns", "words", "reads", "reads-slow", "early", "undo", "malformed"} {
		if by[name] == 0 {
			t.Errorf("%s wins no task", name)
		}
	}
	t.Logf("%d of 72 won whole; by adversary %v", whole, by)
}
