package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/doctor/probe"
	"ballast/engine"
	"ballast/eval"
	"ballast/recipe"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/safetext"
)

// probeFlags are the flags of `ballast doctor --probe`; evaluation's, with the run
// that the checkpoint belongs to as their default.
type probeFlags struct {
	evalFlags
	checkpoint string
	others     []string
}

func (f *probeFlags) add(c *cobra.Command) {
	fl := c.Flags()
	fl.StringVar(&f.checkpoint, "probe", "", "play tasks with this checkpoint, run (its newest one) or model: how much capability does "+
		"the format hide?")
	fl.StringSliceVar(&f.others, "others", nil, "probe: other formats to play in (default pythonic; hermes where that is the training format)")
	f.evalFlags.tasksFlags(fl)
}

// play runs the probe, prints it and keeps it in the run's directory.
func (f *probeFlags) play(ctx context.Context, c *cobra.Command) (err error) {
	f.Model, f.Given = f.checkpoint, c.Flags().Changed
	if f.Home, err = finder.Find(ctx, f.checkpoint, true); err != nil {
		return err
	}
	r, protocol, tasks, err := f.resolved(ctx)
	defer func() { err = errors.Join(err, f.Worlds.Close()) }()
	if err != nil {
		return err
	}
	if err := engine.Can(&r, engine.Mask); err != nil {
		return fmt.Errorf("%w, which a probe does; --engine cpu can", err)
	}
	res, err := f.probe(ctx, &r, protocol, tasks)
	if err != nil {
		return err
	}
	if f.Home.Run != "" {
		path, err := res.Save(f.Home.Run)
		if err != nil {
			return err
		}
		safetext.Say(stderr, "%s\n", path)
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

func (f *probeFlags) probe(ctx context.Context, r *recipe.Recipe, p eval.Protocol, tasks []ballast.Task) (
	res probe.Result, err error) {
	m, err := finder.Load(ctx, r)
	if err != nil {
		return probe.Result{}, err
	}
	s, _, err := models.Renderer(r, m)
	if err != nil {
		return probe.Result{}, err
	}
	variants, err := probe.Variants(s, f.others)
	if err != nil {
		return probe.Result{}, err
	}
	cfg := r.Rollout(s)
	p.Apply(&cfg)
	cfg.Context, cfg.Env = m.Config.MaxLen, f.Worlds.Table()
	if err := prepare.Fit(ctx, stderr, cfg, tasks); err != nil {
		return probe.Result{}, err
	}
	told := func(o probe.Outcome) {
		fmt.Fprintf(stderr, "%-10s %d/%d %s\n", o.Variant, o.Success.OK, o.Success.All, o.Gain())
	}
	e, err := openSampler(ctx, r, m, nil)
	if err != nil {
		return probe.Result{}, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	res, err = probe.Run(ctx, e.Policy(), cfg, variants, tasks, p.How, told)
	res.Model, res.Update, res.Tasks = m.Origin, f.Home.Update, strings.TrimSpace(r.Tasks.Set+" "+f.Split)
	return res, err
}

// errNothing is the answer to `ballast doctor` without anything to look at.
var errNothing = errors.New("doctor wants a PATH to examine, or --probe CHECKPOINT; `ballast doctor --help` says more")
