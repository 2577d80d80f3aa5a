package loss

import "github.com/gomlx/gomlx/core/graph"

// TermCrossEntropy is the number of term crossEntropy: its weights are at least 0.
const TermCrossEntropy = 2

// crossEntropy is supervised learning.
var crossEntropy = Term{
	Name:  "cross_entropy",
	token: func(x token, _ Params) (value, grad float64) { return crossEntropyToken(x.LogProb, x.Weight) },
	tokens: func(x tokens, _ Params) (value, grad *graph.Node) {
		return graph.Neg(graph.Mul(x.Weight, x.LogProb)), graph.Neg(x.Weight)
	},
}

// crossEntropyToken returns -w * logp of one token and its derivative, -w.
func crossEntropyToken(logp, w float64) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	return -w * logp, -w
}
