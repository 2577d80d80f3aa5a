package graph

import (
	"math"

	"ballast/model"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
)

// Packed says who attends to whom among the token rows of a batch in which
// prefixes are shared: row i attends to rows First[i] to i, and to rows
// PrefixFrom[i] up to, not including, PrefixTo[i]. All are [tokens] int32, and no
// row attends to a later one. Cos and Sin are [tokens, HeadDim], see Tables; they are those
// of position 0, which turns nothing, in layers without rotary embedding.
type Packed struct {
	First, PrefixFrom, PrefixTo *Node
	Cos, Sin                    *Node
}

// attendBlock is the number of query rows of n whose scores exist at a time: 512,
// or for large batches a sixteenth, which bounds what there is to compile.
func attendBlock(n int) int { return max(512, (n+15)/16) }

// PackedLayer is what PackedForward computed and PackedBack needs.
type PackedLayer struct {
	Y           *Node // [tokens, Hidden] the layer's output
	pre         preTape
	mid         midTape
	q, k, v     *Node // rotated
	act, gate   *Node // [tokens, FFN]; gate is its logistic
	c           *model.Config
	w           []*Node
	seen        Packed
	nPre, nBoth int
}

// PackedForward is a whole layer in one graph, attention included, for backends on
// which the host should not step in.
//
//	x [tokens, Hidden]; w as LayerNames, float32
func PackedForward(c *model.Config, x *Node, w []*Node, seen Packed) PackedLayer {
	l := PackedLayer{c: c, w: w, seen: seen, nPre: len(preNames(c))}
	l.nBoth = l.nPre + len(midNames())
	l.pre = pre(c, x, w[:l.nPre])
	l.q, l.k, l.v = rotate(c, l.pre.Q, seen.Cos, seen.Sin), rotate(c, l.pre.K, seen.Cos, seen.Sin), l.pre.V
	l.mid = mid(c, x, attendPacked(c, l.q, l.k, l.v, seen), w[l.nPre:l.nBoth])
	l.gate = Logistic(l.mid.Gate)
	l.act = Mul(Mul(l.mid.Gate, l.gate), l.mid.Up)
	l.Y = end(c, l.mid.X, l.act, w[l.nBoth])
	return l
}

// PackedBack is the derivative of PackedForward for dy [tokens, Hidden]: with
// respect to x, and to each weight.
func (l PackedLayer) PackedBack(dy *Node) (dx *Node, dw []*Node) {
	c := l.c
	dact, ddown := endBack(c, dy, l.act, l.w[l.nBoth])
	silu := Mul(l.mid.Gate, l.gate)
	slope := Add(l.gate, Mul(silu, Sub(Scalar(dy.Graph(), dtypes.Float32, 1), l.gate)))
	dgate, dup := Mul(dact, Mul(l.mid.Up, slope)), Mul(dact, silu)
	rest, datt, dmid := midBack(c, l.mid, l.w[l.nPre:l.nBoth], dy, dgate, dup)
	dq, dk, dv := attendPackedBack(c, l.q, l.k, l.v, datt, l.seen)
	back := Neg(l.seen.Sin) // turning back is turning the other way
	dq, dk = rotate(c, dq, l.seen.Cos, back), rotate(c, dk, l.seen.Cos, back)
	dx, dpre := preBack(c, l.pre, l.w[:l.nPre], dq, dk, dv, rest)
	return dx, append(append(dpre, dmid...), ddown)
}

// attendPacked is attention by blocks of query rows: q [tokens, Heads*HeadDim], k
// and v [tokens, KVHeads*HeadDim], rotated. A block sees keys up to its own end
// only, so that half of the scores are never computed.
func attendPacked(c *model.Config, q, k, v *Node, seen Packed) *Node {
	n := q.Shape().Dimensions[0]
	qs, ks, vs := byHead(c, scaled(c, q)), byKV(c, k), byKV(c, v)
	var out []*Node
	for from := 0; from < n; from += attendBlock(n) {
		to := min(from+attendBlock(n), n)
		p := weights(c, block(qs, from, to), head(ks, to), seen, from, to)
		out = append(out, Reshape(DotGeneral(p, []int{2}, []int{0}, head(vs, to), []int{1}, []int{0}),
			c.KVHeads, c.Heads/c.KVHeads, to-from, c.HeadDim))
	}
	return fromHeads(c, Concatenate(out, 2))
}

// attendPackedBack is the derivative of attendPacked for do [tokens,
// Heads*HeadDim]; a block's weights are computed again.
func attendPackedBack(c *model.Config, q, k, v, do *Node, seen Packed) (dq, dk, dv *Node) {
	n := q.Shape().Dimensions[0]
	qs, ks, vs, dos := byHead(c, scaled(c, q)), byKV(c, k), byKV(c, v), byHead(c, do)
	var dqs []*Node
	for from := 0; from < n; from += attendBlock(n) {
		to := min(from+attendBlock(n), n)
		qb, db := block(qs, from, to), block(dos, from, to)
		if dk != nil { // one block after the other: the scores of one are enough to hold
			qb = SchedulingBarrier(qb, dk)
		}
		p := weights(c, qb, head(ks, to), seen, from, to)                          // [KVHeads, rows, to]
		dvb := DotGeneral(p, []int{1}, []int{0}, db, []int{1}, []int{0})           // [KVHeads, to, HeadDim]
		dp := DotGeneral(db, []int{2}, []int{0}, head(vs, to), []int{2}, []int{0}) // [KVHeads, rows, to]
		ds := Mul(p, Sub(dp, ReduceAndKeep(Mul(dp, p), ReduceSum, 2)))
		dkb := DotGeneral(ds, []int{1}, []int{0}, qb, []int{1}, []int{0})           // [KVHeads, to, HeadDim]
		dqb := DotGeneral(ds, []int{2}, []int{0}, head(ks, to), []int{1}, []int{0}) // [KVHeads, rows, HeadDim]
		dqs = append(dqs, Reshape(dqb, c.KVHeads, c.Heads/c.KVHeads, to-from, c.HeadDim))
		dk, dv = plus(dk, longer(c, dkb, n)), plus(dv, longer(c, dvb, n))
	}
	dq = scaled(c, fromHeads(c, Concatenate(dqs, 2)))
	back := func(x *Node) *Node { return Reshape(TransposeAllDims(x, 1, 0, 2), n, c.KVHeads*c.HeadDim) }
	return dq, back(dk), back(dv)
}

// weights is the softmax of a block's scores, [KVHeads, groups*rows, to], for
// queries of rows [from, to).
func weights(c *model.Config, q, k *Node, seen Packed, from, to int) *Node {
	g, groups := q.Graph(), c.Heads/c.KVHeads
	part := func(x *Node) *Node { return Reshape(Slice(x, AxisRange(from, to)), to-from, 1) }
	row := Iota(g, shapes.Make(dtypes.Int32, to-from, to), 0)
	row = Add(row, Scalar(g, dtypes.Int32, from))
	key := Iota(g, shapes.Make(dtypes.Int32, to-from, to), 1)
	own := LogicalAnd(GreaterOrEqual(key, part(seen.First)), LessOrEqual(key, row))
	prefix := LogicalAnd(GreaterOrEqual(key, part(seen.PrefixFrom)), LessThan(key, part(seen.PrefixTo)))
	all := []int{c.KVHeads, groups, to - from, to}
	mask := BroadcastToDims(Reshape(LogicalOr(own, prefix), 1, 1, to-from, to), all...)
	s := Reshape(DotGeneral(q, []int{2}, []int{0}, k, []int{2}, []int{0}), all...)
	s = Where(mask, s, BroadcastToDims(Const(g, float32(unseen)), all...))
	p := Exp(Sub(s, ReduceAndKeep(s, ReduceMax, 3)))
	p = Div(p, ReduceAndKeep(p, ReduceSum, 3))
	return Reshape(p, c.KVHeads, groups*(to-from), to)
}

// byKV brings keys or values [tokens, KVHeads*HeadDim] to [KVHeads, tokens, HeadDim].
func byKV(c *model.Config, x *Node) *Node {
	return TransposeAllDims(Reshape(x, -1, c.KVHeads, c.HeadDim), 1, 0, 2)
}

// byHead brings x [tokens, Heads*HeadDim] to [KVHeads, groups, tokens, HeadDim].
func byHead(c *model.Config, x *Node) *Node {
	return TransposeAllDims(Reshape(x, -1, c.KVHeads, c.Heads/c.KVHeads, c.HeadDim), 1, 2, 0, 3)
}

// scaled is x over the square root of a head's width.
func scaled(c *model.Config, x *Node) *Node { return MulScalar(x, 1/math.Sqrt(float64(c.HeadDim))) }

// fromHeads brings x [KVHeads, groups, tokens, HeadDim] to [tokens, Heads*HeadDim].
func fromHeads(c *model.Config, x *Node) *Node {
	return Reshape(TransposeAllDims(x, 2, 0, 1, 3), x.Shape().Dimensions[2], c.Heads*c.HeadDim)
}

// block is rows [from, to) of x [KVHeads, groups, tokens, HeadDim], as
// [KVHeads, groups*rows, HeadDim].
func block(x *Node, from, to int) *Node {
	d := x.Shape().Dimensions
	return Reshape(Slice(x, AxisRange(), AxisRange(), AxisRange(from, to)), d[0], d[1]*(to-from), d[3])
}

// head is the first rows of x [KVHeads, tokens, HeadDim].
func head(x *Node, to int) *Node { return Slice(x, AxisRange(), AxisRange(0, to)) }

// longer pads x [KVHeads, rows, HeadDim] with zeros to n rows.
func longer(c *model.Config, x *Node, n int) *Node {
	k := x.Shape().Dimensions[1]
	if k == n {
		return x
	}
	return Concatenate([]*Node{x, Zeros(x.Graph(), shapes.Make(x.DType(), c.KVHeads, n-k, c.HeadDim))}, 1)
}
