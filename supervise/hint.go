package supervise

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"ballast"
)

// HintQuery asks for a hint for a task: its requests and gold calls.
func HintQuery(task *ballast.Task) Query {
	var b bytes.Buffer
	for i, t := range task.Turns {
		fmt.Fprintf(&b, "Turn %d\nUser: %s\nGold: %s\n", i+1, t.User, calls(t.Gold))
	}
	b.WriteString("Write a hint of at most 300 words for an assistant that must do this: the steps of reasoning and, where they help, examples.")
	return Query{Kind: KindHint, Task: task, Text: b.String()}
}

// Hints answers a hint for each task by its ID; tasks whose hint the judge gave
// up are missing.
func Hints(ctx context.Context, j Judge, tasks []*ballast.Task) (map[string]string, Stats, error) {
	qs := make([]Query, len(tasks))
	for i, t := range tasks {
		qs[i] = HintQuery(t)
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

// ReadHints reads a file of hints, one {"task": ID, "hint": text} a line.
func ReadHints(path string) (map[string]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("hints: %w", err)
	}
	out := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<24)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var h struct{ Task, Hint string }
		if err := json.Unmarshal(lines.Bytes(), &h); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, n, err)
		}
		if h.Task == "" || h.Hint == "" {
			return nil, fmt.Errorf("%s:%d: want {\"task\": ID, \"hint\": text}", path, n)
		}
		out[h.Task] = h.Hint
	}
	return out, lines.Err()
}
