// Package train is the local learner: it turns samples with token weights into
// optimiser steps of a decoder. It knows no algorithm; see package loss for what
// the weights mean.
//
// A minibatch is packed into batches of rows in which prefixes that samples
// share are computed once (package pack). Batches run forward and backward on an
// engine, plain Go (package decoder) or graphs on a GoMLX backend, side by side on
// the cores, each shard summing its batches'
// gradients in order; the shards are then added in order and AdamW steps. The
// same samples on the same state give the same bits, whatever the number of
// cores, and also after Save and Load.
//
// Failure: samples that do not fit the model are an error that names the sample;
// a gradient that is not finite leaves the weights alone and is reported.
package train

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/train/adamw"
	"ballast/train/pack"
	"ballast/train/plan"
)

// Pack lays samples out as the learner does; see pack.Batches.
func Pack(samples []ballast.Sample, budget int, all bool) []pack.Batch {
	return pack.Batches(samples, budget, all)
}

// Options are the learner's constants. Start from Default.
type Options struct {
	AdamW   AdamW
	Loss    loss.Params // clip bounds and gamma
	Backend string      // GoMLX backend, "" for $GOMLX_BACKEND or else none: plain Go
	// Limit is the memory in bytes that weights, gradients, moments and
	// activations may take together; it decides whether activations are kept
	// or computed again, and how long a batch may be. 0 means plan.Default.
	Limit int64

	fixed *plan.Plan // of tests
}

// AdamW are the optimiser's constants.
type AdamW = adamw.Options

// Default returns the paper's constants (section 1): clip 0.2, dual clip 3,
// gradient norm 1, weight decay 0.01.
func Default() Options {
	return Options{AdamW: AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Clip: 1}, Loss: loss.Default()}
}

// Learner implements ballast.Learner on one machine. It is used by one goroutine
// at a time.
type Learner struct {
	m      *model.Model
	opts   Options
	e      engine
	w, ref *params // ref is nil until Freeze
	grads  []*gradient
	adam   adamw.State
	plan   plan.Plan
}

var _ ballast.Learner = (*Learner)(nil)

// New makes a learner that trains m. The learner takes m's weights over: from
// now on m.Weights shows the learner's own memory and changes with every update.
func New(m *model.Model, opts Options) (*Learner, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	l := &Learner{m: m, opts: opts, plan: opts.Plan(&m.Config)}
	if !l.plan.Keep {
		lean()
	}
	var err error
	if l.e, err = newEngine(m.Config, opts, l.plan); err != nil {
		return nil, err
	}
	if err := guard(func() { l.w = l.e.place(m.Weights) }); err != nil {
		return nil, err
	}
	l.view()
	l.adam = adamw.New(l.w.flat)
	return l, nil
}

// check refuses constants that cannot be meant.
func (o *Options) check() error {
	a := o.AdamW
	switch {
	case a.Beta1 < 0 || a.Beta1 >= 1 || a.Beta2 < 0 || a.Beta2 >= 1:
		return fmt.Errorf("train: AdamW betas %g and %g must lie in [0, 1)", a.Beta1, a.Beta2)
	case a.Eps <= 0:
		return fmt.Errorf("train: AdamW eps %g must be positive", a.Eps)
	case a.Clip < 0 || a.WeightDecay < 0:
		return fmt.Errorf("train: gradient clip %g and weight decay %g must not be negative", a.Clip, a.WeightDecay)
	case o.Loss.Gamma <= 0:
		return fmt.Errorf("train: gamma %g must be positive", o.Loss.Gamma)
	}
	return nil
}

// view makes the model's weights show the learner's memory.
func (l *Learner) view() {
	for i, s := range l.w.specs {
		l.m.Weights.Get(s.Name).Data = l.w.flat[i]
	}
}

// Weights returns the current weights. They are the learner's own memory: valid
// until the next Update or Load, not to be written to.
func (l *Learner) Weights() *model.Weights { return l.m.Weights }

// Plan returns how a learner of c will cut its work up; see plan.Memory for what
// that takes.
func (o *Options) Plan(c *model.Config) plan.Plan {
	if o.fixed != nil {
		return *o.fixed
	}
	return plan.For(c, o.Limit)
}

// inner is the number of goroutines of one attention call: batches side by side
// keep the cores busy unless there is one shard only.
func inner(p plan.Plan) int {
	if p.Shards > 1 {
		return 1
	}
	return 64
}

// Update implements ballast.Learner. A minibatch without any weighted token
// changes nothing, not even the optimiser's step count.
func (l *Learner) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	begin := time.Now()
	in, err := l.prepare(samples)
	if err != nil {
		return nil, err
	}
	batches := pack.Batches(samples, l.plan.Budget(samples), false)
	st := l.newSums()
	st.pack(samples, batches)
	if len(batches) == 0 {
		return st.stats(begin), nil
	}
	shards := min(l.plan.Shards, len(batches))
	for len(l.grads) < shards {
		l.grads = append(l.grads, newGradient(&l.m.Config, l.w))
	}
	l.grow(batches)
	parts := make([]*sums, shards)
	err = l.parallel(shards, func(shard int) error {
		parts[shard] = l.newSums()
		l.grads[shard].clear()
		for i := shard; i < len(batches); i += shards {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := l.e.derive(l.grads[shard], l.w, l.ref, samples, &batches[i], in, parts[shard]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		st.merge(p)
	}
	total := l.grads[0]
	for _, g := range l.grads[1:shards] {
		adamw.Merge(total.flat, g.flat)
	}
	norm := adamw.Norm(total.flat)
	st.norm = norm
	if math.IsNaN(norm) || math.IsInf(norm, 0) || math.IsNaN(st.total()) || math.IsInf(st.total(), 0) {
		st.nonfinite = 1
	} else {
		step := l.adam.Begin(l.opts.AdamW, rate, norm)
		if err := guard(func() { l.e.write(l.w, func(i int, w []float32) { step.Update(i, w, total.flat[i]) }) }); err != nil {
			return nil, err
		}
		l.view() // an engine that does not share memory has its weights elsewhere now
	}
	return st.stats(begin), nil
}

// prepare checks samples and sums the terms' counts over the minibatch.
func (l *Learner) prepare(samples []ballast.Sample) (lossInput, error) {
	var in lossInput
	var count [ballast.NumTerms]float64
	for i := range samples {
		s := &samples[i]
		if err := l.checkSample(s); err != nil {
			return in, fmt.Errorf("train: sample %d: %w", i, err)
		}
		for term, t := range s.Terms {
			count[term] += t.Count
			for _, w := range t.Weight {
				if w != 0 {
					in.has[term] = true
					break
				}
			}
		}
	}
	for term, c := range count {
		if in.has[term] {
			if c <= 0 {
				return in, fmt.Errorf("train: term %d has weights, but its counts sum to %g; set Count", term, c)
			}
			in.count[term] = c
		}
	}
	if in.has[ballast.TermReference] && l.ref == nil {
		return in, fmt.Errorf("train: samples have a reference term, but there is no reference; call Freeze first")
	}
	in.refIsPolicy = in.has[ballast.TermReference] && l.ref.equal(l.w)
	return in, nil
}

func (l *Learner) checkSample(s *ballast.Sample) error {
	for i, id := range s.Tokens {
		if id < 0 || int(id) >= l.m.Config.Vocab {
			return fmt.Errorf("token %d is %d, but the vocabulary has %d", i, id, l.m.Config.Vocab)
		}
	}
	for term, t := range s.Terms {
		if t.Weight != nil && len(t.Weight) != len(s.Tokens) {
			return fmt.Errorf("term %d has %d weights for %d tokens", term, len(t.Weight), len(s.Tokens))
		}
	}
	if s.OldLogProb != nil && len(s.OldLogProb) != len(s.Tokens) {
		return fmt.Errorf("%d old log-probabilities for %d tokens", len(s.OldLogProb), len(s.Tokens))
	}
	if s.Terms[ballast.TermPolicy].Weight != nil && s.OldLogProb == nil {
		return fmt.Errorf("a policy term needs OldLogProb")
	}
	return nil
}

// grow makes the rotary tables cover the batches' positions.
func (l *Learner) grow(batches []pack.Batch) {
	most := 0
	for i := range batches {
		for _, pos := range batches[i].Positions {
			most = max(most, int(pos)+1)
		}
	}
	l.e.grow(most)
}

// parallel calls do for 0 to n-1 on as many goroutines as there are cores, but no
// more than the plan has memory for, and returns the first error by index.
func (l *Learner) parallel(n int, do func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	turn := make(chan struct{}, min(runtime.GOMAXPROCS(0), l.plan.Shards))
	for i := range n {
		turn <- struct{}{}
		wg.Go(func() {
			errs[i] = do(i)
			<-turn
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// LogProbs implements ballast.Learner.
func (l *Learner) LogProbs(ctx context.Context, samples []ballast.Sample) ([][]float32, error) {
	out := make([][]float32, len(samples))
	for i := range samples {
		if err := l.checkSample(&samples[i]); err != nil {
			return nil, fmt.Errorf("train: sample %d: %w", i, err)
		}
		out[i] = make([]float32, len(samples[i].Tokens))
	}
	batches := pack.Batches(samples, l.plan.Budget(samples), true)
	l.grow(batches)
	err := l.parallel(len(batches), func(i int) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		logp, err := l.e.logProbs(l.w, samples, &batches[i])
		for k, x := range logp {
			t := batches[i].Targets[k]
			out[t.Sample][t.Index] = x
		}
		return err
	})
	return out, err
}

// Freeze implements ballast.Learner.
func (l *Learner) Freeze() error {
	return guard(func() {
		if l.ref == nil {
			l.ref = l.e.place(l.m.Weights)
			return
		}
		l.e.write(l.ref, func(i int, data []float32) { copy(data, l.w.flat[i]) })
	})
}

// ResetOptimizer implements ballast.Learner.
func (l *Learner) ResetOptimizer() error {
	l.adam.Reset()
	return nil
}
