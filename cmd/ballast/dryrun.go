package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"

	"ballast/model"
	"ballast/model/device"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/supervise"
	"ballast/supervise/endpoint"
	"ballast/task"
	"ballast/train/plan"
)

// dryRun prints the resolved recipe and what a run of it computes and needs. A
// model that is not on this machine is enough if its shape is known; its prompts
// then count with the whole budget.
func dryRun(w io.Writer, r *recipe.Recipe) error {
	if _, err := endpoint.Open(r.Judge, endpoint.Options{}); err != nil {
		return err
	}
	shape, known := plan.ShapeOf(r.Model)
	prompt, how := r.Budget.Prompt, "the budget's, the model's tokenizer is not here"
	run := loop.Run{Recipe: *r}
	if _, err := os.Stat(r.Model); err == nil || !known {
		m, err := loadModel(r)
		if err != nil {
			return err
		}
		s, err := newStyle(r, m)
		if err != nil {
			return err
		}
		cfg := r.Rollout(s)
		if err := loadTasks(&run, cfg); err != nil {
			return err
		}
		if prompt, err = rollout.CheckPrompts(&cfg, run.Train); err != nil {
			return err
		}
		shape, how = &m.Config, "longest prompt"
	} else if err := taskSets(&run); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n", r.YAML())
	fmt.Fprintf(w, "# training tasks    %d; prompts of %d tokens (%s)\n", len(run.Train), prompt, how)
	switch set, err := task.ByName(r.Tasks.Set); {
	case len(run.Test) > 0:
		fmt.Fprintf(w, "# evaluations       %d tasks of split %s, which choose the best checkpoint; %d test tasks once, after training\n", len(run.Eval), r.Tasks.Eval, len(run.Test))
	case err == nil && set.Whole:
		fmt.Fprintf(w, "# evaluations       %d test tasks, which choose the best checkpoint too: set %s has no split valid, so its success is biased upwards\n", len(run.Eval), set.Name)
	default:
		fmt.Fprintf(w, "# evaluations       %d test tasks, which choose the best checkpoint too (tasks.eval: test), so its success is biased upwards\n", len(run.Eval))
	}
	if line, err := judgeLine(r); err != nil {
		return err
	} else if line != "" {
		fmt.Fprintf(w, "# judge             %s\n", line)
	}
	most, err := dryPhases(w, r, &run, prompt)
	if err != nil {
		return err
	}
	dryNeeds(w, r, shape, prompt, most)
	return nil
}

// load is the tokens of one update, and of its largest group.
type load struct{ sampled, trained, group int }

// dryPhases prints the phases and returns the largest update.
func dryPhases(w io.Writer, r *recipe.Recipe, run *loop.Run, prompt int) (most load, err error) {
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err != nil {
			return most, err
		}
		reset := p.Reset
		if reset == "" {
			reset = "optimizer, reference"
		}
		if p.RL > 0 {
			eps := in.RL.Prompts * in.RL.Rollouts
			effects, err := signal.Open(in.RL.Signals, in.RL.Rollouts)
			if err != nil {
				return most, err
			}
			// What signals add may be in another format, with a prompt of its own.
			added := signal.Adds(effects) * (prompt + in.Budget.Episode)
			l := load{eps * in.Budget.Episode, in.RL.Prompts*(prompt+added) + eps*in.Budget.Episode, prompt + in.RL.Rollouts*in.Budget.Episode + added}
			if l.trained > most.trained {
				most.sampled, most.trained = l.sampled, l.trained
			}
			most.group = max(most.group, l.group)
			var names []string
			for _, name := range slices.Sorted(maps.Keys(in.RL.Signals)) {
				names = append(names, fmt.Sprintf("; signal %s %v", name, map[string]any(in.RL.Signals[name])))
			}
			once := "prompts once a group"
			if added > 0 {
				once += " and the signals' dialogues"
			}
			fmt.Fprintf(w, "# phase %-2d          rl, %d updates of %d episodes in %d optimiser steps, at most %d tokens each (%s: %d + %d); reset: %s%s\n",
				i, p.RL, eps, in.RL.Minibatches, l.trained, once, l.trained-l.sampled, l.sampled, reset, strings.Join(names, ""))
			continue
		}
		n, least, err := examples(&in, run, p.SFT)
		if err != nil {
			return most, err
		}
		updates := in.SFT.Epochs * ((n + in.SFT.Batch - 1) / in.SFT.Batch)
		per := min(in.SFT.Batch, max(n, 1)) * (prompt + in.Budget.Episode)
		most.trained = max(most.trained, per)
		bound := ""
		if least {
			bound = "at most "
		}
		fmt.Fprintf(w, "# phase %-2d          sft on %s, %s%d examples, %s%d updates of %d, at most %d tokens each; reset: %s\n",
			i, p.SFT, bound, n, bound, updates, in.SFT.Batch, per, reset)
	}
	return most, nil
}

// examples counts those of a phase; what depends on failures counts as if every
// task had failed.
func examples(in *recipe.Recipe, run *loop.Run, sources string) (n int, bound bool, err error) {
	for name := range strings.SplitSeq(sources, "+") {
		switch name {
		case "failed":
			bound = true
			for i := range run.Train {
				if in.SFT.Per == "turn" {
					n += supervise.Replies(&run.Train[i])
				} else {
					n++
				}
			}
		case "reflections":
			bound = true
			n += 2 * len(run.Train)
		default:
			for _, s := range recipe.Sources {
				if s.Name != name {
					continue
				}
				list, err := s.Of(run, &in.SFT)
				if err != nil {
					return 0, false, fmt.Errorf("source %s: %w", name, err)
				}
				n += len(list)
			}
		}
	}
	return n, bound, nil
}

// dryNeeds prints the memory, the work and the engine.
func dryNeeds(w io.Writer, r *recipe.Recipe, c *model.Config, prompt int, most load) {
	const gib = 1 << 30
	limit := int64(plan.Default)
	p := plan.For(c, limit)
	p.Rows = p.Batch(most.group) // the plan's are what fits; an update may need fewer
	e := plan.Memory(c, p)
	cache := plan.Cache(c) * int64(r.RL.Prompts*prompt+most.sampled)
	n := float64(plan.Parameters(c))
	fmt.Fprintf(w, "# model             %s, %.1fM parameters\n", r.Model, n/1e6)
	fmt.Fprintf(w, "# memory            %s\n", e)
	fmt.Fprintf(w, "#                   sampler: keys and values %.2f GiB if every episode of an update is as long as it may be, %.1f KiB a token; its weights %.2f GiB\n",
		float64(cache)/gib, float64(plan.Cache(c))/1024, 4*n/gib)
	// Two operations a parameter and token forward, four backward, two for the
	// reference, two to sample.
	work := 8*n*float64(most.trained) + 2*n*float64(most.sampled)
	const core, gpu = 50e9, 200e12
	cpu := work / (core * float64(runtime.NumCPU()))
	fmt.Fprintf(w, "# work              at most %.3g operations an update: %s on the %d cores here (at 50 GFLOP/s each), %s on one accelerator (at 200 TFLOP/s)\n",
		work, clock(cpu), runtime.NumCPU(), clock(work/gpu))
	fmt.Fprintf(w, "# engine            %s\n", engineLine())
	if total := e.Total + 4*int64(n); cpu >= 600 && !device.Accelerated(device.Named()) {
		fmt.Fprintf(w, "# wants             an accelerator of at least %.0f GiB (XLA, build tag xla) or a remote engine; the built-in one would take %s an update\n",
			float64(total)/gib+min(float64(cache)/gib, 16), clock(cpu))
	}
}

// clock writes seconds for people.
func clock(s float64) string {
	switch {
	case s < 120:
		return fmt.Sprintf("%.1f s", s)
	case s < 7200:
		return fmt.Sprintf("%.0f min", s/60)
	}
	return fmt.Sprintf("%.0f h", s/3600)
}
