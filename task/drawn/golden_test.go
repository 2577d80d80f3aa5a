package drawn_test

import (
	"cmp"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/task"
	"ballast/task/compose"
	"ballast/task/drawn"
	"ballast/value"
)

var update = flag.Bool("update", false, "write the golden file anew")

// load generates tasks of the set as a run does.
func load(t *testing.T, spec task.Spec) []ballast.Task {
	t.Helper()
	spec.Name = cmp.Or(spec.Name, "worlds")
	tasks, err := task.Load(spec)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// TestGolden holds the stream of tasks still: a change of it changes what every trained model
// has seen. The file has one task of each split and category to read, and digests of more under
// the options that runs use. Update it on purpose only.
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, split := range []string{compose.Train, compose.Valid, compose.Test} {
		for _, x := range load(t, task.Spec{Split: split, Seed: 1, Count: 4, Categories: compose.Categories}) {
			write(&b, &x)
		}
	}
	for _, split := range []string{compose.Train, compose.Valid, compose.Test} {
		for _, level := range []map[string]int{
			nil, {"kinds": 1}, {"kinds": 4}, {"min_turns": 1, "max_turns": 1}, {"max_turns": 2, "calls": 3},
			{"min_turns": 3, "max_turns": 5, "calls": 9, "tools": 14, "kinds": 3}, {"tools": 4}, {"min_tools": 10, "tools": 20},
		} {
			tasks := load(t, task.Spec{Split: split, Seed: 1, Count: 16, Categories: compose.Categories, Level: level})
			fmt.Fprintf(&b, "%s %v %s\n", split, level, task.Digest(tasks))
		}
		for _, docs := range []drawn.Docs{drawn.Renamed, drawn.Bare, drawn.None} {
			tasks := load(t, task.Spec{Name: docs.Set(), Split: split, Seed: 1, Count: 16, Categories: compose.Categories})
			fmt.Fprintf(&b, "%s %s %s\n", split, docs.Set(), task.Digest(tasks))
		}
	}
	for _, split := range []string{compose.Train, compose.Valid, compose.Test} {
		sum := sha256.New()
		for _, x := range load(t, task.Spec{Split: split, Seed: 1, Count: 60, Categories: compose.Categories}) {
			for _, tool := range x.Tools {
				fmt.Fprintf(sum, "%s\n%s\n%s\n", tooldoc.Documented(tool), tooldoc.Signature(tool), tooldoc.JSON(tooldoc.Doc(tool)))
			}
		}
		fmt.Fprintf(&b, "%s prompts %x\n", split, sum.Sum(nil))
	}
	const path = "testdata/tasks.txt"
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	got, lines := strings.Split(b.String(), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(got), len(lines)) {
		if got[i] != lines[i] {
			t.Fatalf("%s:%d: tasks differ (-update writes the file anew): got\n%s\nwant\n%s", path, i+1, got[i], lines[i])
		}
	}
	if len(got) != len(lines) {
		t.Errorf("%s has %d lines, want %d", path, len(lines), len(got))
	}
}

// write writes a task to read.
func write(b *strings.Builder, x *ballast.Task) {
	b.WriteString(x.ID + "\n")
	for _, tool := range x.Tools {
		fmt.Fprintf(b, "  %s: %s\n", tool.Name, tool.Doc)
		for _, p := range tool.Params {
			fmt.Fprintf(b, "    %s %s required %t %v: %s\n", p.Name, p.Type, p.Required, p.Enum, p.Doc)
		}
	}
	for _, turn := range x.Turns {
		fmt.Fprintf(b, "  user: %s %v\n", turn.User, turn.Reveal)
		for _, call := range turn.Gold {
			fmt.Fprintf(b, "  %s\n", value.FormatCall(call))
		}
		fmt.Fprintf(b, "  reply: %s\n", turn.Reply)
	}
	fmt.Fprintf(b, "  %s\n\n", value.Repr(x.Init["drawn"]))
}
