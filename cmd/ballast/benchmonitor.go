package main

import (
	"context"
	"math"

	"ballast"
	"ballast/chat"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe/loop"
	"ballast/recipe/signal"
	"ballast/rollout"
)

// watchCost is what monitoring adds to an update, in seconds of processor time: the
// least of some rounds each, so that a busy machine does not count.
type watchCost struct {
	Plain   float64 // sampling with nothing watched
	Watched float64 // the same episodes with the control tokens' probabilities
	Inspect float64 // metrics of the episodes, the reference's view of some, and the verdict
	Train   float64 // the optimiser step on them
}

// share is the part of an unwatched update that monitoring adds to it.
func (c watchCost) share() float64 {
	return (max(0, c.Watched-c.Plain) + c.Inspect) / (c.Plain + c.Train)
}

// measureWatching plays and learns the run's first update over and over, with and
// without monitoring. m is a copy of the model that the learner does not change.
func measureWatching(ctx context.Context, run *loop.Run, m *model.Model, rounds int) (watchCost, error) {
	r, s := &run.Recipe, run.Engine.Style
	ids, names := chat.Style.Control(s)
	plain, watched := cpu.NewPolicy(m, cpu.Options{}), cpu.NewPolicy(m, cpu.Options{Watched: ids})
	var plays []rollout.Play
	for g := range r.RL.Prompts {
		for k := range r.RL.Rollouts {
			plays = append(plays, rollout.Play{Task: &run.Train[g%len(run.Train)], Group: g, Sample: k, Seed: uint64(g<<10 | k)})
		}
	}
	inf := math.Inf(1)
	least := watchCost{inf, inf, inf, inf}
	var err error
	timed := func(into *float64, do func() error) {
		start := cpuSeconds()
		if err == nil {
			err = do()
		}
		*into = min(*into, cpuSeconds()-start)
	}
	detector := verdict.New()
	for i := range rounds {
		var eps []ballast.Episode
		play := func(p ballast.Policy) func() error {
			return func() (err error) {
				eps, err = rollout.Run(ctx, p, r.Rollout(s), plays, r.Sampling())
				return err
			}
		}
		timed(&least.Plain, play(plain))
		timed(&least.Watched, play(watched))
		timed(&least.Inspect, func() error {
			metrics := map[string]float64{}
			monitor.Measure(eps, names, metrics)
			lens := &monitor.Lens{Format: s.Format, Tokens: s.Tok, Watched: ids, Advantages: make([]float64, len(eps))}
			monitor.Inspect(eps, lens, metrics)
			if err := run.Engine.Compare(ctx, eps, lens, metrics); err != nil {
				return err
			}
			detector.Add(ballast.Update{Index: i + 1, Phase: "rl", Metrics: metrics})
			detector.Diagnosis()
			return nil
		})
		samples := make([]ballast.Sample, len(eps))
		for k := range eps {
			samples[k] = signal.Policy(&eps[k], ballast.OwnerPolicy, float64(1-k%2*2), r.RL.Stamp())
		}
		timed(&least.Train, func() error {
			_, err := run.Engine.Learner.Update(ctx, samples, 1e-6)
			return err
		})
	}
	return least, err
}
