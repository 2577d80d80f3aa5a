package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"ballast/compare"
	"ballast/compare/table"
	"ballast/engine"
	"ballast/recipe"
	"ballast/recipe/request"
	"ballast/safetext"
	"ballast/sweep"
)

// sweepCommand is `ballast sweep`.
func sweepCommand() *cobra.Command {
	var f request.Request
	var vary []string
	var seeds, parallel int
	var dir string
	c := &cobra.Command{
		Use:   "sweep METHOD",
		Short: "train a method over a grid of settings and seeds, side by side",
		Long: "Train a method over every combination of the varied settings, with several seeds each. Runs are directories below --out;\n" +
			"the same command goes on with what is not done. At the end stand the tables and plots of `ballast compare`.\n\n" +
			"Ctrl-C, SIGTERM or SIGHUP lets every run finish its update and keep a checkpoint; a second one stops them at once. Exit codes: " +
			"ballast --help.",
		Example: "  ballast sweep ets --vary sft.lr=1e-4,1e-3 --vary rl.lr=3e-4,6e-4 --seeds 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			out := outlive(stdout)
			points, err := sweep.Grid(vary)
			if err != nil {
				return fmt.Errorf("--vary %w", err)
			}
			for _, pair := range slices.Concat(f.Set, vary) {
				if key, _, _ := strings.Cut(pair, "="); key == "seed" {
					return fmt.Errorf("%s: a sweep numbers the seeds from 1 itself; say how many with --seeds", pair)
				}
			}
			for _, p := range points { // a bad setting is an error now, not in a log
				g := f
				g.Set = append(append([]string{}, f.Set...), p...)
				r, err := g.Recipe(args[0])
				if err == nil {
					err = engine.Check(&r)
				}
				if err != nil {
					return err
				}
			}
			dir = cmp.Or(dir, "runs/sweep-"+args[0])
			if err := compare.Writable(dir); err != nil { // before hours of runs, and not after
				return err
			}
			unlock, err := sweep.Alone(dir, "sweep")
			if err != nil {
				return err
			}
			defer unlock()
			if err := sideBySide(c.Context(), parallel, sweep.Jobs(dir, args[0], f.Args(), points, seeds)); err != nil {
				return err
			}
			groups, err := compare.Read([]string{dir}, recipe.Shown)
			if err != nil {
				return err
			}
			tables := compare.Tables(groups)
			if err := compare.Write(dir, tables, compare.Figures(groups)); err != nil {
				return err
			}
			fmt.Fprintf(out, "%s\ntables and plots are in %s\n", table.Text(tables), dir)
			return nil
		},
	}
	fl := c.Flags()
	fl.StringArrayVar(&vary, "vary", nil, "key=a,b,c: values to try (repeatable)")
	fl.IntVar(&seeds, "seeds", 1, "seeds of every setting, from 1")
	fl.IntVar(&parallel, "parallel", max(1, runtime.NumCPU()), "runs at once")
	fl.StringVar(&dir, "out", "", "directory of the sweep (default runs/sweep-METHOD)")
	fl.StringVar(&f.Model, "model", "", "as for train")
	fl.StringVar(&f.Tasks, "tasks", "", "as for train")
	fl.StringVar(&f.Data, "data", "", "as for train")
	fl.StringVar(&f.Dialogues, "dialogues", "", "as for train")
	fl.StringVar(&f.Config, "config", "", "as for train")
	fl.StringArrayVar(&f.Set, "set", nil, "a setting of all runs (repeatable)")
	return c
}

// sideBySide runs jobs as processes of this program that share the cores. The first
// interrupt lets each finish its update, the second lets it stop at once.
func sideBySide(ctx context.Context, parallel int, jobs []sweep.Job) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	tell := func(text string) { fmt.Fprintln(stderr, safetext.Indent(text, "  ")) }
	ctx, hurry, stop := interrupts(ctx, func() { tell("every run finishes its update; interrupt again to stop them at once") })
	defer stop()
	cores := max(1, runtime.NumCPU()/max(1, min(parallel, len(jobs))))
	return interrupted(ctx, sweep.Run(ctx, sweep.Options{Jobs: jobs, Parallel: parallel, Say: tell, Same: request.Same, Signalled: signalled,
		Exec: sweep.Processes(hurry, self, cores)}))
}
