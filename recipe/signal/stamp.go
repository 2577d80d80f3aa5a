package signal

import (
	"ballast"
	"ballast/loss"
)

// Loss is what stamping needs to know of the loss.
type Loss struct {
	KL        float64 // coefficient of the k3 term
	Aggregate string  // token-mean or sequence-mean
	Term      int     // the ballast.Term that advantages weigh tokens in
}

// Stamping is all that a method does to the loss: it puts a weight on every
// token for each of the terms.

// Policy stamps an episode's advantage and the KL coefficient on the tokens that
// owner wrote.
func Policy(ep *ballast.Episode, owner ballast.Owner, adv float64, l Loss) ballast.Sample {
	s := blank(ep)
	if s.OldLogProb = ep.LogProb; s.OldLogProb == nil { // nothing was sampled
		s.OldLogProb = make([]float32, len(ep.Tokens))
	}
	on := owned(ep, owner)
	scale, count := l.scale(len(on))
	s.Terms[l.Term] = stream(ep, on, adv*scale, count)
	if l.KL != 0 {
		s.Terms[loss.TermReference] = stream(ep, on, l.KL*scale, count)
	}
	return s
}

// CrossEntropy stamps weight w on the gold tokens from start to end.
func CrossEntropy(ep *ballast.Episode, start, end int, w float64) ballast.Sample {
	s := blank(ep)
	s.Prefix = 0 // a dialogue shares nothing with its neighbours
	var on []int
	for _, i := range owned(ep, ballast.OwnerGold) {
		if start <= i && i < end {
			on = append(on, i)
		}
	}
	s.Terms[loss.TermCrossEntropy] = stream(ep, on, w, float64(len(on)))
	return s
}

// scale is the factor of every token's weight and what n tokens count.
func (l Loss) scale(n int) (scale, count float64) {
	if l.Aggregate == "sequence-mean" && n > 0 {
		return 1 / float64(n), 1
	}
	return 1, float64(n)
}

func blank(ep *ballast.Episode) ballast.Sample {
	return ballast.Sample{Tokens: ep.Tokens, Group: ep.Group, Prefix: ep.Prompt}
}

// owned lists the positions of the tokens that owner wrote.
func owned(ep *ballast.Episode, owner ballast.Owner) []int {
	var out []int
	for i, o := range ep.Owners {
		if o == owner {
			out = append(out, i)
		}
	}
	return out
}

// stream is a term with weight w at the given positions.
func stream(ep *ballast.Episode, on []int, w, count float64) ballast.Term {
	t := ballast.Term{Weight: make([]float32, len(ep.Tokens)), Count: count}
	for _, i := range on {
		t.Weight[i] = float32(w)
	}
	return t
}
