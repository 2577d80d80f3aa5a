package monitor

import (
	"math"
	"strings"

	"ballast"
)

// Seen is an episode with what the learner says of its tokens under the weights that
// sampled them.
type Seen struct {
	Episode *ballast.Episode
	LogProb []float32 // [tokens]; Untold where the learner was not asked
}

// untold is no log-probability.
var untold = float32(math.Inf(1))

// Untold is room for the log-probabilities of n tokens that nobody has told yet.
func Untold(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = untold
	}
	return out
}

// GapMuch is by how much the two probabilities of a token must differ, as a share of the
// sampler's, to count in GapShare.
const GapMuch = 0.1

// The bounds of d, so that sums are numbers: of all of it, and of what k3 takes the
// exponential of, which the loss bounds likewise.
const (
	gapLimit   = 100.0
	gapLimitK3 = 20.0
)

// places parts the replies of an episode, counted from 1: early ones apart, later ones
// together, so that a long episode has as many metrics as a short one.
var places = []struct {
	name string
	from int
}{{"1", 1}, {"2", 2}, {"3-4", 3}, {"5-8", 5}, {"9+", 9}}

// GapPlaces are the names of the parts of an episode, in order: the replies that they hold.
func GapPlaces() (names []string) {
	for _, p := range places {
		names = append(names, p.name)
	}
	return names
}

// GapAt is the name of a metric of the gap in one part of the episodes: of is one of GapMean,
// GapMax, GapK1, GapK3, GapShare and GapTokens.
func GapAt(place, of string) string {
	return GapReply + place + "/" + strings.TrimPrefix(of, "logprob_gap/")
}

// Mismatch adds to m the gap between the sampler's log-probabilities and the learner's, of
// all sampled tokens that the learner told, and of those of the first reply of an episode,
// of the second, and so on. Both speak of the same weights, so that the gap is no progress
// of the learner but a fault of the transfer, of precision or of the tokens. Where nothing
// can be compared there is no metric.
func Mismatch(list []Seen, m map[string]float64) {
	var all gaps
	parts := make([]gaps, len(places))
	for _, s := range list {
		if len(s.Episode.LogProb) != len(s.LogProb) {
			continue // the sampler told none
		}
		reply := 0
		for _, t := range s.Episode.Turns {
			for _, step := range t.Steps {
				if step.Gold {
					continue
				}
				reply++
				part := &parts[placeOf(reply)]
				for i := step.Start; i < min(step.End, len(s.LogProb)); i++ {
					if x := s.LogProb[i]; x != untold {
						d := float64(x) - float64(s.Episode.LogProb[i])
						all.add(d)
						part.add(d)
					}
				}
			}
		}
	}
	all.fill(m, func(of string) string { return of })
	for i := range parts {
		parts[i].fill(m, func(of string) string { return GapAt(places[i].name, of) })
	}
}

// placeOf is the part of an episode that its n-th reply is in.
func placeOf(n int) (at int) {
	for at+1 < len(places) && places[at+1].from <= n {
		at++
	}
	return at
}

// gaps sums over tokens.
type gaps struct{ n, abs, most, k1, k3, much float64 }

// add takes a token. One of which a side says what is no number is left out: the learner
// reports it (NonFinite).
func (g *gaps) add(d float64) {
	if math.IsNaN(d) {
		return
	}
	d = min(max(d, -gapLimit), gapLimit)
	near := min(max(d, -gapLimitK3), gapLimitK3)
	g.n++
	g.abs += math.Abs(d)
	g.most = max(g.most, math.Abs(d))
	g.k1 -= d
	g.k3 += math.Expm1(near) - near // e^d - 1 - d without its cancellation
	if math.Abs(math.Expm1(near)) > GapMuch {
		g.much++
	}
}

func (g *gaps) fill(m map[string]float64, name func(of string) string) {
	if g.n == 0 {
		return
	}
	m[name(GapMean)], m[name(GapMax)], m[name(GapTokens)] = g.abs/g.n, g.most, g.n
	m[name(GapK1)], m[name(GapK3)], m[name(GapShare)] = g.k1/g.n, g.k3/g.n, g.much/g.n
}
