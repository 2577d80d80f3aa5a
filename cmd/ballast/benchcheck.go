package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/spf13/cobra"

	"ballast"
	"ballast/chat"
	"ballast/model"
	"ballast/model/accel"
	"ballast/model/device"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/recipe/prepare"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/train"
	learner "ballast/train/accel"
)

// checkCommand is `ballast bench check`: is a device right?
func checkCommand() *cobra.Command {
	var name string
	var tolerance float64
	c := &cobra.Command{
		Use: "check", Short: "compare the engine of GOMLX_BACKEND with the plain-Go one", Args: cobra.NoArgs,
		Long: `Plays and trains three updates from the same weights on the device that GOMLX_BACKEND
names and on the processor, and prints how far apart they are: log-probabilities of
sampler and learner, losses, gradients, weights. It fails where that is more than the
rounding of float32 explains. Products in TF32, which CUDA uses by default, are more
than that: check with GOMLX_BACKEND=xla:PLUGIN,notf32.`,
		RunE: func(c *cobra.Command, _ []string) error {
			k, err := newEngineCheck(name, c.OutOrStdout())
			if err != nil {
				return err
			}
			return k.run(c.Context(), tolerance)
		},
	}
	c.Flags().StringVar(&name, "model", "embedded", "model to check with")
	c.Flags().Float64Var(&tolerance, "tolerance", 1e-3, "largest mean difference of log-probabilities, in nats; the other bounds follow from it")
	return c
}

// engineCheck is one model on both engines.
type engineCheck struct {
	r      recipe.Recipe
	style  chat.Style
	tasks  []ballast.Task
	start  *model.Weights
	host   *train.Learner
	device *learner.Learner
	slow   sampler // on the host
	fast   sampler
	sync   func() error
	out    io.Writer
	bad    []string
}

func newEngineCheck(name string, out io.Writer) (*engineCheck, error) {
	r, err := recipe.New(recipe.Baseline)
	if err != nil {
		return nil, err
	}
	r.Model, r.RL.Prompts, r.RL.Rollouts = name, 4, 4
	k := &engineCheck{r: r, out: out}
	var ms [3]*model.Model // the host's, the device's, and one that stays
	for i := range ms {
		if ms[i], err = finder.Load(&r); err != nil {
			return nil, err
		}
	}
	k.start = ms[2].Weights
	if k.style, _, err = models.Style(&r, ms[0]); err != nil {
		return nil, err
	}
	run := &loop.Run{Recipe: r}
	if err := prepare.Tasks(run, r.Rollout(k.style)); err != nil {
		return nil, err
	}
	k.tasks = run.Train
	d, err := device.Open("")
	if err != nil {
		return nil, err
	}
	o := trainOptions(&r)
	if k.device, err = learner.New(d, ms[1], learner.Options{AdamW: o.AdamW, Loss: o.Loss}); err != nil {
		return nil, err
	}
	fast, err := accel.Follow(d, ms[1].Config, k.device.Tensors(), deviceOptions(k.style))
	if err != nil {
		return nil, err
	}
	if k.host, err = train.New(ms[0], o); err != nil {
		return nil, err
	}
	slow := hostPolicy(ms[0], k.style)
	k.slow, k.fast = slow, fast
	k.sync = func() error {
		if err := slow.Refresh(k.host.Weights()); err != nil {
			return err
		}
		return fast.Share(k.device.Tensors())
	}
	fmt.Fprintf(out, "host    %s\ndevice  %s\n", slow.Kernels(), fast.Kernels())
	return k, nil
}

func (k *engineCheck) run(ctx context.Context, tolerance float64) error {
	for _, l := range []ballast.Learner{k.host, k.device} {
		if err := l.Freeze(); err != nil {
			return err
		}
	}
	for update := range 3 {
		if err := k.update(ctx, update, tolerance); err != nil {
			return err
		}
	}
	k.weights(tolerance)
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
	var plays []rollout.Play
	for g := range k.r.RL.Prompts {
		for s := range k.r.RL.Rollouts {
			plays = append(plays, rollout.Play{Task: &k.tasks[(i*k.r.RL.Prompts+g)%len(k.tasks)], Group: g, Sample: s, Seed: uint64(i<<20 | g<<10 | s)})
		}
	}
	var eps [2][]ballast.Episode
	var took [4]time.Duration
	for j, p := range []sampler{k.slow, k.fast} {
		begin, err := time.Now(), error(nil)
		if eps[j], err = rollout.Run(ctx, p, k.r.Rollout(k.style), plays, k.r.Sampling()); err != nil {
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
	for j, l := range []ballast.Learner{k.host, k.device} {
		var err error
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
	return k.sync()
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
func (k *engineCheck) weights(tolerance float64) {
	apart, moved := 0.0, 0.0
	a, b := k.host.Weights(), k.device.Weights()
	for i, t := range k.start.Tensors {
		for j, from := range t.Data {
			x, y := float64(a.Tensors[i].Data[j]), float64(b.Tensors[i].Data[j])
			apart, moved = apart+(x-y)*(x-y), moved+(x-float64(from))*(x-float64(from))
		}
	}
	fmt.Fprintln(k.out, "after three updates:")
	// AdamW turns the rounding of a tiny derivative into a whole step.
	k.note("weights: distance over way travelled", math.Sqrt(apart/max(moved, 1e-30)), 100*tolerance)
}
