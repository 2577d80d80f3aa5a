// Package loss holds the terms of the training loss, one file and one line of Terms
// each. Every term is there twice: as float64 code with the derivative in closed form,
// which the learner on the host runs, and as GoMLX graph code for devices, which a test
// holds equal to it. Evaluate sums the former, Graph the latter.
//
// Every term is a sum over tokens of weight times a function of the token's
// log-probability, divided by the term's own count:
//
//	grpo           -w * clip(r)             r = p / old; w = advantage
//	offpolicy      -w * p / (p + gamma)     w = advantage
//	cross_entropy  -w * log p               w >= 0
//	reference       w * (e^d - d - 1)       d = log ref - log p; w = coefficient
//	gspo           -w * clip(s)             s = the geometric mean of r over the sequence
//	cispo          -w * const clip(r) * log p
//
// A method is nothing but a way to stamp the weights. Coefficients between terms
// are folded into the weights, so the loss is the plain sum of the terms.
//
// Contract: a token with weight 0 adds nothing to value or derivative whatever
// its log-probability is, infinities and NaN included, so padding needs no care.
// A NaN at a token with a weight reaches the total; the learner looks for that.
// Wrong lengths are a broken invariant and panic.
package loss

import (
	"fmt"
)

// Limits that verl sets in its vanilla GRPO loss and its low_var_kl penalty. The
// paper trained with them, so they stand here too. Outside them a term is
// constant: a token whose k3 passes k3Limit (a policy that left the reference by
// more than 2.6 nats down or 11 nats up) is not pulled back any more.
const (
	GapLimit = 20.0 // nats; |log p - log old| and |log ref - log p|
	k3Limit  = 10.0 // nats; the k3 estimate of one token
)

// Params are the constants of the terms, the same for all tokens.
type Params struct {
	ClipLow  float64 // the ratio counts down to 1-ClipLow where w < 0
	ClipHigh float64 // the ratio counts up to 1+ClipHigh where w > 0
	Dual     float64 // the ratio counts up to Dual where w < 0; 0 = no bound
	Gamma    float64 // of offpolicy; > 0 where that term is used
}

// Default returns the paper's constants: clip 0.2 and 0.2, dual clip 3 (paper,
// section 1), gamma 0.1 (section 3.2).
func Default() Params {
	return Params{ClipLow: 0.2, ClipHigh: 0.2, Dual: 3, Gamma: 0.1}
}

// clamp returns x moved into [low, high]; NaN stays NaN.
func clamp(x, low, high float64) float64 { return max(low, min(high, x)) }

// Batch is the loss's input: tokens of any number of samples in one row.
type Batch struct {
	LogProb []float64           // [n] log p under the policy in training, nats
	Old     []float64           // [n] under the policy that sampled; nil if no term needs it
	Ref     []float64           // [n] under the reference; nil if no term needs it
	Weight  [NumTerms][]float64 // [n] each; nil = the term is absent
	Count   [NumTerms]float64   // denominators; unused where Weight is nil
	// Seq is what a term that couples tokens needs, made by Sequences of whole
	// sequences; the batch may hold parts of them.
	Seq [NumTerms]Sequence
}

// Result is the loss of a batch.
type Result struct {
	Total float64
	Term  [NumTerms]float64 // each divided by its count
	Grad  []float64         // [n] d Total / d LogProb
}

// Evaluate computes the loss and its derivative with respect to every
// log-probability, of which Seq is made.
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
			value, grad := Terms[term].token(b.at(term, i), p)
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

// at is one token as a term sees it.
func (b Batch) at(term, i int) token {
	t, x := &Terms[term], token{LogProb: b.LogProb[i], Weight: b.Weight[term][i]}
	if t.Old {
		x.Old = b.Old[i]
	}
	if t.Ref {
		x.Ref = b.Ref[i]
	}
	if t.Couple {
		x.Gap, x.Mean = b.Seq[term].Gap[i], b.Seq[term].Mean[i]
	}
	return x
}
