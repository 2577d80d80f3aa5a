package prepare

import (
	"context"
	"fmt"
	"io"

	"ballast"
	"ballast/chat"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/worlds"
	"ballast/rollout"
	"ballast/safetext"
	"ballast/supervise"
	"ballast/task"
)

// Tasks gives a run its recipe's tasks and checks that every prompt fits, those
// of training in every format that the recipe writes.
func Tasks(ctx context.Context, run *loop.Run, w *worlds.Worlds, cfg rollout.Config) error {
	cfg.Env = w.Table()
	if err := Sets(ctx, run, w); err != nil {
		return err
	}
	for _, set := range [][]ballast.Task{run.Train, run.Eval, run.Test} {
		if _, err := rollout.CheckPrompts(ctx, &cfg, set); err != nil {
			return roomier(&run.Recipe, err)
		}
	}
	for _, name := range run.Recipe.Formats() {
		f, err := chat.FormatByName(name)
		if err != nil {
			return err
		}
		other := cfg
		other.Renderer.Format = f
		if _, err := rollout.CheckPrompts(ctx, &other, run.Train); err != nil {
			return fmt.Errorf("format %s: %w", name, err)
		}
	}
	return nil
}

// roomier says more of prompts that do not fit: who trains a model of their own on their own
// dialogues has heard neither of these tasks nor of their budget.
func roomier(r *recipe.Recipe, err error) error {
	if r.Model != recipe.DefaultModel {
		err = fmt.Errorf("%w; the budgets are those of model "+recipe.DefaultModel+", which hold where nothing else is set; "+
			"a file of recipes/ has those of others", err)
	}
	if r.MCP.Server != "" {
		err = fmt.Errorf("%w; the descriptions of all tools that a task is shown stand in its prompt: name fewer in mcp.tools, or in tools of "+
			"each task", err)
	}
	if OwnDialogues(r) {
		err = fmt.Errorf("%w; set %s evaluates this run, which learns from dialogues alone", err, r.Tasks.Set)
	}
	return err
}

// OwnDialogues says whether a run learns from a file of dialogues and from no task.
func OwnDialogues(r *recipe.Recipe) bool { return r.SFT.File != "" && r.Unread("tasks.count") != "" }

// Sets gives a run its recipe's tasks: those to train on, those of the evaluations
// during the run, and where these are no test tasks, those that are played at the end. Its
// signals must have what they need for each. It gives the run the tools of its MCP server, too, for
// dialogues that document none.
func Sets(ctx context.Context, run *loop.Run, w *worlds.Worlds) (err error) {
	run.Listed = w.Tools()
	t := &run.Recipe.Tasks
	load := func(split string, count int) []ballast.Task {
		if err != nil {
			return nil
		}
		var list []ballast.Task
		list, err = w.Load(ctx, task.Spec{Name: t.Set, Data: t.Data, Categories: t.Categories, Worlds: t.Worlds, Level: t.Level,
			Words: t.Words, Seed: run.Recipe.Seed, Split: split, Count: count})
		return list
	}
	run.Train = load("train", t.Count)
	held := task.Held(t.Set)
	run.Eval = load(held, t.Test)
	if held != "test" {
		run.Test = load("test", t.Test)
	}
	if err != nil {
		return err
	}
	return Signals(run)
}

// mostGold bounds the tasks whose gold is played before an evaluation: 2,000 of set desk take half a second.
const mostGold = 2000

// Fit is an error, before anything is played, where a task's first prompt is over
// budget.prompt: its episode would be none. Prompts that the model's own context has no
// room for are told of: those tasks end without a reply, and count as failed. So are tasks whose gold does
// not fit, which nobody wins by doing what gold does; of more than mostGold tasks the first are looked at.
func Fit(ctx context.Context, w io.Writer, cfg rollout.Config, tasks []ballast.Task) error {
	longest, err := rollout.CheckPrompts(ctx, &cfg, tasks)
	if err != nil {
		return err
	}
	var left []*ballast.Task
	over := 0
	for i := range tasks {
		if cfg.Context > 0 && longest >= cfg.Context {
			p, err := rollout.Prompt(ctx, &cfg, &tasks[i])
			if err != nil {
				return err
			}
			if len(p) >= cfg.Context {
				over++
				continue
			}
		}
		left = append(left, &tasks[i])
	}
	if over > 0 {
		fmt.Fprintf(w, "ballast: the first prompts of %d of %d tasks fill the model's context of %d tokens (the longest has %d): they end "+
			"without a reply and count as failed\n",
			over, len(tasks), cfg.Context, longest)
	}
	of := fmt.Sprint(len(tasks))
	if len(left) > mostGold {
		left, of = left[:mostGold], fmt.Sprintf("the first %d", mostGold)
	}
	n, needs, err := supervise.Short(ctx, cfg, left)
	if err == nil && n > 0 {
		safetext.Say(w, "ballast: gold of %d of %s tasks does not fit, and who answers as gold does fails them: %s\n", n, of, needs)
	}
	return err
}
