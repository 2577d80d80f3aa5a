package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"

	"github.com/spf13/cobra"

	"ballast/bench"
	"ballast/model"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/task"
)

func benchCommand() *cobra.Command {
	c := &cobra.Command{Use: "bench", Short: "measure this machine"}
	var asJSON bool
	var name string
	var rounds int
	var on engineFlag
	engine := &cobra.Command{
		Use: "engine", Short: "tokens sampled and trained per second", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			res, err := benchEngine(c.Context(), name, on, rounds)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(stdout).Encode(res)
			}
			res.Print(stdout)
			return nil
		},
	}
	engine.Flags().StringVar(&name, "model", recipe.DefaultModel, "model to measure")
	engine.Flags().IntVar(&rounds, "rounds", 5, "updates measured after one that warms up")
	engine.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	on.add(engine.Flags(), "cpu")
	c.AddCommand(engine, soakCommand(), benchWorldCommand(), benchServeCommand(), serveLoadCommand(), checkCommand(), deviceCommand())
	return c
}

// benchEngine measures updates of GRPO; what monitoring costs too with an embedded model.
func benchEngine(ctx context.Context, name string, on engineFlag, rounds int) (*bench.EngineResult, error) {
	r, err := recipe.New(recipe.Baseline)
	if err != nil {
		return nil, err
	}
	r.Model = name
	if err := on.apply(&r); err != nil {
		return nil, err
	}
	p, err := newRun(ctx, &r, loop.State{}, "")
	if err != nil {
		return nil, err
	}
	defer p.close()
	var still *model.Model
	if table := finder.Embedded(); table.Has(name) && r.Engine.On() == "cpu" {
		if still, err = table.Load(name); err != nil {
			return nil, err
		}
	}
	return bench.Engine(ctx, p.run, still, rounds)
}

func soakCommand() *cobra.Command {
	var kills int
	var seed uint64
	var set []string
	c := &cobra.Command{
		Use: "soak [METHOD]...", Args: cobra.ArbitraryArgs,
		Short: "kill -9 runs at random moments; resumed, they must end with the same bits",
		Long: "Kills a run of every method that is named (default " + recipe.Baseline +
			") at random moments, resumes it each time, and compares weights\n" +
			"and optimiser of its last checkpoint with those of a run that was left alone.",
		RunE: func(_ *cobra.Command, methods []string) error {
			self, err := exec.LookPath(os.Args[0])
			if err != nil {
				return err
			}
			if len(methods) == 0 {
				methods = []string{recipe.Baseline}
			}
			for i, m := range methods {
				if err := bench.Soak(stdout, self, m, kills, seed+uint64(i), set); err != nil {
					return fmt.Errorf("%s: %w", m, err)
				}
			}
			return nil
		},
	}
	c.Flags().IntVar(&kills, "kills", 20, "number of kills of each")
	c.Flags().Uint64Var(&seed, "seed", 1, "seed of the moments")
	c.Flags().StringArrayVar(&set, "set", []string{"phases=[{sft: gold}, {rl: 12}]", "tasks.count=64", "tasks.test=8", "sft.epochs=1",
		"rl.prompts=4", "keep.checkpoint=2", "keep.eval=5"}, "settings of the run")
	return c
}

func benchWorldCommand() *cobra.Command {
	var data string
	var passes int
	var asJSON bool
	c := &cobra.Command{
		Use: "world --data DIR", Short: "tool calls and checked trajectories per second on BFCL's gold answers", Args: cobra.NoArgs,
		Long: `Plays the gold answers of all tasks in this process, first in one goroutine,
then in one per core, as a group of episodes is played: a task's worlds are loaded
once, every trajectory gets a copy of its own. Replay: every call of a trajectory,
turn by turn. Checker: the same, and every turn compared with gold, whose own play
is made once for a task. Alone: the checker for a task that is played once, worlds
loaded and gold played for that trajectory. Memory is the live heap after a
collection, after each tenth of the passes.`,
		RunE: func(c *cobra.Command, _ []string) error {
			tasks, err := task.Load(task.Spec{Name: "bfcl", Data: data})
			if err != nil {
				return err
			}
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(bench.CollectAt)
			}
			res, err := bench.World(tasks, passes)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(c.OutOrStdout()).Encode(res)
			}
			res.Print(c.OutOrStdout())
			return nil
		},
	}
	c.Flags().StringVar(&data, "data", "", "folder of the benchmark's data")
	c.Flags().IntVar(&passes, "passes", 100, "passes over all tasks, for each measurement")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}
