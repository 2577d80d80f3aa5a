package pack

import (
	"math/rand/v2"
	"slices"
	"testing"

	"ballast"
	"ballast/loss"
)

// sample makes a sample whose tokens after prefix are unique to it and whose
// weighted tokens are those at the given indices.
func sample(group int, prefix []int32, own, salt int, weighted ...int) ballast.Sample {
	s := ballast.Sample{Group: group, Prefix: len(prefix), Tokens: slices.Clone(prefix)}
	for i := range own {
		s.Tokens = append(s.Tokens, int32(salt*1000+i))
	}
	w := make([]float32, len(s.Tokens))
	for _, i := range weighted {
		w[i] = 1
	}
	s.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: w, Count: float64(len(weighted))}
	return s
}

func countUp(n, from int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(from + i)
	}
	return out
}

func span(from, to int) []int {
	out := make([]int, 0, to-from)
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

// history is what row attends to, itself included, in order.
func history(b *Batch, row int) (tokens, positions []int32) {
	for _, s := range b.Segments {
		if row >= s.Start && row < s.End {
			tokens = append(slices.Clone(b.Tokens[s.PrefixStart:s.PrefixEnd]), b.Tokens[s.Start:row+1]...)
			positions = append(slices.Clone(b.Positions[s.PrefixStart:s.PrefixEnd]), b.Positions[s.Start:row+1]...)
			return tokens, positions
		}
	}
	return nil, nil
}

// verify checks that every target is there once and predicted from exactly the
// tokens before it.
func verify(t *testing.T, samples []ballast.Sample, batches []Batch, all bool) (rows int) {
	t.Helper()
	seen := map[[2]int]bool{}
	for k := range batches {
		b := &batches[k]
		rows += len(b.Tokens)
		for _, x := range b.Targets {
			if key := [2]int{x.Sample, x.Index}; seen[key] {
				t.Errorf("target %v twice", key)
			} else {
				seen[key] = true
			}
			tokens, positions := history(b, x.Row)
			if !slices.Equal(tokens, samples[x.Sample].Tokens[:x.Index]) {
				t.Errorf("target %+v: history %v, want %v", x, tokens, samples[x.Sample].Tokens[:x.Index])
			}
			if !slices.Equal(positions, countUp(x.Index, 0)) {
				t.Errorf("target %+v: positions %v", x, positions)
			}
		}
	}
	for i := range samples {
		for _, index := range targets(&samples[i], all) {
			if !seen[[2]int{i, index}] {
				t.Errorf("target %d of sample %d is missing", index, i)
			}
		}
	}
	return rows
}

func TestSharesPrefixes(t *testing.T) {
	prefix := countUp(4096, 0)
	var samples []ballast.Sample
	naive := 0
	for i := range 8 {
		samples = append(samples, sample(1, prefix, 1024, i+10, span(4096, 5120)...))
		naive += len(samples[i].Tokens)
	}
	rows := verify(t, samples, Batches(samples, 16384, false), false)
	if rows != 4096+8*1023 {
		t.Errorf("%d rows", rows)
	}
	if gain := float64(naive) / float64(rows); gain < 2.5 {
		t.Errorf("prefix sharing computes %d of %d tokens, a gain of %.2f, want 2.5", rows, naive, gain)
	} else {
		t.Logf("prefix sharing computes %d of %d tokens, a gain of %.2f", rows, naive, gain)
	}
}

func TestEdges(t *testing.T) {
	p, q := countUp(5, 0), countUp(5, 7)
	for name, samples := range map[string][]ballast.Sample{
		"none":                {},
		"no targets":          {sample(0, p, 3, 1)},
		"alone":               {sample(0, p, 3, 1, 6)},
		"target in prefix":    {sample(0, p, 3, 1, 2, 6), sample(0, p, 3, 2, 2)},
		"first own token":     {sample(0, p, 3, 1, 5), sample(0, p, 3, 2, 5)},
		"other prefix":        {sample(0, p, 3, 1, 6), sample(0, q, 3, 2, 6)},
		"other group":         {sample(0, p, 3, 1, 6), sample(1, p, 3, 2, 6)},
		"no prefix":           {sample(0, nil, 3, 1, 1, 2), sample(0, nil, 3, 2, 1)},
		"longer than budget":  {sample(0, p, 90, 1, 94), sample(0, p, 90, 2, 94)},
		"first token counted": {sample(0, nil, 3, 1, 0, 2)},
	} {
		t.Run(name, func(t *testing.T) {
			verify(t, samples, Batches(samples, 32, false), false)
			verify(t, samples, Batches(samples, 32, true), true)
		})
	}
}

func TestKeepsTheBudget(t *testing.T) {
	var samples []ballast.Sample
	for i := range 40 {
		samples = append(samples, sample(i/8, countUp(30, i/8*100), 20, i+1, 35, 45))
	}
	for _, b := range Batches(samples, 200, false) {
		if len(b.Tokens) > 200 {
			t.Errorf("%d rows", len(b.Tokens))
		}
	}
}

func FuzzBatches(f *testing.F) {
	f.Add(uint64(1), uint8(9), uint16(64))
	f.Add(uint64(2), uint8(40), uint16(1))
	f.Fuzz(func(t *testing.T, seed uint64, count uint8, budget uint16) {
		rng := rand.New(rand.NewPCG(seed, 0))
		var samples []ballast.Sample
		for i := range int(count) {
			group := rng.IntN(4)
			prefix := countUp(rng.IntN(3)*4, group*20+rng.IntN(2))
			own := rng.IntN(12)
			var weighted []int
			for j := range len(prefix) + own {
				if rng.IntN(3) == 0 {
					weighted = append(weighted, j)
				}
			}
			samples = append(samples, sample(group, prefix, own, i+1, weighted...))
		}
		verify(t, samples, Batches(samples, int(budget), false), false)
		verify(t, samples, Batches(samples, int(budget), true), true)
	})
}
