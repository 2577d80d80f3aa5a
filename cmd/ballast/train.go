package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/bench"
	"ballast/engine"
	"ballast/eval"
	"ballast/recipe"
	"ballast/recipe/cost"
	"ballast/recipe/loop"
	"ballast/recipe/prepare"
	"ballast/recipe/record"
	"ballast/recipe/request"
	"ballast/recipe/worlds"
	"ballast/report"
	"ballast/runlog"
	"ballast/safetext"
	"ballast/supervise/endpoint"
)

// trainFlags are the flags of `ballast train`.
type trainFlags struct {
	request.Request
	out, resume string
	dry, json   bool
	extend      int // updates
}

func trainCommand() *cobra.Command {
	var f trainFlags
	var methods []string
	var list strings.Builder
	for _, m := range recipe.All {
		methods = append(methods, m.Name)
		fmt.Fprintf(&list, "  %-12s %s\n", m.Name, m.Doc)
	}
	c := &cobra.Command{
		Use:   "train METHOD",
		Short: "train a model with a method",
		Long: "Train a model with a method. The methods:\n\n" + list.String() +
			"\nCtrl-C, SIGTERM or SIGHUP lets the run finish its update, keep a checkpoint and end with 130, 143 or 129; a second one stops it " +
			"at once.\n" +
			"Where standard output goes away, as in a pipe into head, the run goes on and is recorded as ever.",
		Example: "  ballast train quickstart\n  ballast train sft --dialogues chats.jsonl --set sft.tools=tools.json --dry-run\n" +
			"  ballast train sft-grpo --mcp \"python server.py\" --tasks tasks.jsonl --out runs/own",
		ValidArgs: methods,
		Args:      cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.Seeded = c.Flags().Changed("seed")
			if f.resume != "" {
				other := func(flag string) bool { return c.Flags().Changed(flag) }
				if len(args) > 0 || slices.ContainsFunc([]string{"model", "tasks", "data", "mcp", "dialogues", "seed", "config", "out",
					"dry-run"}, other) {
					return errors.New("--resume takes everything from the run; leave the method and the other flags out")
				}
			}
			if f.extend != 0 && f.resume == "" {
				return errors.New("--extend N asks for N more updates of a run's last phase: give it with --resume DIR")
			}
			return f.run(c.Context(), args)
		},
	}
	fl := c.Flags()
	fl.StringVar(&f.Model, "model", "", "init (random weights), "+modelNames)
	fl.StringVar(&f.Tasks, "tasks", "", "task set: desk, bfcl, ..., or the path of a tasks file (docs/tasks-file.md)")
	fl.StringVar(&f.Data, "data", "", "folder of the task set's data")
	fl.StringVar(&f.MCP, "mcp", "", mcpFlag)
	fl.StringVar(&f.Dialogues, "dialogues", "", "file of dialogues (JSON or parquet, docs/dialogues.md) that supervised phases train on "+
		"instead of the tasks' own")
	fl.Uint64Var(&f.Seed, "seed", 1, "seed of the run")
	fl.StringVar(&f.Config, "config", "", "YAML file with settings over the method's defaults")
	fl.StringArrayVar(&f.Set, "set", nil, "one setting, such as rl.lr=1e-6 (repeatable)")
	fl.StringVar(&f.out, "out", "", "run directory to create (default runs/METHOD-NNN)")
	fl.StringVar(&f.resume, "resume", "", "continue the run in this directory")
	fl.IntVar(&f.extend, "extend", 0, "with --resume: so many more updates of the last phase")
	fl.BoolVar(&f.dry, "dry-run", false, "print the resolved recipe and what it needs, and stop")
	fl.BoolVar(&f.json, "json", false, "print updates and the result as JSON lines")
	return c
}

func (f *trainFlags) run(ctx context.Context, args []string) error {
	if f.resume != "" {
		return f.play(ctx, f.resumed)
	}
	if len(args) == 0 {
		return fmt.Errorf("train wants a method, such as `ballast train quickstart`; `ballast train --help` lists them")
	}
	r, err := f.Recipe(args[0])
	if err != nil {
		return err
	}
	if err := engine.Check(&r); err != nil {
		return err
	}
	for _, text := range f.Aside {
		safetext.Say(stderr, "ballast: %s\n", text)
	}
	if f.dry {
		notice(&r)
		ctx, stop := interruptible(ctx)
		defer stop()
		return interrupted(ctx, cost.Print(ctx, stdout, stderr, &finder, &r, engineLine(&r)))
	}
	return f.play(ctx, func(ctx context.Context) (*ready, error) { return f.fresh(ctx, &r) })
}

// play begins a run, which a signal ends at once, and drives it, which a signal ends in an orderly way.
func (f *trainFlags) play(ctx context.Context, begin func(context.Context) (*ready, error)) (err error) {
	start, stop := interruptible(ctx)
	p, err := begin(start)
	if err == nil && start.Err() != nil {
		err = errors.Join(context.Cause(start), p.close())
	}
	stop()
	if err != nil {
		return interrupted(start, err)
	}
	defer func() { err = errors.Join(err, p.close()) }()
	return f.drive(ctx, p)
}

// ready is a run with what it is played in and where it is recorded; log may be nil.
type ready struct {
	run  *loop.Run
	in   *worlds.Worlds
	log  *runlog.Run
	told teller // by the engine
}

// close gives back what a run holds, as far as it was opened.
func (p *ready) close() (err error) {
	if p.log != nil {
		err = p.log.Close()
	}
	if p.run != nil && p.run.Engine.Engine != nil {
		err = errors.Join(err, p.run.Engine.Close())
	}
	return errors.Join(err, p.in.Close())
}

// keep has the worlds keep in a run's directory what belongs there.
func (p *ready) keep(dir runlog.Dir) error {
	return p.in.Keep(worlds.Files{Judge: dir.Judge(), Server: dir.Server()})
}

// fresh makes a run of a recipe and its directory.
func (f *trainFlags) fresh(ctx context.Context, r *recipe.Recipe) (p *ready, err error) {
	if p, err = newRun(ctx, r, loop.State{}, ""); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	dir := f.out
	if dir == "" {
		if dir, err = freshDir("runs", r.Method); err != nil {
			return p, err
		}
	}
	from, err := origin(p.run)
	if err != nil {
		return p, err
	}
	if p.log, err = runlog.CreateFrom(dir, record.Text(p.run), from); err != nil {
		return p, err
	}
	return p, p.keep(runlog.Dir(dir))
}

// newRun makes a run of a recipe that goes on from a cursor, with its engine and its worlds. dir is
// that of a run that goes on, else "".
func newRun(ctx context.Context, r *recipe.Recipe, from loop.State, dir runlog.Dir) (p *ready, err error) {
	p = &ready{told: teller{out: stderr}}
	if p.in, err = worlds.Open(ctx, r, stderr); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if dir != "" { // before anybody is asked
		if err := p.keep(dir); err != nil {
			return p, err
		}
	}
	run, m, err := prepare.Run(ctx, &finder, stderr, p.in, r, from)
	if err != nil {
		return p, err
	}
	p.run = run
	e, err := openEngine(ctx, r, m, run.Engine.Renderer, p.told.say)
	if err != nil {
		return p, err
	}
	run.Engine.Engine, run.Engine.Lacks = e, engine.Lacks(r, e)
	return p, nil
}

// drive runs to the end, to an interrupt, or to a death, and writes the report
// in each case.
func (f *trainFlags) drive(ctx context.Context, p *ready) error {
	run, log := p.run, p.log
	asked, ctx, stop := interrupts(ctx, func() { fmt.Fprintln(stderr, "\nfinishing the update; interrupt again to stop at once") })
	defer stop()
	out := outlive(stdout)
	show := newProgress(out, f.json, run)
	run.Log = record.Log{Run: log, Keep: run.Recipe.Keep.Checkpoints, Tell: show.event, Tidy: record.Tidy(run.Engine.Learner())}
	run.Stop = func() bool { return asked.Err() != nil }
	run.Judge = endpoint.Until(run.Judge, run.Stop) // an update that was begun is graded to its end
	unsaid := p.told.record(log, run.State.Update)  // of the opening
	run.Observe = func(u ballast.Update, at loop.Progress) {
		show.update(u, at)
		unsaid = errors.Join(unsaid, p.told.record(log, u.Index))
	}
	show.begin(log.Dir())
	if show.bars != nil {
		p.told.show(show.bars) // above the bar
	}
	if line, err := prepare.Judge(run); err != nil {
		return err
	} else if line != "" {
		safetext.Say(stderr, "judge: %s\n", line)
	}
	start := time.Now()
	run.Clock = func() loop.Cost { return loop.Cost{CPU: bench.CPUSeconds(), Seconds: time.Since(start).Seconds()} }
	res, err := run.Do(ctx)
	show.end()
	p.told.show(stderr)
	cost := log.Event(runlog.Event{Update: run.State.Update, What: runlog.Cost(run.Cost())})
	if err = interrupted(asked, err); code(err) != 1 {
		what := fmt.Sprintf("interrupted after update %d", run.State.Update)
		if !errors.Is(err, loop.ErrInterrupted) {
			what = "stopped at once; the newest checkpoint counts"
		}
		safetext.Say(stderr, "%s; continue with: ballast train --resume %s\n", what, log.Dir())
	}
	page, perr := report.Write(log.Dir())
	switch other := errors.Join(perr, cost, unsaid, p.told.record(log, run.State.Update)); {
	case err != nil && other != nil: // a failure, also of a run that was interrupted
		return fmt.Errorf("%v; %w", err, other)
	case err != nil || other != nil:
		return cmp.Or(err, other)
	}
	return f.summary(out, run, log, res, page)
}

func (f *trainFlags) summary(out io.Writer, run *loop.Run, log *runlog.Run, res eval.Result, page string) error {
	if f.json {
		return json.NewEncoder(out).Encode(map[string]any{
			"run": log.Dir(), "report": page, "updates": run.State.Update, "eval": run.State.Eval.Result, "test": res,
		})
	}
	text, err := report.Summary(log.Dir())
	if err != nil {
		return err
	}
	note := "; they chose the best checkpoint too"
	if run.State.Test != nil {
		note = ", played once, after training"
	}
	fmt.Fprintf(out, "%s\ntest tasks, greedy%s:\n%s\nrun      %s\nreport   %s\n", text, note, res.Table(), log.Dir(), page)
	return nil
}

// freshDir returns the first of root/name-001, -002, ... that does not exist.
func freshDir(root, name string) (string, error) {
	for i := 1; i < 1000; i++ {
		dir := filepath.Join(root, fmt.Sprintf("%s-%03d", name, i))
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return dir, nil
		}
	}
	return "", fmt.Errorf("%s holds 999 runs of %s; remove some or use --out", root, name)
}
