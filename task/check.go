package task

import (
	"fmt"

	"ballast"
	"ballast/env/sim"
	"ballast/task/drawn"
	"ballast/value"
)

// Check proves tasks: the gold answer of each, played as a policy would, passes
// every turn, and an answer that calls nothing fails if gold makes any call. It
// returns the first task that does not hold, with turn and reason.
func Check(tasks []ballast.Task) error {
	for i := range tasks {
		if err := check(&tasks[i]); err != nil {
			return fmt.Errorf("task: %s: %w", tasks[i].ID, err)
		}
	}
	return nil
}

func check(t *ballast.Task) error {
	if len(t.Turns) == 0 {
		return fmt.Errorf("has no turns")
	}
	if err := checkNames(t); err != nil {
		return err
	}
	calls := 0
	failed, err := play(t, true)
	if err != nil {
		return err
	}
	if failed != "" {
		return fmt.Errorf("the gold answer fails at %s", failed)
	}
	for _, turn := range t.Turns {
		calls += len(turn.Gold)
	}
	if failed, err = play(t, false); err != nil {
		return err
	}
	if failed == "" && calls > 0 {
		return fmt.Errorf("an answer without calls passes")
	}
	return nil
}

// checkNames looks for gold calls and revelations of tools that are not
// documented. A gold call of a function that is revealed only later is let pass:
// it runs, and the benchmark has such a task (multi_turn_miss_func_49). A set that documents nothing that
// gold calls is meant so.
func checkNames(t *ballast.Task) error {
	if t.Set == drawn.None.Set() {
		return nil
	}
	known := make(map[string]bool)
	for _, tool := range t.Tools {
		known[tool.Name] = true
	}
	for i, turn := range t.Turns {
		for _, name := range turn.Reveal {
			if !known[name] {
				return fmt.Errorf("turn %d reveals %s, which is not among the tools", i, name)
			}
		}
		for _, c := range turn.Gold {
			if !known[c.Name] {
				return fmt.Errorf("turn %d: gold calls %s, which is not among the tools", i, c.Name)
			}
		}
	}
	return nil
}

// play plays the gold calls, or none, and describes the first failing turn.
func play(t *ballast.Task, gold bool) (failed string, err error) {
	s, err := sim.NewSession(t)
	if err != nil {
		return "", err
	}
	for i, turn := range t.Turns {
		if gold {
			for _, c := range turn.Gold {
				answer := s.Run(c)
				if sim.Failed(t.APIs, answer) && failed == "" {
					failed = fmt.Sprintf("turn %d: %s answers %q", i, value.FormatCall(c), answer)
				}
			}
		}
		verdict := s.CloseTurn()
		if s.Err() != nil {
			return "", s.Err()
		}
		if !verdict.Check().Passed && failed == "" {
			failed = fmt.Sprintf("turn %d: empty %t, state %t, response %t, first difference %q",
				i, verdict.Empty, verdict.State, verdict.Response, verdict.Where)
		}
	}
	return failed, nil
}
