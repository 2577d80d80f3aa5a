// Package train is the learner: it turns samples with token weights into optimiser
// steps of a decoder. It knows no algorithm; see package loss for what the weights
// mean. What every learner does stands in Learner; a Machine computes for it: here
// the host's processor, in plain Go, in package train/accel a device.
//
// A minibatch is packed into batches of rows in which prefixes that samples
// share are computed once (package pack). On the host batches run forward and backward
// (package decoder) side by side on the cores, each shard summing its batches' gradients in
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
	"time"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/lora"
	"ballast/train/adamw"
	"ballast/train/pack"
	"ballast/train/plan"
	"ballast/train/state"
	"ballast/train/tally"
)

// Options are the learner's constants. Start from Default.
type Options struct {
	AdamW AdamW
	Loss  loss.Params // clip bounds and gamma
	// Limit is the memory in bytes that weights, gradients, moments and
	// activations may take together; it decides whether activations are kept
	// or computed again, and how long a batch may be. 0 means plan.Default.
	Limit int64
	// Adapter is trained in the place of the model's weights, which stay as they are; nil
	// trains those. The learner takes it over as it takes the model.
	Adapter *lora.Adapter

	fixed *plan.Plan // of tests
}

// AdamW are the optimiser's constants.
type AdamW = adamw.Options

// Default returns the paper's constants (section 1): clip 0.2, dual clip 3,
// gradient norm 1, weight decay 0.01.
func Default() Options {
	return Options{AdamW: AdamW{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, WeightDecay: 0.01, Clip: 1}, Loss: loss.Default()}
}

// Machine is where a learner's weights, moments and reference live, and what computes
// with them.
type Machine interface {
	// Budget is the most rows of a batch of these samples.
	Budget(samples []ballast.Sample) int
	// Referred reports whether there is a reference, and Same whether it has the policy's
	// weights, so that its forward pass would repeat the policy's.
	Referred() bool
	Same() bool
	// Step adds a minibatch up and takes the optimiser's step, unless what came out is not
	// finite.
	Step(ctx context.Context, w *Work) error
	// LogProbs hands over the log-probability of every target of the batches, and Watch the
	// reference's probability of each of ids there, in any order, from several goroutines.
	LogProbs(ctx context.Context, b *Batches, put func(pack.Target, float32)) error
	Watch(ctx context.Context, b *Batches, ids []int32, put func(pack.Target, []float32)) error
	Freeze() error
	ResetOptimizer() error
	// Weights are the model's as they are now, with the adapter, if one is trained.
	Weights() *model.Weights
	// State is the rest of what a checkpoint holds; Restore takes all of it back, w being what is
	// trained.
	State() state.Source
	Restore(w *model.Weights, opt adamw.State, ref [][]float32) error
}

// Batches are samples as they are packed.
type Batches struct {
	Samples []ballast.Sample
	List    []pack.Batch
}

// Work is one minibatch, of at least one batch.
type Work struct {
	Batches
	In   tally.Input
	Rate float64
	Sums *tally.Sums // what is counted of it
}

// Learner is ballast.Learner on a machine. It is used by one goroutine at a time.
type Learner struct {
	m       *model.Model
	loss    loss.Params
	adapter *lora.Adapter // nil where the model's weights are trained
	machine Machine
}

var _ ballast.Learner = (*Learner)(nil)

// New makes a learner that trains m on the host. The learner takes m's weights over: from
// now on m.Weights shows the learner's own memory and changes with every update, unless an
// adapter is trained.
func New(m *model.Model, opts Options) (*Learner, error) {
	return On(m, opts, func() (Machine, error) { return newHost(m, opts), nil })
}

// On makes a learner that trains m on a machine.
func On(m *model.Model, opts Options, open func() (Machine, error)) (*Learner, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	machine, err := open()
	return &Learner{m, opts.Loss, opts.Adapter, machine}, err
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

// Weights returns the current weights, those of an adapter merged into the model's. They are
// the learner's own memory: valid until the next Update or Load, not to be written to.
func (l *Learner) Weights() *model.Weights { return l.machine.Weights() }

// Update takes one optimiser step. A minibatch without any weighted token changes nothing,
// not even the optimiser's step count.
func (l *Learner) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	begin := time.Now()
	in, err := tally.Prepare(samples, l.m.Config.Vocab, l.machine.Referred())
	if err != nil {
		return nil, err
	}
	in.RefIsPolicy = in.Has[loss.TermReference] && l.machine.Same()
	batches := pack.Batches(samples, l.machine.Budget(samples), false)
	st := tally.New(&l.loss, l.m.Tokenizer)
	st.Pack(samples, batches)
	if len(batches) > 0 {
		if err := l.machine.Step(ctx, &Work{Batches{samples, batches}, in, rate, st}); err != nil {
			return nil, err
		}
	}
	return st.Stats(begin), nil
}

// LogProbs returns the log-probability of every token of the samples.
func (l *Learner) LogProbs(ctx context.Context, samples []ballast.Sample) ([][]float32, error) {
	return perToken(l, samples, true, func(b *Batches, put func(pack.Target, float32)) error {
		return l.machine.LogProbs(ctx, b, put)
	})
}

// Reference costs a forward pass, and a pass of the output matrix for every id.
func (l *Learner) Reference(ctx context.Context, samples []ballast.Sample, ids []int32) ([][][]float32, error) {
	if !l.machine.Referred() || len(ids) == 0 {
		return nil, nil
	}
	return perToken(l, samples, false, func(b *Batches, put func(pack.Target, []float32)) error {
		return l.machine.Watch(ctx, b, ids, put)
	})
}

// perToken asks for something of the samples' tokens, of all or of those with a weight.
func perToken[T any](l *Learner, samples []ballast.Sample, all bool, ask func(*Batches, func(pack.Target, T)) error) ([][]T, error) {
	out := make([][]T, len(samples))
	for i := range samples {
		if err := tally.Check(&samples[i], l.m.Config.Vocab); err != nil {
			return nil, fmt.Errorf("train: sample %d: %w", i, err)
		}
		out[i] = make([]T, len(samples[i].Tokens))
	}
	b := &Batches{samples, pack.Batches(samples, l.machine.Budget(samples), all)}
	return out, ask(b, func(t pack.Target, x T) { out[t.Sample][t.Index] = x })
}

// Freeze makes the current weights the reference.
func (l *Learner) Freeze() error { return l.machine.Freeze() }

// ResetOptimizer forgets moments and steps.
func (l *Learner) ResetOptimizer() error { return l.machine.ResetOptimizer() }
