package sim

import (
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/value"
)

// drawnConfigs are worlds of the API drawn: every deed on every sort of field, groups in groups, one
// function and no things, two kinds with fields of the same names.
func drawnConfigs(t *testing.T) (out []any) {
	t.Helper()
	for _, text := range []string{
		`{"kinds": {"ship": {"load": "integer", "mood": ["calm", "wild"], "owner": "string"}},
			"things": {"ship": {"ark": [5, "calm", "ann"], "bee": [9, "wild", "bob"], "cog": [9, "calm", "ann"]}},
			"tools": {
				"load": {"does": "read", "kind": "ship", "field": "load", "takes": {"ship": "name"}},
				"fill": {"does": "set", "kind": "ship", "field": "load", "takes": {"ship": "name", "to": "value"}},
				"sell": {"does": "set", "kind": "ship", "field": "owner", "takes": {"to": "value", "ship": "name"}},
				"more": {"does": "add", "kind": "ship", "field": "load", "takes": {"ship": "name", "by": "value"}},
				"build": {"does": "create", "kind": "ship", "takes": {"name": "name", "load?": ".load", "about?": {"mood?": ".mood", "owner": ".owner"}}},
				"sink": {"does": "delete", "kind": "ship", "takes": {"ship": "name"}},
				"fleet": {"does": "find", "kind": "ship", "field": "owner", "takes": {"owner": "value"}},
				"tally": {"does": "count", "kind": "ship", "field": "mood", "takes": {"mood?": "value"}},
				"sum": {"does": "total", "kind": "ship", "field": "load"},
				"top": {"does": "most", "kind": "ship", "field": "load", "takes": {}},
				"low": {"does": "least", "kind": "ship", "field": "load", "takes": {}}}}`,
		`{"kinds": {"k": {}}, "tools": {"new": {"does": "create", "kind": "k", "takes": {"a": {"b?": {}, "c": {"x": "name"}}}}}}`,
		`{"kinds": {"k": {"n": "integer"}, "q": {"n": "integer"}}, "things": {"q": {"x": [1], "a": [2]}, "k": {"x": [3]}}, "tools": {
			"new k": {"does": "create", "kind": "k", "takes": {"x": "name"}}, "more": {"does": "add", "kind": "q", "field": "n", "takes": {"x": "name", "by": "value"}},
			"less": {"does": "delete", "kind": "k", "takes": {"x": "name"}}, "best": {"does": "most", "kind": "q", "field": "n"}}}`,
	} {
		config, err := value.ParseJSON([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, config)
	}
	return out
}

// drawnTask is a task in the first of those worlds. The prompt lists three functions.
func drawnTask(t *testing.T, gold string) *ballast.Task {
	return &ballast.Task{ID: "drawn", APIs: []string{"drawn"}, Grader: Sparing, Init: map[string]any{"drawn": drawnConfigs(t)[0]},
		Tools: []ballast.Tool{{Name: "load"}, {Name: "fill"}, {Name: "tally"}, {Name: "sum"}, {Name: "top"}, {Name: "low"}},
		Turns: []ballast.TaskTurn{{User: "go", Gold: calls(t, gold)}}}
}

// TestFunctionsOfTheConfiguration: a task has the functions of its own configuration, documented
// or not, and none of those of the example.
func TestFunctionsOfTheConfiguration(t *testing.T) {
	for _, c := range []struct {
		name, gold, calls, answers string
		extra                      int
	}{
		{"gold alone", "load('ark')", "load('ark')", "5", 0},
		{"another one counts", "load('ark')", "load('ark'); sum()", "5; 23", 1},
		{"one that the prompt does not list counts", "load('ark')", "load('ark'); fleet('ann')", "5; ark, cog", 1},
		{"one of the example is none", "load('ark')", "weigh('kamfel'); load('ark')", "error: no tool weigh; 5", 0},
		{"however many", "load('ark')", "weigh('a'); weigh('b'); heaviest(); load('ark'); load('ark')",
			"error: no tool weigh; error: no tool weigh; error: no tool heaviest; 5; 5", 0},
		{"one failed try is none", "load('ark')", "load('art'); load('ark')", "error: no ship art; 5", 0},
		{"two are", "load('ark')", "load('art'); load('arc'); load('ark')", "error: no ship art; error: no ship arc; 5", 1},
		{"two calls to look before a deed", "fill('ark', 7)", "load('ark'); sum(); fill('ark', 7)", "5; 23; ok", 0},
		{"three are too many", "fill('ark', 7)", "load('ark'); sum(); top(); fill('ark', 7)", "5; 23; bee; ok", 1},
	} {
		s, err := NewSession(drawnTask(t, c.gold))
		if err != nil {
			t.Fatal(err)
		}
		var answers []string
		for _, x := range calls(t, c.calls) {
			answers = append(answers, s.Run(x))
		}
		v := s.CloseTurn()
		if got := strings.Join(answers, "; "); got != c.answers || v.Extra != c.extra || v.Check().Passed != (c.extra == 0) {
			t.Errorf("%s: answers %s, verdict %+v; want %s, %d extra calls", c.name, got, v, c.answers, c.extra)
		}
	}
}

// TestToolsOfTheConfiguration: who lists no tools is shown those of the configuration.
func TestToolsOfTheConfiguration(t *testing.T) {
	task := drawnTask(t, "load('ark')")
	task.Tools, task.APIs = nil, []string{"notes", "drawn"}
	p, err := Prepare(task)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]ballast.World{"world": World{}, "prepared": p} {
		tools, err := w.Tools(t.Context(), task)
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) bool {
			return slices.ContainsFunc(tools, func(t ballast.Tool) bool { return t.Name == name })
		}
		if !has("jot") || !has("fleet") || has("weigh") || len(tools) != p.tools {
			t.Errorf("%s: %v, want %d of them", name, tools, p.tools)
		}
	}
	if _, err := p.Tools(t.Context(), drawnTask(t, "sum()")); err == nil || !strings.Contains(err.Error(), "in the world of task drawn") {
		t.Errorf("another task: %v", err)
	}
	task.Init = map[string]any{"drawn": "x"}
	if _, err := (World{}).Tools(t.Context(), task); err == nil || !strings.Contains(err.Error(), "the configuration is a string") {
		t.Errorf("a bad configuration: %v", err)
	}
}
