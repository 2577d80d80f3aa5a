package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"ballast/compare"
	"ballast/compare/table"
	"ballast/durable"
	"ballast/recipe"
	"ballast/recipe/models"
	"ballast/recipe/record"
	"ballast/safetext"
	"ballast/sweep"
)

// sweepCommand is `ballast sweep`.
func sweepCommand() *cobra.Command {
	var f trainFlags
	var vary []string
	var seeds, parallel int
	var dir string
	c := &cobra.Command{
		Use:   "sweep METHOD",
		Short: "train a method over a grid of settings and seeds, side by side",
		Long: "Train a method over every combination of the varied settings, with several seeds each. Runs are directories below --out;\n" +
			"the same command goes on with what is not done. At the end stand the tables and plots of `ballast compare`.\n\n" +
			"Ctrl-C, SIGTERM or SIGHUP lets every run finish its update and keep a checkpoint; a second one stops them at once. Exit codes: ballast --help.",
		Example: "  ballast sweep ets --vary sft.lr=1e-4,1e-3 --vary rl.lr=3e-4,6e-4 --seeds 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			out := outlive(stdout)
			points, err := sweep.Grid(vary)
			if err != nil {
				return fmt.Errorf("--vary %w", err)
			}
			for _, pair := range slices.Concat(f.set, vary) {
				if key, _, _ := strings.Cut(pair, "="); key == "seed" {
					return fmt.Errorf("%s: a sweep numbers the seeds from 1 itself; say how many with --seeds", pair)
				}
			}
			for _, p := range points { // a bad setting is an error now, not in a log
				g := f
				g.set = append(append([]string{}, f.set...), p...)
				if _, err := g.recipe(args[0]); err != nil {
					return err
				}
			}
			if dir == "" {
				dir = "runs/sweep-" + args[0]
			}
			if err := compare.Writable(dir); err != nil { // before hours of runs, and not after
				return err
			}
			unlock, err := alone(dir, "sweep")
			if err != nil {
				return err
			}
			defer unlock()
			if err := sideBySide(c.Context(), parallel, sweep.Jobs(dir, args[0], passed(&f), points, seeds)); err != nil {
				return err
			}
			groups, err := compare.Read([]string{dir})
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
	fl.StringVar(&f.model, "model", "", "as for train")
	fl.StringVar(&f.tasks, "tasks", "", "as for train")
	fl.StringVar(&f.data, "data", "", "as for train")
	fl.StringVar(&f.dialogues, "dialogues", "", "as for train")
	fl.StringVar(&f.config, "config", "", "as for train")
	fl.StringArrayVar(&f.set, "set", nil, "a setting of all runs (repeatable)")
	return c
}

// shared are the flags, beside --set, that a sweep or a study gives to every training
// command.
func (f *trainFlags) shared() []struct {
	name string
	text *string
} {
	return []struct {
		name string
		text *string
	}{{"--model", &f.model}, {"--tasks", &f.tasks}, {"--data", &f.data}, {"--dialogues", &f.dialogues}, {"--config", &f.config}}
}

// passed are the flags that every training command gets.
func passed(f *trainFlags) []string {
	var out []string
	for _, flag := range f.shared() {
		if *flag.text != "" {
			out = append(out, flag.name, *flag.text)
		}
	}
	for _, s := range f.set {
		out = append(out, "--set", s)
	}
	return out
}

// sameSettings fails where the recipe of the run in a directory is not the one that a
// training command would begin with.
func sameSettings(dir string, args []string) error {
	want, err := resolved(args)
	if err != nil {
		return err
	}
	has, err := record.Recipe(dir)
	if err != nil {
		return err
	}
	if models.SamePin(has.Model, want.Model) {
		want.Model = has.Model
	}
	d := has.Differs(&want)
	if len(d) == 0 {
		return nil
	}
	if len(d) > 3 {
		d = append(d[:3], fmt.Sprintf("%d more", len(d)-3))
	}
	return fmt.Errorf("it holds a run of other settings: %s; name another folder, or take that run away", strings.Join(d, ", "))
}

// resolved is the recipe of a training command of a sweep or a study, which has one
// argument to each flag.
func resolved(args []string) (recipe.Recipe, error) {
	var f trainFlags
	takes := map[string]*string{"--out": &f.out}
	for _, flag := range f.shared() {
		takes[flag.name] = flag.text
	}
	for i := 2; i+1 < len(args); i += 2 {
		switch into := takes[args[i]]; {
		case args[i] == "--set":
			f.set = append(f.set, args[i+1])
		case into != nil:
			*into = args[i+1]
		default:
			return recipe.Recipe{}, fmt.Errorf("ballast %s: %s is no flag that a sweep gives", args[0], args[i])
		}
	}
	return f.recipe(args[1])
}

// alone locks the folder of a sweep or a study until unlock is called: a second one would
// take the runs of the first for failed ones, and write tables of half of them.
func alone(dir, what string) (unlock func() error, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("%s: %w; name a folder that can be made, with --out", what, err)
	}
	unlock, err = durable.Lock(filepath.Join(dir, what+".lock"))
	if errors.Is(err, durable.ErrLocked) {
		return nil, fmt.Errorf("another %s runs in %s: wait until it has ended, or name another folder with --out", what, dir)
	}
	return unlock, err
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
	return interrupted(ctx, sweep.Run(ctx, sweep.Options{Jobs: jobs, Parallel: parallel, Say: tell, Same: sameSettings, Signalled: signalled,
		Exec: func(ctx context.Context, args []string, out io.Writer) error {
			cmd := exec.CommandContext(ctx, self, args...)
			cmd.Stdout, cmd.Stderr = out, out
			cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores))
			interrupt := func() error { return cmd.Process.Signal(syscall.SIGTERM) }
			cmd.Cancel = interrupt
			tie(cmd)
			runtime.LockOSThread() // see tie
			defer runtime.UnlockOSThread()
			if err := cmd.Start(); err != nil {
				return err
			}
			defer context.AfterFunc(hurry, func() { _ = interrupt() })() // of no effect where it has ended
			return cmd.Wait()
		}}))
}
