package bench

import (
	"context"
	"math"

	"ballast"
	"ballast/engine"
	"ballast/model"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe/loop"
	"ballast/recipe/signal"
	"ballast/rollout"
)

// Watching is what monitoring adds to an update, in seconds of processor time: the
// least of some rounds each, so that a busy machine does not count.
type Watching struct {
	Plain   float64 // sampling with nothing watched
	Watched float64 // the same episodes with the control tokens' probabilities
	Inspect float64 // metrics of the episodes, the reference's view of some, and the verdict
	Train   float64 // the optimiser step on them
}

// Share is the part of an unwatched update that monitoring adds to it.
func (c Watching) Share() float64 {
	return (max(0, c.Watched-c.Plain) + c.Inspect) / (c.Plain + c.Train)
}

// Watch plays and learns the run's first update over and over, with and
// without monitoring. m is a copy of the model that the learner does not change.
func Watch(ctx context.Context, run *loop.Run, m *model.Model, rounds int) (Watching, error) {
	r, s := &run.Recipe, run.Engine.Renderer
	ids, names := s.Control()
	plain, err := engine.Sampler(ctx, r, m, nil)
	if err != nil {
		return Watching{}, err
	}
	defer plain.Close()
	watched, err := engine.Sampler(ctx, r, m, ids)
	if err != nil {
		return Watching{}, err
	}
	defer watched.Close()
	first := plays(run, 0)
	inf := math.Inf(1)
	least := Watching{inf, inf, inf, inf}
	timed := func(into *float64, do func() error) {
		start := CPUSeconds()
		if err == nil {
			err = do()
		}
		*into = min(*into, CPUSeconds()-start)
	}
	detector := verdict.New()
	for i := range rounds {
		var eps []ballast.Episode
		play := func(p ballast.Policy) func() error {
			return func() (err error) {
				eps, err = rollout.Run(ctx, p, r.Rollout(s), first, r.Sampling())
				return err
			}
		}
		timed(&least.Plain, play(plain.Policy()))
		timed(&least.Watched, play(watched.Policy()))
		timed(&least.Inspect, func() error {
			metrics := map[string]float64{}
			monitor.Measure(eps, names, metrics)
			lens := &monitor.Lens{Format: s.Format, Tokens: s.Tokenizer, Watched: ids, Advantages: make([]float64, len(eps))}
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
			_, err := run.Engine.Learner().Update(ctx, samples, 1e-6)
			return err
		})
	}
	return least, err
}
