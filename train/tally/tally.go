// Package tally is what every learner does around its computation: it checks a
// minibatch, says which terms of the loss it has, and counts what an update did.
//
// Contract: an error names the sample and what is wrong with it. Counting cannot
// fail; means over tokens that do not exist are left out.
package tally

import (
	"fmt"
	"math"
	"time"

	"ballast"
	"ballast/chat/bpe"
	"ballast/loss"
	"ballast/monitor"
	"ballast/train/pack"
)

// Terms says which terms of the loss are present in a minibatch.
type Terms [loss.NumTerms]bool

// Input is what the loss of a minibatch needs besides the model.
type Input struct {
	Has   Terms
	Count [loss.NumTerms]float64 // of the whole minibatch
	Ref   []float32              // of one batch, [targets] or nil: see the learner
	// Seq is of one batch, of its targets, as Ref; see Couple.
	Seq [loss.NumTerms]loss.Sequence
	// RefIsPolicy: the reference has the policy's weights, as after Freeze, so
	// that its forward pass would repeat the policy's.
	RefIsPolicy bool
}

// Prepare checks samples for a model of vocab tokens and sums the terms' counts;
// reference says whether there is one.
func Prepare(samples []ballast.Sample, vocab int, reference bool) (in Input, err error) {
	for i := range samples {
		s := &samples[i]
		if err := Check(s, vocab); err != nil {
			return in, fmt.Errorf("train: sample %d: %w", i, err)
		}
		for term, t := range s.Terms[:loss.NumTerms] {
			in.Count[term] += t.Count
			for _, w := range t.Weight {
				if w != 0 {
					in.Has[term] = true
					break
				}
			}
		}
	}
	for term, c := range in.Count {
		if !in.Has[term] {
			in.Count[term] = 0
		} else if c <= 0 {
			return in, fmt.Errorf("train: term %d has weights, but its counts sum to %g; set Count", term, c)
		}
	}
	if in.Refers() && !reference {
		return in, fmt.Errorf("train: samples have a reference term, but there is no reference; call Freeze first")
	}
	return in, nil
}

// Needs reports whether some term that is present has a need.
func (in *Input) Needs(what func(*loss.Term) bool) bool {
	for term, has := range in.Has {
		if has && what(&loss.Terms[term]) {
			return true
		}
	}
	return false
}

// Refers reports whether a term needs the reference's log-probabilities.
func (in *Input) Refers() bool { return in.Needs(func(t *loss.Term) bool { return t.Ref }) }

// Coupled reports whether a term needs the log-probabilities of a batch's targets all at
// once, for Couple, before its loss is computed in parts.
func (in *Input) Coupled() bool { return in.Needs(func(t *loss.Term) bool { return t.Couple }) }

// Couple fills in Seq from the targets of a batch and their log-probabilities. A sequence
// is a sample, and package pack never spreads a sample's targets over batches.
func (in *Input) Couple(samples []ballast.Sample, targets []pack.Target, logp []float32) {
	n := len(targets)
	now, old, of := make([]float64, n), make([]float64, n), make([]int, n)
	for i, t := range targets {
		now[i], old[i], of[i] = float64(logp[i]), float64(Old(&samples[t.Sample], t.Index)), t.Sample
	}
	for term, has := range in.Has {
		if !has || !loss.Terms[term].Couple {
			continue
		}
		weight := make([]float64, n)
		for i, t := range targets {
			weight[i] = float64(Weight(&samples[t.Sample], term, t.Index))
		}
		in.Seq[term] = loss.Sequences(now, old, weight, of)
	}
}

// Check reports what is wrong with a sample for a model of vocab tokens.
func Check(s *ballast.Sample, vocab int) error {
	for i, id := range s.Tokens {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("token %d is %d, but the vocabulary has %d", i, id, vocab)
		}
	}
	for term, t := range s.Terms {
		if t.Weight != nil && term >= loss.NumTerms {
			return fmt.Errorf("term %d has weights, and there are %d terms, see loss.Terms", term, loss.NumTerms)
		}
		if t.Weight != nil && len(t.Weight) != len(s.Tokens) {
			return fmt.Errorf("term %d has %d weights for %d tokens", term, len(t.Weight), len(s.Tokens))
		}
		if t.Weight != nil && loss.Terms[term].Old && s.OldLogProb == nil {
			return fmt.Errorf("a policy term needs OldLogProb")
		}
	}
	if s.OldLogProb != nil && len(s.OldLogProb) != len(s.Tokens) {
		return fmt.Errorf("%d old log-probabilities for %d tokens", len(s.OldLogProb), len(s.Tokens))
	}
	if s.NewLogProb != nil && len(s.NewLogProb) != len(s.Tokens) {
		return fmt.Errorf("room for %d new log-probabilities of %d tokens", len(s.NewLogProb), len(s.Tokens))
	}
	return nil
}

// Weight is a token's weight in a term, 0 if the term is absent.
func Weight(s *ballast.Sample, term, index int) float32 {
	if w := s.Terms[term].Weight; w != nil {
		return w[index]
	}
	return 0
}

// Old is the sampler's log-probability of a token, 0 in a sample that no term weighs by an
// advantage.
func Old(s *ballast.Sample, index int) float32 {
	if s.OldLogProb == nil {
		return 0
	}
	return s.OldLogProb[index]
}

// Sums are the facts of one update, as sums over tokens.
type Sums struct {
	Loss            [loss.NumTerms]float64
	Padded          float64 // rows computed for nothing
	Norm, NonFinite float64

	weighted                             [loss.NumTerms]float64 // tokens with a weight in the term
	p                                    *loss.Params
	active, outside, ratio, ratioTop, k1 float64
	known, k3, entropy, tokens           float64
	uncertain                            float64 // tokens whose entropy is known
	real, computed                       float64
	k3Control                            float64 // the part of k3 on control tokens
	control                              map[int32]bool
}

// New starts a count; control tokens are those that the tokenizer, which may be
// nil, added to its alphabet.
func New(p *loss.Params, tok *bpe.Tokenizer) *Sums {
	s := &Sums{p: p}
	if tok != nil {
		s.control = map[int32]bool{}
		for _, t := range tok.Added() {
			s.control[t.ID] = true
		}
	}
	return s
}

// Take adds some targets of a batch, from the one at index from on, with their
// log-probabilities and entropies (nil where a machine does not tell them), and hands the former
// over to the samples that want them. A target is in one batch, so that batches may be taken side
// by side.
func (s *Sums) Take(samples []ballast.Sample, part []pack.Target, logp, entropy []float32, in *Input, from int) {
	for i, t := range part {
		sample := &samples[t.Sample]
		s.tokens++
		if entropy != nil {
			s.uncertain++
			s.entropy += float64(entropy[i])
		}
		if sample.NewLogProb != nil {
			sample.NewLogProb[t.Index] = logp[i]
		}
		for term := range s.weighted {
			if Weight(sample, term, t.Index) != 0 {
				s.weighted[term]++
			}
		}
		for term := range s.weighted {
			if loss.Terms[term].Old && Weight(sample, term, t.Index) != 0 {
				d := float64(logp[i]) - float64(sample.OldLogProb[t.Index])
				whole := d // of which the ratio is
				if loss.Terms[term].Couple {
					whole = in.Seq[term].Gap[from+i]
				}
				s.ratios(d, whole)
			}
		}
		if Weight(sample, loss.TermReference, t.Index) != 0 {
			k3, _ := loss.Reference(float64(logp[i]), float64(in.Ref[from+i]), 1)
			s.known++
			s.k3 += k3
			if s.control[sample.Tokens[t.Index]] {
				s.k3Control += k3
			}
		}
	}
}

// ratios counts a token that is weighed by an advantage: how far it is from its old
// log-probability, and the log of the ratio that its term clips, in nats.
func (s *Sums) ratios(d, whole float64) {
	r := math.Exp(min(max(whole, -loss.GapLimit), loss.GapLimit))
	s.active++
	s.ratio += r
	s.ratioTop = max(s.ratioTop, r)
	s.k1 -= d
	if r < 1-s.p.ClipLow || r > 1+s.p.ClipHigh {
		s.outside++
	}
}

// Pack counts rows: real are all tokens of the samples, computed the rows that
// remain after sharing and trimming.
func (s *Sums) Pack(samples []ballast.Sample, batches []pack.Batch) {
	for i := range samples {
		s.real += float64(len(samples[i].Tokens))
	}
	for i := range batches {
		s.computed += float64(len(batches[i].Tokens))
	}
}

// Merge adds what another count has.
func (s *Sums) Merge(o *Sums) {
	for i, x := range o.Loss {
		s.Loss[i] += x
		s.weighted[i] += o.weighted[i]
	}
	s.active, s.outside, s.ratio, s.k1 = s.active+o.active, s.outside+o.outside, s.ratio+o.ratio, s.k1+o.k1
	s.known, s.k3, s.k3Control = s.known+o.known, s.k3+o.k3, s.k3Control+o.k3Control
	s.entropy, s.tokens, s.Padded = s.entropy+o.entropy, s.tokens+o.tokens, s.Padded+o.Padded
	s.uncertain += o.uncertain
	s.ratioTop = max(s.ratioTop, o.ratioTop)
}

// Finite reports whether the loss and the gradient's norm are, and counts it if
// they are not.
func (s *Sums) Finite() bool {
	x := s.total() + s.Norm
	if math.IsNaN(x) || math.IsInf(x, 0) {
		s.NonFinite = 1
	}
	return s.NonFinite == 0
}

func (s *Sums) total() (x float64) {
	for _, y := range s.Loss {
		x += y
	}
	return x
}

// Stats names the facts. What a minibatch does not have is left out: a loss of 0 would
// count in means over updates.
func (s *Sums) Stats(begin time.Time) ballast.Stats {
	out := ballast.Stats{
		monitor.Loss:           s.total(),
		monitor.GradNorm:       s.Norm,
		monitor.NonFinite:      s.NonFinite,
		monitor.TokensTrained:  s.tokens,
		monitor.TokensReal:     s.real,
		monitor.TokensComputed: s.computed,
		monitor.TokensPadded:   s.Padded,
		monitor.TokensSaved:    s.real - s.computed,
		monitor.SecondsTrain:   time.Since(begin).Seconds(),
	}
	for term, n := range s.weighted {
		name := monitor.Loss + "/" + loss.Terms[term].Name
		if loss.Terms[term].Old { // it weighs the policy's tokens by advantages
			name = monitor.LossPolicy
		}
		if n > 0 {
			out[name] += s.Loss[term]
		}
	}
	if s.uncertain > 0 {
		out[monitor.EntropyTrained] = s.entropy / s.uncertain
	}
	if s.known > 0 {
		out[monitor.KL], out[monitor.KLControl] = s.k3/s.known, 0
		if s.k3 > 0 {
			out[monitor.KLControl] = s.k3Control / s.k3
		}
	}
	if s.active > 0 {
		out[monitor.ClipFraction] = s.outside / s.active
		out[monitor.RatioMean], out[monitor.RatioMax] = s.ratio/s.active, s.ratioTop
		out[monitor.KLOld] = s.k1 / s.active
	}
	return out
}
