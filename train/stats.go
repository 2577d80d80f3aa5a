package train

import (
	"math"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/train/pack"
)

// sums are the facts of one update, as sums over tokens.
type sums struct {
	loss                                    [ballast.NumTerms]float64
	p                                       *loss.Params
	active, outside, ratio, ratioTop, k1    float64
	gap, gapMax, known, k3, entropy, tokens float64
	real, computed, padded                  float64
	norm, nonfinite                         float64
	k3Control                               float64 // the part of k3 on control tokens
	control                                 map[int32]bool
}

// newSums starts a count; control tokens are those that the tokenizer added to its
// alphabet.
func (l *Learner) newSums() *sums {
	s := &sums{p: &l.opts.Loss}
	if l.m.Tok != nil {
		s.control = map[int32]bool{}
		for _, t := range l.m.Tok.Added() {
			s.control[t.ID] = true
		}
	}
	return s
}

// take adds one chunk of targets with their log-probabilities and entropies.
func (s *sums) take(samples []ballast.Sample, part []pack.Target, logp, entropy []float32, in lossInput, from int) {
	for i, t := range part {
		sample := &samples[t.Sample]
		s.tokens++
		s.entropy += float64(entropy[i])
		if weight(sample, ballast.TermPolicy, t.Index) != 0 {
			d := float64(logp[i]) - float64(sample.OldLogProb[t.Index])
			r := math.Exp(min(max(d, -loss.GapLimit), loss.GapLimit))
			s.active++
			s.ratio += r
			s.ratioTop = max(s.ratioTop, r)
			s.k1 -= d
			s.gap += math.Abs(d)
			s.gapMax = max(s.gapMax, math.Abs(d))
			if r < 1-s.p.ClipLow || r > 1+s.p.ClipHigh {
				s.outside++
			}
		}
		if weight(sample, ballast.TermReference, t.Index) != 0 {
			d := min(max(float64(in.ref[from+i])-float64(logp[i]), -loss.GapLimit), loss.GapLimit)
			s.known++
			k3 := min(math.Expm1(d)-d, loss.K3Limit)
			s.k3 += k3
			if s.control[sample.Tokens[t.Index]] {
				s.k3Control += k3
			}
		}
	}
}

// pack counts rows: real are all tokens of the samples, computed the rows that
// remain after sharing and trimming.
func (s *sums) pack(samples []ballast.Sample, batches []pack.Batch) {
	for i := range samples {
		s.real += float64(len(samples[i].Tokens))
	}
	for i := range batches {
		s.computed += float64(len(batches[i].Tokens))
	}
}

func (s *sums) merge(o *sums) {
	for i, x := range o.loss {
		s.loss[i] += x
	}
	s.active, s.outside, s.ratio, s.k1 = s.active+o.active, s.outside+o.outside, s.ratio+o.ratio, s.k1+o.k1
	s.gap, s.known, s.k3, s.k3Control = s.gap+o.gap, s.known+o.known, s.k3+o.k3, s.k3Control+o.k3Control
	s.entropy, s.tokens, s.padded = s.entropy+o.entropy, s.tokens+o.tokens, s.padded+o.padded
	s.ratioTop, s.gapMax = max(s.ratioTop, o.ratioTop), max(s.gapMax, o.gapMax)
}

func (s *sums) total() (x float64) {
	for _, y := range s.loss {
		x += y
	}
	return x
}

// stats names the facts. Means over tokens that do not exist are 0.
func (s *sums) stats(begin time.Time) ballast.Stats {
	mean := func(x, n float64) float64 { return x / max(n, 1) }
	share := 0.0
	if s.k3 > 0 {
		share = s.k3Control / s.k3
	}
	return ballast.Stats{
		"loss":                 s.total(),
		monitor.LossPolicy:     s.loss[ballast.TermPolicy],
		monitor.LossOffPolicy:  s.loss[ballast.TermOffPolicy],
		monitor.LossCE:         s.loss[ballast.TermCrossEntropy],
		monitor.LossReference:  s.loss[ballast.TermReference],
		monitor.KL:             mean(s.k3, s.known),
		monitor.KLControl:      share,
		monitor.ClipFraction:   mean(s.outside, s.active),
		monitor.GradNorm:       s.norm,
		monitor.NonFinite:      s.nonfinite,
		monitor.GapMean:        mean(s.gap, s.active),
		monitor.GapMax:         s.gapMax,
		"ratio/mean":           mean(s.ratio, s.active),
		"ratio/max":            s.ratioTop,
		"kl/old":               mean(s.k1, s.active),
		"entropy/trained":      mean(s.entropy, s.tokens),
		monitor.TokensTrained:  s.tokens,
		"tokens/real":          s.real,
		monitor.TokensComputed: s.computed,
		monitor.TokensPadded:   s.padded,
		"tokens/saved":         s.real - s.computed,
		monitor.SecondsTrain:   time.Since(begin).Seconds(),
	}
}
