// Package train is the learner on the host's processor: it turns samples with
// token weights into optimiser steps of a decoder, in plain Go. It knows no
// algorithm; see package loss for what the weights mean. Package train/accel is
// the same on a device.
//
// A minibatch is packed into batches of rows in which prefixes that samples
// share are computed once (package pack). Batches run forward and backward (package
// decoder) side by side on the cores, each shard summing its batches' gradients in
// order; the shards are then added in order and AdamW steps. The same samples on
// the same state give the same bits, whatever the number of cores, and also after
// Save and Load.
//
// Failure: samples that do not fit the model are an error that names the sample;
// a gradient that is not finite leaves the weights alone and is reported.
package train

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/train/adamw"
	"ballast/train/pack"
	"ballast/train/plan"
	"ballast/train/tally"
)

// Pack lays samples out as the learner does; see pack.Batches.
func Pack(samples []ballast.Sample, budget int, all bool) []pack.Batch {
	return pack.Batches(samples, budget, all)
}

// Options are the learner's constants. Start from Default.
type Options struct {
	AdamW AdamW
	Loss  loss.Params // clip bounds and gamma
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
	e      *engine
	w, ref *params // ref is nil until Freeze
	grads  []*params
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
	l.e = newEngine(&m.Config, opts.Loss, l.plan)
	l.w = copyOf(&m.Config, m.Weights)
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

// Update implements ballast.Learner. A minibatch without any weighted token
// changes nothing, not even the optimiser's step count.
func (l *Learner) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	begin := time.Now()
	in, err := tally.Prepare(samples, l.m.Config.Vocab, l.ref != nil)
	if err != nil {
		return nil, err
	}
	in.RefIsPolicy = in.Refers() && l.ref.equal(l.w)
	batches := pack.Batches(samples, l.plan.Budget(samples), false)
	st := tally.New(&l.opts.Loss, l.m.Tok)
	st.Pack(samples, batches)
	if len(batches) == 0 {
		return st.Stats(begin), nil
	}
	shards := min(l.plan.Shards, len(batches))
	for len(l.grads) < shards {
		l.grads = append(l.grads, gradientOf(&l.m.Config, l.w))
	}
	l.grow(batches)
	parts := make([]*tally.Sums, shards)
	err = l.parallel(shards, func(shard int) error {
		parts[shard] = tally.New(&l.opts.Loss, l.m.Tok)
		l.grads[shard].clear()
		for i := shard; i < len(batches); i += shards {
			if err := ctx.Err(); err != nil {
				return err
			}
			l.e.derive(l.grads[shard], l.w, l.ref, samples, &batches[i], in, parts[shard])
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		st.Merge(p)
	}
	total := l.grads[0]
	for _, g := range l.grads[1:shards] {
		adamw.Merge(total.flat, g.flat)
	}
	if st.Norm = adamw.Norm(total.flat); st.Finite() {
		step := l.adam.Begin(l.opts.AdamW, rate, st.Norm)
		for i, w := range l.w.flat {
			step.Update(i, w, total.flat[i])
		}
	}
	return st.Stats(begin), nil
}

// grow makes the rotary tables cover the batches' positions.
func (l *Learner) grow(batches []pack.Batch) {
	most := 0
	for i := range batches {
		for _, pos := range batches[i].Positions {
			most = max(most, int(pos)+1)
		}
	}
	l.e.d.Grow(most)
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
		if err := tally.Check(&samples[i], l.m.Config.Vocab); err != nil {
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
		for k, x := range l.e.logProbs(l.w, samples, &batches[i]) {
			t := batches[i].Targets[k]
			out[t.Sample][t.Index] = x
		}
		return nil
	})
	return out, err
}

// Freeze implements ballast.Learner.
func (l *Learner) Freeze() error {
	if l.ref == nil {
		l.ref = copyOf(&l.m.Config, l.m.Weights)
	} else {
		l.ref.set(l.w.flat)
	}
	return nil
}

// ResetOptimizer implements ballast.Learner.
func (l *Learner) ResetOptimizer() error {
	l.adam.Reset()
	return nil
}
