package graph

import (
	"fmt"
	"math"

	"ballast/model"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
)

// rotate turns each head of x [tokens, heads*HeadDim] by its token's position.
func rotate(c *model.Config, x, cos, sin *Node) *Node {
	half := c.HeadDim / 2
	y := Reshape(x, x.Shape().Dimensions[0], -1, c.HeadDim) // [tokens, heads, HeadDim]
	a := Slice(y, AxisRange(), AxisRange(), AxisRange(0, half))
	b := Slice(y, AxisRange(), AxisRange(), AxisRange(half))
	turned := Concatenate([]*Node{Neg(b), a}, 2)
	return ReshapeLike(Add(Mul(y, ExpandDims(cos, 1)), Mul(turned, ExpandDims(sin, 1))), x)
}

// Tables returns the cosines and sines of positions, each [len(positions),
// HeadDim] row-major, for Slots and Packed.
func Tables(c *model.Config, positions []int32) (cos, sin []float32) {
	freq := c.Frequencies()
	for _, pos := range positions {
		for i := range 2 * len(freq) {
			s, k := math.Sincos(float64(pos) * freq[i%len(freq)])
			cos, sin = append(cos, float32(k)), append(sin, float32(s))
		}
	}
	return cos, sin
}

// OutName is the name of the output matrix.
func OutName(c *model.Config) string {
	if c.Tied {
		return "model.embed_tokens.weight"
	}
	return "lm_head.weight"
}

// LayerName is the full name of a layer's tensor.
func LayerName(layer int, name string) string { return fmt.Sprintf("model.layers.%d.%s", layer, name) }
