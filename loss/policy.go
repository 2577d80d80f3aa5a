package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// TermPolicy is the number of term grpo: its weights are advantages.
const TermPolicy = 0

// grpo is the clipped policy gradient of every token's own ratio.
var grpo = Term{
	Name:  "grpo",
	Old:   true,
	Dual:  true,
	token: func(x token, p Params) (value, grad float64) { return policyToken(x.LogProb, x.Old, x.Weight, p) },
	tokens: func(x tokens, p Params) (value, grad *graph.Node) {
		return policyTokens(graph.Sub(x.LogProb, x.Old), x.Weight, p)
	},
}

// bounds returns the interval in which the ratio counts, for one sign of the
// weight. With r' = clamp(r, 1-low, 1+high), the loss max(-w*r, -w*r') bounded by
// -w*Dual where w < 0 is -w times the ratio clamped to that interval.
func (p Params) bounds(negative bool) (low, high float64) {
	switch {
	case !negative:
		return 0, 1 + p.ClipHigh
	case p.Dual > 0:
		return 1 - p.ClipLow, p.Dual
	}
	return 1 - p.ClipLow, math.Exp(GapLimit + 1) // never reached
}

// policyToken returns the clipped policy-gradient loss of one token with advantage w
// and its derivative with respect to logp. On the edge of the interval the
// derivative is the one inside.
func policyToken(logp, old, w float64, p Params) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	gap := logp - old
	low, high := p.bounds(w < 0)
	r := math.Exp(clamp(gap, -GapLimit, GapLimit))
	switch {
	case r > high:
		return -w * high, 0
	case r < low:
		return -w * low, 0
	case math.Abs(gap) > GapLimit:
		return -w * r, 0
	}
	return -w * r, -w * r
}

// policyTokens is policyToken on nodes [n], with gap = log p - log old; see Params.bounds
// for why one clamp is enough.
func policyTokens(gap, weight *graph.Node, p Params) (value, grad *graph.Node) {
	g, dtype := gap.Graph(), gap.DType()
	zero := graph.ScalarZero(g, dtype)
	negative := graph.LessThan(weight, zero)
	near := graph.ClipScalar(gap, -GapLimit, GapLimit)
	ratio := graph.Exp(near)
	lowPos, highPos := p.bounds(false)
	lowNeg, highNeg := p.bounds(true)
	pick := func(neg, pos float64) *graph.Node {
		return graph.Where(negative, graph.Scalar(g, dtype, neg), graph.Scalar(g, dtype, pos))
	}
	low, high := pick(lowNeg, lowPos), pick(highNeg, highPos) // [n]
	counted := graph.Min(graph.Max(ratio, low), high)
	inside := graph.LogicalAnd(graph.Equal(counted, ratio), graph.Equal(near, gap))
	value = graph.Neg(graph.Mul(weight, counted))
	grad = graph.Where(inside, value, zero)
	return value, grad
}
