package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// TermReference is the number of term kl: its weights are coefficients.
const TermReference = 3

// kl is the pull to the reference policy.
var kl = Term{
	Name:  "reference",
	Ref:   true,
	token: func(x token, _ Params) (value, grad float64) { return Reference(x.LogProb, x.Ref, x.Weight) },
	tokens: func(x tokens, _ Params) (value, grad *graph.Node) {
		return referenceTokens(graph.Sub(x.Ref, x.LogProb), x.Weight)
	},
}

// Reference returns w times the k3 estimate of the KL divergence to the reference
// policy at one token (Schulman's low-variance estimator, verl's low_var_kl),
// and its derivative with respect to logp, w*(1 - ref/p).
func Reference(logp, ref, w float64) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	gap := ref - logp
	d := clamp(gap, -GapLimit, GapLimit)
	k3 := math.Expm1(d) - d // e^d - d - 1 without its cancellation
	if k3 > k3Limit || math.Abs(gap) > GapLimit {
		return w * min(k3, k3Limit), 0
	}
	return w * k3, -w * math.Expm1(d)
}

// referenceTokens is Reference on nodes [n], with gap = log ref - log p.
func referenceTokens(gap, weight *graph.Node) (value, grad *graph.Node) {
	g, dtype := gap.Graph(), gap.DType()
	zero, limit := graph.ScalarZero(g, dtype), graph.Scalar(g, dtype, k3Limit)
	near := graph.ClipScalar(gap, -GapLimit, GapLimit)
	slope := graph.Expm1(near)
	k3 := graph.Sub(slope, near)
	inside := graph.LogicalAnd(graph.LessOrEqual(k3, limit), graph.Equal(near, gap))
	k3 = graph.Min(k3, limit)
	value = graph.Mul(weight, k3)
	grad = graph.Where(inside, graph.Neg(graph.Mul(weight, slope)), zero)
	return value, grad
}
