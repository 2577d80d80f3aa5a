package desk

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/env/sim"
	"ballast/task/compose"
	"ballast/value"
)

// some generates tasks of one split and category.
func some(t *testing.T, n int, split, category string, o Options) (tasks []*ballast.Task, goals []string) {
	t.Helper()
	for i := range n {
		task, goal, err := generate(7, split, category, i, o)
		if err != nil {
			t.Fatal(err)
		}
		tasks, goals = append(tasks, task), append(goals, strings.Join(goal, " "))
	}
	return tasks, goals
}

// said is everything that a task says: users, replies, gold calls, states.
func said(task *ballast.Task) string {
	var b strings.Builder
	for _, turn := range task.Turns {
		b.WriteString(turn.User + "\n" + turn.Reply + "\n")
		for _, c := range turn.Gold {
			b.WriteString(value.FormatCall(c) + "\n")
		}
	}
	for _, w := range task.APIs {
		b.WriteString(value.Repr(task.Init[w]) + "\n")
	}
	return b.String()
}

func TestSameSeedSameTask(t *testing.T) {
	for _, c := range compose.Categories {
		a, _ := some(t, 20, compose.Train, c, Options{})
		b, _ := some(t, 20, compose.Train, c, Options{})
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two generations differ", c)
		}
		x, _ := Generate(8, compose.Train, c, 0, Options{})
		if said(x) == said(a[0]) {
			t.Errorf("%s: seeds 7 and 8 give the same task", c)
		}
	}
}

// TestSplitsShareNoNameAndNoGoal looks for every name of the other split in what
// tasks say.
func TestSplitsShareNoNameAndNoGoal(t *testing.T) {
	goals := map[string]map[string]bool{compose.Train: {}, compose.Test: {}}
	other := map[string]string{compose.Train: compose.Test, compose.Test: compose.Train}
	for _, c := range compose.Categories {
		for _, split := range []string{compose.Train, compose.Test} {
			tasks, g := some(t, 100, split, c, Options{})
			for i, task := range tasks {
				goals[split][g[i]] = true
				text := said(task)
				for _, names := range pools[other[split]] {
					for _, n := range names {
						if strings.Contains(text, n) {
							t.Fatalf("%s holds %q, a name of the other split", task.ID, n)
						}
					}
				}
			}
		}
	}
	for g := range goals[compose.Train] {
		if goals[compose.Test][g] {
			t.Errorf("goal %q occurs in both splits", g)
		}
	}
	if len(goals[compose.Test]) < 100 {
		t.Errorf("only %d goals of test tasks", len(goals[compose.Test]))
	}
}

// TestPoolsShareParts: a policy that copies part by part can play test tasks.
func TestPoolsShareParts(t *testing.T) {
	for k, p := range parts {
		seen := map[string]int{}
		for bit, split := range []string{compose.Train, compose.Test} {
			for _, n := range pools[split][k] {
				a, b, _ := strings.Cut(n, p.between)
				seen["first "+a] |= 1 << bit
				seen["second "+b] |= 1 << bit
			}
		}
		if len(seen) != len(p.first)+len(p.second) {
			t.Errorf("family %d: %d parts, want %d", k, len(seen), len(p.first)+len(p.second))
		}
		for part, bits := range seen {
			if bits != 3 {
				t.Errorf("family %d: %s is missing in a split", k, part)
			}
		}
	}
}

// TestKinds makes every kind of request in many scenes and plays it. The answer
// to the first call of a chain holds an argument of the last one, and the user
// does not say it.
func TestKinds(t *testing.T) {
	for i := range kinds {
		k := &kinds[i]
		t.Run(k.name, func(t *testing.T) {
			made := 0
			for seed := range uint64(120) {
				s := newScene(rand.New(rand.NewPCG(seed, 0)), compose.Train, k.worlds, 2)
				var before request
				if k.shape == follow { // something to follow
					if _, before, _ = draw(s, k.worlds, false); s.it == nil {
						continue
					}
				}
				r, ok := k.make(s)
				if !ok {
					continue
				}
				made++
				task := &ballast.Task{ID: k.name, APIs: k.worlds, Init: s.init}
				playKind(t, task, k, before, r)
			}
			if made < 5 {
				t.Errorf("made in %d of 120 scenes", made)
			}
		})
	}
}

func playKind(t *testing.T, task *ballast.Task, k *kind, before, r request) {
	t.Helper()
	s, err := sim.NewSession(task)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range before.calls {
		s.Run(c)
	}
	first := ""
	for i, c := range r.calls {
		answer := s.Run(c)
		if sim.Failed(task.APIs, answer) {
			t.Fatalf("%q: %s answers %q", r.user, value.FormatCall(c), answer)
		}
		if i == 0 {
			first = answer
		}
	}
	switch last := r.calls[len(r.calls)-1]; k.shape {
	case plain:
		if len(r.calls) != 1 {
			t.Errorf("%q makes %d calls", r.user, len(r.calls))
		}
		for _, a := range last.Args {
			if !strings.Contains(r.user, fmt.Sprint(a.Value)) {
				t.Errorf("%q does not say %v", r.user, a.Value)
			}
			if r.part != "" && !strings.Contains(r.part+r.fill, fmt.Sprint(a.Value)) {
				t.Errorf("%q and %q do not say %v", r.part, r.fill, a.Value)
			}
		}
	case follow:
		if len(r.calls) != 1 || !strings.Contains(r.user, " it") && !strings.Contains(r.user, " them ") {
			t.Errorf("%q does not say it", r.user)
		}
	case chain:
		read := slices.ContainsFunc(last.Args, func(a ballast.Arg) bool {
			text := fmt.Sprint(a.Value)
			return strings.Contains(first, text) && !strings.Contains(r.user, " "+text+" ")
		})
		if len(r.calls) != 2 || !read {
			t.Errorf("%q: no argument of %s must be read from %q", r.user, value.FormatCall(last), first)
		}
	}
}

func TestCategories(t *testing.T) {
	most := 0
	for _, c := range compose.Categories {
		tasks, _ := some(t, 200, compose.Train, c, Options{})
		for _, task := range tasks {
			empty, calls, reveals := 0, 0, 0
			hidden := map[string]bool{}
			for _, turn := range task.Turns {
				for _, name := range turn.Reveal {
					hidden[name] = true
				}
			}
			if task.Grader != sim.Sparing {
				t.Errorf("%s lets every call pass", task.ID)
			}
			for i, turn := range task.Turns {
				for _, name := range turn.Reveal {
					delete(hidden, name)
				}
				for _, c := range turn.Gold {
					if hidden[c.Name] {
						t.Errorf("%s turn %d: gold calls %s, which is held back", task.ID, i, c.Name)
					}
				}
				calls += len(turn.Gold)
				reveals += len(turn.Reveal)
				if turn.User == "" || turn.Reply == "" || turn.Reply == compose.Answer {
					t.Errorf("%s turn %d: user %q, reply %q", task.ID, i, turn.User, turn.Reply)
				}
				if len(turn.Gold) == 0 {
					empty++
					if c == "miss_param" && !strings.HasPrefix(turn.Reply, "Which ") {
						t.Errorf("%s turn %d asks %q", task.ID, i, turn.Reply)
					}
				}
			}
			wantEmpty, wantReveal := 0, 0
			switch c {
			case "miss_func":
				wantEmpty, wantReveal = 1, 1
			case "miss_param":
				wantEmpty = 1
			}
			if empty != wantEmpty || reveals != wantReveal || calls < 1 || calls > 5 || len(task.Tools) > 8 || len(task.Turns) < 2 || len(task.Turns) > 3 {
				t.Errorf("%s: %d empty turns, %d revealed, %d calls, %d tools, %d turns", task.ID, empty, reveals, calls, len(task.Tools), len(task.Turns))
			}
			most = max(most, calls)
		}
	}
	if most != 5 {
		t.Errorf("longest task has %d calls", most)
	}
}

// TestEveryToolIsUsed: no tool is only a distractor.
func TestEveryToolIsUsed(t *testing.T) {
	for _, worlds := range [][]string{Worlds, OOD} {
		used := map[string]bool{}
		tasks, _ := some(t, 400, compose.Train, "base", Options{Worlds: worlds})
		for _, task := range tasks {
			for _, turn := range task.Turns {
				for _, c := range turn.Gold {
					used[c.Name] = true
				}
			}
		}
		tools, err := sim.Tools(worlds...)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range tools {
			if !used[tool.Name] {
				t.Errorf("no task uses %s", tool.Name)
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	for _, c := range []struct {
		split, category, want string
		o                     Options
	}{
		{"dev", "base", "no split", Options{}},
		{compose.Train, "hard", "no category", Options{}},
		{compose.Train, "base", "no tasks for world", Options{Worlds: []string{"moon"}}},
		{compose.Train, "base", "max_turns is 9", Options{MaxTurns: 9}},
		{compose.Train, "base", "more than max_turns", Options{MinTurns: 3, MaxTurns: 2}},
		{compose.Train, "base", "fewer than max_turns", Options{Calls: 2}},
		{compose.Train, "base", "can be composed", Options{Tools: 1, MinTurns: 4, MaxTurns: 4, Calls: 4, Mix: 1}},
	} {
		if _, err := Generate(1, c.split, c.category, 0, c.o); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: error %v, want one with %q", c.o, err, c.want)
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for i := 0; b.Loop(); i++ {
		if _, err := Generate(1, compose.Train, compose.Categories[i%4], i, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestShortTasksTestWhatIsTrained: at the level of the quickstart, where miss_func
// and miss_param have one request, tests are about several kinds, and those of
// training.
func TestShortTasksTestWhatIsTrained(t *testing.T) {
	for _, c := range []string{"miss_func", "miss_param"} {
		kinds := map[string]map[string]bool{compose.Train: {}, compose.Test: {}}
		for split, seen := range kinds {
			n := map[string]int{compose.Train: 1000, compose.Test: 100}[split]
			_, goals := some(t, n, split, c, Options{MaxTurns: 2, Calls: 3})
			for _, g := range goals {
				seen[g] = true
			}
		}
		if len(kinds[compose.Test]) < 10 {
			t.Errorf("%s: tests are about %d kinds", c, len(kinds[compose.Test]))
		}
		for k := range kinds[compose.Test] {
			if !kinds[compose.Train][k] {
				t.Errorf("%s: test kind %q is in no training task", c, k)
			}
		}
	}
}
