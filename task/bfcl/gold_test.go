package bfcl

import (
	"testing"

	"ballast"
	"ballast/env/sim"
)

// check plays the gold calls of a task as a policy would and returns the first
// turn that fails, or -1.
func check(t testing.TB, task *ballast.Task) int {
	t.Helper()
	s, err := sim.NewSession(task)
	if err != nil {
		t.Fatal(err)
	}
	for i, turn := range task.Turns {
		for _, c := range turn.Gold {
			s.Run(c)
		}
		if c := s.CloseTurn(); len(turn.Gold) > 0 && !c.Check().Passed {
			return i
		}
	}
	return -1
}

// Every gold answer passes its own check, and no gold answer can be left out.
func TestGoldValid(t *testing.T) {
	tasks, err := Load(benchmark, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i := range tasks {
		if turn := check(t, &tasks[i]); turn >= 0 {
			t.Errorf("%s fails its own gold answer at turn %d", tasks[i].ID, turn)
		}
	}
}
