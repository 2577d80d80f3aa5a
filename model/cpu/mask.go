package cpu

import (
	"math"

	"ballast"
	"ballast/model/sampling"
)

// constrained draws the next token at position pos of a conversation and tells
// the mask of it; it returns false where the mask allows nothing.
//
// The first draw ignores the mask. Only if it is forbidden, a second one, with a
// number of its own, is taken among the allowed tokens. The outcome is the
// distribution renormalised over these: p + (1-L) p/L = p/L, with L their
// probability together. Thus a constrained conversation is token by token the
// plain one up to the first token that the mask forbids. (Under top-k and top-p the
// first draw is of the truncated distribution, the second truncates what the mask
// has left.)
func (d *dist) constrained(how ballast.Sampling, m ballast.Mask, seed uint64, pos int) (tok int32, some bool) {
	tok = d.draw(how, sampling.Uniform(seed, pos))
	if m == nil {
		return tok, true
	}
	if !m.Allows(tok) {
		if tok = d.drawAllowed(how, m, sampling.Uniform(^seed, pos)); tok < 0 {
			return tok, false
		}
	}
	m.Advance(tok)
	return tok, true
}

// drawAllowed is draw over the tokens that the mask allows, -1 if there are none.
// Where no allowed token has a
// probability above 0 in float32 the most probable one is taken.
func (d *dist) drawAllowed(how ballast.Sampling, m ballast.Mask, u float64) int32 {
	best, total := int32(-1), 0.0
	e := make([]float32, d.size)
	for i := range e {
		if !m.Allows(int32(i)) {
			continue
		}
		if best < 0 || d.logits[i] > d.logits[best] {
			best = int32(i)
		}
		e[i] = d.e[i]
		total += float64(e[i])
	}
	if how.Temperature == 0 || best < 0 || total < math.SmallestNonzeroFloat32 {
		return best
	}
	if how.TopK > 0 || how.TopP > 0 {
		allE, all := d.e, d.total // other conversations draw from the same row
		d.e, d.total = e, total
		best = d.drawTruncated(how, u)
		d.e, d.total = allE, all
		return best
	}
	u *= total
	for i, p := range e {
		if p == 0 {
			continue
		}
		best = int32(i) // the last possible one where rounding eats the rest
		if u -= float64(p); u < 0 {
			break
		}
	}
	return best
}
