package monitor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"ballast"
)

// talk is an episode of replies of the given lengths, each behind a token of somebody else.
// What the sampler says of its tokens is told by said.
func talk(said func(reply, k int) float32, lengths ...int) *ballast.Episode {
	ep := &ballast.Episode{}
	var turn ballast.Turn
	for r, n := range lengths {
		ep.Tokens, ep.LogProb = append(ep.Tokens, 0), append(ep.LogProb, 0)
		s := ballast.Step{Start: len(ep.Tokens), End: len(ep.Tokens) + n}
		for k := range n {
			ep.Tokens, ep.LogProb = append(ep.Tokens, 1), append(ep.LogProb, said(r+1, k))
		}
		turn.Steps = append(turn.Steps, s)
	}
	ep.Turns = []ballast.Turn{turn}
	return ep
}

// off is what a learner says whose log-probabilities are off by d, in the sampled tokens.
func off(ep *ballast.Episode, d func(reply, k int) float64) []float32 {
	out := Untold(len(ep.Tokens))
	for r, s := range ep.Turns[0].Steps {
		for i := s.Start; i < s.End; i++ {
			out[i] = float32(float64(ep.LogProb[i]) + d(r+1, i-s.Start))
		}
	}
	return out
}

// TestMismatch compares every figure with its definition on gaps that are drawn, with replies
// in all parts of an episode.
func TestMismatch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	drawn := map[string][]float64{} // by place; "" = all
	var list []Seen
	for range 4 {
		ep := talk(func(int, int) float32 { return -float32(r.Float64()) }, 3, 4, 5, 1, 2, 3, 2, 4, 6, 3)
		told := off(ep, func(int, int) float64 { return 0.3 * r.NormFloat64() })
		for n, s := range ep.Turns[0].Steps {
			for i := s.Start; i < s.End; i++ {
				place := map[int]string{0: "1", 1: "2", 2: "3-4", 3: "3-4", 8: "9+", 9: "9+"}[n]
				if place == "" {
					place = "5-8"
				}
				d := float64(told[i]) - float64(ep.LogProb[i])
				drawn[""], drawn[place] = append(drawn[""], d), append(drawn[place], d)
			}
		}
		list = append(list, Seen{ep, told})
	}
	m := map[string]float64{}
	Mismatch(list, m)
	if len(drawn) != 1+len(GapPlaces()) || len(m) != 6*len(drawn) {
		t.Fatalf("%d parts, %d metrics: %v", len(drawn), len(m), m)
	}
	for place, all := range drawn {
		n, abs, most, k1, k3, much := float64(len(all)), 0., 0., 0., 0., 0.
		for _, d := range all {
			abs, most, k1, k3 = abs+math.Abs(d), max(most, math.Abs(d)), k1-d, k3+math.Exp(d)-1-d
			if ratio := math.Exp(d); ratio > 1.1 || ratio < 0.9 {
				much++
			}
		}
		for of, want := range map[string]float64{GapMean: abs / n, GapMax: most, GapK1: k1 / n, GapK3: k3 / n, GapShare: much / n, GapTokens: n} {
			name := of
			if place != "" {
				name = GapAt(place, of)
			}
			if got, ok := m[name]; !ok || math.Abs(got-want) > 1e-12 {
				t.Errorf("%s is %v, want %v", name, got, want)
			}
		}
	}
}

// TestMismatchLeavesOut: what was not told, not sampled, or is no number is not compared, and
// where nothing is compared there is no metric. What is infinite has a bound.
func TestMismatchLeavesOut(t *testing.T) {
	never := math.Inf(-1)
	for _, c := range []struct {
		what  string
		spoil func(s *Seen)
		n     float64
		mean  float64
	}{
		{"as it is", func(*Seen) {}, 5, 0.2},
		{"one token told", func(s *Seen) { x := Untold(len(s.LogProb)); x[1] = s.LogProb[1]; s.LogProb = x }, 1, 0.2},
		{"nothing told", func(s *Seen) { s.LogProb = Untold(len(s.LogProb)) }, 0, 0},
		{"a silent sampler", func(s *Seen) { s.Episode.LogProb = nil }, 0, 0},
		{"a demonstration", func(s *Seen) { s.Episode.Turns[0].Steps[0].Gold = true }, 2, 0.2},
		{"no number", func(s *Seen) { s.LogProb[1] = float32(math.NaN()) }, 4, 0.2},
		{"never", func(s *Seen) { s.LogProb[1] = float32(never) }, 5, (4*0.2 + 100) / 5},
	} {
		ep := talk(func(int, int) float32 { return -1 }, 3, 2)
		s := Seen{ep, off(ep, func(int, int) float64 { return 0.2 })}
		c.spoil(&s)
		m := map[string]float64{}
		Mismatch([]Seen{s}, m)
		if m[GapTokens] != c.n || math.Abs(m[GapMean]-c.mean) > 1e-6 || c.n == 0 && len(m) > 0 {
			t.Errorf("%s: %v", c.what, m)
		}
		for name, v := range m {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Errorf("%s: %s is %v", c.what, name, v)
			}
		}
	}
}

// TestGapPlaces: every reply is in the part whose name holds its number.
func TestGapPlaces(t *testing.T) {
	got := ""
	for n := 1; n <= 11; n++ {
		got += fmt.Sprint(GapPlaces()[placeOf(n)], " ")
	}
	if want := "1 2 3-4 3-4 5-8 5-8 5-8 5-8 9+ 9+ 9+ "; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
