package recipe

import (
	"context"
	"fmt"
	"time"

	"ballast"
	"ballast/credit"
	"ballast/monitor"
	"ballast/rollout"
)

// rlPhase is group-relative policy optimisation: play groups, score, stamp the
// advantage on the policy's tokens, update.
type rlPhase struct {
	run   *Run
	total int
}

func (p *rlPhase) name() string { return "rl" }
func (p *rlPhase) updates() int { return p.total }

func (p *rlPhase) update(ctx context.Context, i int, m map[string]float64) ([]ballast.Episode, error) {
	r := p.run
	start := time.Now()
	tasks := p.draw()
	eps, err := rollout.Run(ctx, r.Engine.Policy, r.Recipe.Rollout(r.Engine.Style), p.plays(tasks), r.Recipe.Sampling())
	if err != nil {
		return nil, err
	}
	m[monitor.SecondsRollout] = time.Since(start).Seconds()
	groups, err := p.credit(eps, tasks, m)
	if err != nil {
		return nil, err
	}
	names := watchedNames(r.Engine)
	monitor.Measure(eps, names, m)
	monitor.Inspect(eps, &monitor.Lens{Format: r.Engine.Style.Format, Tokens: r.Engine.Style.Tok, Watched: r.Engine.Policy.Watched()}, m)
	start = time.Now()
	rate := r.Recipe.RL.LR
	if w := r.Recipe.RL.Warmup; i < w {
		rate *= float64(i+1) / float64(w)
	}
	m[monitor.LearningRate] = rate
	if err := r.learn(ctx, groups, r.Recipe.RL.Minibatches, rate, m); err != nil {
		return nil, err
	}
	m[monitor.SecondsTrain] = time.Since(start).Seconds()
	return eps, nil
}

// draw takes the next tasks of the run's endless shuffled epochs.
func (p *rlPhase) draw() []*ballast.Task {
	r := p.run
	n := len(r.Train)
	out := make([]*ballast.Task, r.Recipe.RL.Prompts)
	for j := range out {
		k := r.State.Drawn + j
		out[j] = &r.Train[r.order("rl", k/n, n)[k%n]]
	}
	r.State.Drawn += len(out)
	return out
}

func (p *rlPhase) plays(tasks []*ballast.Task) []rollout.Play {
	r := p.run
	var out []rollout.Play
	for g, t := range tasks {
		for s := range r.Recipe.RL.Rollouts {
			out = append(out, rollout.Play{Task: t, Group: g, Sample: s,
				Seed: mix(r.Recipe.Seed, uint64(r.State.Update), uint64(g), uint64(s))})
		}
	}
	return out
}

// credit scores the episodes and returns the samples group by group. Episodes
// that failed for infrastructure are left out of their group and counted.
func (p *rlPhase) credit(eps []ballast.Episode, tasks []*ballast.Task, m map[string]float64) ([][]ballast.Sample, error) {
	r := p.run
	byGroup := make([][]*ballast.Episode, len(tasks))
	infra := 0
	for k := range eps {
		ep := &eps[k]
		if ep.Stop == ballast.StopInfra {
			infra++
			continue
		}
		ep.Score = credit.Score(ep, tasks[ep.Group], credit.Options{Progress: r.Recipe.RL.Progress, Format: r.Recipe.RL.Format})
		byGroup[ep.Group] = append(byGroup[ep.Group], ep)
	}
	m[monitor.Infra] = float64(infra)
	if infra == len(eps) {
		return nil, fmt.Errorf("every episode failed for infrastructure; the first error: %s", eps[0].Error)
	}
	groups, flat := make([][]ballast.Sample, len(tasks)), 0
	for g, members := range byGroup {
		rewards := make([]float64, len(members))
		for k, ep := range members {
			rewards[k] = ep.Score.Reward
		}
		adv, spread, err := credit.Advantages(r.Recipe.RL.Advantage, rewards)
		if err != nil {
			return nil, err
		}
		if !spread {
			flat++
		}
		for k, ep := range members {
			groups[g] = append(groups[g], PolicySample(ep, adv[k], &r.Recipe.RL))
		}
	}
	m[monitor.ZeroSpread] = float64(flat) / float64(len(tasks))
	r.State.Flat++
	if flat < len(tasks) {
		r.State.Flat = 0
	}
	return groups, nil
}

// learn splits groups into minibatches, takes one optimiser step on each, and
// averages their statistics (sums for token counts).
func (r *Run) learn(ctx context.Context, groups [][]ballast.Sample, minibatches int, rate float64, m map[string]float64) error {
	done := 0
	for b := range minibatches {
		lo, hi := b*len(groups)/minibatches, (b+1)*len(groups)/minibatches
		var batch []ballast.Sample
		for _, g := range groups[lo:hi] {
			batch = append(batch, g...)
		}
		if len(batch) == 0 {
			continue
		}
		stats, err := r.Engine.Learner.Update(ctx, batch, rate)
		if err != nil {
			return err
		}
		done++
		for k, v := range stats {
			monitor.Fold(m, k, v, done)
		}
	}
	return nil
}
