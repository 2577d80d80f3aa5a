package study

import (
	"context"
	"errors"
	"fmt"
	"io"

	"ballast"
	"ballast/chat"
	"ballast/compare"
	"ballast/eval"
	"ballast/model"
	"ballast/recipe"
	"ballast/recipe/evaluation"
	"ballast/recipe/models"
	"ballast/recipe/record"
	"ballast/recipe/worlds"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/task"
)

// Play plays suites of test tasks with the final and the best checkpoint of a run that has
// ended and records them in it, for `ballast compare`. What is recorded is not played again.
// open opens the engine of each.
func Play(ctx context.Context, out io.Writer, dir string, suites []Suite, open evaluation.Open) error {
	log, err := runlog.Open(dir) // its lock is held until all is recorded
	if err != nil {
		return err
	}
	defer log.Close()
	run, err := compare.Load(dir)
	switch {
	case err != nil:
		return err
	case run.Ending == compare.Open:
		return fmt.Errorf("%s has not ended; finish it first with: ballast train --resume %s", dir, dir)
	case run.Final < 0:
		return fmt.Errorf("%s has no checkpoint", dir)
	}
	r, _, err := record.Trained(dir)
	if err != nil {
		return err
	}
	var m *model.Model
	loaded := -1
	for _, todo := range missing(run, suites) {
		if loaded != todo.Update {
			if m, err = models.Checkpoint(dir, todo.Update); err != nil {
				return err
			}
			loaded = todo.Update
		}
		res, err := playSuite(ctx, out, runlog.Dir(dir), m, r, &todo.Suite, open)
		if err == nil && res.Infra > 0 { // what is recorded is not played again
			err = fmt.Errorf("%d of %d episodes could not be played; the first is %s", res.Infra, len(res.Episodes), res.Broken)
		}
		if err != nil {
			return fmt.Errorf("suite %s: %w", todo.Suite.Name, err)
		}
		if err := recordSuite(log, todo, res); err != nil {
			return err
		}
		fmt.Fprintf(out, "update %-6d %-8s %s\n", todo.Update, todo.Suite.Name, res)
	}
	return nil
}

// playSuite plays a suite greedily under the recipe of the run in a directory.
func playSuite(ctx context.Context, out io.Writer, dir runlog.Dir, m *model.Model, r recipe.Recipe, s *Suite, open evaluation.Open) (
	res eval.Result, err error) {
	set, spec, err := s.Of(r)
	if err != nil {
		return eval.Result{}, err
	}
	renderer, _, err := models.Renderer(&set, m)
	if err != nil {
		return eval.Result{}, err
	}
	in, err := worlds.Open(ctx, &set, out)
	if err != nil {
		return eval.Result{}, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := in.Keep(worlds.Files{Judge: dir.Judge(), Server: dir.Server()}); err != nil { // the run's budget, whatever it plays
		return eval.Result{}, err
	}
	tasks, err := in.Load(ctx, spec)
	if err != nil {
		return eval.Result{}, err
	}
	cfg := set.Rollout(renderer)
	cfg.Context, cfg.Env = m.Config.MaxLen, in.Table()
	if _, err := rollout.CheckPrompts(ctx, &cfg, tasks); err != nil {
		return eval.Result{}, err
	}
	engine, err := open(ctx, &set, m, renderer)
	if err != nil {
		return eval.Result{}, err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	return eval.Run(ctx, engine.Policy(), cfg, tasks, ballast.Sampling{})
}

// recordSuite appends an evaluation to the run's events.
func recordSuite(log *runlog.Run, todo Todo, res eval.Result) error {
	return log.Event(runlog.Event{Update: todo.Update, What: runlog.SuiteTested{Suite: todo.Suite.Name, Score: res.Score()},
		Text: todo.Suite.Name + ": " + res.String()})
}

// Suite is test tasks and the format in which they are asked for, as differences
// from what a run trains on. What is empty is as in the run.
type Suite struct {
	Name   string         `yaml:"name"`
	Set    string         `yaml:"set,omitempty"`    // a task set; one other than the run's brings its own worlds
	Worlds []string       `yaml:"worlds,omitempty"` // only tasks in these
	Level  map[string]int `yaml:"level,omitempty"`
	Format string         `yaml:"format,omitempty"` // a format of calls; other = pythonic, or hermes where the run trains pythonic
	Count  int            `yaml:"count,omitempty"`  // test tasks; 0 = the set's own number
}

// Suites are the test tasks in distribution, and out of it in format, in content
// and in both (paper, table 2): the set that is known to all is set desk.
var Suites = []Suite{
	{Name: "id"},
	{Name: "format", Format: "other"},
	{Name: "content", Set: "desk-ood"},
	{Name: "both", Set: "desk-ood", Format: "other"},
}

// Of returns what is played: the recipe with the suite's set and format, and which
// tasks. Worlds and categories of
// the run restrict the run's own set only.
func (s *Suite) Of(r recipe.Recipe) (recipe.Recipe, task.Spec, error) {
	if s.Set != "" && s.Set != r.Tasks.Set {
		r.Tasks.Set, r.Tasks.Worlds, r.Tasks.Categories = s.Set, nil, nil
	}
	if len(s.Worlds) > 0 {
		r.Tasks.Worlds = s.Worlds
	}
	if s.Level != nil {
		r.Tasks.Level = s.Level
	}
	switch {
	case s.Format == "other" && r.Chat.Format == "pythonic":
		r.Chat.Format = "hermes"
	case s.Format == "other":
		r.Chat.Format = "pythonic"
	case s.Format != "":
		r.Chat.Format = s.Format
	}
	if _, err := chat.FormatByName(r.Chat.Format); err != nil {
		return r, task.Spec{}, fmt.Errorf("suite %s: %w", s.Name, err)
	}
	return r, task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: "test", Worlds: r.Tasks.Worlds, Categories: r.Tasks.Categories,
		Level: r.Tasks.Level, Seed: r.Seed, Count: s.Count}, nil
}
