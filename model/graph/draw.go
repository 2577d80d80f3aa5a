package graph

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
)

// Draws is how tokens are drawn; each kind is a graph of its own.
type Draws int

// The kinds of draws.
const (
	Greedy    Draws = iota // the lowest id of the largest logit
	Plain                  // by inverse cumulative distribution over ids
	Truncated              // the same over falling probability, after top-k and top-p
)

// Dice are the inputs of a draw that is not greedy.
type Dice struct {
	U           *Node // [rows] in [0, 1)
	Temperature *Node // scalar, above 0
	TopP, TopK  *Node // scalars for Truncated, float32: 1 and Vocab are off
}

// Drawn is what one draw gives, [rows] each: the token, its log-probability and
// the entropy under the plain distribution (nats), and whether that was finite.
type Drawn struct {
	Token, LogProb, Entropy, Finite *Node
	// Watched is [rows, watched]: probabilities of the watched tokens; nil if none.
	Watched *Node
}

// Draw draws one token a row from logits [rows, Vocab]. watched [n] int32 may be
// nil. Sums are float32, so that a number within 1e-6 of the edge between two
// tokens may fall to the other one than in float64.
//
// It may stand in the body of a loop, and so neither sorts (a closure in a closure
// is not to be had) nor broadcasts by hand before an operation of two operands
// (which the pure-Go backend compiles wrongly there).
func Draw(kind Draws, logits *Node, dice Dice, watched *Node) Drawn {
	g, rows, size := logits.Graph(), logits.Shape().Dimensions[0], logits.Shape().Dimensions[1]
	top := ReduceAndKeep(logits, ReduceMax, 1) // [rows, 1]
	gap := Sub(logits, top)
	e := Exp(gap)
	z := ReduceSum(e, 1) // [rows]
	logZ, dot := Log(z), ReduceSum(Mul(e, gap), 1)
	best := ArgMax(logits, 1, dtypes.Int32)
	out := Drawn{Token: best, Entropy: Sub(logZ, Div(dot, z))}
	out.Finite = LogicalAnd(IsFinite(dot), GreaterOrEqual(z, Const(g, float32(0.5))))
	if kind != Greedy {
		if e = Exp(Div(gap, dice.Temperature)); kind == Plain {
			out.Token = drawPlain(e, dice.U, best)
		} else {
			out.Token = drawTruncated(e, dice, best)
		}
	}
	at := func(ids *Node, n int) *Node { // [rows or 1, n] int32 to log-probabilities [rows, n]
		row := Iota(g, shapes.Make(dtypes.Int32, rows, n), 0)
		flat := Add(Mul(row, Const(g, int32(size))), ids)
		return Sub(Gather(Reshape(gap, rows*size), ExpandDims(flat, -1)), ExpandDims(logZ, -1))
	}
	out.LogProb = Reshape(at(ExpandDims(out.Token, -1), 1), rows)
	if watched != nil {
		n := watched.Shape().Size()
		out.Watched = Exp(at(Reshape(watched, 1, n), n))
	}
	return out
}

// chunk is the number of weights that cumulative sums treat as one first.
const chunk = 256

// drawPlain returns the token at share u of the cumulative sum of e [rows, Vocab].
func drawPlain(e, u, best *Node) *Node {
	parts, sums := chunked(e)
	i, ok := find(parts, sums, Mul(u, total(sums)))
	return Where(ok, i, best)
}

// drawTruncated keeps the k largest of e [rows, Vocab], of these the fewest that
// hold share p of what is left, and draws among them in falling order. Equal
// ones rank by id.
func drawTruncated(e *Node, dice Dice, best *Node) *Node {
	ones := func(x *Node) *Node { return ConvertDType(x, dtypes.Float32) }
	sum := func(x *Node) *Node { return ReduceAndKeep(x, ReduceSum, 1) } // [rows, 1]
	above := func(t *Node) *Node { return sum(Mul(e, ones(GreaterThan(e, t)))) }
	least := func(t *Node) *Node { return sum(Mul(e, ones(GreaterOrEqual(e, t)))) }
	equal := func(t *Node) *Node { return sum(ones(Equal(e, t))) }
	times := func(x, t *Node) *Node { return Div(x, Max(t, Const(t.Graph(), float32(1e-38)))) } // t may be 0

	// The value of the last one among the k, and the weight of the k.
	last := largest(e, func(t *Node) *Node { return GreaterOrEqual(sum(ones(GreaterOrEqual(e, t))), dice.TopK) })
	kept := Add(above(last), Mul(last, Sub(dice.TopK, sum(ones(GreaterThan(e, last))))))
	// The value of the last one that share p needs, and the weight up to it.
	goal := Mul(kept, dice.TopP)
	last = largest(e, func(t *Node) *Node { return GreaterOrEqual(least(t), goal) })
	over := above(last)
	need := Min(Max(Ceil(times(Sub(goal, over), last)), OnesLike(last)), equal(last))
	kept = Min(kept, Add(over, Mul(need, last)))
	// The value at the draw's place, and which of those that have it.
	goal = Mul(kept, ExpandDims(dice.U, -1))
	value := largest(e, func(t *Node) *Node { return GreaterThan(least(t), goal) })
	which := Floor(times(Sub(goal, above(value)), value))
	which = Max(Min(which, Sub(equal(value), OnesLike(which))), ZerosLike(which))
	parts, sums := chunked(ones(Equal(e, value)))
	i, ok := find(parts, sums, Reshape(which, -1))
	return Where(ok, i, best)
}

// largest returns the largest value [rows, 1] with a property that all smaller
// ones down to 0 have too, among the floats from 0 to 1: bit by bit, as such
// floats have the order of their bits. Counting and adding up the whole of e
// thirty times is cheaper than to sort it.
func largest(e *Node, has func(t *Node) *Node) *Node {
	g, rows := e.Graph(), e.Shape().Dimensions[0]
	bits := BroadcastToDims(Const(g, int32(0)), rows, 1)
	for bit := 29; bit >= 0; bit-- { // 1.0 is 0x3f800000
		try := Add(bits, Const(g, int32(1)<<bit))
		bits = Where(has(Bitcast(try, dtypes.Float32)), try, bits)
	}
	return Bitcast(bits, dtypes.Float32)
}

// chunked cuts e [rows, n] into parts [rows, chunks, chunk], padded with zeros,
// and sums those up cumulatively: [rows, chunks].
func chunked(e *Node) (parts, sums *Node) {
	g, rows, n := e.Graph(), e.Shape().Dimensions[0], e.Shape().Dimensions[1]
	k := (n + chunk - 1) / chunk
	if rest := k*chunk - n; rest > 0 {
		e = Concatenate([]*Node{e, BroadcastToDims(Const(g, float32(0)), rows, rest)}, 1)
	}
	parts = Reshape(e, rows, k, chunk)
	return parts, running(ReduceSum(parts, 2))
}

// total is the last of cumulative sums [rows, n], as [rows].
func total(sums *Node) *Node {
	return Reshape(Slice(sums, AxisRange(), AxisElem(-1)), -1)
}

// find returns, for each row, the first index whose cumulative weight is above
// target [rows] (the last one with a weight, where rounding leaves none), and
// whether its chunk has any weight.
func find(parts, sums, target *Node) (index, ok *Node) {
	g, d := parts.Graph(), parts.Shape().Dimensions
	rows, k := d[0], d[1]
	count := func(cum *Node, goal *Node) *Node { // of those that do not exceed the goal, [rows]
		return ReduceSum(ConvertDType(LessOrEqual(cum, ExpandDims(goal, -1)), dtypes.Int32), 1)
	}
	c := Min(count(sums, target), Const(g, int32(k-1)))
	flat := Add(Mul(Iota(g, shapes.Make(dtypes.Int32, rows), 0), Const(g, int32(k))), c)
	index = ExpandDims(flat, -1)
	part := Gather(Reshape(parts, rows*k, chunk), index) // [rows, chunk]
	before := Sub(Gather(Reshape(sums, rows*k), index), ReduceSum(part, 1))
	i := count(running(part), Sub(target, before))
	place := Iota(g, shapes.Make(dtypes.Int32, rows, chunk), 1)
	some := GreaterThan(part, ZerosLike(part))
	last := ReduceMax(Where(some, place, Neg(OnesLike(place))), 1) // -1 if none
	return Add(Mul(c, Const(g, int32(chunk))), Max(Min(i, last), ZerosLike(last))), GreaterOrEqual(last, ZerosLike(last))
}

// running is the cumulative sum of x [rows, n] along its last axis, by doubling:
// no product is in it, whose inputs some accelerators round.
func running(x *Node) *Node {
	g, rows, n := x.Graph(), x.Shape().Dimensions[0], x.Shape().Dimensions[1]
	for by := 1; by < n; by *= 2 {
		zero := BroadcastToDims(Const(g, float32(0)), rows, by)
		x = Add(x, Concatenate([]*Node{zero, Slice(x, AxisRange(), AxisRange(0, n-by))}, 1))
	}
	return x
}
