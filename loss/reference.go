// Package loss holds the four terms of the training loss, twice: as float64 code
// with derivatives in closed form (this file), which the learner on the host runs,
// and as GoMLX graph code (graph.go) for devices, that a test holds equal to it.
//
// Every term is a sum over tokens of weight times a function of the token's
// log-probability, divided by the term's own count:
//
//	Policy        -w * clip(r)             r = p / old; w = advantage
//	OffPolicy     -w * p / (p + gamma)     w = advantage
//	CrossEntropy  -w * log p               w >= 0
//	Reference      w * (e^d - d - 1)       d = log ref - log p; w = coefficient
//
// A method is nothing but a way to stamp the weights. Coefficients between terms
// are folded into the weights, so the loss is the plain sum of the four.
//
// Contract: a token with weight 0 adds nothing to value or derivative whatever
// its log-probability is, infinities and NaN included, so padding needs no care.
// A NaN at a token with a weight reaches the total; the learner looks for that.
// Wrong lengths are a broken invariant and panic.
package loss

import (
	"fmt"
	"math"

	"ballast"
)

// Limits that verl sets in its vanilla GRPO loss and its low_var_kl penalty. The
// paper trained with them, so they stand here too. Outside them a term is
// constant: a token whose k3 passes K3Limit (a policy that left the reference by
// more than 2.6 nats down or 11 nats up) is not pulled back any more.
const (
	GapLimit = 20.0 // nats; |log p - log old| and |log ref - log p|
	K3Limit  = 10.0 // nats; the k3 estimate of one token
)

// Params are the constants of the terms, the same for all tokens.
type Params struct {
	ClipLow  float64 // the ratio counts down to 1-ClipLow where w < 0
	ClipHigh float64 // the ratio counts up to 1+ClipHigh where w > 0
	Dual     float64 // the ratio counts up to Dual where w < 0; 0 = no bound
	Gamma    float64 // of OffPolicy; > 0 where that term is used
}

// Default returns the paper's constants: clip 0.2 and 0.2, dual clip 3 (paper,
// section 1), gamma 0.1 (section 3.2).
func Default() Params {
	return Params{ClipLow: 0.2, ClipHigh: 0.2, Dual: 3, Gamma: 0.1}
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

// Policy returns the clipped policy-gradient loss of one token with advantage w
// and its derivative with respect to logp. On the edge of the interval the
// derivative is the one inside.
func Policy(logp, old, w float64, p Params) (value, grad float64) {
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

// OffPolicy returns -w * p/(p+gamma) of one token and its derivative with respect
// to logp, -w * p*gamma/(p+gamma)^2.
func OffPolicy(logp, w float64, p Params) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	prob := math.Exp(logp)
	share := prob / (prob + p.Gamma)
	return -w * share, -w * share * p.Gamma / (prob + p.Gamma)
}

// CrossEntropy returns -w * logp of one token and its derivative, -w.
func CrossEntropy(logp, w float64) (value, grad float64) {
	if w == 0 {
		return 0, 0
	}
	return -w * logp, -w
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
	if k3 > K3Limit || math.Abs(gap) > GapLimit {
		return w * min(k3, K3Limit), 0
	}
	return w * k3, -w * math.Expm1(d)
}

// clamp returns x moved into [low, high]; NaN stays NaN.
func clamp(x, low, high float64) float64 { return max(low, min(high, x)) }

// Batch is the loss's input: tokens of any number of samples in one row.
type Batch struct {
	LogProb []float64                   // [n] log p under the policy in training, nats
	Old     []float64                   // [n] under the policy that sampled; nil without Policy
	Ref     []float64                   // [n] under the reference; nil without Reference
	Weight  [ballast.NumTerms][]float64 // [n] each; nil = the term is absent
	Count   [ballast.NumTerms]float64   // denominators; unused where Weight is nil
}

// Result is the loss of a batch.
type Result struct {
	Total float64
	Term  [ballast.NumTerms]float64 // each divided by its count
	Grad  []float64                 // [n] d Total / d LogProb
}

// Evaluate computes the loss and its derivative with respect to every
// log-probability.
func Evaluate(b Batch, p Params) Result {
	n := len(b.LogProb)
	r := Result{Grad: make([]float64, n)}
	for term, weight := range b.Weight {
		if weight == nil {
			continue
		}
		if len(weight) != n {
			panic(fmt.Sprintf("loss: term %d has %d weights for %d tokens", term, len(weight), n))
		}
		sum, count := 0.0, b.Count[term]
		for i, w := range weight {
			if w == 0 {
				continue
			}
			value, grad := b.token(term, i, p)
			sum += value
			r.Grad[i] += grad / count
		}
		if sum != 0 { // an empty term has count 0
			r.Term[term] = sum / count
		}
		r.Total += r.Term[term]
	}
	return r
}

// token evaluates one term at one token.
func (b Batch) token(term, i int, p Params) (value, grad float64) {
	w, logp := b.Weight[term][i], b.LogProb[i]
	switch term {
	case ballast.TermPolicy:
		return Policy(logp, b.Old[i], w, p)
	case ballast.TermOffPolicy:
		return OffPolicy(logp, w, p)
	case ballast.TermCrossEntropy:
		return CrossEntropy(logp, w)
	case ballast.TermReference:
		return Reference(logp, b.Ref[i], w)
	}
	panic(fmt.Sprintf("loss: no term %d", term))
}
