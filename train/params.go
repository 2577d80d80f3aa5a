package train

import (
	"slices"

	"ballast/model"
	"ballast/train/adamw"
	"ballast/train/decoder"
)

// params are a model's weights, in the order of Config.Specs. flat is what the
// host may read; where the engine shares memory it is what it computes with.
type params struct {
	specs []model.Spec
	flat  [][]float32
	host  *decoder.Weights // of hostEngine
	graph *tensorParams    // of graphEngine
}

// equal reports whether two models have the same weights; after a step the first
// tensors already differ.
func (p *params) equal(q *params) bool {
	return slices.EqualFunc(p.flat, q.flat, func(a, b []float32) bool { return slices.Equal(a, b) })
}

// gradient is a sum of derivatives, flat as params.flat.
type gradient struct {
	flat  [][]float32
	bound *decoder.Weights
}

func newGradient(c *model.Config, p *params) *gradient {
	flat := adamw.Zeros(p.flat)
	return &gradient{flat: flat, bound: decoder.Bind(c, flat)}
}

func (g *gradient) clear() {
	for _, x := range g.flat {
		clear(x)
	}
}
