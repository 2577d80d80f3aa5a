package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"ballast/recipe"
	"ballast/sweep"
)

// sweepCommand is `ballast sweep`.
func sweepCommand() *cobra.Command {
	var f trainFlags
	var vary []string
	o := sweep.Options{}
	c := &cobra.Command{
		Use:   "sweep METHOD",
		Short: "train a method over a grid of settings and seeds, side by side",
		Long: "Train a method over every combination of the varied settings, with several seeds each. Runs are directories below --out;\n" +
			"the same command goes on with what is not done. At the end stand one table and one plot.",
		Example: "  ballast sweep ets --vary sft.lr=1e-4,1e-3 --vary rl.lr=3e-4,6e-4 --seeds 3",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var err error
			o.Method = args[0]
			if o.Points, err = sweep.Grid(vary); err != nil {
				return err
			}
			o.Args = passed(&f)
			for _, p := range o.Points { // a bad setting is an error now, not in a log
				g := f
				g.set = append(append([]string{}, f.set...), p...)
				if _, err := g.recipe(o.Method); err != nil {
					return err
				}
			}
			if o.Dir == "" {
				o.Dir = "runs/sweep-" + o.Method
			}
			return runSweep(c.Context(), o)
		},
	}
	fl := c.Flags()
	fl.StringArrayVar(&vary, "vary", nil, "key=a,b,c: values to try (repeatable)")
	fl.IntVar(&o.Seeds, "seeds", 1, "seeds of every setting, from 1")
	fl.IntVar(&o.Parallel, "parallel", max(1, runtime.NumCPU()), "runs at once")
	fl.StringVar(&o.Dir, "out", "", "directory of the sweep (default runs/sweep-METHOD)")
	fl.StringVar(&f.model, "model", "", "as for train")
	fl.StringVar(&f.tasks, "tasks", "", "as for train")
	fl.StringVar(&f.data, "data", "", "as for train")
	fl.StringVar(&f.config, "config", "", "as for train")
	fl.StringArrayVar(&f.set, "set", nil, "a setting of all runs (repeatable)")
	return c
}

// passed are the flags that every training command gets.
func passed(f *trainFlags) []string {
	var out []string
	for _, p := range [][2]string{{"--model", f.model}, {"--tasks", f.tasks}, {"--data", f.data}, {"--config", f.config}} {
		if p[1] != "" {
			out = append(out, p[0], p[1])
		}
	}
	for _, s := range f.set {
		out = append(out, "--set", s)
	}
	return out
}

func runSweep(ctx context.Context, o sweep.Options) error {
	if _, err := recipe.New(o.Method); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	cores := max(1, runtime.NumCPU()/min(o.Parallel, max(1, len(o.Points)*o.Seeds)))
	o.Train = func(ctx context.Context, args []string, out io.Writer) error {
		cmd := exec.CommandContext(ctx, self, args...)
		cmd.Stdout, cmd.Stderr = out, out
		cmd.Env = append(os.Environ(), fmt.Sprintf("GOMAXPROCS=%d", cores))
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // it finishes the update
		return cmd.Run()
	}
	o.Say = func(text string) { fmt.Fprintln(os.Stderr, text) }
	if err := sweep.Run(ctx, o); err != nil {
		return err
	}
	rows := sweep.Read(o)
	fmt.Print(sweep.Table(rows))
	table, svg, err := sweep.Write(o, rows)
	if err != nil {
		return err
	}
	fmt.Printf("\ntable    %s\nplot     %s\n", table, svg)
	return nil
}
