package loss

import "github.com/gomlx/gomlx/core/graph"

// TermSequence is the number of term gspo: its weights are advantages.
const TermSequence = 4

// gspo is group sequence policy optimisation (Zheng et al., arXiv 2507.18071, equations
// 5 and 7): one ratio for a whole sequence, the geometric mean of its tokens' ratios,
// clipped as one. There is no dual clip.
//
// With n tokens y_t of a sequence, s = exp(mean of log p(y_t) - log old(y_t)) and their
// mean weight w, the sequence's loss is -n*w*clip(s), of which every token carries
// 1/n. Its derivative with respect to every log p(y_t) is -w*s inside the clip. The paper
// has 1/G for the sum over sequences, so weights are advantages divided by n.
var gspo = Term{
	Name:   "gspo",
	Old:    true,
	Mean:   "sequence-mean",
	Couple: true,
	token: func(x token, p Params) (value, grad float64) {
		p.Dual = 0
		return policyToken(x.Gap, 0, x.Mean, p)
	},
	tokens: func(x tokens, p Params) (value, grad *graph.Node) {
		p.Dual = 0
		return policyTokens(x.Gap, x.Mean, p)
	},
}

// Sequence is what a term needs to know of the sequences that its tokens are in.
type Sequence struct {
	Gap  []float64 // [n] mean of log p - log old over the tokens of the token's sequence, nats
	Mean []float64 // [n] mean of their weights
}

// Sequences computes that for tokens of whole sequences; of[i] numbers token i's.
// A sequence's tokens are those with a weight; others get zeros. All slices are [n].
func Sequences(logp, old, weight []float64, of []int) Sequence {
	type sums struct{ gap, weight, n float64 }
	all := map[int]*sums{}
	for i, w := range weight {
		if w == 0 {
			continue
		}
		s := all[of[i]]
		if s == nil {
			s = &sums{}
			all[of[i]] = s
		}
		s.gap, s.weight, s.n = s.gap+logp[i]-old[i], s.weight+w, s.n+1
	}
	out := Sequence{make([]float64, len(weight)), make([]float64, len(weight))}
	for i, w := range weight {
		if w != 0 {
			s := all[of[i]]
			out.Gap[i], out.Mean[i] = s.gap/s.n, s.weight/s.n
		}
	}
	return out
}
