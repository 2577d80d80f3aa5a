package train

import (
	"slices"

	"ballast/model"
	"ballast/train/adamw"
	"ballast/train/decoder"
)

// params are a model's weights, or its gradient, in the order of Config.Specs.
type params struct {
	specs []model.Spec
	flat  [][]float32
	bound *decoder.Weights // the same by their place
}

func newParams(c *model.Config, flat [][]float32) *params {
	return &params{specs: c.Specs(), flat: flat, bound: decoder.Bind(c, flat)}
}

// copyOf makes params with from's numbers.
func copyOf(c *model.Config, from *model.Weights) *params {
	var flat [][]float32
	for _, s := range c.Specs() {
		flat = append(flat, slices.Clone(from.Get(s.Name).Data))
	}
	return newParams(c, flat)
}

// gradientOf makes a gradient of p's shape, 0 everywhere.
func gradientOf(c *model.Config, p *params) *params { return newParams(c, adamw.Zeros(p.flat)) }

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
