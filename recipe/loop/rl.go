package loop

import (
	"cmp"
	"context"
	"slices"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/signal"
	"ballast/rollout"
)

// rlPhase is group-relative policy optimisation: play groups, score, stamp the
// advantage on the policy's tokens, let the signals change it, update.
type rlPhase struct {
	ground
	set     recipe.Recipe
	total   int
	effects []signal.Effect
}

func (p *rlPhase) name() string { return "rl" }
func (p *rlPhase) updates() int { return p.total }

// open forgets failures where the phase begins: those of one RL phase are nothing to the next.
func (p *rlPhase) open(context.Context) (err error) {
	if !p.cursor.Begun {
		p.cursor.History = nil
	}
	p.effects, err = signal.Open(p.set.RL.Signals, p.set.RL.Rollouts)
	p.effects = slices.Concat(signal.Faulty(p.set.Faults), p.effects, pin(p.cursor, &p.engine.Renderer))
	return err
}

func (p *rlPhase) update(ctx context.Context, i int, m map[string]float64) ([]ballast.Episode, error) {
	start := time.Now()
	d := &signal.Draft{Prompts: p.set.RL.Prompts, Rollout: played(&p.set, p.engine), Loss: p.set.RL.Stamp(),
		Learner: p.engine.Learner(), Judge: p.judge, Metrics: m}
	d.Rollout.Faults = p.set.Faults
	eps, err := p.sample(ctx, d)
	if err != nil {
		return nil, err
	}
	m[monitor.SecondsRollout] = time.Since(start).Seconds()
	unaided, advantages := own(eps, d)
	monitor.Measure(unaided, watchedNames(p.engine), m)
	lens := &monitor.Lens{Format: p.engine.Renderer.Format, Tokens: p.engine.Renderer.Tokenizer, Watched: p.engine.Policy().Watched(),
		Advantages: advantages}
	monitor.Inspect(unaided, lens, m)
	if err := p.engine.Compare(ctx, unaided, lens, m); err != nil {
		return nil, err
	}
	if w := p.recipe.Window(); w > 0 {
		p.cursor.History = p.cursor.History.Add(p.cursor.Update+1, w, eps)
	}
	start = time.Now()
	for _, e := range p.effects {
		if err := e.Stamp(ctx, d); err != nil {
			return nil, err
		}
	}
	seen := watchGap(d)
	groups := make([][]ballast.Sample, len(d.Groups))
	for g, members := range d.Groups {
		for k := range members {
			groups[g] = append(groups[g], members[k].Sample)
			if members[k].Sample.Terms[loss.TermCrossEntropy].Count > 0 {
				p.cursor.Flat = 0 // it teaches without any reward
			}
			if n := demonstrated(members[k].Episode); n > 0 {
				m[monitor.TokensSupervised] += n
			}
		}
	}
	rate := p.set.RL.LR * cmp.Or(p.cursor.Guard.Rate, 1)
	since := i
	if p.cursor.Guard.Rate != 0 { // it was lowered, and warms up again
		since = min(i, p.cursor.Update-p.cursor.Guard.Since)
	}
	if w := p.set.RL.Warmup; since < w {
		rate *= float64(since+1) / float64(w)
	}
	m[monitor.LearningRate] = rate
	if err := learn(ctx, p.engine.Learner(), groups, p.set.RL.Minibatches, rate, m); err != nil {
		return nil, err
	}
	monitor.Mismatch(seen, m)
	m[monitor.SecondsTrain] = time.Since(start).Seconds()
	p.partial(m)
	return eps, nil
}

// watchGap makes room for what the learner says of the sampled tokens, where no signal has
// asked for it: the first minibatch tells it of its own without a pass more, see learn.
func watchGap(d *signal.Draft) (seen []monitor.Seen) {
	for _, members := range d.Groups {
		for k := range members {
			m := &members[k]
			if !d.AsSampled(m) {
				continue
			}
			if m.LogProb == nil {
				m.LogProb = monitor.Untold(len(m.Sample.Tokens))
				m.Sample.NewLogProb = m.LogProb
			}
			seen = append(seen, monitor.Seen{Episode: m.Episode, LogProb: m.LogProb})
		}
	}
	return seen
}

// partial takes the KL out of an update's metrics where the reference term does not
// cover the policy's tokens: without rl.kl there is none, or with a signal one
// on control tokens alone, whose mean has a name of its own.
func (p *rlPhase) partial(m map[string]float64) {
	v, ok := m[monitor.KL]
	if p.set.RL.KL > 0 || !ok {
		return
	}
	delete(m, monitor.KL)
	delete(m, monitor.KLControl)
	if p.set.RL.Referred() {
		m[monitor.KLOnControl] = v
	}
}

// demonstrated counts the tokens of an episode that are a demonstration's.
func demonstrated(ep *ballast.Episode) (n float64) {
	for _, o := range ep.Owners {
		if o == ballast.OwnerGold {
			n++
		}
	}
	return n
}

// comparedOf is the share of episodes, one in so many, that the reference sees too:
// a second forward pass of all would cost more than monitoring may.
const comparedOf = 64

// Compare adds the reference's view of control tokens in some of the episodes,
// where the engine has one.
func (e *Engine) Compare(ctx context.Context, eps []ballast.Episode, lens *monitor.Lens, m map[string]float64) error {
	var some []ballast.Episode
	var samples []ballast.Sample
	for i := 0; i < len(eps); i += comparedOf {
		if eps[i].Stop == ballast.StopInfra {
			continue
		}
		some = append(some, eps[i])
		samples = append(samples, signal.Policy(&eps[i], ballast.OwnerPolicy, 1, signal.Loss{Aggregate: "token-mean"}))
	}
	ref, err := e.Learner().Reference(ctx, samples, lens.Watched)
	if err == nil && ref != nil {
		monitor.Compare(some, lens, ref, m)
	}
	return err
}

// own are the episodes that the policy played unaided: what metrics are about. The
// advantages are those that they got in their groups.
func own(eps []ballast.Episode, d *signal.Draft) (out []ballast.Episode, advantages []float64) {
	given := map[*ballast.Episode]float64{}
	for _, members := range d.Groups {
		for i := range members {
			given[members[i].Episode] = members[i].Advantage
		}
	}
	for i := range eps {
		if !d.Requests[i].Gold && d.Requests[i].Hint == "" {
			out, advantages = append(out, eps[i]), append(advantages, given[&eps[i]])
		}
	}
	return out, advantages
}

// draw takes the next tasks of the run's endless shuffled epochs.
func (p *rlPhase) draw(count int) []*ballast.Task {
	n := len(p.tasks)
	out := make([]*ballast.Task, count)
	for j := range out {
		k := p.cursor.Drawn + j
		out[j] = &p.tasks[order(p.recipe.Seed, "rl", k/n, n)[k%n]]
	}
	p.cursor.Drawn += len(out)
	return out
}

// plays are groups of tasks; before is the number of groups of the update so far.
func (p *rlPhase) plays(tasks []*ballast.Task, before int) []rollout.Request {
	var out []rollout.Request
	for g, t := range tasks {
		for s := range p.set.RL.Rollouts {
			out = append(out, rollout.Request{Task: t, Group: g, Sample: s,
				Seed: mix(p.recipe.Seed, uint64(p.cursor.Update), uint64(before+g), uint64(s))})
		}
	}
	return out
}

// learn splits groups into minibatches, takes one optimiser step on each, and
// averages their statistics over those that have them (sums for token counts). Only the
// first minibatch that moves the learner tells log-probabilities: later ones are of
// weights that did not sample.
func learn(ctx context.Context, learner ballast.Learner, groups [][]ballast.Sample, minibatches int, rate float64,
	m map[string]float64) error {
	seen := map[string]int{} // minibatches with a statistic
	moving := false
	for b := range minibatches {
		lo, hi := b*len(groups)/minibatches, (b+1)*len(groups)/minibatches
		var batch []ballast.Sample
		for _, g := range groups[lo:hi] {
			batch = append(batch, g...)
		}
		if len(batch) == 0 {
			continue
		}
		if moving {
			for i := range batch {
				batch[i].NewLogProb = nil
			}
		}
		moving = moving || slices.ContainsFunc(batch, weighs)
		stats, err := learner.Update(ctx, batch, rate)
		if err != nil {
			return moved{err}
		}
		for k, v := range stats {
			seen[k]++
			monitor.Fold(m, k, v, seen[k])
		}
	}
	return nil
}

// weighs says whether some token of a sample has a weight.
func weighs(s ballast.Sample) bool {
	return slices.ContainsFunc(s.Terms[:], func(t ballast.Term) bool {
		return slices.ContainsFunc(t.Weight, func(w float32) bool { return w != 0 })
	})
}

// watchedNames are the texts of the watched control tokens, for metric names.
func watchedNames(e *Engine) []string {
	var names []string
	for _, id := range e.Policy().Watched() {
		names = append(names, e.Renderer.Tokenizer.Token(id))
	}
	return names
}
