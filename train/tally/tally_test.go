package tally

import (
	"math"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/chat/bpe"
	"ballast/loss"
	"ballast/monitor"
	"ballast/train/pack"
)

func term(count float64, w ...float32) ballast.Term { return ballast.Term{Weight: w, Count: count} }

// sample has three tokens, of which the last two weigh in the policy and reference terms.
func sample() ballast.Sample {
	s := ballast.Sample{Tokens: []int32{1, 2, 300}, OldLogProb: []float32{0, -1, -2}}
	s.Terms[loss.TermPolicy] = term(2, 0, 1, -1)
	s.Terms[loss.TermReference] = term(2, 0, .1, .1)
	return s
}

// TestPrepare: which terms a minibatch has and what they count; what is wrong is said
// with the sample's number.
func TestPrepare(t *testing.T) {
	two := []ballast.Sample{sample(), sample()}
	two[1].Terms[loss.TermCrossEntropy] = term(3, 0, 0, 0) // weights that are all 0 make no term
	in, err := Prepare(two, 301, true)
	if err != nil {
		t.Fatal(err)
	}
	if in.Has != (Terms{loss.TermPolicy: true, loss.TermReference: true}) || in.Count != [loss.NumTerms]float64{loss.TermPolicy: 4, loss.TermReference: 4} {
		t.Errorf("%+v", in)
	}
	for _, c := range []struct {
		want      string
		reference bool
		spoil     func(s *ballast.Sample)
	}{
		{"sample 1: token 2 is 301", true, func(s *ballast.Sample) { s.Tokens[2] = 301 }},
		{"sample 1: token 0 is -1", true, func(s *ballast.Sample) { s.Tokens[0] = -1 }},
		{"sample 1: term 3 has 2 weights for 3 tokens", true, func(s *ballast.Sample) { s.Terms[loss.TermReference].Weight = make([]float32, 2) }},
		{"sample 1: 2 old log-probabilities for 3 tokens", true, func(s *ballast.Sample) { s.OldLogProb = s.OldLogProb[:2] }},
		{"sample 1: room for 2 new log-probabilities of 3 tokens", true, func(s *ballast.Sample) { s.NewLogProb = make([]float32, 2) }},
		{"sample 1: a policy term needs OldLogProb", true, func(s *ballast.Sample) { s.OldLogProb = nil }},
		{"sample 1: term 15 has weights, and there are", true, func(s *ballast.Sample) { s.Terms[15] = term(1, 0, 0, 1) }},
		{"term 2 has weights, but its counts sum to 0", true, func(s *ballast.Sample) { s.Terms[loss.TermCrossEntropy] = term(0, 0, 0, 1) }},
		{"call Freeze first", false, func(*ballast.Sample) {}},
	} {
		bad := []ballast.Sample{sample(), sample()}
		c.spoil(&bad[1])
		if _, err := Prepare(bad, 301, c.reference); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	s := sample()
	if Weight(&s, loss.TermPolicy, 2) != -1 || Weight(&s, loss.TermOffPolicy, 2) != 0 {
		t.Error("a token's weight is not the term's, or an absent term has one")
	}
}

// stats counts the two weighted tokens of a sample: log-probabilities -0.5 and -2 where
// they were -1 and -2, and -1 and -2.5 in the reference; the last one is a control token.
func stats(t *testing.T) *Sums {
	t.Helper()
	tok, err := bpe.Train(func(func(string) bool) {}, 257, []string{"<end>"}, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	s := sample()
	s.Tokens[2] = tok.Added()[0].ID
	list := []ballast.Sample{s}
	in := &Input{Ref: []float32{9, -1, -2.5}} // of a batch: the part begins at 1
	sums := New(&loss.Params{ClipLow: 0.2, ClipHigh: 0.28}, tok)
	sums.Take(list, []pack.Target{{Sample: 0, Index: 1}, {Sample: 0, Index: 2}}, []float32{-0.5, -2}, []float32{1, 3}, in, 1)
	sums.Pack(list, []pack.Batch{{Tokens: make([]int32, 2)}})
	sums.Loss[loss.TermPolicy], sums.Loss[loss.TermReference], sums.Norm, sums.Padded = 0.25, 0.5, 2, 7
	return sums
}

// TestStats compares every fact of an update with its definition, by hand.
func TestStats(t *testing.T) {
	k3 := func(gap float64) float64 { return math.Exp(gap) - gap - 1 }
	first, control := k3(-0.5), k3(-0.5)
	want := map[string]float64{
		monitor.Loss: 0.75, monitor.LossPolicy: 0.25, monitor.LossReference: 0.5, monitor.GradNorm: 2, monitor.NonFinite: 0,
		monitor.TokensTrained: 2, monitor.TokensReal: 3, monitor.TokensComputed: 2, monitor.TokensSaved: 1, monitor.TokensPadded: 7,
		monitor.EntropyTrained: 2, monitor.KL: (first + control) / 2, monitor.KLControl: control / (first + control),
		monitor.ClipFraction: 0.5, monitor.KLOld: -0.25,
		monitor.RatioMean: (math.Exp(0.5) + 1) / 2, monitor.RatioMax: math.Exp(0.5),
	}
	one := stats(t)
	check := func(what string, got ballast.Stats, scale map[string]float64) {
		t.Helper()
		for name, w := range want {
			if k, ok := scale[name]; ok {
				w *= k
			}
			if g, ok := got[name]; !ok || math.Abs(g-w) > 1e-6 {
				t.Errorf("%s: %s is %v, want %v", what, name, g, w)
			}
		}
		if len(got) != len(want)+1 || got[monitor.SecondsTrain] < 60 {
			t.Errorf("%s: %d facts, %v", what, len(got), got)
		}
	}
	begin := time.Now().Add(-time.Minute)
	check("one", one.Stats(begin), nil)
	one.Merge(stats(t)) // means stay, sums double; rows and norm are the update's own
	check("two", one.Stats(begin), map[string]float64{monitor.Loss: 2, monitor.LossPolicy: 2, monitor.LossReference: 2, monitor.TokensTrained: 2, monitor.TokensPadded: 2})
}

// TestNothing: a minibatch without tokens has no means.
func TestNothing(t *testing.T) {
	s := New(&loss.Params{}, nil)
	got := s.Stats(time.Now())
	for _, name := range []string{monitor.EntropyTrained, monitor.KL, monitor.KLControl, monitor.ClipFraction, monitor.RatioMean, monitor.KLOld, monitor.LossPolicy, monitor.LossCE} {
		if x, ok := got[name]; ok {
			t.Errorf("%s is %v", name, x)
		}
	}
	if !s.Finite() || got[monitor.Loss] != 0 {
		t.Error("nothing is not finite")
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		a, b := New(&loss.Params{}, nil), New(&loss.Params{}, nil)
		a.Loss[loss.TermCrossEntropy], b.Norm = bad, bad
		if a.Finite() || b.Finite() || a.Stats(time.Now())[monitor.NonFinite] != 1 {
			t.Errorf("%v is finite", bad)
		}
	}
}

// TestLossNames: the loss of every term has the name that reports and detectors read.
func TestLossNames(t *testing.T) {
	for term, want := range map[int]string{
		loss.TermPolicy: monitor.LossPolicy, loss.TermSequence: monitor.LossPolicy, loss.TermTruncated: monitor.LossPolicy,
		loss.TermOffPolicy: monitor.LossOffPolicy, loss.TermCrossEntropy: monitor.LossCE, loss.TermReference: monitor.LossReference,
	} {
		s := New(&loss.Params{}, nil)
		s.weighted[term], s.Loss[term] = 1, 0.5
		if got := s.Stats(time.Now()); got[want] != 0.5 {
			t.Errorf("term %s: no %s in %v", loss.Terms[term].Name, want, got)
		}
	}
}
