package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"ballast"
	"ballast/bounded"
)

// hintQuery asks for a hint for a task: its requests and gold calls.
func hintQuery(task *ballast.Task) Query {
	var b bytes.Buffer
	for i, t := range task.Turns {
		fmt.Fprintf(&b, "Turn %d\nUser: %s\nGold: %s\n", i+1, t.User, calls(t.Gold))
	}
	b.WriteString("Write a hint of at most 300 words for an assistant that must do this: the steps of reasoning and, where they help, " +
		"examples.")
	return Query{Kind: KindHint, Task: task, Text: b.String()}
}

// Hints answers a hint for each task by its ID; tasks whose hint the judge gave
// up are missing.
func Hints(ctx context.Context, j Judge, tasks []*ballast.Task) (map[string]string, Stats, error) {
	qs := make([]Query, len(tasks))
	for i, t := range tasks {
		qs[i] = hintQuery(t)
	}
	as, stats, err := j.Answer(ctx, qs)
	if err != nil {
		return nil, stats, err
	}
	out := map[string]string{}
	for i, a := range as {
		if a.Failure == "" {
			out[tasks[i].ID] = a.Text
		}
	}
	return out, stats, nil
}

// Bounds on a file of hints, and on a line of it.
const maxHints, maxHint = 256 * bounded.MiB, bounded.MiB

// ReadHints reads a file of hints, one {"task": ID, "hint": text} a line.
func ReadHints(path string) (map[string]string, error) {
	f, err := bounded.Open(path)
	if err != nil {
		return nil, fmt.Errorf("hints: %w", err)
	}
	defer f.Close()
	out := map[string]string{}
	for l, err := range bounded.Lines(bounded.Reader(f, maxHints), maxHint) {
		if err != nil {
			return nil, fmt.Errorf("hints: %s: %w", path, err)
		}
		if len(bytes.TrimSpace(l.Text)) == 0 {
			continue
		}
		var h struct{ Task, Hint string }
		if err := json.Unmarshal(l.Text, &h); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, l.Number, err)
		}
		if h.Task == "" || h.Hint == "" {
			return nil, fmt.Errorf("%s:%d: want {\"task\": ID, \"hint\": text}", path, l.Number)
		}
		out[h.Task] = h.Hint
	}
	return out, nil
}
