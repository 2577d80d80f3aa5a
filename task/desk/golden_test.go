package desk

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"ballast/task/compose"
	"ballast/value"
)

var update = flag.Bool("update", false, "write the golden file anew")

// TestGolden holds the stream of tasks still: a change of it changes what every
// trained model has seen. Update the file on purpose only.
func TestGolden(t *testing.T) {
	var b strings.Builder
	for _, worlds := range [][]string{Worlds, OOD} {
		for _, split := range []string{compose.Train, compose.Test} {
			for _, c := range compose.Categories {
				tasks, goals := some(t, 2, split, c, Options{Worlds: worlds})
				for i, task := range tasks {
					fmt.Fprintf(&b, "%s  goal %s\n", task.ID, goals[i])
					for _, tool := range task.Tools {
						b.WriteString(" " + tool.Name)
					}
					for _, turn := range task.Turns {
						fmt.Fprintf(&b, "\n  user: %s %v\n", turn.User, turn.Reveal)
						for _, call := range turn.Gold {
							fmt.Fprintf(&b, "  %s\n", value.FormatCall(call))
						}
						fmt.Fprintf(&b, "  reply: %s", turn.Reply)
					}
					for _, w := range task.APIs {
						fmt.Fprintf(&b, "\n  %s %s", w, value.Repr(task.Init[w]))
					}
					b.WriteString("\n\n")
				}
			}
		}
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
	if got := b.String(); got != string(want) {
		t.Errorf("tasks differ from %s (-update writes it anew): got\n%s", path, got)
	}
}
