package task

import (
	"testing"

	"ballast"
	"ballast/value"
)

// TestDigest: every part of a task counts, and nothing else does.
func TestDigest(t *testing.T) {
	for _, set := range []string{"desk", "worlds"} {
		t.Run(set, func(t *testing.T) { testDigest(t, set) })
	}
}

func testDigest(t *testing.T, set string) {
	load := func() []ballast.Task {
		tasks, err := Load(Spec{Name: set, Split: "train", Seed: 1, Count: 6})
		if err != nil {
			t.Fatal(err)
		}
		return tasks
	}
	was := Digest(load())
	if again := Digest(load()); again != was {
		t.Error("the same tasks have another digest")
	}
	moved := load()
	moved[3].Source = "elsewhere.jsonl:7"
	if Digest(moved) != was {
		t.Error("where a task is written changes its digest")
	}
	seen := map[string]int{was: -1}
	for i, change := range []func(*ballast.Task){
		func(x *ballast.Task) { x.ID += "x" },
		func(x *ballast.Task) { x.APIs = x.APIs[1:] },
		func(x *ballast.Task) { x.World = "mine" },
		func(x *ballast.Task) { x.Grader = "gold" },
		func(x *ballast.Task) { x.User = "mine" },
		func(x *ballast.Task) { x.Variant = "long_context" },
		func(x *ballast.Task) { x.Turns[0].User += "." },
		func(x *ballast.Task) { x.Turns[0].Reply += "." },
		func(x *ballast.Task) { x.Turns[0].Reveal = []string{"f"} },
		func(x *ballast.Task) { x.Turns[0].Gold = append([]ballast.Call{{Name: "f"}}, x.Turns[0].Gold...) },
		func(x *ballast.Task) { x.Tools[0].Doc += "." },
		func(x *ballast.Task) { x.Tools[0].Schema = value.NewDict("a", int64(1)) },
		func(x *ballast.Task) { x.Tools[0].ReadOnly = !x.Tools[0].ReadOnly },
		func(x *ballast.Task) { x.Tools = x.Tools[1:] },
		func(x *ballast.Task) { x.Hint = "Look first." },
		func(x *ballast.Task) { x.Turns[0].Want = value.NewDict("a", int64(1)) },
		func(x *ballast.Task) { x.Turns[0].Want = value.NewDict("a", 1.0) },
		func(x *ballast.Task) { x.Init = map[string]any{"files": value.NewDict("a", 1.0)} },
		func(x *ballast.Task) { x.Init = map[string]any{"files": value.NewDict("a", int64(1))} },
	} {
		tasks := load()
		change(&tasks[3])
		if other, twice := seen[Digest(tasks)]; twice {
			t.Errorf("change %d has the digest of %d", i, other)
		}
		seen[Digest(tasks)] = i
	}
}
