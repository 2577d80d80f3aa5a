package loss

import (
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// TermOffPolicy is the number of term offPolicy: its weights are advantages.
const TermOffPolicy = 1

// offPolicy learns from tokens that others wrote, most where they are not yet likely.
var offPolicy = Term{
	Name:  "offpolicy",
	token: func(x token, p Params) (value, grad float64) { return offPolicyToken(x.LogProb, x.Weight, p) },
	tokens: func(x tokens, p Params) (value, grad *graph.Node) {
		if p.Gamma <= 0 {
			exceptions.Panicf("loss: gamma is %g, want > 0", p.Gamma)
		}
		prob := graph.Exp(x.LogProb)
		share := graph.Div(prob, graph.AddScalar(prob, p.Gamma))
		value = graph.Neg(graph.Mul(x.Weight, share))
		gamma := graph.Scalar(prob.Graph(), prob.DType(), p.Gamma)
		return value, graph.Mul(value, graph.Div(gamma, graph.AddScalar(prob, p.Gamma)))
	},
}

// offPolicyToken returns -w * p/(p+gamma) of one token and its derivative with respect
// to logp, -w * p*gamma/(p+gamma)^2.
func offPolicyToken(logp, w float64, p Params) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	prob := math.Exp(logp)
	share := prob / (prob + p.Gamma)
	return -w * share, -w * share * p.Gamma / (prob + p.Gamma)
}
