package acebench

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/bounded"
	"ballast/env"
	ace "ballast/env/acebench"
	"ballast/env/envtest"
	"ballast/value"
	world "ballast/world/acebench"
)

// Recorded dialogues, played as an evaluation plays them, have the prompts, messages, states and verdicts of the original.
func TestAgents(t *testing.T) {
	r := replayed(t, "golden_agent.jsonl.gz")
	for _, what := range []string{"prompts", "messages", "result", "success", "finding process"} {
		for _, of := range []string{"multi_step, ast", "multi_step, tool", "multi_turn, ast", "multi_turn, tool"} {
			if c := r.Counts[what+" (evaluated, "+of+")"]; c == nil || c.Total < 25 {
				t.Errorf("%s of %s: %+v", what, of, c)
			}
		}
	}
}

// records are those of the recorded dialogues.
func records(t testing.TB) (out []*value.Dict) {
	t.Helper()
	f, err := os.Open(filepath.Join(benchmark, "golden_agent.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	in, _, err := bounded.Unpack(f, bounded.GiB)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for l, err := range bounded.Lines(in, maxRecord) {
		if err != nil {
			t.Fatal(err)
		}
		v, err := value.ParseJSON(l.Text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v.(*value.Dict))
	}
	return out
}

// In a transcript each speaks as its messages say; a message that differs is noticed.
func TestTranscript(t *testing.T) {
	var d *value.Dict
	for _, r := range records(t) {
		if r.Text("type") == "run" && strings.HasSuffix(r.Text("id"), "tool/chatter") && r.Text("category") == ace.MultiTurn {
			d = r
		}
	}
	if d == nil {
		t.Fatal("no dialogue with talk")
	}
	d.Set("type", "transcript")
	d.Set("user_default", "something else")
	d.Set("agent", value.NewList())
	for _, wrong := range []bool{false, true} {
		if wrong { // the user said something else, which the prompts show
			d.Array("messages")[0].(*value.List).Items[2] = "Hello."
		}
		text, err := value.JSON(d)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Replay(strings.NewReader(text), ReplayOptions{Data: benchmark})
		if err != nil {
			t.Fatal(err)
		}
		for what, c := range r.Counts {
			if differs := c.Equal != c.Total; differs != (wrong && strings.HasPrefix(what, "prompts")) {
				t.Errorf("wrong is %v: %s: %+v %+v", wrong, what, c, r.Differences)
			}
		}
	}
}

// The tasks of the agents are complete: gold's calls are among the tools, and the budgets of other worlds do not hold for them.
func TestAgentTasks(t *testing.T) {
	for _, format := range ace.Formats {
		tasks, err := Load(benchmark, Options{Format: format, Categories: []string{ace.MultiStep, ace.MultiTurn}})
		if err != nil || len(tasks) != 3 {
			t.Fatal(err, len(tasks))
		}
		for i := range tasks {
			task := &tasks[i]
			if task.World != ace.AgentName || task.Grader != ace.AgentName || len(task.Prompt) == 0 || len(task.Turns) != 1 ||
				(task.User == ace.RulesName) != (task.Category == ace.MultiTurn) {
				t.Errorf("%+v", task)
			}
			for _, c := range task.Turns[0].Gold {
				if !slices.ContainsFunc(task.Tools, func(tool ballast.Tool) bool { return tool.Name == c.Name }) {
					t.Errorf("%s: %s is no tool", task.ID, c.Name)
				}
			}
			envtest.Test(t, ace.World{}, task)
			if !env.Builtin.Listens(task) || !env.Builtin.Instant(task) {
				t.Errorf("%s is not played as a dialogue in memory", task.ID)
			}
		}
	}
	dir := write(t, map[string]string{
		"data_agent_multi_step.json": `{"id": "a", "question": "q", "function": [{"name": "f", "description": ""}], "initial_config": {}, "path": [],
			"involved_classes": ["BaseApi"]}`,
		"possible_answer/data_agent_multi_step.json": `{"id": "a", "ground_truth": [{}], "mile_stone": ["[f("]}`})
	for _, name := range []string{"data_agent_multi_step.json", "possible_answer/data_agent_multi_step.json"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(strings.Fields(string(text)), " ")), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Load(dir, Options{Format: ace.Tool, Categories: []string{ace.MultiStep}}); err == nil ||
		!strings.Contains(err.Error(), `data_agent_multi_step.json: a: mile_stone: "[f(" cannot be read as calls`) {
		t.Error(err)
	}
}

// A user's lines are read with their faults named, and said in order.
func TestUserLines(t *testing.T) {
	for text, want := range map[string]string{
		`{"id": "a", "lines": ["x", "y"]}` + "\n" + `{"id": "b", "lines": [], "rest": "on"}`: "",
		`{"id": "a"}`:                         ":1: lines is missing",
		`{"id": "a", "lines": [5]}`:           ":1: lines[0] is a number",
		`{"id": "a", "lines": [], "more": 1}`: ":1: more is no key",
		`{"id": "a", "lines": []}`:            ":1: lines is empty",
		`{"id": "a", "lines": ["x"]}` + "\n" + `{"id": "a", "lines": ["x"]}`: ":2: id a stands on a line before",
		"":  "has no lines",
		"{": ":1: json: ",
	} {
		path := filepath.Join(t.TempDir(), "lines.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		lines, err := ReadUserLines(path)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", text, err, want)
		case want == "" && (err != nil || len(lines) != 2):
			t.Errorf("%s: %v %v", text, lines, err)
		case want == "":
			for i, line := range []string{"x", "y", world.Finish} {
				if got, more, err := lines["a"].Next(context.Background(), &ballast.Episode{Turns: make([]ballast.Turn, i)}); got != line || !more || err != nil {
					t.Errorf("line %d: %q", i, got)
				}
			}
			if got, _, _ := lines["b"].Next(context.Background(), &ballast.Episode{Turns: make([]ballast.Turn, 7)}); got != "on" {
				t.Errorf("the rest: %q", got)
			}
		}
	}
}
