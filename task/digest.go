package task

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/env/sim"
	"ballast/value"
)

// Digest is a hash of all that tasks say, in hexadecimal digits: wherever they come
// from, tasks of the same digest are the same.
func Digest(tasks []ballast.Task) string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	add := func(v any) {
		if err := enc.Encode(v); err != nil {
			panic(err) // texts, numbers and lists of them always marshal
		}
	}
	for i := range tasks {
		t := &tasks[i]
		add([]any{t.ID, t.Set, t.Category, t.APIs})
		if names := unusual(t); names != nil {
			add(names)
		}
		for _, world := range slices.Sorted(maps.Keys(t.Init)) {
			add([]string{world, value.Repr(t.Init[world])})
		}
		for _, tool := range t.Tools {
			schema := ""
			if tool.Schema != nil {
				schema = value.Repr(tool.Schema)
			}
			add([]any{tool.Name, tool.Doc, tool.Params, schema})
		}
		for _, turn := range t.Turns {
			add([]any{turn.User, turn.Reply, turn.Reveal, len(turn.Gold)})
			for _, c := range turn.Gold {
				add(value.FormatCall(c))
			}
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// unusual are the names that do not follow from the task's set and category, nil for none:
// tasks of earlier versions have no names, and the same digests.
func unusual(t *ballast.Task) []string {
	names := []string{t.World, t.Grader, t.User, t.Variant}
	switch generated := strings.HasPrefix(t.Set, "desk"); {
	case generated && t.Grader == sim.Sparing:
		names[1] = ""
	case generated:
		names[1] = cmp.Or(t.Grader, sim.Gold)
	}
	if t.Variant == t.Category {
		names[3] = ""
	}
	if strings.Join(names, "") == "" {
		return nil
	}
	return names
}
