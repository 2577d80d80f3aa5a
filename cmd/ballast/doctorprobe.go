package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/doctor/probe"
	"ballast/eval"
	"ballast/model/cpu"
	"ballast/recipe"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/task"
)

// probeFlags are the flags of `ballast doctor --probe`; evaluation's, with the run
// that the checkpoint belongs to as their default.
type probeFlags struct {
	evalFlags
	checkpoint string
	others     []string
	run        string // directory of the run; "" for a model of none
	update     int
}

func (f *probeFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.checkpoint, "probe", "", "play tasks with this checkpoint, run (its newest one) or model: how much capability does the format hide?")
	fl.StringSliceVar(&f.others, "others", nil, "probe: other formats to play in (default pythonic; hermes where that is the training format)")
	f.evalFlags.tasksFlags(fl)
}

// locate finds the run and the update that the checkpoint belongs to, and the
// model's path.
func (f *probeFlags) locate() error {
	f.model = f.checkpoint
	if _, err := os.Stat(filepath.Join(f.checkpoint, "run.json")); err == nil {
		log, err := runlog.Read(f.checkpoint)
		if err != nil {
			return err
		}
		list, err := log.Checkpoints()
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return fmt.Errorf("%s holds no checkpoint to probe", f.checkpoint)
		}
		last := list[len(list)-1]
		f.run, f.update, f.model = f.checkpoint, last.Update, last.Dir
		return nil
	}
	dir, err := filepath.Abs(f.checkpoint)
	if err != nil {
		return err
	}
	run := filepath.Dir(filepath.Dir(dir))
	if n, err := strconv.Atoi(filepath.Base(dir)); err == nil {
		if _, err := os.Stat(filepath.Join(run, "run.json")); err == nil {
			f.run, f.update = run, n
		}
	}
	return nil
}

// recipe is evaluation's, or for a checkpoint of a run that run's own recipe with
// the flags that were given laid over it.
func (f *probeFlags) recipe(c *cobra.Command) (recipe.Recipe, eval.Protocol, error) {
	if f.run == "" {
		return f.evalFlags.recipe(c)
	}
	given := c.Flags().Changed
	r, err := readRecipe(f.run)
	if err != nil {
		return r, eval.Protocol{}, err
	}
	r.Model = f.model
	if given("tasks") {
		r.Tasks = recipe.Tasks{Set: f.tasks}
	}
	if given("data") {
		r.Tasks.Data = f.data
	}
	if given("category") {
		r.Tasks.Categories = f.categories
	}
	if given("seed") {
		r.Seed = f.seed
	}
	if !given("count") && !given("tasks") {
		f.count = r.Tasks.Test
	}
	for _, pair := range f.set {
		if err := r.Set(pair); err != nil {
			return r, eval.Protocol{}, err
		}
	}
	if err := r.Check(); err != nil {
		return r, eval.Protocol{}, err
	}
	p := eval.Protocol{Name: "recipe", Budget: rollout.Budget(r.Budget), Malformed: r.Chat.Malformed}
	if f.protocol != "" {
		if p, err = eval.ProtocolByName(f.protocol); err != nil {
			return r, p, err
		}
	}
	if given("temperature") {
		p.How.Temperature = f.temperature
	}
	return r, p, nil
}

// play runs the probe, prints it and keeps it in the run's directory.
func (f *probeFlags) play(ctx context.Context, c *cobra.Command) error {
	if err := f.locate(); err != nil {
		return err
	}
	r, protocol, err := f.recipe(c)
	if err != nil {
		return err
	}
	tasks, err := task.Load(task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Split: f.split,
		Categories: r.Tasks.Categories, Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Seed: r.Seed, Count: f.count})
	if err != nil {
		return err
	}
	res, err := f.probe(ctx, &r, protocol, tasks)
	if err != nil {
		return err
	}
	if f.run != "" {
		path, err := res.Save(f.run)
		if err != nil {
			return err
		}
		fmt.Fprintln(os.Stderr, path)
	}
	if f.asJSON {
		err = json.NewEncoder(c.OutOrStdout()).Encode(res)
	} else {
		_, err = fmt.Fprintf(c.OutOrStdout(), "%s\n%s", res.Sentence(), res.Table())
	}
	broken := 0
	for _, o := range res.Outcomes {
		broken += o.Infra
	}
	if err == nil && broken > 0 {
		err = fmt.Errorf("%d episodes could not be played and are left out", broken)
	}
	return err
}

func (f *probeFlags) probe(ctx context.Context, r *recipe.Recipe, p eval.Protocol, tasks []ballast.Task) (probe.Result, error) {
	m, err := loadModel(r)
	if err != nil {
		return probe.Result{}, err
	}
	s, err := newStyle(r, m)
	if err != nil {
		return probe.Result{}, err
	}
	variants, err := probe.Variants(s, f.others)
	if err != nil {
		return probe.Result{}, err
	}
	notice()
	cfg := r.Rollout(s)
	p.Apply(&cfg)
	cfg.Context = m.Config.MaxLen
	told := func(o probe.Outcome) {
		fmt.Fprintf(os.Stderr, "%-10s %d/%d %s\n", o.Variant, o.Success.OK, o.Success.All, o.Gain())
	}
	res, err := probe.Run(ctx, cpu.NewPolicy(m, cpu.Options{}), cfg, variants, tasks, p.How, told)
	res.Model, res.Update, res.Tasks = m.Origin, f.update, strings.TrimSpace(r.Tasks.Set+" "+f.split)
	return res, err
}

// errNothing is the answer to `ballast doctor` without anything to look at.
var errNothing = errors.New("doctor wants a PATH to examine, or --probe CHECKPOINT; `ballast doctor --help` says more")
