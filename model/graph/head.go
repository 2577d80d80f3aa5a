package graph

import (
	"ballast/model"

	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
)

// HeadTape is what Head computed and HeadBack needs.
type HeadTape struct {
	LogProb *Node // [rows] log p of each row's target, nats
	Entropy *Node // [rows] of the distribution, nats
	norm    rms
	x       *Node // [rows, Hidden] after the norm
	exp     *Node // [rows, Vocab] e^(logit - row's largest)
	sum     *Node // [rows, 1] of exp
	mean    *Node // [rows, Hidden] the output matrix's mean row under the distribution
	target  *Node // [rows, Hidden]
}

// Head is the final norm and the log-probability of one target a row. Memory is
// rows*Vocab twice or so: callers with a large vocabulary pass few rows at once.
//
//	h [rows, Hidden] residual stream; norm [Hidden]; out [Vocab, Hidden], the output matrix
//	target [rows, Hidden], the output matrix's rows of the targets
//
// The target's logit is a dot product with its row, so that nothing is gathered
// from [rows, Vocab], and the entropy comes from the mean row, which the
// derivative needs anyway.
func Head(c *model.Config, h, norm, out, target *Node) HeadTape {
	want(h, -1, c.Hidden)
	want(out, c.Vocab, c.Hidden)
	want(target, h.Shape().Dimensions[0], c.Hidden)
	t := HeadTape{norm: normalize(h, c.NormEps), target: target}
	t.x = Mul(t.norm.hat, ExpandDims(norm, 0))
	logits := apply(t.x, out)                  // [rows, Vocab]
	top := ReduceAndKeep(logits, ReduceMax, 1) // [rows, 1]
	t.exp = Exp(Sub(logits, top))
	t.sum = ReduceAndKeep(t.exp, ReduceSum, 1)
	t.mean = Div(applyT(t.exp, out), t.sum)
	lse := Add(top, Log(t.sum)) // [rows, 1]
	picked := ReduceAndKeep(Mul(t.x, target), ReduceSum, 1)
	// The two ways to the target's logit differ in rounding: no log p > 0.
	t.LogProb = Reshape(MinScalar(Sub(picked, lse), 0), -1)
	t.Entropy = Reshape(Sub(lse, ReduceAndKeep(Mul(t.x, t.mean), ReduceSum, 1)), -1)
	return t
}

// HeadBack is the derivative of Head for dlogp [rows]: with respect to h, norm,
// the output matrix but for the target rows' part, transposed to
// [Hidden, Vocab], and the target rows' part, [rows, Hidden], to be added to
// their rows by the caller.
func HeadBack(t HeadTape, norm, dlogp *Node) (dh, dnorm, doutT, dtarget *Node) {
	d := ExpandDims(dlogp, 1) // [rows, 1]
	dtarget = Mul(t.x, d)
	doutT = Neg(Dot(Transpose(Div(dtarget, t.sum), 0, 1), t.exp).Product())
	dx := Mul(Sub(t.target, t.mean), d)
	return t.norm.back(Mul(dx, ExpandDims(norm, 0))), columnSum(Mul(dx, t.norm.hat)), doutT, dtarget
}
