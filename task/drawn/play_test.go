package drawn_test

import (
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/env/envtest"
	"ballast/env/sim"
	"ballast/task"
	"ballast/task/compose"
	"ballast/value"
)

// TestWorlds: the world of a generated task is what every world must be.
func TestWorlds(t *testing.T) {
	for _, spec := range []task.Spec{{}, {Name: "worlds-renamed"}, {Name: "worlds-bare"}, {Name: "worlds-none"}, {Level: map[string]int{"kinds": 4, "tools": 20}}} {
		spec.Split, spec.Seed, spec.Count, spec.Categories = compose.Test, 4, 4, compose.Categories
		for _, x := range load(t, spec) {
			t.Run(x.ID, func(t *testing.T) {
				p, err := sim.Prepare(&x)
				if err != nil {
					t.Fatal(err)
				}
				envtest.Test(t, p, &x)
				envtest.Test(t, sim.World{}, &x)
			})
		}
	}
}

// TestFunctions: a task has the functions of its configuration and no other. What the prompt
// lists is among them, and what the documentation says of parameters is what they take.
func TestFunctions(t *testing.T) {
	for _, spec := range []task.Spec{{}, {Name: "worlds-renamed"}, {Name: "worlds-none"}, {Level: map[string]int{"kinds": 4}}} {
		spec.Split, spec.Seed, spec.Count, spec.Categories = compose.Valid, 4, 12, compose.Categories
		tasks := load(t, spec)
		for i := range tasks {
			x, other := &tasks[i], &tasks[(i+4)%len(tasks)]
			real, err := sim.World{}.Tools(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			s, err := sim.NewSession(x)
			if err != nil {
				t.Fatal(err)
			}
			by := map[string]ballast.Tool{}
			for _, tool := range real {
				by[tool.Name] = tool
				if got := s.Run(ballast.Call{Name: tool.Name, Args: []ballast.Arg{{Name: "?"}}}); got != "error: no argument ?" {
					t.Errorf("%s: %s answers %q", x.ID, tool.Name, got)
				}
			}
			for _, tool := range x.Tools {
				sameParams(t, x.ID, tool, by[tool.Name])
			}
			for _, tool := range other.Tools {
				if _, ok := by[tool.Name]; !ok && s.Run(ballast.Call{Name: tool.Name}) != "error: no tool "+short(tool.Name) {
					t.Errorf("%s has %s of another task", x.ID, tool.Name)
				}
			}
		}
	}
}

// short is how answers repeat a name.
func short(name string) string {
	if len(name) > 32 {
		return name[:32] + "..."
	}
	return name
}

func sameParams(t *testing.T, id string, shown, real ballast.Tool) {
	t.Helper()
	if real.Name == "" {
		t.Errorf("%s: there is no %s", id, shown.Name)
	}
	if !slices.EqualFunc(shown.Params, real.Params, func(a, b ballast.Param) bool {
		return a.Name == b.Name && a.Type == b.Type && a.Required == b.Required && slices.Equal(a.Enum, b.Enum)
	}) {
		t.Errorf("%s: %s is shown with %v and takes %v", id, shown.Name, shown.Params, real.Params)
	}
	if (shown.Schema == nil) != (real.Schema == nil) {
		t.Errorf("%s: %s is shown with the schema %v and has %v", id, shown.Name, shown.Schema, real.Schema)
	}
}

// TestUnknownFunctionsAreFree: who calls what is not there is told so, and pays nothing for it under
// the grader of the set. Who calls what is there pays, documented or not.
func TestUnknownFunctionsAreFree(t *testing.T) {
	hidden := 0
	for _, x := range load(t, task.Spec{Split: compose.Train, Seed: 5, Count: 24, Categories: []string{"base"}}) {
		if x.Grader != sim.Sparing {
			t.Fatalf("%s: grader %q", x.ID, x.Grader)
		}
		config := value.Repr(x.Init["drawn"])
		for _, name := range []string{"weigh", "release", "no_such"} {
			if strings.Contains(config, "'"+name+"'") {
				t.Fatalf("%s has %s", x.ID, name)
			}
		}
		if extra := first(t, &x, ballast.Call{Name: "weigh"}, ballast.Call{Name: "release"}, ballast.Call{Name: "no_such"}); extra != 0 {
			t.Errorf("%s: unknown functions are %d calls too many", x.ID, extra)
		}
		all, err := sim.World{}.Tools(t.Context(), &x)
		if err != nil {
			t.Fatal(err)
		}
		var more []ballast.Call
		for _, tool := range all {
			listed := slices.ContainsFunc(x.Tools, func(o ballast.Tool) bool { return o.Name == tool.Name })
			if !listed && len(tool.Params) == 0 {
				more = append(more, ballast.Call{Name: tool.Name})
			}
		}
		if len(more) > 2 {
			hidden++
			if first(t, &x, more...) == 0 {
				t.Errorf("%s: %d hidden functions cost nothing", x.ID, len(more))
			}
		}
	}
	if hidden == 0 {
		t.Error("no task has three hidden functions that need no argument")
	}
}

// first plays the first turn of gold after other calls and returns the calls too many.
func first(t *testing.T, x *ballast.Task, before ...ballast.Call) int {
	t.Helper()
	s, err := sim.NewSession(x)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append(before, x.Turns[0].Gold...) {
		s.Run(c)
	}
	return s.CloseTurn().Extra
}
