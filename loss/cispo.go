package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
)

// TermTruncated is the number of term cispo: its weights are advantages.
const TermTruncated = 5

// cispo is the loss of MiniMax-M1 (arXiv 2506.13585, equations 4 and 5): the policy
// gradient of log p, weighted by the token's ratio, clipped to 1-ClipLow and 1+ClipHigh.
// The clipped ratio is a constant of the derivative, so that no token loses its
// gradient. The paper sets no lower bound (ClipLow 1). There is no dual clip.
var cispo = Term{
	Name: "cispo",
	Old:  true,
	token: func(x token, p Params) (value, grad float64) {
		return truncatedToken(x.LogProb, x.Old, x.Weight, p)
	},
	tokens: func(x tokens, p Params) (value, grad *graph.Node) {
		ratio := graph.Exp(graph.ClipScalar(graph.Sub(x.LogProb, x.Old), -GapLimit, GapLimit))
		grad = graph.Neg(graph.Mul(x.Weight, graph.ClipScalar(ratio, 1-p.ClipLow, 1+p.ClipHigh)))
		return graph.Mul(grad, x.LogProb), grad
	},
}

// truncatedToken returns -w * c * logp of one token with advantage w, where c is its ratio
// clipped on both sides, and the derivative with respect to logp with c held fixed.
func truncatedToken(logp, old, w float64, p Params) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	ratio := math.Exp(clamp(logp-old, -GapLimit, GapLimit))
	grad = -w * clamp(ratio, 1-p.ClipLow, 1+p.ClipHigh)
	return grad * logp, grad
}
