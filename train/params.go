package train

import (
	"slices"

	"ballast/model"
	"ballast/model/lora"
	"ballast/train/adamw"
	"ballast/train/decoder"
)

// params are what is trained of a model, or its gradient, in the order of specs.
type params struct {
	specs []model.Spec
	flat  [][]float32
	bound *decoder.Weights // what the decoder computes with
}

// subject is what of a model is trained.
type subject interface {
	// own is what is trained, in memory that the subject shows as the model's.
	own() *params
	// on is other numbers of it, such as a reference's.
	on(flat [][]float32) *params
	// gradient is one of it, 0 everywhere.
	gradient() *params
	// weights are the model's as they are now, valid until the next update.
	weights() *model.Weights
}

// newSubject is an adapter of the model, or where there is none all its weights.
func newSubject(m *model.Model, a *lora.Adapter) subject {
	if a != nil {
		return adapted{m, a}
	}
	return whole{m}
}

// whole trains all weights of a model.
type whole struct{ m *model.Model }

func (s whole) own() *params {
	w := copyOf(&s.m.Config, s.m.Weights)
	for i, spec := range w.specs { // the model's weights show this memory
		s.m.Weights.Get(spec.Name).Data = w.flat[i]
	}
	return w
}

func (s whole) on(flat [][]float32) *params { return newParams(&s.m.Config, flat) }
func (s whole) gradient() *params {
	return newParams(&s.m.Config, adamw.Zeros(data(&s.m.Config, s.m.Weights)))
}
func (s whole) weights() *model.Weights { return s.m.Weights }

// adapted trains an adapter; the model's own weights stay as they are, and every params
// computes with them.
type adapted struct {
	m *model.Model
	a *lora.Adapter
}

func (s adapted) own() *params { return s.on(s.a.Flat()) }

func (s adapted) on(flat [][]float32) *params {
	c := &s.m.Config
	return &params{s.a.Specs(), flat, decoder.BindAdapted(c, data(c, s.m.Weights), s.a.Pairs(flat))}
}

func (s adapted) gradient() *params {
	flat := adamw.Zeros(s.a.Flat())
	return &params{s.a.Specs(), flat, decoder.BindAdapted(&s.m.Config, nil, s.a.Pairs(flat))}
}

func (s adapted) weights() *model.Weights { return s.a.Merge(s.m.Weights) }

func newParams(c *model.Config, flat [][]float32) *params {
	return &params{specs: c.Specs(), flat: flat, bound: decoder.Bind(c, flat)}
}

// data are a model's numbers in the order of Config.Specs.
func data(c *model.Config, w *model.Weights) (flat [][]float32) {
	for _, s := range c.Specs() {
		flat = append(flat, w.Get(s.Name).Data)
	}
	return flat
}

// copyOf makes params with from's numbers.
func copyOf(c *model.Config, from *model.Weights) *params { return newParams(c, cloned(data(c, from))) }

func cloned(flat [][]float32) [][]float32 {
	out := make([][]float32, len(flat))
	for i, x := range flat {
		out[i] = slices.Clone(x)
	}
	return out
}

// equal reports whether two models have the same weights; after a step the first
// tensors already differ.
func (p *params) equal(q *params) bool {
	return slices.EqualFunc(p.flat, q.flat, func(a, b []float32) bool { return slices.Equal(a, b) })
}

func (p *params) clear() {
	for _, x := range p.flat {
		clear(x)
	}
}

func (p *params) set(flat [][]float32) {
	for i, x := range p.flat {
		copy(x, flat[i])
	}
}
