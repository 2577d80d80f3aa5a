package loss

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"

	"ballast"
)

// Inputs are the loss's inputs as nodes of one graph; all [n] nodes are float32
// or float64 of one dtype. n may span samples, rows and padding.
type Inputs struct {
	LogProb *graph.Node                   // [n] log p under the policy in training, nats
	Old     *graph.Node                   // [n] under the policy that sampled; nil without Policy
	Ref     *graph.Node                   // [n] under the reference; nil without Reference
	Weight  [ballast.NumTerms]*graph.Node // [n] each; nil = the term is absent
	// InvCount holds scalars, 1 over each term's count over the whole
	// minibatch (so micro-batches add up); nil where Weight is nil.
	InvCount [ballast.NumTerms]*graph.Node
	Params
}

// Outputs are the loss's outputs, scalars but for Grad.
type Outputs struct {
	// Total is the loss; Gradient(Total, ...) flows into LogProb only, and is
	// Grad there.
	Total *graph.Node
	Grad  *graph.Node                   // [n] d Total / d LogProb in closed form
	Term  [ballast.NumTerms]*graph.Node // each times its InvCount; nil = absent
}

// Graph builds the loss. It panics, as graph code does, on nodes of wrong
// shapes or missing ones.
//
// The derivative is written down, not derived: at the edges of clamps automatic
// differentiation splits or drops gradients as it pleases, and a Where over a
// masked infinity turns into NaN. Total is the value plus grad*(x - x), which has
// that value and that derivative.
func Graph(in Inputs) Outputs {
	g := in.LogProb.Graph()
	zero := graph.ScalarZero(g, in.LogProb.DType())
	logp := graph.StopGradient(in.LogProb) // [n]
	out := Outputs{}
	var total, used *graph.Node
	for term, weight := range in.Weight {
		if weight == nil {
			continue
		}
		in.check(term)
		weight = graph.StopGradient(weight)
		active := graph.NotEqual(weight, zero) // [n] bool
		// Tokens without weight see 0 in place of whatever they hold.
		only := func(x *graph.Node) *graph.Node { return graph.Where(active, x, zero) }
		var value, grad *graph.Node // [n], both without the count
		switch term {
		case ballast.TermPolicy:
			value, grad = policy(only(graph.Sub(logp, graph.StopGradient(in.Old))), weight, in.Params)
		case ballast.TermOffPolicy:
			prob := graph.Exp(only(logp))
			share := graph.Div(prob, graph.AddScalar(prob, in.Gamma))
			value = graph.Neg(graph.Mul(weight, share))
			grad = graph.Mul(value, graph.Div(graph.Scalar(g, prob.DType(), in.Gamma), graph.AddScalar(prob, in.Gamma)))
		case ballast.TermCrossEntropy:
			value, grad = graph.Neg(graph.Mul(weight, only(logp))), graph.Neg(weight)
		case ballast.TermReference:
			value, grad = reference(only(graph.Sub(graph.StopGradient(in.Ref), logp)), weight)
		}
		inv := graph.StopGradient(in.InvCount[term])
		out.Term[term] = graph.Mul(graph.ReduceAllSum(value), inv)
		grad = graph.Mul(grad, inv)
		if total == nil {
			total, out.Grad, used = out.Term[term], grad, active
		} else {
			total, out.Grad, used = graph.Add(total, out.Term[term]), graph.Add(out.Grad, grad), graph.LogicalOr(used, active)
		}
	}
	if total == nil {
		exceptions.Panicf("loss: no term has weights")
	}
	out.Grad = graph.StopGradient(out.Grad)
	move := graph.Where(used, graph.Sub(in.LogProb, logp), zero) // 0 in value, 1 in slope
	out.Total = graph.Add(graph.StopGradient(total), graph.ReduceAllSum(graph.Mul(out.Grad, move)))
	return out
}

// check panics unless the nodes of a term are there and have the right shapes.
func (in Inputs) check(term int) {
	same := func(name string, x *graph.Node) {
		if x == nil || !x.Shape().Equal(in.LogProb.Shape()) {
			exceptions.Panicf("loss: term %d: %s is %s, want the shape of the log-probabilities, %s",
				term, name, x, in.LogProb.Shape())
		}
	}
	same("weight", in.Weight[term])
	if inv := in.InvCount[term]; inv == nil || !inv.IsScalar() {
		exceptions.Panicf("loss: term %d: InvCount is %s, want a scalar", term, inv)
	}
	switch term {
	case ballast.TermPolicy:
		same("Old", in.Old)
	case ballast.TermReference:
		same("Ref", in.Ref)
	case ballast.TermOffPolicy:
		if in.Gamma <= 0 {
			exceptions.Panicf("loss: gamma is %g, want > 0", in.Gamma)
		}
	}
}

// policy is Policy on nodes [n], with gap = log p - log old; see Params.bounds
// for why one clamp is enough.
func policy(gap, weight *graph.Node, p Params) (value, grad *graph.Node) {
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

// reference is Reference on nodes [n], with gap = log ref - log p.
func reference(gap, weight *graph.Node) (value, grad *graph.Node) {
	g, dtype := gap.Graph(), gap.DType()
	zero, limit := graph.ScalarZero(g, dtype), graph.Scalar(g, dtype, K3Limit)
	near := graph.ClipScalar(gap, -GapLimit, GapLimit)
	slope := graph.Expm1(near)
	k3 := graph.Sub(slope, near)
	inside := graph.LogicalAnd(graph.LessOrEqual(k3, limit), graph.Equal(near, gap))
	k3 = graph.Min(k3, limit)
	value = graph.Mul(weight, k3)
	grad = graph.Where(inside, graph.Neg(graph.Mul(weight, slope)), zero)
	return value, grad
}
