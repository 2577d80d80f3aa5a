package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/chat"
	"ballast/engine"
	"ballast/model"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/recipe/signal"
	"ballast/rollout"
)

// checkCommand is `ballast bench check`: is a device right?
func checkCommand() *cobra.Command {
	var name string
	var tolerance float64
	var on engineFlag
	c := &cobra.Command{
		Use: "check", Short: "compare an engine with the built-in one", Args: cobra.NoArgs,
		Long: `Plays and trains three updates from the same weights on the engine that --engine names and
on the built-in one, and prints how far apart they are: log-probabilities of sampler and
learner, losses, gradients, weights. It fails where that is more than the rounding of
float32 explains. Products in TF32, which CUDA uses by default, are more than that: check
with --engine xla,address=PLUGIN,options=[notf32].`,
		RunE: func(c *cobra.Command, _ []string) error {
			k, err := newEngineCheck(c.Context(), name, on, c.OutOrStdout())
			if err != nil {
				return err
			}
			defer k.close()
			return k.run(c.Context(), tolerance)
		},
	}
	c.Flags().StringVar(&name, "model", recipe.DefaultModel, "model to check with")
	on.add(c.Flags(), "none, name one")
	c.Flags().Float64Var(&tolerance, "tolerance", 1e-3, "largest mean difference of log-probabilities, in nats; the other bounds follow "+
		"from it")
	return c
}

// engineCheck is one model on both engines.
type engineCheck struct {
	r        recipe.Recipe
	renderer chat.Renderer
	tasks    []ballast.Task
	start    *model.Weights
	engines  [2]engine.Engine // the built-in one, and the one that is checked
	out      io.Writer
	bad      []string
}

func newEngineCheck(ctx context.Context, name string, on engineFlag, out io.Writer) (*engineCheck, error) {
	r, err := on.recipe()
	if err != nil {
		return nil, err
	}
	r.Model, r.RL.Prompts, r.RL.Rollouts = name, 4, 4
	k := &engineCheck{r: r, out: out}
	var ms [3]*model.Model // one for each engine, and one that stays
	for i := range ms {
		if ms[i], err = finder.Load(ctx, &r); err != nil {
			return nil, err
		}
	}
	k.start = ms[2].Weights
	if k.renderer, _, err = models.Renderer(&r, ms[0]); err != nil {
		return nil, err
	}
	run := &loop.Run{Recipe: r}
	if err := prepare.Tasks(ctx, run, nil, r.Rollout(k.renderer)); err != nil {
		return nil, err
	}
	k.tasks = run.Train
	host := r
	host.Engine = recipe.Engine{}
	for i, r := range []*recipe.Recipe{&host, &k.r} {
		e, err := openEngine(ctx, r, ms[i], k.renderer, (&teller{out: stderr}).say)
		if err != nil {
			k.close()
			return nil, err
		}
		k.engines[i] = e
	}
	fmt.Fprintf(out, "host    %s\ndevice  %s\n", k.engines[0].Describe(), k.engines[1].Describe())
	return k, nil
}

func (k *engineCheck) close() {
	for _, e := range k.engines {
		if e != nil {
			e.Close()
		}
	}
}

func (k *engineCheck) run(ctx context.Context, tolerance float64) error {
	for _, e := range k.engines {
		if err := e.Learner().Freeze(); err != nil {
			return err
		}
	}
	for update := range 3 {
		if err := k.update(ctx, update, tolerance); err != nil {
			return err
		}
	}
	if err := k.weights(tolerance); err != nil {
		return err
	}
	if len(k.bad) > 0 {
		return fmt.Errorf("the engines differ by more than rounding explains: %v", k.bad)
	}
	fmt.Fprintln(k.out, "the engines agree")
	return nil
}

// note prints a difference and remembers it if it is over its bound.
func (k *engineCheck) note(what string, difference, bound float64) {
	verdict := "ok"
	if !(difference <= bound) {
		verdict = "TOO FAR"
		k.bad = append(k.bad, what)
	}
	fmt.Fprintf(k.out, "  %-38s %10.3g  of at most %-8.3g %s\n", what, difference, bound, verdict)
}

// update plays the same episodes on both samplers and trains both learners on the
// host's.
func (k *engineCheck) update(ctx context.Context, i int, tolerance float64) error {
	var plays []rollout.Request
	for g := range k.r.RL.Prompts {
		for s := range k.r.RL.Rollouts {
			plays = append(plays, rollout.Request{Task: &k.tasks[(i*k.r.RL.Prompts+g)%len(k.tasks)], Group: g, Sample: s,
				Seed: uint64(i<<20 | g<<10 | s)})
		}
	}
	var eps [2][]ballast.Episode
	var took [4]time.Duration
	for j, e := range k.engines {
		begin, err := time.Now(), error(nil)
		if eps[j], err = rollout.Run(ctx, e.Policy(), k.r.Rollout(k.renderer), plays, k.r.Sampling()); err != nil {
			return err
		}
		took[j] = time.Since(begin)
	}
	samples := make([]ballast.Sample, len(plays))
	for n := range samples {
		samples[n] = signal.Policy(&eps[0][n], ballast.OwnerPolicy, float64(1-2*(n%2)), k.r.RL.Stamp())
	}
	var logps [2][][]float32
	var stats [2]ballast.Stats
	for j, e := range k.engines {
		l, err := e.Learner(), error(nil)
		if logps[j], err = l.LogProbs(ctx, samples); err != nil {
			return err
		}
		begin := time.Now()
		if stats[j], err = l.Update(ctx, samples, 1e-5); err != nil {
			return err
		}
		took[2+j] = time.Since(begin)
	}
	fmt.Fprintf(k.out, "update %d: %d episodes; sampling %.2f s on the host, %.2f s on the device; training %.2f s, %.2f s\n",
		i+1, len(plays), took[0].Seconds(), took[1].Seconds(), took[2].Seconds(), took[3].Seconds())
	same, mean := sampled(eps[0], eps[1])
	k.note("sampler: mean |log p| difference", mean, tolerance)
	fmt.Fprintf(k.out, "  %-38s %d of %d\n", "sampler: episodes with equal tokens", same, len(plays))
	sum, count := 0.0, 0.0
	for n := range logps[0] {
		for t, x := range logps[0][n] {
			sum, count = sum+math.Abs(float64(x-logps[1][n][t])), count+1
		}
	}
	k.note("learner: mean |log p| difference", sum/max(count, 1), tolerance)
	for _, name := range []string{"loss", monitor.GradNorm, monitor.KL} {
		a, b := stats[0][name], stats[1][name]
		k.note("learner: "+name+", relative", math.Abs(a-b)/max(math.Abs(a), 1e-2), 10*tolerance)
	}
	return errors.Join(k.engines[0].Sync(ctx), k.engines[1].Sync(ctx))
}

// sampled compares the same plays of two samplers: how many have equal tokens, and
// the mean difference of log-probabilities as far as tokens are equal.
func sampled(a, b []ballast.Episode) (same int, mean float64) {
	sum, count := 0.0, 0.0
	for n := range a {
		i := 0
		for i < min(len(a[n].Tokens), len(b[n].Tokens)) && a[n].Tokens[i] == b[n].Tokens[i] {
			if a[n].Owners[i] == ballast.OwnerPolicy {
				sum, count = sum+math.Abs(float64(a[n].LogProb[i]-b[n].LogProb[i])), count+1
			}
			i++
		}
		if i == len(a[n].Tokens) && i == len(b[n].Tokens) {
			same++
		}
	}
	return same, sum / max(count, 1)
}

// weights compares where the weights went.
func (k *engineCheck) weights(tolerance float64) error {
	var list [2]*model.Weights
	for i, e := range k.engines {
		l, ok := e.Learner().(interface{ Weights() *model.Weights })
		if !ok {
			return fmt.Errorf("the weights of engine %s cannot be looked at", e.Describe())
		}
		list[i] = l.Weights()
	}
	apart, moved, a, b := 0.0, 0.0, list[0], list[1]
	for i, t := range k.start.Tensors {
		for j, from := range t.Data {
			x, y := float64(a.Tensors[i].Data[j]), float64(b.Tensors[i].Data[j])
			apart, moved = apart+(x-y)*(x-y), moved+(x-float64(from))*(x-float64(from))
		}
	}
	fmt.Fprintln(k.out, "after three updates:")
	// AdamW turns the rounding of a tiny derivative into a whole step.
	k.note("weights: distance over way travelled", math.Sqrt(apart/max(moved, 1e-30)), 100*tolerance)
	return nil
}
