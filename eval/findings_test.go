package eval

import (
	"strings"
	"testing"

	"ballast"
	ace "ballast/env/acebench"
	"ballast/value"
)

// What a grader says beside its verdict stands in a column where every episode has it, else in a line of its
// category.
func TestFindings(t *testing.T) {
	it := &ace.Item{ID: "a", Category: "special_irrelevant", Gold: "no function"}
	other := &ace.Item{ID: "b", Category: "normal_similar_api", Gold: value.NewDict("f", value.NewDict("n", int64(5))),
		Functions: []ace.Function{{Name: "f", Doc: value.NewDict("name", "f", "parameters", value.NewDict("properties",
			value.NewDict("n", value.NewDict("type", "integer")), "required", value.NewList()))}}}
	var tasks []ballast.Task
	var eps []ballast.Episode
	for _, c := range []struct {
		it     *ace.Item
		reply  string
		passed bool
	}{
		{it, "Due to the limitations of the function, I cannot solve this problem.", true}, {it, "Paris.", false}, {it, "<tool_call>", false},
		{it, `<tool_call>{"name": "f"}</tool_call>`, false}, {it, "[f(n=6)]", false}, {other, `<tool_call>{"name": "f", "arguments": {"n": 6}}</tool_call>`, true},
	} {
		task := ballast.Task{ID: c.it.ID, Category: c.it.Category, Grader: ace.Name, Prompt: ace.Messages(c.it, ace.Tool, ""),
			Turns: []ballast.TaskTurn{{Gold: ace.GoldCalls(c.it), Want: ace.Want(c.it, ace.Tool)}}}
		check := ballast.Check{Done: true, Passed: c.passed, Reason: "error_detection"}
		tasks = append(tasks, task)
		eps = append(eps, ballast.Episode{Task: task.ID, Stop: ballast.StopDone, Turns: []ballast.Turn{{Check: check,
			Steps: []ballast.Step{{Text: c.reply}}}}})
	}
	r := tally(tasks, eps)
	for _, want := range []string{
		"category            episodes success  95% interval     strict  95% interval\n",
		"normal_similar_api    1/1     100.0%  [ 20.7, 100.0]     0.0%  [  0.0,  79.3]\n",
		"special_irrelevant    1/5      20.0%  [  3.6,  62.4]    20.0%  [  3.6,  62.4]\n",
		"special_irrelevant, by what the reply does: abstained 1, prose 1, unreadable 1, called 2\n",
		"\nturns where gold makes no call: abstained 1, prose 1, unreadable 1, called 2\n", // whatever format a call is in
		"failures: error_detection 4; ",
	} {
		if !strings.Contains(r.Table(), want) {
			t.Errorf("the table lacks %q:\n%s", want, r.Table())
		}
	}
	if c := r.Findings["strict"]["special_irrelevant"]; c != (Share{1, 5}) {
		t.Errorf("%+v", r.Findings)
	}
}
