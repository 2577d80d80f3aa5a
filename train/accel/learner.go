// Package accel is the learner for accelerators: weights, moments, gradients and
// the reference live on a device, and only tokens, weights of terms and
// log-probabilities cross to it and back. All but the computation is package train's.
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
	"errors"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/device"
	"ballast/train"
	"ballast/train/adamw"
	"ballast/train/pack"
	"ballast/train/plan"
	"ballast/train/state"
	"ballast/train/tally"
)

// Rows is the most token rows of a batch by default, but for a single sample that is longer.
const Rows = 16384

// Learner is package train's on a device. It is used by one goroutine at a time.
type Learner struct {
	*train.Learner
	on *machine
}

// machine is the device as a learner's machine.
type machine struct {
	m      *model.Model
	o      train.Options
	rows   int
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

// New copies m's weights to the device, for a learner of batches of so many rows. From now on
// Weights updates m.
func New(d *device.Device, m *model.Model, o train.Options, rows int) (*Learner, error) {
	if o.Adapter != nil {
		return nil, errors.New("train/accel: adapters are trained by package train alone")
	}
	l := &Learner{on: &machine{m: m, o: o, rows: rows, d: d}}
	var err error
	l.Learner, err = train.On(m, o, func() (train.Machine, error) {
		return l.on, device.Guard(func() {
			l.on.e = newEngine(d, m.Config, o)
			l.on.w = d.Weights(&m.Config, m.Weights, false)
			l.on.first, l.on.second = l.on.e.zeros(l.on.w), l.on.e.zeros(l.on.w)
		})
	})
	return l, err
}

// Tensors returns the current weights on the device, in the order of
// Config.Specs: the learner's own, valid until the next Update or Load.
func (l *Learner) Tensors() []*tensors.Tensor { return l.on.w }

// Close gives back what the learner holds on the device; it learns no more.
func (l *Learner) Close() error {
	h := l.on
	all := slices.Concat(h.w, h.first, h.second)
	for _, t := range h.ref {
		if !slices.Contains(h.w, t) {
			all = append(all, t)
		}
	}
	h.w, h.ref, h.first, h.second = nil, nil, nil, nil
	return device.Guard(func() { device.Free(all...) })
}

// Save is package train's; what the device fails at on the way is its error.
func (l *Learner) Save(dir string) (err error) {
	if failed := device.Guard(func() { err = l.Learner.Save(dir) }); failed != nil {
		return failed
	}
	return err
}

// Weights copies the current weights to the model on the host, where they are valid until
// the next call.
func (h *machine) Weights() *model.Weights {
	if h.stale {
		for i, s := range h.m.Config.Specs() {
			copy(h.m.Weights.Get(s.Name).Data, device.Copy[float32](h.w[i]))
		}
		h.stale = false
	}
	return h.m.Weights
}

// free gives tensors back that neither the policy nor the reference uses.
func (h *machine) free(ts tensorList) {
	for _, t := range ts {
		if !slices.Contains(h.w, t) && !slices.Contains(h.ref, t) {
			device.Free(t)
		}
	}
}

func (h *machine) Referred() bool { return h.ref != nil }
func (h *machine) Same() bool     { return slices.Equal(h.ref, h.w) }

// Budget is as many rows as there may be, since larger products are what an accelerator
// wants.
func (h *machine) Budget(samples []ballast.Sample) int {
	all := 0
	for i := range samples {
		all += len(samples[i].Tokens)
	}
	return min(max(all, 1), max(h.rows, plan.Plan{Rows: h.rows}.Budget(samples)))
}

func (h *machine) Step(ctx context.Context, w *train.Work) error {
	var g tensorList
	defer func() { device.Free(g...) }()
	return device.Guard(func() {
		g = h.e.zeros(h.w)
		for i := range w.List {
			must(ctx.Err())
			h.derive(g, w.Samples, &w.List[i], w.In, w.Sums)
		}
		if w.Sums.Norm = h.e.norm(g); w.Sums.Finite() {
			h.adamw(g, w.Rate, w.Sums.Norm)
		}
	})
}

// derive adds one batch's gradient to g, replacing its tensors, and its facts to
// st.
func (h *machine) derive(g tensorList, samples []ballast.Sample, b *pack.Batch, in tally.Input, st *tally.Sums) {
	if in.Has[loss.TermReference] && !in.RefIsPolicy {
		in.Ref = h.predict(h.ref, samples, b)
	}
	p := h.e.forward(h.w, b, true)
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
func (h *machine) predict(w tensorList, samples []ballast.Sample, b *pack.Batch) []float32 {
	p := h.e.forward(w, b, false)
	defer p.free()
	return p.predict(samples)
}

// adamw takes the optimiser's step with gradient g of a norm.
func (h *machine) adamw(g tensorList, rate, norm float64) {
	s := adamw.State{Steps: h.steps}
	numbers := s.Begin(h.o.AdamW, rate, norm).Numbers()
	h.steps = s.Steps
	co := device.Put(h.d, numbers, len(numbers))
	defer device.Free(co)
	for i := range h.w {
		w, m, v := h.e.adam(h.w[i], h.first[i], h.second[i], g[i], co)
		old := h.w[i]
		device.Free(h.first[i], h.second[i])
		h.w[i], h.first[i], h.second[i] = w, m, v
		h.free(tensorList{old})
	}
	h.stale = true
}

func (h *machine) LogProbs(ctx context.Context, b *train.Batches, put func(pack.Target, float32)) error {
	return device.Guard(func() {
		for i := range b.List {
			must(ctx.Err())
			for k, x := range h.predict(h.w, b.Samples, &b.List[i]) {
				put(b.List[i].Targets[k], x)
			}
		}
	})
}

// Freeze copies nothing: an update makes new tensors.
func (h *machine) Freeze() error {
	old := h.ref
	h.ref = slices.Clone(h.w)
	return device.Guard(func() { h.free(old) })
}

func (h *machine) ResetOptimizer() error {
	return device.Guard(func() {
		device.Free(h.first...)
		device.Free(h.second...)
		h.first, h.second, h.steps = h.e.zeros(h.w), h.e.zeros(h.w), 0
	})
}

func (h *machine) State() state.Source {
	from := state.Source{Tensors: len(h.w), Steps: h.steps, Moments: func(i int) (m, v []float32) {
		return device.Copy[float32](h.first[i]), device.Copy[float32](h.second[i])
	}}
	if h.ref != nil {
		from.Reference = func(i int) []float32 { return device.Copy[float32](h.ref[i]) }
	}
	return from
}

func (h *machine) Restore(w *model.Weights, opt adamw.State, ref [][]float32) error {
	return device.Guard(func() {
		old := slices.Concat(h.w, h.ref)
		h.w, h.ref = h.d.Weights(&h.m.Config, w, false), nil
		if ref != nil {
			h.ref = h.put(ref)
		}
		h.free(old)
		device.Free(h.first...)
		device.Free(h.second...)
		h.first, h.second, h.steps = h.put(opt.M), h.put(opt.V), opt.Steps
		h.stale = true
	})
}

// put moves flat tensors to the device.
func (h *machine) put(flat [][]float32) (out tensorList) {
	for i, s := range h.m.Config.Specs() {
		out = append(out, device.Put(h.d, flat[i], s.Shape...))
	}
	return out
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
