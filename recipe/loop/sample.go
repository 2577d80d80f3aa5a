package loop

import (
	"context"
	"fmt"
	"slices"

	"ballast"
	"ballast/credit"
	"ballast/monitor"
	"ballast/recipe/signal"
	"ballast/rollout"
)

// group is a group that was played.
type group struct {
	task       *ballast.Task
	plays      []rollout.Request
	eps        []ballast.Episode
	advantages []float64 // of the episodes that were scored, in order
	spread     bool
}

// scored are the group's episodes but for those that failed for infrastructure.
func (g *group) scored() (out []*ballast.Episode) {
	for i := range g.eps {
		if g.eps[i].Stop != ballast.StopInfra {
			out = append(out, &g.eps[i])
		}
	}
	return out
}

// sample plays groups until no sieve asks for more, and fills the draft with those that
// every sieve keeps. The episodes are all that was played: those of the draft first, by
// group, then those that were left out. Its Requests are theirs.
func (p *rlPhase) sample(ctx context.Context, d *signal.Draft) ([]ballast.Episode, error) {
	var all []group
	var keep []bool
	for round, more := 0, p.set.RL.Prompts; more > 0; round++ {
		played, err := p.play(ctx, d, more, len(all))
		if err != nil {
			return nil, err
		}
		all = append(all, played...)
		if !slices.ContainsFunc(all, func(g group) bool { return len(g.advantages) > 0 }) {
			return nil, fmt.Errorf("every episode failed for infrastructure; the first error: %s", all[0].eps[0].Error)
		}
		keep, more = p.sift(all, round, d.Metrics)
	}
	infra, flat := 0, 0
	for i := range all {
		infra += len(all[i].eps) - len(all[i].advantages)
		if !all[i].spread {
			flat++
		}
	}
	d.Metrics[monitor.Infra] = float64(infra)
	d.Metrics[monitor.ZeroSpread] = float64(flat) / float64(len(all))
	p.cursor.learns(flat < len(all))
	return arrange(d, all, keep), nil
}

// play draws n tasks, plays a group of each, and scores them. before is the number of groups
// of the update so far, of which the seeds are functions.
func (p *rlPhase) play(ctx context.Context, d *signal.Draft, n, before int) ([]group, error) {
	one := *d
	one.Tasks = p.draw(n)
	one.Requests = p.plays(one.Tasks, before)
	for _, e := range p.effects {
		if err := e.Requests(ctx, &one); err != nil {
			return nil, err
		}
	}
	eps, err := rollout.Run(ctx, p.engine.Policy(), one.Rollout, one.Requests, p.set.Sampling())
	if err != nil {
		return nil, err
	}
	out := make([]group, n)
	for i := range out {
		lo, hi := i*p.set.RL.Rollouts, (i+1)*p.set.RL.Rollouts
		g := group{task: one.Tasks[i], plays: one.Requests[lo:hi], eps: eps[lo:hi]}
		if err := p.score(&g); err != nil {
			return nil, err
		}
		out[i] = g
	}
	return out, nil
}

// score scores the episodes of a group.
func (p *rlPhase) score(g *group) (err error) {
	var rewards []float64
	for _, ep := range g.scored() {
		ep.Score = credit.Score(ep, g.task, credit.Options{Progress: p.set.RL.Progress, Format: p.set.RL.Format})
		rewards = append(rewards, ep.Score.Reward)
	}
	g.advantages, g.spread, err = credit.Advantages(p.set.RL.Advantage, rewards)
	return err
}

// sift asks the sieves which groups make the batch and how many more they want, and counts.
func (p *rlPhase) sift(all []group, round int, m map[string]float64) (keep []bool, more int) {
	scored := make([]signal.Scored, len(all))
	keep = make([]bool, len(all))
	for i := range all {
		scored[i], keep[i] = signal.Scored{Task: all[i].task, Episodes: all[i].scored(), Spread: all[i].spread}, true
	}
	sieves := 0
	for _, e := range p.effects {
		s, ok := e.(signal.Sieve)
		if !ok {
			continue
		}
		sieves++
		these, again := s.Sift(scored, p.set.RL.Prompts, round)
		more = max(more, again)
		for i := range keep {
			keep[i] = keep[i] && these[i]
		}
	}
	if sieves == 0 {
		return keep, 0
	}
	kept, lost := 0.0, 0.0
	for i := range all {
		if keep[i] {
			kept++
			continue
		}
		for _, ep := range all[i].scored() {
			lost += sampled(ep)
		}
	}
	n := float64(len(all))
	m[monitor.GroupsPlayed], m[monitor.GroupsKept], m[monitor.GroupsLeftOut] = n, kept, n-kept
	m[monitor.GroupsMissing] = max(0, float64(p.set.RL.Prompts)-kept)
	m[monitor.Rounds], m[monitor.TokensLeftOut] = float64(round+1), lost
	return keep, more
}

// sampled counts the tokens that the policy sampled.
func sampled(ep *ballast.Episode) (n float64) {
	for _, o := range ep.Owners {
		if o == ballast.OwnerPolicy {
			n++
		}
	}
	return n
}

// arrange lays the groups out in the draft: those that are kept, with their ordinary stamps,
// and behind them the plays and episodes of the others. A group's number is its place.
func arrange(d *signal.Draft, all []group, keep []bool) []ballast.Episode {
	var order []*group
	for _, in := range []bool{true, false} {
		for i := range all {
			if keep[i] == in {
				order = append(order, &all[i])
			}
		}
		if in {
			d.Groups = make([][]signal.Member, len(order))
		}
	}
	var eps []ballast.Episode
	for at, g := range order {
		for i := range g.eps {
			g.plays[i].Group, g.eps[i].Group = at, at
		}
		d.Requests, eps = append(d.Requests, g.plays...), append(eps, g.eps...)
	}
	k := 0
	for at, g := range order[:len(d.Groups)] {
		d.Tasks = append(d.Tasks, g.task)
		scored := 0
		for range g.eps {
			if ep := &eps[k]; ep.Stop != ballast.StopInfra {
				m := signal.Member{Request: &d.Requests[k], Episode: ep, Advantage: g.advantages[scored]}
				m.Sample = signal.Policy(ep, ballast.OwnerPolicy, m.Advantage, d.Loss)
				d.Groups[at] = append(d.Groups[at], m)
				scored++
			}
			k++
		}
	}
	return eps
}
