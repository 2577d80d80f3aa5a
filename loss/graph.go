package loss

import (
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/support/exceptions"
)

// Inputs are the loss's inputs as nodes of one graph; all [n] nodes are float32
// or float64 of one dtype. n may span samples, rows and padding.
type Inputs struct {
	LogProb *graph.Node           // [n] log p under the policy in training, nats
	Old     *graph.Node           // [n] under the policy that sampled; nil if no term needs it
	Ref     *graph.Node           // [n] under the reference; nil if no term needs it
	Weight  [NumTerms]*graph.Node // [n] each; nil = the term is absent
	// InvCount holds scalars, 1 over each term's count over the whole
	// minibatch (so micro-batches add up); nil where Weight is nil.
	InvCount [NumTerms]*graph.Node
	// Gap and Mean are [n], see Sequence, and computed from LogProb: the derivative
	// counts what LogProb does to them. nil where the term couples no tokens.
	Gap, Mean [NumTerms]*graph.Node
	Params
}

// Outputs are the loss's outputs, scalars but for Grad.
type Outputs struct {
	// Total is the loss; Gradient(Total, ...) flows into LogProb only, and is
	// Grad there.
	Total *graph.Node
	Grad  *graph.Node           // [n] d Total / d LogProb in closed form
	Term  [NumTerms]*graph.Node // each times its InvCount; nil = absent
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
		only := func(wanted bool, x *graph.Node) *graph.Node {
			if !wanted {
				return nil
			}
			return graph.Where(active, graph.StopGradient(x), zero)
		}
		t := &Terms[term]
		value, grad := t.tokens(tokens{LogProb: only(true, logp), Old: only(t.Old, in.Old), Ref: only(t.Ref, in.Ref), Weight: weight,
			Gap: only(t.Couple, in.Gap[term]), Mean: only(t.Couple, in.Mean[term])}, in.Params) // [n], both without the count
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
	for _, x := range []struct {
		name string
		want bool
		node *graph.Node
	}{
		{"weight", true, in.Weight[term]}, {"Old", Terms[term].Old, in.Old}, {"Ref", Terms[term].Ref, in.Ref},
		{"Gap", Terms[term].Couple, in.Gap[term]}, {"Mean", Terms[term].Couple, in.Mean[term]},
	} {
		if x.want && (x.node == nil || !x.node.Shape().Equal(in.LogProb.Shape())) {
			exceptions.Panicf("loss: term %s: %s is %s, want the shape of the log-probabilities, %s",
				Terms[term].Name, x.name, x.node, in.LogProb.Shape())
		}
	}
	if inv := in.InvCount[term]; inv == nil || !inv.IsScalar() {
		exceptions.Panicf("loss: term %s: InvCount is %s, want a scalar", Terms[term].Name, inv)
	}
}
