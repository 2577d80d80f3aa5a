package task

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"ballast"
	"ballast/env/words"
)

// Load returns the tasks of a spec. Those of a file get their tools later, and other words with them.
func Load(spec Spec) ([]ballast.Task, error) {
	tasks, err := chosen(spec)
	if err != nil || spec.Words == "" || IsFile(spec.Name) {
		return tasks, err
	}
	return tasks, Reword(spec, tasks)
}

// Reword asks for loaded tasks in the words of the spec.
func Reword(spec Spec, tasks []ballast.Task) error {
	if err := words.Apply(tasks, spec.Words, spec.Seed); err != nil {
		return fmt.Errorf("task: %w", err)
	}
	return nil
}

// chosen returns the tasks of a spec in their own words, drawn where it says so: those whose hashes are the smallest, in the
// order of the set.
func chosen(spec Spec) ([]ballast.Task, error) {
	if spec.Draw == 0 {
		return inOwn(spec)
	}
	if set, err := ByName(spec.Name); err == nil && !set.Whole {
		return nil, fmt.Errorf("task: set %s is generated, and its own seed draws it: leave the other seed (--draw) out", spec.Name)
	}
	if spec.Count == 0 {
		return nil, fmt.Errorf("task: set %s: a draw (--draw, draw) is of some tasks: give their number too (--count, count), or leave the "+
			"draw out to have all", spec.Name)
	}
	all := spec
	all.Count = 0
	tasks, err := inOwn(all)
	if err != nil || spec.Count >= len(tasks) {
		return tasks, err
	}
	place := make(map[string]string, len(tasks))
	for i := range tasks {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", spec.Draw, tasks[i].ID))
		place[tasks[i].ID] = string(sum[:])
	}
	last := slices.Sorted(maps.Values(place))[spec.Count-1]
	return slices.DeleteFunc(tasks, func(t ballast.Task) bool { return place[t.ID] > last }), nil
}
