package prepare

import (
	"errors"
	"io"
	"strings"
	"testing"

	"ballast"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/value"
)

// made is a recipe with settings.
func made(t *testing.T, method string, pairs ...string) recipe.Recipe {
	t.Helper()
	r, err := recipe.New(method)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range pairs {
		if err := r.Set(pair); err != nil {
			t.Fatal(err)
		}
	}
	r.Settle()
	return r
}

// TestRun: a run has its tasks and its renderer before it has an engine, and tasks whose
// prompts do not fit are an error.
func TestRun(t *testing.T) {
	find := models.Finder{Warn: func(string, []string) {}}
	r := made(t, recipe.Baseline, "tasks.count=3", "tasks.test=2")
	run, m, err := Run(t.Context(), &find, io.Discard, nil, &r, loop.State{})
	if err != nil {
		t.Fatal(err)
	}
	if len(run.Train) != 3 || len(run.Eval) != 2 || len(run.Test) != 2 || run.Chosen.Name == "" || m == nil {
		t.Errorf("%d, %d and %d tasks, written as %q", len(run.Train), len(run.Eval), len(run.Test), run.Chosen.Name)
	}
	r = made(t, recipe.Baseline, "tasks.count=3", "tasks.test=2", "budget.prompt=8")
	if _, _, err := Run(t.Context(), &find, io.Discard, nil, &r, loop.State{}); err == nil || !strings.Contains(err.Error(), "budget.prompt") {
		t.Errorf("prompts over the budget: %v", err)
	}
}

// TestRoomier: whoever trains a model of their own hears whose the budget is, and with tools of their own what fills it.
func TestRoomier(t *testing.T) {
	r := made(t, recipe.Baseline)
	why := errors.New("too long")
	if got := roomier(&r, why); got.Error() != "too long" {
		t.Error(got)
	}
	if r.Model = "Org/m"; !strings.Contains(roomier(&r, why).Error(), "the budgets are those of model embedded, which hold where nothing else is set") {
		t.Error(roomier(&r, why))
	}
	if r.MCP.Server = "shop"; !strings.Contains(roomier(&r, why).Error(), "name fewer in mcp.tools") {
		t.Error(roomier(&r, why))
	}
}

// TestJudge: what is sent to a judge is told, and nothing where nothing is.
func TestJudge(t *testing.T) {
	r := made(t, "prs")
	if line, err := Judge(&loop.Run{Recipe: r}); line != "" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	r = made(t, "prs", "judge.url=http://localhost:1/v1", "judge.model=m")
	if line, err := Judge(&loop.Run{Recipe: r}); err != nil || !strings.Contains(line, "gets the tools' documentation, and for reflections the failed dialogues") {
		t.Errorf("%q, %v", line, err)
	}
	r = made(t, recipe.Baseline, "judge.url=http://localhost:1/v1", "judge.model=m")
	question := value.NewDict("judge", value.NewDict("question", "Was it?"))
	asks := ballast.Task{Turns: []ballast.TaskTurn{{User: "u", Want: question}}}
	for want, tasks := range map[string][]ballast.Task{"": {{Turns: []ballast.TaskTurn{{User: "u"}}}},
		"m at http://localhost:1/v1 gets for verdicts the episodes of tasks with a question, with tool results and gold calls": {{}, asks}} {
		if line, err := Judge(&loop.Run{Recipe: r, Train: tasks}); err != nil || line != want {
			t.Errorf("%q, %v, want %q", line, err, want)
		}
	}
}
