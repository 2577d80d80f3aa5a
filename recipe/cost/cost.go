// Package cost says what a run of a recipe computes and needs, before it is begun: tasks,
// phases, updates, memory, work.
//
// Contract: figures are upper bounds, as if every episode were as long as it may be and every
// task failed; memory is what the built-in engine holds at most, and is not known of a server. A model that is not on this
// machine is enough if its shape is known.
//
// How it fails: as the run would before its first update.
package cost

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"ballast/chat"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/recipe/signal"
	"ballast/recipe/worlds"
	"ballast/rollout"
	"ballast/safetext"
	"ballast/task"
	"ballast/train"
	"ballast/train/plan"
)

// Print writes the resolved recipe and what a run of it computes and needs to w. Prompts of a
// model that is not here count with the whole budget. notes gets what is left out of files;
// engine is what would run the recipe, for people.
func Print(ctx context.Context, w, notes io.Writer, find *models.Finder, r *recipe.Recipe, engine string) (err error) {
	if err := r.LoRA.Startable(); err != nil {
		return err
	}
	in, err := worlds.Open(ctx, r, notes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	m, shape, err := find.Sizes(ctx, r)
	if err != nil {
		return err
	}
	find.Pin(r)
	prompt, how := r.Budget.Prompt, "the budget's, the model's tokenizer is not here"
	run := loop.Run{Recipe: *r}
	var chosen chat.Choice
	if m != nil {
		s, c, err := models.Renderer(r, m)
		if err != nil {
			return err
		}
		if err := m.ServeAs(s, r.Chat.System); err != nil {
			return err
		}
		chosen = c
		cfg := r.Rollout(s)
		if err := prepare.Tasks(ctx, &run, in, cfg); err != nil {
			return err
		}
		run.Engine.Renderer, run.Engine.Context, run.Engine.Env = s, m.Config.MaxLen, in.Table()
		cfg.Env = in.Table()
		if err := prepare.Imports(notes, &run); err != nil {
			return err
		}
		if err := prepare.Gold(ctx, &run); err != nil {
			return err
		}
		if prompt, err = rollout.CheckPrompts(ctx, &cfg, run.Train); err != nil {
			return err
		}
		how = "longest prompt"
	} else if err := errors.Join(prepare.Sets(ctx, &run, in), prepare.Imports(notes, &run)); err != nil {
		return err
	}
	fmt.Fprintf(w, "%s\n", r.YAML())
	if prepare.OwnDialogues(r) {
		safetext.Say(w, "# training tasks    none, it learns from %s\n", r.SFT.File)
	} else {
		fmt.Fprintf(w, "# training tasks    %d; prompts of %d tokens (%s)\n", len(run.Train), prompt, how)
	}
	if chosen.Name != "" {
		fmt.Fprintf(w, "# conversations     %s\n", prepare.Rendering(r, chosen))
	} else {
		fmt.Fprintf(w, "# conversations     chosen by the model's chat template, which is not here\n")
	}
	if len(run.Test) > 0 {
		fmt.Fprintf(w, "# evaluations       %d tasks of split %s, which choose the best checkpoint; %d test tasks once, after training\n",
			len(run.Eval), task.Held(r.Tasks.Set), len(run.Test))
	} else {
		fmt.Fprintf(w, "# evaluations       %d test tasks, which choose the best checkpoint too: set %s has no split valid, so its success "+
			"is biased upwards\n", len(run.Eval), r.Tasks.Set)
	}
	if line, err := prepare.Judge(&run); err != nil {
		return err
	} else if line != "" {
		fmt.Fprintf(w, "# judge             %s\n", line)
	}
	most, err := phases(w, r, &run, prompt)
	if err != nil {
		return err
	}
	needs(w, find, r, shape, prompt, most, engine)
	return nil
}

// load is the tokens of an update, of its largest minibatch, and of the largest group or
// single sample, and the episodes and tokens that are sampled together; each at most, over all phases.
type load struct{ sampled, round, trained, batch, group, episodes int }

// add makes l the larger of both, field by field; sampled is that of the largest update.
func (l *load) add(o load) {
	if o.trained > l.trained {
		l.sampled, l.round, l.trained = o.sampled, o.round, o.trained
	}
	l.batch, l.group, l.episodes = max(l.batch, o.batch), max(l.group, o.group), max(l.episodes, o.episodes)
}

// phases prints the phases with their updates and returns the largest update.
func phases(w io.Writer, r *recipe.Recipe, run *loop.Run, prompt int) (most load, err error) {
	total, atMost := 0, ""
	most.episodes = max(len(run.Eval), len(run.Test))
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err != nil {
			return most, err
		}
		reset := cmp.Or(r.Resets(i).String(), "nothing")
		if p.RL > 0 {
			l, text, err := largest(&in, prompt)
			if err != nil {
				return most, err
			}
			most.add(l)
			total += p.RL
			fmt.Fprintf(w, "# phase %-2d          rl, %d updates of %s\n", i, p.RL, strings.Replace(text, "RESET", reset, 1))
			continue
		}
		n, least, err := examples(&in, run, i, p.SFT)
		if err != nil {
			return most, err
		}
		updates, long := in.SFT.Steps(n), prompt+in.Budget.Episode
		per := min(in.SFT.Batch, max(n, 1)) * long
		most.add(load{trained: per, batch: per, group: long})
		total += updates
		bound, times := "", fmt.Sprintf("%d epochs", in.SFT.Epochs)
		if least {
			bound, atMost = "at most ", "at most "
		}
		if in.SFT.Updates > 0 {
			times = "sft.updates"
		}
		fmt.Fprintf(w, "# phase %-2d          sft on %s, %s%d examples, %s%d updates (%s) of %d, at most %d tokens each; reset: %s\n",
			i, p.SFT, bound, n, bound, updates, times, in.SFT.Batch, per, reset)
	}
	fmt.Fprintf(w, "# updates           %s%d\n", atMost, total)
	return most, nil
}

// largest is the largest update of an RL phase, and what is printed of it.
func largest(in *recipe.Recipe, prompt int) (load, string, error) {
	eps := in.RL.Prompts * in.RL.Rollouts
	if _, err := signal.Open(in.RL.Signals, in.RL.Rollouts); err != nil {
		return load{}, "", err
	}
	// What signals add may be in another format, with a prompt of its own.
	need := signal.Need(in.RL.Signals)
	added := need.Adds * (prompt + in.Budget.Episode)
	group := prompt + in.RL.Rollouts*in.Budget.Episode + added
	l := load{sampled: eps * in.Budget.Episode, trained: in.RL.Prompts * group, group: group, episodes: eps}
	l.batch = (in.RL.Prompts + in.RL.Minibatches - 1) / in.RL.Minibatches * group
	once := "prompts once a group"
	if added > 0 {
		once += " and the signals' dialogues"
	}
	text := fmt.Sprintf("%d episodes in %d optimiser steps, at most %d tokens each (%s: %d + %d); reset: RESET",
		eps, in.RL.Minibatches, l.trained, once, l.trained-l.sampled, l.sampled)
	l.round = l.sampled
	if need.Rounds > 0 {
		text += fmt.Sprintf("; at most %d episodes more are played and left out", need.Rounds*eps)
		l.sampled *= 1 + need.Rounds
	}
	for _, name := range slices.Sorted(maps.Keys(in.RL.Signals)) {
		text += fmt.Sprintf("; signal %s %v", name, map[string]any(in.RL.Signals[name]))
	}
	return l, text, nil
}

// examples counts those of a phase; what depends on failures counts as if every
// task had failed, and dialogues that no tokenizer is here to measure as if all fitted.
func examples(in *recipe.Recipe, run *loop.Run, phase int, sources recipe.Names) (n int, bound bool, err error) {
	list, err := recipe.Examples(sources, recipe.Worst(run.Material()), &in.SFT)
	if err != nil {
		return 0, false, err
	}
	n, bound = len(list), recipe.Waits(sources)
	from := recipe.Imports(sources)
	switch {
	case len(from) == 0:
	case run.Engine.Renderer.Tokenizer == nil:
		bound = true
	default:
		files, err := run.Imports()
		if err != nil {
			return 0, false, err
		}
		own, err := recipe.Examples(from, run.Material(), &in.SFT)
		if err != nil {
			return 0, false, err
		}
		n += files[slices.IndexFunc(files, func(f loop.Import) bool { return f.Phase == phase })].Taken - len(own)
	}
	return n, bound, nil
}

// needs prints the model, its memory and its work, and the engine.
func needs(w io.Writer, find *models.Finder, r *recipe.Recipe, c *model.Config, prompt int, most load, engine string) {
	n, trained := float64(plan.Parameters(c)), r.LoRA.Trained(c)
	fmt.Fprintf(w, "# model             %s, %.1fM parameters\n", r.Model, n/1e6)
	if a := r.LoRA.Config(); a != nil {
		fmt.Fprintf(w, "# adapter           %s: %d parameters are trained\n", a, trained)
	}
	// Two operations a parameter and token forward, four backward (two where the parameter is
	// frozen), two for the reference, two to sample.
	work := (6*n+2*min(float64(trained), n))*float64(most.trained) + 2*n*float64(most.sampled)
	const gpu = 200e12
	if find.Elsewhere != nil && find.Elsewhere(r) {
		fmt.Fprintf(w, "# memory            the server's, which is not known here\n"+
			"# work              at most %.3g operations an update on the server: %s on one accelerator (at 200 TFLOP/s)\n"+
			"# engine            %s\n", work, clock(work/gpu), engine)
		return
	}
	cores := runtime.GOMAXPROCS(0)
	p := plan.For(c, trained, plan.Default)
	slots := min(cpu.Slots(int(n), cores), most.episodes)
	h := plan.Held(c, trained, p, plan.Load{Rows: most.batch, Group: most.group, Slots: slots, Long: prompt + r.Budget.Episode,
		Cores: cores, Room: train.Room(p)})
	const core, gib = 50e9, 1 << 30
	took := work / (core * float64(cores))
	fmt.Fprintf(w, "# memory            %s\n", h)
	fmt.Fprintf(w, "#                   of the built-in engine on %d cores, if every episode is as long as it may be; keys and values "+
		"are those of %d conversations at a time, %.1f KiB a token;\n"+
		"#                   the rest is the program and what the collector has not collected (GOGC %d; the environment variable GOMEMLIMIT "+
		"bounds it)\n",
		cores, slots, float64(plan.Cache(c))/1024, train.Room(p))
	fmt.Fprintf(w, "# work              at most %.3g operations an update: %s on the %d cores here (at 50 GFLOP/s each), %s on one "+
		"accelerator (at 200 TFLOP/s)\n",
		work, clock(took), cores, clock(work/gpu))
	fmt.Fprintf(w, "# engine            %s\n", engine)
	if took >= 600 && r.Engine.On() == "cpu" {
		e := plan.Memory(c, trained, plan.Plan{Rows: p.Batch(most.group), Shards: 1, Keep: p.Keep})
		cache := plan.Cache(c) * int64(r.RL.Prompts*prompt+most.round)
		fmt.Fprintf(w, "# wants             an accelerator of at least %.0f GiB (XLA, build tag xla) or a remote engine; the built-in one "+
			"would take %s an update\n",
			float64(e.Total+4*int64(n))/gib+min(float64(cache)/gib, 16), clock(took))
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
