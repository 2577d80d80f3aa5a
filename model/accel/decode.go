package accel

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas

	"ballast/model"
	"ballast/model/graph"
)

// Inputs of the decode graph, in this order; then come the weights, and the keys
// and values of every layer.
const (
	inToken       = iota // [rows] int32: the pending token
	inPos                // [rows] int32: its position
	inLeft               // [rows] int32: most tokens to draw; 0 = the row rests
	inStop               // [rows, stops] int32: tokens that end the reply, padded with -1
	inU                  // [steps, rows] float32: the draws' numbers
	inTemperature        // scalars, float32
	inTopP               //
	inTopK               //
	inWatched            // [watched] int32
	inCos                // [length, HeadDim]
	inSin                //
	inWeights            // the first weight
)

// What a decode step says in place of a token.
const (
	rests  = -1 // the row draws nothing
	broken = -2 // the logits are not finite
)

// layout says where weights are among the specs.
type layout struct {
	embed, norm, out int
	layers           [][]int // as graph.LayerNames
	count            int
}

func newLayout(c *model.Config) layout {
	index := map[string]int{}
	for i, s := range c.Specs() {
		index[s.Name] = i
	}
	l := layout{embed: index["model.embed_tokens.weight"], norm: index["model.norm.weight"], out: index[graph.OutName(c)], count: len(index)}
	for i := range c.Layers {
		var at []int
		for _, n := range graph.LayerNames(c) {
			at = append(at, index[graph.LayerName(i, n)])
		}
		l.layers = append(l.layers, at)
	}
	return l
}

// pick returns the weights of one layer.
func pick[T any](all []T, at []int) []T {
	out := make([]T, len(at))
	for i, k := range at {
		out[i] = all[k]
	}
	return out
}

// decodeGraph draws up to steps tokens in every row that has some left, one after
// the other on the device. It returns the tokens plus 1 [steps, rows], what is known of
// each, [steps, rows, 2+watched] (log-probability, entropy, probabilities of the
// watched), and the caches.
//
// A loop's body sees nothing but the loop's state, so that everything is part of
// it. A constant or a reduction made in one function must not be used in another,
// and GoMLX remembers both by graph, which is why the loop is all there is to the
// graph and why the loop's condition reduces nothing.
func (e *engine) decodeGraph(kind graph.Draws) func(in []*Node) []*Node {
	return func(in []*Node) []*Node {
		g := in[0].Graph()
		steps, rows := in[inU].Shape().Dimensions[0], in[inU].Shape().Dimensions[1]
		facts := 2 + e.watched
		state := []*Node{
			Const(g, int32(0)), // the step
			Const(g, int32(1)), // the most that any row has left
			BroadcastToDims(Const(g, int32(0)), steps, rows), // tokens, plus 1, are added
			BroadcastToDims(Const(g, float32(0)), steps, rows, facts),
		}
		const own = 4
		state = append(state, in...)
		params := func(g *Graph) []*Node {
			out := make([]*Node, len(state))
			for i, s := range state {
				out[i] = Parameter(g, fmt.Sprintf("s%d", i), s.Shape())
			}
			return out
		}
		body := NewClosure(g, func(g *Graph) []*Node {
			s := params(g)
			e.decodeStep(kind, s[:own], s[own:])
			return s
		})
		more := NewClosure(g, func(g *Graph) []*Node {
			s := params(g)
			return []*Node{LogicalAnd(LessThan(s[0], Const(g, int32(steps))), GreaterThan(s[1], Const(g, int32(0))))}
		})
		out := While(more, body, state...)
		return append([]*Node{out[2], out[3]}, out[own+inWeights+e.at.count:]...)
	}
}

// decodeStep replaces what changes in the loop's state: own is the step, the
// most left, the tokens and the facts so far; in as the graph's inputs.
func (e *engine) decodeStep(kind graph.Draws, own, in []*Node) {
	c, g := &e.c, in[0].Graph()
	rows, step := in[inToken].Shape().Dimensions[0], own[0]
	w, kv := in[inWeights:inWeights+e.at.count], in[inWeights+e.at.count:]
	active := GreaterThan(in[inLeft], ZerosLike(in[inLeft])) // [rows]
	pos := ExpandDims(in[inPos], -1)
	at := graph.Slots{Length: in[inCos].Shape().Dimensions[0], Pos: pos, Real: ExpandDims(ConvertDType(active, dtypes.Float32), -1),
		Cos: Gather(in[inCos], pos), Sin: Gather(in[inSin], pos)}
	x := graph.Embed(w[e.at.embed], in[inToken])
	still := at
	if len(c.NoRope) > 0 {
		still.Cos, still.Sin = Gather(in[inCos], ZerosLike(pos)), Gather(in[inSin], ZerosLike(pos))
	}
	for l := range c.Layers {
		here := at
		if !c.Rotates(l) {
			here = still
		}
		x, kv[2*l], kv[2*l+1] = graph.Layer(c, x, pick(w, e.at.layers[l]), kv[2*l], kv[2*l+1], here)
	}
	one, here := Const(g, int32(1)), Reshape(step, 1, 1)
	dice := graph.Dice{U: Reshape(Gather(in[inU], here), rows),
		Temperature: in[inTemperature], TopP: in[inTopP], TopK: in[inTopK]}
	var watched *Node
	if e.watched > 0 {
		watched = in[inWatched]
	}
	d := graph.Draw(kind, graph.Last(c, x, w[e.at.norm], w[e.at.out]), dice, watched)
	shown := Where(d.Finite, d.Token, BroadcastToDims(Const(g, int32(broken)), rows))
	shown = Where(active, shown, BroadcastToDims(Const(g, int32(rests)), rows))
	known := []*Node{ExpandDims(d.LogProb, -1), ExpandDims(d.Entropy, -1)}
	if watched != nil {
		known = append(known, d.Watched)
	}
	own[2] = ScatterSum(own[2], here, ExpandDims(Add(shown, one), 0), false, true)
	own[3] = ScatterSum(own[3], here, ExpandDims(Concatenate(known, 1), 0), false, true)
	own[0] = Add(step, one)
	stops := in[inStop]
	hit := ReduceMax(ConvertDType(Equal(stops, ExpandDims(d.Token, -1)), dtypes.Int32), 1)
	goes := LogicalAnd(LogicalAnd(active, d.Finite), Equal(hit, ZerosLike(hit)))
	in[inToken] = Where(active, d.Token, in[inToken])
	in[inPos] = Add(in[inPos], ConvertDType(active, dtypes.Int32))
	in[inLeft] = Where(goes, Sub(in[inLeft], OnesLike(in[inLeft])), ZerosLike(in[inLeft]))
	own[1] = ReduceMax(in[inLeft])
}

// prefillGraph runs one layer on several tokens of some rows.
//
//	in: x [b*n, Hidden], keys, values, rows [b], positions [b, n], real [b, n],
//	    the positions that queries and keys are turned by [b, n], the tables of cosines and sines [length, HeadDim], the layer's weights
//	out: the residual stream, keys, values
func (e *engine) prefillGraph(in []*Node) []*Node {
	pos := in[4]
	turn := Reshape(in[6], pos.Shape().Size(), 1)
	at := graph.Slots{Length: in[7].Shape().Dimensions[0], Row: in[3], Pos: pos, Real: in[5],
		Cos: Gather(in[7], turn), Sin: Gather(in[8], turn)}
	y, k, v := graph.Layer(&e.c, in[0], in[9:], in[1], in[2], at)
	return []*Node{y, k, v}
}

// embedGraph takes the embedding and ids [n].
func (e *engine) embedGraph(in []*Node) []*Node { return []*Node{graph.Embed(in[0], in[1])} }

// moveGraph takes keys or values and, for each row, the row to copy from, [rows],
// and how many of its positions, [rows]; what follows them becomes zero.
func (e *engine) moveGraph(in []*Node) []*Node {
	g, from, keep := in[0].Graph(), in[1], in[2]
	rows := from.Shape().Dimensions[0]
	length := in[0].Shape().Dimensions[0] / rows / e.c.KVHeads
	all := Gather(Reshape(in[0], rows, e.c.KVHeads, length, e.c.HeadDim), ExpandDims(from, -1))
	kept := LessThan(Iota(g, shapes.Make(dtypes.Int32, rows, 1, length, 1), 2),
		BroadcastToDims(Reshape(keep, rows, 1, 1, 1), rows, 1, length, 1))
	return []*Node{ReshapeLike(Where(BroadcastToDims(kept, all.Shape().Dimensions...), all, ZerosLike(all)), in[0])}
}

// growGraph doubles the length of a cache's rows; in[1] is any tensor of rows
// elements.
func (e *engine) growGraph(in []*Node) []*Node {
	rows := in[1].Shape().Size()
	x := Reshape(in[0], rows*e.c.KVHeads, -1, e.c.HeadDim)
	return []*Node{Reshape(Concatenate([]*Node{x, ZerosLike(x)}, 1), -1, e.c.HeadDim)}
}
