package graph

import (
	"math"

	"ballast/model"
	"ballast/model/device"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
	"github.com/gomlx/gomlx/support/exceptions"
)

// Slots says where the tokens of a pass over a KV cache belong. The keys and the
// values of a layer's cache are each [rows*KVHeads*Length, HeadDim]; what was
// never written is zero, so that writing is adding, which backends do in place.
type Slots struct {
	Length int   // positions of a row
	Row    *Node // [b] int32: the cache row of each sequence; nil: sequence i has row i, and there are no others
	Pos    *Node // [b, n] int32: the tokens' positions, below Length
	Real   *Node // [b, n] float32: 1, or 0 for padding, which leaves no trace
	Cos    *Node // [b*n, HeadDim], as Tables; of position 0, which turns nothing, in layers without rotary embedding
	Sin    *Node
}

// LayerNames lists the weights of Layer, without the layer's prefix, in order.
func LayerNames(c *model.Config) []string {
	return append(append(preNames(c), midNames()...), endName)
}

// Layer is one layer of the decoder on new tokens of several sequences, against
// a KV cache. Weights and cache may be half precision; the residual stream,
// norms and softmax are float32.
//
//	x [b*n, Hidden]; w as LayerNames; k, v the layer's cache
//
// It returns the residual stream and the cache with the new tokens in it.
func Layer(c *model.Config, x *Node, w []*Node, k, v *Node, at Slots) (y, k2, v2 *Node) {
	n := len(preNames(c))
	pre, mid := w[:n], w[n:]
	want(x, at.Pos.Shape().Size(), c.Hidden)
	h := scaledNorm(x, pre[0], c.NormEps)
	q, kn, vn := project(h, pre[1]), project(h, pre[2]), project(h, pre[3])
	if c.QKVBias {
		q, kn, vn = plusRow(q, pre[4]), plusRow(kn, pre[5]), plusRow(vn, pre[6])
	}
	if c.QKNorm {
		at := headNorms(c)
		q, kn = perHead(c, q, pre[at]), perHead(c, kn, pre[at+1])
	}
	k2 = write(c, k, rotate(c, kn, at.Cos, at.Sin), at)
	v2 = write(c, v, vn, at)
	x = Add(x, project(attendCache(c, rotate(c, q, at.Cos, at.Sin), k2, v2, at), mid[0]))
	h = scaledNorm(x, mid[1], c.NormEps)
	gate, up := project(h, mid[2]), project(h, mid[3])
	return Add(x, project(Mul(Mul(gate, Logistic(gate)), up), mid[4])), k2, v2
}

// Last is the logits [rows, Vocab] of x [rows, Hidden], the last layer's output.
func Last(c *model.Config, x, norm, out *Node) *Node {
	want(x, -1, c.Hidden)
	return project(scaledNorm(x, norm, c.NormEps), out)
}

// Embed is the rows of the embedding for ids [n], [n, Hidden] in float32.
func Embed(embedding, ids *Node) *Node {
	return ConvertDType(Gather(embedding, ExpandDims(ids, -1)), dtypes.Float32)
}

// project is x [rows, in] times w [out, in] transposed, in w's precision, with
// sums and the result in float32.
func project(x, w *Node) *Node {
	return device.Product(ConvertDType(x, w.DType()), w, 0, 1, 1)
}

func plusRow(x, b *Node) *Node { return Add(x, ExpandDims(ConvertDType(b, dtypes.Float32), 0)) }

// scaledNorm is the RMSNorm of x [rows, width] with weight w [width].
func scaledNorm(x, w *Node, eps float64) *Node {
	mean := MulScalar(ReduceAndKeep(Mul(x, x), ReduceSum, 1), 1/float64(x.Shape().Dimensions[1]))
	return Mul(Div(x, Sqrt(AddScalar(mean, eps))), ExpandDims(ConvertDType(w, dtypes.Float32), 0))
}

func perHead(c *model.Config, x, w *Node) *Node {
	return ReshapeLike(scaledNorm(Reshape(x, -1, c.HeadDim), w, c.NormEps), x)
}

// write adds x [b*n, KVHeads*HeadDim] to a cache at its place.
func write(c *model.Config, cache, x *Node, at Slots) *Node {
	g, d := x.Graph(), at.Pos.Shape().Dimensions
	b, n := d[0], d[1]
	row := at.Row
	if row == nil {
		row = Iota(g, shapes.Make(dtypes.Int32, b), 0)
	}
	head := Iota(g, shapes.Make(dtypes.Int32, 1, 1, c.KVHeads), 2)
	first := Add(MulScalar(Reshape(row, b, 1, 1), float64(c.KVHeads)), head) // [b, 1, KVHeads]
	index := Add(MulScalar(first, float64(at.Length)), Reshape(at.Pos, b, n, 1))
	real := Reshape(GreaterThan(at.Real, ZerosLike(at.Real)), b*n, 1)
	x = Where(BroadcastToDims(real, x.Shape().Dimensions...), x, ZerosLike(x)) // whatever padding computed
	x = ConvertDType(Reshape(x, b*n*c.KVHeads, c.HeadDim), cache.DType())
	// Padding may meet at one place; a row of its own never does.
	return ScatterSum(cache, Reshape(index, b*n*c.KVHeads, 1), x, false, at.Row == nil)
}

// attendCache is the attention of q [b*n, Heads*HeadDim], rotated, to all cached
// positions up to each token's own.
func attendCache(c *model.Config, q, k, v *Node, at Slots) *Node {
	g, d := q.Graph(), at.Pos.Shape().Dimensions
	b, n, groups := d[0], d[1], c.Heads/c.KVHeads
	k, v = Reshape(k, -1, c.KVHeads, at.Length, c.HeadDim), Reshape(v, -1, c.KVHeads, at.Length, c.HeadDim)
	if at.Row != nil {
		row := ExpandDims(at.Row, -1)
		k, v = Gather(k, row), Gather(v, row)
	}
	if k.Shape().Dimensions[0] != b {
		exceptions.Panicf("graph: a cache of %s for %d sequences", k.Shape(), b)
	}
	q = MulScalar(q, 1/math.Sqrt(float64(c.HeadDim)))
	q = TransposeAllDims(Reshape(q, b, n, c.KVHeads, groups, c.HeadDim), 0, 2, 3, 1, 4)
	q = ConvertDType(Reshape(q, b, c.KVHeads, groups*n, c.HeadDim), k.DType())
	s := device.Product(q, k, 2, 3, 3)
	seen := LessOrEqual(Iota(g, shapes.Make(dtypes.Int32, 1, 1, at.Length), 2), Reshape(at.Pos, b, n, 1)) // [b, n, Length]
	all := []int{b, c.KVHeads, groups, n, at.Length}
	seen = BroadcastToDims(Reshape(seen, b, 1, 1, n, at.Length), all...)
	s = Where(seen, Reshape(s, all...), BroadcastToDims(Const(g, float32(unseen)), all...))
	p := Exp(Sub(s, ReduceAndKeep(s, ReduceMax, 4)))
	p = Div(p, ReduceAndKeep(p, ReduceSum, 4))
	p = ConvertDType(Reshape(p, b, c.KVHeads, groups*n, at.Length), v.DType())
	o := device.Product(p, v, 2, 3, 2)
	o = TransposeAllDims(Reshape(o, b, c.KVHeads, groups, n, c.HeadDim), 0, 3, 1, 2, 4)
	return Reshape(o, b*n, c.Heads*c.HeadDim)
}

// unseen is the score of a token that is not attended to: finite, so that a row
// without any stays finite too.
const unseen = -1e30
