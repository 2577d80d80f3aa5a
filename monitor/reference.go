package monitor

import (
	"ballast"
	"ballast/chat/format"
)

// Compare adds to m what the reference policy thinks of the control tokens where the
// policy stands: on the same prefixes, so that a difference is the policy's own and
// not that of the places it goes to. ref holds, for every token of each episode,
// the reference's probability of each watched one; nil at tokens that are left out.
// Episodes without watched probabilities of the policy count for nothing.
func Compare(eps []ballast.Episode, lens *Lens, ref [][][]float32, m map[string]float64) {
	c := census{lens: lens, texts: map[int32]string{}}
	for _, id := range lens.Watched {
		c.names = append(c.names, c.text(id))
	}
	n := len(c.names)
	var count [NumSites]float64
	var theirs, lift [NumSites][]float64
	for s := range theirs {
		theirs[s], lift[s] = make([]float64, n), make([]float64, n)
	}
	mass, more, all := 0.0, 0.0, 0.0
	for i := range eps {
		eachSampled(&eps[i], func(k, at int, state format.State) format.State {
			if at < len(ref[i]) && ref[i][at] != nil && k < len(eps[i].Watch) {
				site := SiteOf(state.Place)
				count[site]++
				all++
				for j, name := range c.names {
					p, q := float64(eps[i].Watch[k][j]), float64(ref[i][at][j])
					theirs[site][j] += q
					lift[site][j] += p - q
					if !lens.Format.Legal(state, name) {
						mass, more = mass+q, more+p-q
					}
				}
			}
			return lens.Format.Next(state, c.text(eps[i].Tokens[at]))
		})
	}
	if all == 0 || n == 0 {
		return
	}
	m[ReferenceIllegal], m[LiftIllegal] = mass/all, more/all
	for s := range NumSites {
		for j, name := range c.names {
			if count[s] > 0 {
				m[ReferenceWatch+name+"/"+s.String()] = theirs[s][j] / count[s]
				m[LiftWatch+name+"/"+s.String()] = lift[s][j] / count[s]
			}
		}
	}
}

// eachSampled calls do for every sampled token: the k-th of the episode, at its
// index, in the state of its reply; do returns the state after it.
func eachSampled(ep *ballast.Episode, do func(k, at int, state format.State) format.State) {
	k := 0
	for _, t := range ep.Turns {
		for _, s := range t.Steps {
			if s.Gold {
				continue
			}
			var state format.State
			for at := s.Start; at < min(s.End, len(ep.Tokens)); at++ {
				state = do(k, at, state)
				k++
			}
		}
	}
}
