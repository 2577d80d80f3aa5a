// Package accel is the learner for accelerators: weights, moments, gradients and
// the reference live on a device, and only tokens, weights of terms and
// log-probabilities cross to it and back. It packs samples, counts and saves
// exactly as package train does, and it knows no algorithm either.
//
// A batch runs layer by layer through one graph forward and one backward, compiled
// once for each size of batch and used for all layers. Forward keeps each layer's
// input alone; backward computes the layer again, so that activations take one
// residual stream a layer. The head takes some targets at a time, so that no
// [tokens, Vocab] exists.
//
// Contract: figures are those of package train up to the rounding of the device;
// the same samples on the same state give the same bits where the device's
// operations do. A checkpoint of either learner is one for the other.
//
// Failure: as package train; a failure of the device is an error.
package accel

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/device"
	"ballast/train/adamw"
	"ballast/train/pack"
	"ballast/train/plan"
	"ballast/train/state"
	"ballast/train/tally"
)

// Options are the learner's constants.
type Options struct {
	AdamW adamw.Options
	Loss  loss.Params // clip bounds and gamma
	Rows  int         // most token rows of a batch, but for a single sample that is longer; 0: 16384
}

// Learner implements ballast.Learner on a device. It is used by one goroutine at
// a time.
type Learner struct {
	m      *model.Model
	o      Options
	d      *device.Device
	e      *engine
	w, ref tensorList // ref is nil without a reference; its tensors may be those of w
	first  tensorList // AdamW's moments
	second tensorList
	steps  int
	stale  bool // m.Weights is older than w
}

// tensorList is a model's tensors in the order of Config.Specs.
type tensorList []*tensors.Tensor

var _ ballast.Learner = (*Learner)(nil)

// New copies m's weights to the device. From now on Weights updates m.
func New(d *device.Device, m *model.Model, o Options) (*Learner, error) {
	if o.Rows <= 0 {
		o.Rows = 16384
	}
	l := &Learner{m: m, o: o, d: d}
	err := device.Guard(func() {
		l.e = newEngine(d, m.Config, o)
		l.w = d.Weights(&m.Config, m.Weights, false)
		l.first, l.second = l.e.zeros(l.w), l.e.zeros(l.w)
	})
	return l, err
}

// Weights copies the current weights to the model on the host and returns them;
// they are valid until the next call.
func (l *Learner) Weights() *model.Weights {
	if l.stale {
		for i, s := range l.m.Config.Specs() {
			copy(l.m.Weights.Get(s.Name).Data, device.Copy[float32](l.w[i]))
		}
		l.stale = false
	}
	return l.m.Weights
}

// Tensors returns the current weights on the device, in the order of
// Config.Specs: the learner's own, valid until the next Update or Load.
func (l *Learner) Tensors() []*tensors.Tensor { return l.w }

// free gives tensors back that neither the policy nor the reference uses.
func (l *Learner) free(ts tensorList) {
	for _, t := range ts {
		if !slices.Contains(l.w, t) && !slices.Contains(l.ref, t) {
			device.Free(t)
		}
	}
}

// Update implements ballast.Learner. A minibatch without any weighted token
// changes nothing, not even the optimiser's step count.
func (l *Learner) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	begin := time.Now()
	in, err := tally.Prepare(samples, l.m.Config.Vocab, l.ref != nil)
	if err != nil {
		return nil, err
	}
	in.RefIsPolicy = in.Refers() && slices.Equal(l.ref, l.w)
	batches := pack.Batches(samples, l.budget(samples), false)
	st := tally.New(&l.o.Loss, l.m.Tok)
	st.Pack(samples, batches)
	if len(batches) == 0 {
		return st.Stats(begin), nil
	}
	var g tensorList
	defer func() { device.Free(g...) }()
	err = device.Guard(func() {
		g = l.e.zeros(l.w)
		for i := range batches {
			if err := ctx.Err(); err != nil {
				panic(err)
			}
			l.derive(g, samples, &batches[i], in, st)
		}
		if st.Norm = l.e.norm(g); st.Finite() {
			l.step(g, rate, st.Norm)
		}
	})
	if err != nil {
		return nil, err
	}
	return st.Stats(begin), nil
}

// budget is the number of rows of a batch: as many as there may be, since larger
// products are what an accelerator wants.
func (l *Learner) budget(samples []ballast.Sample) int {
	all := 0
	for i := range samples {
		all += len(samples[i].Tokens)
	}
	return min(max(all, 1), max(l.o.Rows, plan.Plan{Rows: l.o.Rows}.Budget(samples)))
}

// derive adds one batch's gradient to g, replacing its tensors, and its facts to
// st.
func (l *Learner) derive(g tensorList, samples []ballast.Sample, b *pack.Batch, in tally.Input, st *tally.Sums) {
	if in.Refers() && !in.RefIsPolicy {
		in.Ref = l.predict(l.ref, samples, b)
	}
	p := l.e.forward(l.w, b, true)
	st.Padded += float64(p.rows - len(b.Tokens))
	if in.RefIsPolicy {
		in.Ref = p.predict(samples)
	}
	if in.Coupled() {
		in.Couple(samples, b.Targets, p.predict(samples))
	}
	p.backward(g, p.headBackward(g, samples, in, st))
}

// predict returns the log-probability of every target of a batch.
func (l *Learner) predict(w tensorList, samples []ballast.Sample, b *pack.Batch) []float32 {
	p := l.e.forward(w, b, false)
	defer p.free()
	return p.predict(samples)
}

// step takes the optimiser's step with gradient g of a norm.
func (l *Learner) step(g tensorList, rate, norm float64) {
	l.steps++
	co := device.Put(l.d, coefficients(l.o.AdamW, l.steps, rate, norm), 4)
	defer device.Free(co)
	for i := range l.w {
		w, m, v := l.e.adam(l.w[i], l.first[i], l.second[i], g[i], co)
		old := l.w[i]
		device.Free(l.first[i], l.second[i])
		l.w[i], l.first[i], l.second[i] = w, m, v
		l.free(tensorList{old})
	}
	l.stale = true
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
	batches := pack.Batches(samples, l.budget(samples), true)
	err := device.Guard(func() {
		for i := range batches {
			if err := ctx.Err(); err != nil {
				panic(err)
			}
			for k, x := range l.predict(l.w, samples, &batches[i]) {
				t := batches[i].Targets[k]
				out[t.Sample][t.Index] = x
			}
		}
	})
	return out, err
}

// Freeze implements ballast.Learner. It copies nothing: an update makes new
// tensors.
func (l *Learner) Freeze() error {
	old := l.ref
	l.ref = slices.Clone(l.w)
	return device.Guard(func() { l.free(old) })
}

// ResetOptimizer implements ballast.Learner.
func (l *Learner) ResetOptimizer() error {
	return device.Guard(func() {
		device.Free(l.first...)
		device.Free(l.second...)
		l.first, l.second, l.steps = l.e.zeros(l.w), l.e.zeros(l.w), 0
	})
}

// Save implements ballast.Learner: dir becomes a Hugging Face directory in
// float32 with one more file, as of package train.
func (l *Learner) Save(dir string) error {
	return device.Guard(func() {
		l.Weights()
		must(l.m.Save(dir, model.F32))
		from := state.Source{Tensors: len(l.w), Steps: l.steps, Moments: func(i int) (m, v []float32) {
			return device.Copy[float32](l.first[i]), device.Copy[float32](l.second[i])
		}}
		if l.ref != nil {
			from.Reference = func(i int) []float32 { return device.Copy[float32](l.ref[i]) }
		}
		must(state.Save(dir, from))
	})
}

// Load implements ballast.Learner. The state in dir is read whole before anything
// is replaced.
func (l *Learner) Load(dir string) error {
	m, err := model.LoadWeights(dir)
	if err != nil {
		return err
	}
	specs := l.m.Config.Specs()
	if !slices.EqualFunc(m.Config.Specs(), specs, func(a, b model.Spec) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	}) {
		return fmt.Errorf("train: %s holds a model of other shapes than the one in training", dir)
	}
	opt, ref, err := state.Load(dir, specs)
	if err != nil {
		return err
	}
	return device.Guard(func() {
		old := slices.Concat(l.w, l.ref)
		l.w, l.ref = l.d.Weights(&l.m.Config, m.Weights, false), nil
		if ref != nil {
			l.ref = l.put(ref)
		}
		l.free(old)
		device.Free(l.first...)
		device.Free(l.second...)
		l.first, l.second, l.steps = l.put(opt.M), l.put(opt.V), opt.Steps
		l.stale = true
	})
}

// put moves flat tensors to the device.
func (l *Learner) put(flat [][]float32) (out tensorList) {
	for i, s := range l.m.Config.Specs() {
		out = append(out, device.Put(l.d, flat[i], s.Shape...))
	}
	return out
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
