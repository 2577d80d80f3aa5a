package recipe

import "ballast"

// Stamping is all that a method does to the loss: it puts a weight on every
// token for each of the four terms.

// PolicySample stamps an episode's advantage and the KL coefficient on the
// tokens that the policy sampled.
func PolicySample(ep *ballast.Episode, adv float64, rl *RL) ballast.Sample {
	s := blank(ep)
	s.OldLogProb = ep.LogProb
	on := owned(ep, ballast.OwnerPolicy)
	scale := 1.0
	count := float64(len(on))
	if rl.Aggregate == "sequence-mean" && count > 0 {
		scale, count = 1/count, 1
	}
	s.Terms[ballast.TermPolicy] = stream(ep, on, adv*scale, count)
	if rl.KL != 0 {
		s.Terms[ballast.TermReference] = stream(ep, on, rl.KL*scale, count)
	}
	return s
}

// GoldSample stamps cross-entropy on the tokens of gold replies.
func GoldSample(ep *ballast.Episode) ballast.Sample {
	s := blank(ep)
	s.Prefix = 0 // a dialogue shares nothing with its neighbours
	on := owned(ep, ballast.OwnerGold)
	s.Terms[ballast.TermCrossEntropy] = stream(ep, on, 1, float64(len(on)))
	return s
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
