package loss

import "github.com/gomlx/gomlx/core/graph"

// Term is one term of the loss: what it needs besides log p and weights, and its
// function in both arithmetics. Tokens with weight 0 never reach float64 code; graph
// code gets zeros for them and its results are for the sum, so 0 there must give 0.
type Term struct {
	Name   string
	Old    bool // needs log-probabilities under the policy that sampled: weights are advantages
	Ref    bool // needs log-probabilities under the reference
	Couple bool // tokens of a sequence depend on each other: needs Sequence
	// A term that needs Old is a choice of rl.loss, by its name. Dual says that it has a
	// dual clip, Mean the one aggregate that is meant, "" where any is.
	Dual bool
	Mean string

	token  func(x token, p Params) (value, grad float64)
	tokens func(x tokens, p Params) (value, grad *graph.Node)
}

// Terms is the table of terms, by their number in a sample.
var Terms = [...]Term{
	TermPolicy:       grpo,
	TermOffPolicy:    offPolicy,
	TermCrossEntropy: crossEntropy,
	TermReference:    kl,
	TermSequence:     gspo,
	TermTruncated:    cispo,
}

// NumTerms is the number of terms. What is indexed by it is indexed by a term's number, which
// stands beside the term: two with one number do not compile.
const NumTerms = len(Terms)

// token is what a term sees of one token. What the term does not ask for is 0.
type token struct {
	LogProb, Old, Ref float64 // nats
	Weight            float64
	Gap, Mean         float64 // see Sequence
}

// tokens are tokens as nodes [n] of one graph, as Token. What the term does not ask
// for is nil.
type tokens struct {
	LogProb, Old, Ref, Weight, Gap, Mean *graph.Node
}
