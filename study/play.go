package study

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/compare"
	"ballast/env/words"
	"ballast/eval"
	"ballast/model"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/evaluation"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/recipe/record"
	"ballast/recipe/worlds"
	"ballast/runlog"
	"ballast/task"
	"ballast/task/acebench"
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
	if err := otherwise(run.Log, r, suites); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
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
		of, err := todo.Suite.mark(r)
		if err != nil {
			return err
		}
		if err := recordSuite(log, todo, of, res); err != nil {
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
	if acebench.IsSet(set.Tasks.Set) { // its prompts and replies are not those of a run
		protocol, err := eval.ProtocolByName("acebench")
		if err != nil {
			return eval.Result{}, err
		}
		protocol.Apply(&cfg)
	}
	cfg.Context, cfg.Env = m.Config.MaxLen, in.Table()
	var told strings.Builder
	err = prepare.Fit(ctx, &told, cfg, tasks)
	for line := range strings.Lines(told.String()) { // a rate of 0 is then no wonder
		fmt.Fprintf(out, "suite %s: %s", s.Name, strings.TrimPrefix(line, "ballast: "))
	}
	if err != nil {
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
func recordSuite(log *runlog.Run, todo Todo, of string, res eval.Result) error {
	return log.Event(runlog.Event{Update: todo.Update, What: runlog.SuiteTested{Suite: todo.Suite.Name, Score: res.Score(), Of: of},
		Text: todo.Suite.Name + ": " + res.String()})
}

// mark is a hash of what a suite plays with a run, and how: the folder of the data may move.
func (s *Suite) mark(r recipe.Recipe) (string, error) {
	set, t, err := s.Of(r)
	return provenance.Bytes(fmt.Appendf(nil, "%q %q %q %q %v %q %d %d %d %q", t.Name, t.Split, t.Categories, t.Worlds, t.Level,
		cmp.Or(t.Words, words.None), t.Seed, t.Count, t.Draw, set.Chat.Format)), err
}

// otherwise fails where the run has a suite of the same name that played something else: its success would pass for this one's.
func otherwise(log *runlog.Log, r recipe.Recipe, suites []Suite) error {
	marks := map[string]string{}
	for i := range suites {
		of, err := suites[i].mark(r)
		if err != nil {
			return err
		}
		marks[suites[i].Name] = of
	}
	for e, err := range log.Events() {
		if err != nil {
			return err
		}
		if was, ok := e.What.(runlog.SuiteTested); ok && was.Of != "" && marks[was.Suite] != "" && was.Of != marks[was.Suite] {
			return fmt.Errorf("a suite %s is recorded that played other tasks, or asked for them in another way; give this one another name",
				was.Suite)
		}
	}
	return nil
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
	Words  string         `yaml:"words,omitempty"`  // words of the tasks (words.Choices)
	// Like names a suite of ballast eval (evaluation.Suites): each part of it is a suite, NAME-PART. Data, Categories and Draw
	// are those of a set that is read.
	Like       string   `yaml:"like,omitempty"`
	Data       string   `yaml:"data,omitempty"`
	Categories []string `yaml:"categories,omitempty"`
	Draw       uint64   `yaml:"draw,omitempty"`
}

// expand replaces suites that are like another by its parts.
func expand(suites []Suite) (out []Suite, err error) {
	for i, s := range suites {
		if s.Name == "" && s.Like == "" {
			return nil, fmt.Errorf("suites[%d]: it has no name; give it one, or like with a suite of ballast eval", i)
		}
		if s.Count < 0 || s.Count > task.MaxCount {
			return nil, fmt.Errorf("suites[%d].count: must lie between 0 and %d, is %d", i, task.MaxCount, s.Count)
		}
		if s.Like == "" {
			out = append(out, s)
			continue
		}
		like, err := evaluation.SuiteByName(s.Like)
		if err != nil {
			return nil, fmt.Errorf("suites[%d].like: %w", i, err)
		}
		for _, p := range like.Parts(new(recipe.Recipe)) {
			one := s
			one.Like, one.Name = "", cmp.Or(s.Name, s.Like)+"-"+p.Name
			one.Set, one.Format, one.Words = cmp.Or(p.Set, s.Set), cmp.Or(p.Format, s.Format), cmp.Or(p.Words, s.Words)
			if p.Categories != nil {
				one.Categories = p.Categories
			}
			out = append(out, one)
		}
	}
	for i := range out { // what is recorded of a checkpoint is known by the suite's name
		if slices.ContainsFunc(out[:i], func(s Suite) bool { return s.Name == out[i].Name }) {
			return nil, fmt.Errorf("two suites are named %s; give each a name of its own", out[i].Name)
		}
	}
	return out, nil
}

// Suites are the test tasks in distribution, and out of it in format, in content
// and in both (paper, table 2): the set that is known to all is set desk.
var Suites = []Suite{
	{Name: "id"},
	{Name: "format", Format: "other"},
	{Name: "content", Set: "desk-ood"},
	{Name: "both", Set: "desk-ood", Format: "other"},
}

// CheckTasks reports what keeps the tasks of a plan's suites from being loaded for runs of a recipe: before hours of runs, and
// not after. seen holds what was loaded for other rows.
func (p *Plan) CheckTasks(r recipe.Recipe, seen map[string]bool) error {
	for i := range p.Suites {
		_, spec, err := p.Suites[i].Of(r)
		if err != nil {
			return err
		}
		if what := fmt.Sprintf("%+v", spec); !seen[what] {
			seen[what] = true
			if _, err := task.Load(spec); err != nil {
				return fmt.Errorf("suite %s: %w", p.Suites[i].Name, err)
			}
		}
	}
	return nil
}

// Of returns what is played: the recipe with the suite's set and format, and which
// tasks. Worlds and categories of
// the run restrict the run's own set only.
func (s *Suite) Of(r recipe.Recipe) (recipe.Recipe, task.Spec, error) {
	if s.Set != "" && s.Set != r.Tasks.Set {
		r.Tasks.Set, r.Tasks.Worlds, r.Tasks.Categories = s.Set, nil, nil
		if acebench.IsSet(s.Set) { // it has no words but its own, and no level
			r.Tasks.Words, r.Tasks.Level = "", nil
		}
	}
	if s.Categories != nil {
		r.Tasks.Categories = s.Categories
	}
	if s.Words != "" {
		r.Tasks.Words = s.Words
	}
	switch set, err := task.ByName(r.Tasks.Set); {
	case err != nil:
		return r, task.Spec{}, fmt.Errorf("suite %s: set: %w", s.Name, err)
	case s.Data != "" && !set.Whole:
		return r, task.Spec{}, fmt.Errorf("suite %s: data: set %s is generated and reads no files; leave it out", s.Name, set.Name)
	case s.Format != "" && acebench.IsSet(r.Tasks.Set):
		return r, task.Spec{}, fmt.Errorf("suite %s: format: the items of %s bring their own prompts and say in which format they are answered; "+
			"leave it out", s.Name, r.Tasks.Set)
	}
	r.Tasks.Data = cmp.Or(s.Data, r.Tasks.Data)
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
	if !slices.Contains(append(words.Choices(), ""), r.Tasks.Words) {
		return r, task.Spec{}, fmt.Errorf("suite %s: words %q are none of %s", s.Name, r.Tasks.Words, strings.Join(words.Choices(), ", "))
	}
	return r, task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: "test", Worlds: r.Tasks.Worlds, Categories: r.Tasks.Categories,
		Level: r.Tasks.Level, Words: r.Tasks.Words, Draw: s.Draw, Seed: r.Seed, Count: s.Count}, nil
}
