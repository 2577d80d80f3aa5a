// Package pack lays the samples of a minibatch out in batches of token rows in
// which prefixes that samples share are there once. It computes nothing.
//
// Contract: every target is in exactly one batch, and its row sees exactly the
// tokens before it. It does not fail; tokens are not looked at but for whether
// prefixes are equal.
package pack

import (
	"slices"

	"ballast"
	"ballast/model/attn"
)

// Batch is one forward and backward pass: token rows one after the other, and
// the rows from which weighted tokens are predicted. A prefix that samples share
// is there once; nothing follows a sample's last target, and no row is padding.
type Batch struct {
	Tokens    []int32        // [rows]
	Positions []int32        // [rows] from 0 in every sample
	Segments  []attn.Segment // who attends to whom
	Targets   []Target       // by sample, then index
}

// Target is one token to predict: samples[Sample].Tokens[Index], from row Row.
type Target struct {
	Sample, Index, Row int
}

// Batches lays samples out in batches of at most budget rows. Targets are the tokens
// with a weight that is not 0 in some term, or all but the first of each sample
// if all is set. Samples of one Group that begin with the same Prefix tokens
// share those rows, as far as one batch holds them; a sample longer than the
// budget gets a batch to itself. A sample without targets is left out.
func Batches(samples []ballast.Sample, budget int, all bool) []Batch {
	var p packer
	p.samples, p.budget = samples, budget
	for i := range samples {
		p.targets = append(p.targets, targets(&samples[i], all))
	}
	used := make([]bool, len(samples))
	for i := range samples {
		if used[i] || len(p.targets[i]) == 0 {
			continue
		}
		family := []int{i}
		for j := i + 1; j < len(samples); j++ {
			if !used[j] && len(p.targets[j]) > 0 && shares(&samples[i], &samples[j]) {
				family = append(family, j)
				used[j] = true
			}
		}
		p.place(family)
	}
	out := make([]Batch, len(p.bins))
	for i, bin := range p.bins {
		for _, piece := range bin.pieces {
			p.write(&out[i], piece)
		}
	}
	return out
}

// targets lists the indices to predict in one sample.
func targets(s *ballast.Sample, all bool) []int {
	var out []int
	for i := 1; i < len(s.Tokens); i++ {
		want := all
		for _, term := range s.Terms {
			want = want || term.Weight != nil && term.Weight[i] != 0
		}
		if want {
			out = append(out, i)
		}
	}
	return out
}

// shares reports whether two samples have a prefix in common to share.
func shares(a, b *ballast.Sample) bool {
	n := a.Prefix
	return a.Group == b.Group && n > 0 && n == b.Prefix && len(a.Tokens) >= n && len(b.Tokens) >= n &&
		slices.Equal(a.Tokens[:n], b.Tokens[:n])
}

// packer assigns pieces, sample lists that share a prefix, to bins.
type packer struct {
	samples []ballast.Sample
	targets [][]int
	budget  int
	bins    []bin
}

type bin struct {
	pieces [][]int
	rows   int
}

// end is the number of leading tokens of a sample that need a row.
func (p *packer) end(sample int) int {
	t := p.targets[sample]
	return t[len(t)-1]
}

// place cuts a family into pieces within the budget and puts each into the first
// bin that holds it.
func (p *packer) place(family []int) {
	prefix := 0
	if len(family) > 1 {
		prefix = p.samples[family[0]].Prefix
	}
	for len(family) > 0 {
		piece, rows := family[:0:0], prefix
		for _, s := range family {
			own := max(p.end(s)-prefix, 0)
			if len(piece) > 0 && rows+own > p.budget {
				break
			}
			piece, rows = append(piece, s), rows+own
		}
		family = family[len(piece):]
		at := slices.IndexFunc(p.bins, func(b bin) bool { return b.rows+rows <= p.budget })
		if at < 0 {
			at, p.bins = len(p.bins), append(p.bins, bin{})
		}
		p.bins[at].pieces = append(p.bins[at].pieces, piece)
		p.bins[at].rows += rows
	}
}

// write appends one piece to a batch. A lone sample is one segment; several are
// the prefix's segment and one for each continuation.
func (p *packer) write(b *Batch, piece []int) {
	var shared attn.Segment
	prefix := 0
	if len(piece) > 1 {
		prefix = p.samples[piece[0]].Prefix
		shared = b.rows(p.samples[piece[0]].Tokens[:prefix], 0, attn.Segment{})
	}
	for _, s := range piece {
		own := attn.Segment{Start: len(b.Tokens)}
		if end := p.end(s); end > prefix {
			own = b.rows(p.samples[s].Tokens[prefix:end], prefix, shared)
		}
		for _, index := range p.targets[s] {
			row := own.Start + index - 1 - prefix
			if index-1 < prefix {
				row = shared.Start + index - 1
			}
			b.Targets = append(b.Targets, Target{s, index, row})
		}
	}
}

// rows appends a segment of tokens at positions from, from+1, ... after shared.
func (b *Batch) rows(tokens []int32, from int, shared attn.Segment) attn.Segment {
	s := attn.Segment{Start: len(b.Tokens), PrefixStart: shared.Start, PrefixEnd: shared.End}
	if shared.End == shared.Start {
		s.PrefixStart, s.PrefixEnd = 0, 0
	}
	b.Tokens = append(b.Tokens, tokens...)
	for i := range tokens {
		b.Positions = append(b.Positions, int32(from+i))
	}
	s.End = len(b.Tokens)
	b.Segments = append(b.Segments, s)
	return s
}
