// Package graph expresses the decoders of package model as GoMLX graphs, for
// accelerators: a layer over a KV cache and the draw of a token, for sampling
// (Layer, Draw), and a layer over a packed batch and the head with the loss's
// log-probabilities, each with its derivative, for training (PackedForward, Head).
//
// A layer is a function of its weights, so that one graph, compiled once, serves
// all of them. Derivatives are written by hand, part by part: automatic
// differentiation would keep every score of attention, and one scratch for each
// broadcast and transpose.
//
// In training all nodes are float32; for sampling weights and cache may be half
// precision. tokens is the flat number of tokens of a batch, padding included.
// Graph code panics on wrong shapes; callers convert once at their boundary.
package graph

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
	"github.com/gomlx/gomlx/support/exceptions"

	"ballast/model"
)

// preNames lists the weights of Pre, without the layer's prefix, in order.
func preNames(c *model.Config) []string {
	names := []string{"input_layernorm.weight", "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight"}
	if c.QKVBias {
		names = append(names, "self_attn.q_proj.bias", "self_attn.k_proj.bias", "self_attn.v_proj.bias")
	}
	if c.QKNorm {
		names = append(names, "self_attn.q_norm.weight", "self_attn.k_norm.weight")
	}
	return names
}

// headNorms is where the weights of the head norms begin among preNames.
func headNorms(c *model.Config) int {
	if c.QKVBias {
		return 7
	}
	return 4
}

// midNames lists the weights of Mid, without the layer's prefix, in order.
func midNames() []string {
	return []string{"self_attn.o_proj.weight", "post_attention_layernorm.weight", "mlp.gate_proj.weight", "mlp.up_proj.weight"}
}

// endName is the weight of End, without the layer's prefix.
const endName = "mlp.down_proj.weight"

// preTape is what pre computed and preBack needs.
type preTape struct {
	Q, K, V *Node // [tokens, Heads*HeadDim], [tokens, KVHeads*HeadDim] twice; before rotation
	norm    rms
	headQ   rms // with QKNorm only: [tokens*Heads, HeadDim]
	headK   rms
	scaled  [3]*Node // projections with the norm's weight folded in, [out, in]
}

// pre is the first part of a layer: RMSNorm, then queries, keys and values.
//
//	x [tokens, Hidden]; w as preNames
func pre(c *model.Config, x *Node, w []*Node) preTape {
	want(x, -1, c.Hidden)
	if len(w) != len(preNames(c)) {
		exceptions.Panicf("graph: Pre got %d weights, want %d", len(w), len(preNames(c)))
	}
	t := preTape{norm: normalize(x, c.NormEps)}
	var out [3]*Node
	for i := range out {
		// The norm's weight scales the matrix instead of the activations.
		t.scaled[i] = Mul(w[1+i], ExpandDims(w[0], 0))
		out[i] = apply(t.norm.hat, t.scaled[i])
		if c.QKVBias {
			out[i] = Add(out[i], ExpandDims(w[4+i], 0))
		}
	}
	if c.QKNorm {
		at := headNorms(c)
		out[0], t.headQ = headNorm(c, out[0], w[at])
		out[1], t.headK = headNorm(c, out[1], w[at+1])
	}
	t.Q, t.K, t.V = out[0], out[1], out[2]
	want(t.Q, -1, c.Heads*c.HeadDim)
	want(t.V, -1, c.KVHeads*c.HeadDim)
	return t
}

// preBack is the derivative of Pre. dq, dk, dv are shaped as Q, K, V; rest is
// what flows into x past this part, [tokens, Hidden]. It returns the derivative
// with respect to x and to each weight.
func preBack(c *model.Config, t preTape, w []*Node, dq, dk, dv, rest *Node) (dx *Node, dw []*Node) {
	dw = make([]*Node, len(w))
	d := [3]*Node{dq, dk, dv}
	if c.QKNorm {
		at := headNorms(c)
		d[0], dw[at] = headNormBack(c, t.headQ, w[at], dq)
		d[1], dw[at+1] = headNormBack(c, t.headK, w[at+1], dk)
	}
	if c.QKVBias {
		for i := range d {
			dw[4+i] = columnSum(d[i])
		}
	}
	hatT := Transpose(t.norm.hat, 0, 1) // [Hidden, tokens]
	var dhat *Node
	for i := range d {
		dhat = plus(dhat, applyT(d[i], t.scaled[i]))
		dw[1+i], dw[0] = unfold(hatT, d[i], w[1+i], w[0], dw[0])
	}
	return Add(rest, t.norm.back(dhat)), dw
}

// midTape is what mid computed and midBack needs.
type midTape struct {
	X        *Node // [tokens, Hidden] the residual stream after attention
	Gate, Up *Node // [tokens, FFN]
	norm     rms
	att      *Node // [tokens, Heads*HeadDim]
	scaled   [2]*Node
}

// mid is the second part of a layer: output projection, residual, RMSNorm, and
// the two inner projections of the feed-forward.
//
//	x [tokens, Hidden], the layer's input; att [tokens, Heads*HeadDim]; w as midNames
func mid(c *model.Config, x, att *Node, w []*Node) midTape {
	want(x, -1, c.Hidden)
	want(att, x.Shape().Dimensions[0], c.Heads*c.HeadDim)
	t := midTape{att: att, X: Add(x, apply(att, w[0]))}
	t.norm = normalize(t.X, c.NormEps)
	t.scale(w)
	t.Gate, t.Up = apply(t.norm.hat, t.scaled[0]), apply(t.norm.hat, t.scaled[1])
	return t
}

// scale folds the norm's weight into the projections.
func (t *midTape) scale(w []*Node) {
	for i := range t.scaled {
		t.scaled[i] = Mul(w[2+i], ExpandDims(w[1], 0))
	}
}

// midBack is the derivative of Mid, from those of X, Gate and Up: with respect
// to x (the path past attention), to att, and to each weight.
func midBack(c *model.Config, t midTape, w []*Node, dmid, dgate, dup *Node) (dx, datt *Node, dw []*Node) {
	want(dmid, -1, c.Hidden)
	want(dgate, -1, c.FFN)
	dw = make([]*Node, len(w))
	hatT := Transpose(t.norm.hat, 0, 1) // [Hidden, tokens]
	dw[2], dw[1] = unfold(hatT, dgate, w[2], w[1], nil)
	dw[3], dw[1] = unfold(hatT, dup, w[3], w[1], dw[1])
	dhat := Add(applyT(dgate, t.scaled[0]), applyT(dup, t.scaled[1]))
	dx = Add(dmid, t.norm.back(dhat))
	dw[0] = Dot(Transpose(dx, 0, 1), t.att).Product() // [Hidden, Heads*HeadDim]
	return dx, applyT(dx, w[0]), dw
}

// end is the third part of a layer: it adds the feed-forward's output.
//
//	x [tokens, Hidden], Mid's X; act [tokens, FFN], silu(gate)*up; down [Hidden, FFN]
func end(c *model.Config, x, act, down *Node) *Node {
	want(act, x.Shape().Dimensions[0], c.FFN)
	return Add(x, apply(act, down))
}

// endBack is the derivative of End with respect to act and down; the one with
// respect to x is dy itself.
func endBack(c *model.Config, dy, act, down *Node) (dact, ddown *Node) {
	want(dy, -1, c.Hidden)
	return applyT(dy, down), Dot(Transpose(dy, 0, 1), act).Product()
}

// rms is a normalised tensor: hat = x * inv, inv = 1/sqrt(mean(x^2) + eps).
type rms struct {
	hat *Node // [rows, width]
	inv *Node // [rows, width] or [rows, 1]
}

func normalize(x *Node, eps float64) rms {
	inv := Reciprocal(Sqrt(AddScalar(rowMean(Mul(x, x)), eps)))
	return rms{hat: Mul(x, inv), inv: inv}
}

// back maps the derivative with respect to hat to the one with respect to x.
func (r rms) back(dhat *Node) *Node {
	return Mul(r.inv, Sub(dhat, Mul(r.hat, rowMean(Mul(dhat, r.hat)))))
}

// narrow is the width up to which a row mean is a product with a constant square
// matrix: below it the product beats a reduction and two broadcasts on the pure-Go
// backend. Elsewhere a product may round its factors (TF32), and a reduction is
// what compilers are good at.
const narrow = 128

func products(x *Node) bool { return x.Graph().Backend().Name() != "xla" }

// rowMean is the mean of each row of x [rows, width], either repeated to
// [rows, width] or [rows, 1].
func rowMean(x *Node) *Node {
	width := x.Shape().Dimensions[1]
	if width > narrow || !products(x) {
		return MulScalar(ReduceAndKeep(x, ReduceSum, 1), 1/float64(width))
	}
	mean := make([][]float32, width)
	for i := range mean {
		mean[i] = make([]float32, width)
		for j := range mean[i] {
			mean[i][j] = 1 / float32(width)
		}
	}
	return Dot(x, Const(x.Graph(), mean)).Product()
}

// headNorm normalises each head of x [tokens, heads*HeadDim] and scales it by
// w [HeadDim].
func headNorm(c *model.Config, x, w *Node) (*Node, rms) {
	r := normalize(Reshape(x, -1, c.HeadDim), c.NormEps)
	return ReshapeLike(Mul(r.hat, ExpandDims(w, 0)), x), r
}

func headNormBack(c *model.Config, r rms, w, dy *Node) (dx, dw *Node) {
	d := Reshape(dy, -1, c.HeadDim)
	return ReshapeLike(r.back(Mul(d, ExpandDims(w, 0))), dy), columnSum(Mul(d, r.hat))
}

// apply is x [rows, in] times w [out, in] transposed.
func apply(x, w *Node) *Node { return DotGeneral(x, []int{1}, nil, w, []int{1}, nil) }

// applyT is y [rows, out] times w [out, in].
func applyT(y, w *Node) *Node { return DotGeneral(y, []int{1}, nil, w, []int{0}, nil) }

// unfold takes hatT [in, rows] and dy [rows, out] of a projection by
// w [out, in] scaled by a norm's weight [in] and returns the derivatives with
// respect to both, the latter added to sum (nil for none).
func unfold(hatT, dy, w, norm, sum *Node) (dw, dnorm *Node) {
	d := Transpose(Dot(hatT, dy).Product(), 0, 1) // [out, in]
	return Mul(d, ExpandDims(norm, 0)), plus(sum, columnSum(Mul(d, w)))
}

// columnSum sums x [rows, width] over rows: [width].
func columnSum(x *Node) *Node {
	if !products(x) {
		return ReduceSum(x, 0)
	}
	ones := BroadcastToDims(Scalar(x.Graph(), x.DType(), 1), 1, x.Shape().Dimensions[0])
	return Reshape(Dot(ones, x).Product(), -1)
}

// plus adds, nil being nothing.
func plus(a, b *Node) *Node {
	if a == nil {
		return b
	}
	return Add(a, b)
}

// want panics unless x is [rows, width]; rows < 0 is any.
func want(x *Node, rows, width int) {
	d := x.Shape().Dimensions
	if len(d) != 2 || d[1] != width || rows >= 0 && d[0] != rows {
		exceptions.Panicf("graph: node is %s, want [%d, %d]", x.Shape(), rows, width)
	}
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
