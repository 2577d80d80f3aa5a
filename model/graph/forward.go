package graph

import (
	"fmt"
	"math"

	"ballast/model"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
)

// Attend is rotary causal attention as graph code, for backends on which the
// host should not step in.
//
//	q [tokens, Heads*HeadDim], k and v [tokens, KVHeads*HeadDim], before rotation
//	cos, sin [tokens, HeadDim], as Tables; mask [tokens, tokens]: 0 to attend, minus infinity not to
//
// It holds all scores at once, [KVHeads, tokens*Heads/KVHeads, tokens].
func Attend(c *model.Config, q, k, v, cos, sin, mask *Node) *Node {
	n, groups := q.Shape().Dimensions[0], c.Heads/c.KVHeads
	q, k = rotate(c, q, cos, sin), rotate(c, k, cos, sin)
	q = MulScalar(q, 1/math.Sqrt(float64(c.HeadDim)))
	q = TransposeAllDims(Reshape(q, n, c.KVHeads, groups, c.HeadDim), 1, 2, 0, 3)
	q = Reshape(q, c.KVHeads, groups*n, c.HeadDim)
	k = TransposeAllDims(Reshape(k, n, c.KVHeads, c.HeadDim), 1, 0, 2)
	v = TransposeAllDims(Reshape(v, n, c.KVHeads, c.HeadDim), 1, 0, 2)
	s := DotGeneral(q, []int{2}, []int{0}, k, []int{2}, []int{0}) // [KVHeads, groups*n, n]
	s = Add(Reshape(s, c.KVHeads, groups, n, n), Reshape(mask, 1, 1, n, n))
	p := Reshape(Softmax(s, -1), c.KVHeads, groups*n, n)
	o := DotGeneral(p, []int{2}, []int{0}, v, []int{1}, []int{0}) // [KVHeads, groups*n, HeadDim]
	o = TransposeAllDims(Reshape(o, c.KVHeads, groups, n, c.HeadDim), 2, 0, 1, 3)
	return Reshape(o, n, c.Heads*c.HeadDim)
}

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
// HeadDim] row-major, for Attend.
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

// Logits is the whole decoder on one sequence: embedded tokens x
// [tokens, Hidden] to logits [tokens, Vocab]. w maps tensor names to nodes;
// positions are 0, 1, 2, ....
func Logits(c *model.Config, x *Node, w map[string]*Node) *Node {
	g, n := x.Graph(), x.Shape().Dimensions[0]
	positions, mask := make([]int32, n), make([]float32, n*n)
	for i := range n {
		positions[i] = int32(i)
		for j := i + 1; j < n; j++ {
			mask[i*n+j] = float32(math.Inf(-1))
		}
	}
	cosines, sines := Tables(c, positions)
	cos, sin := Reshape(Const(g, cosines), n, c.HeadDim), Reshape(Const(g, sines), n, c.HeadDim)
	for i := range c.Layers {
		pre := Pre(c, x, pickWeights(w, i, PreNames(c)))
		att := Attend(c, pre.Q, pre.K, pre.V, cos, sin, Reshape(Const(g, mask), n, n))
		mid := Mid(c, x, att, pickWeights(w, i, MidNames()))
		act := Mul(Mul(mid.Gate, Logistic(mid.Gate)), mid.Up)
		x = End(c, mid.X, act, w[LayerName(i, EndName)])
	}
	x = Mul(normalize(x, c.NormEps).hat, ExpandDims(w["model.norm.weight"], 0))
	return apply(x, w[OutName(c)])
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

func pickWeights(w map[string]*Node, layer int, names []string) []*Node {
	out := make([]*Node, len(names))
	for i, name := range names {
		out[i] = w[LayerName(layer, name)]
	}
	return out
}
