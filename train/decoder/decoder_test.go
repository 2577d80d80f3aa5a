package decoder

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"ballast/model"
	"ballast/model/attn"
)

// configs are small shapes with all features, with widths that fill panels and
// widths that do not. With a race detector one has to do: the others race no other way.
func configs() map[string]model.Config {
	c := func(arch string, hidden, dim, ffn, vocab int) model.Config {
		return model.Config{Arch: arch, Vocab: vocab, Hidden: hidden, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: dim, FFN: ffn,
			MaxLen: 512, RopeTheta: 10000, NormEps: 1e-5, Tied: arch != "llama"}
	}
	bias, norm, plain := c("qwen2", 64, 16, 96, 128), c("qwen3", 32, 24, 40, 77), c("llama", 36, 16, 50, 110)
	bias.QKVBias, norm.QKNorm = true, true
	flat, all := c("smollm3", 24, 6, 40, 90), norm
	flat.NoRope, all.NoRope, all.QKVBias = []int{1}, []int{0}, true
	if testing.Short() {
		return map[string]model.Config{"all": all}
	}
	return map[string]model.Config{"bias": bias, "norm": norm, "plain": plain, "last layer flat": flat, "all": all}
}

// batch is a prefix of 150 rows, three continuations and a lone segment; the rows
// of every third token from 140 on are wanted, and one of them twice.
func batch(c *model.Config) (Input, []Target) {
	in := Input{Segments: []attn.Segment{{Start: 0, End: 150}, {Start: 150, End: 260, PrefixEnd: 150}, {Start: 260, End: 261, PrefixEnd: 150},
		{Start: 261, End: 360, PrefixEnd: 150}, {Start: 360, End: 400}}}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, s := range in.Segments {
		for i := range s.End - s.Start {
			in.Tokens = append(in.Tokens, rng.Int32N(int32(c.Vocab)))
			in.Positions = append(in.Positions, int32(s.PrefixEnd-s.PrefixStart+i))
		}
	}
	var targets []Target
	for row := 140; row < 400; row += 3 {
		targets = append(targets, Target{len(in.Wanted), rng.Int32N(int32(c.Vocab))})
		in.Wanted = append(in.Wanted, int32(row))
	}
	return in, append(targets, Target{0, 5})
}

func weights(c model.Config) [][]float32 {
	var flat [][]float32
	rng := rand.New(rand.NewPCG(3, 4))
	for _, t := range model.New(c, nil, 1).Weights.Tensors {
		for i := range t.Data {
			t.Data[i] += float32(rng.NormFloat64()) / 20
		}
		flat = append(flat, t.Data)
	}
	return flat
}

// slope is the derivative of the loss with respect to target i's log-probability.
func slope(i int) float32 { return float32(math.Sin(float64(i))) }

// derive returns the loss sum(slope log p), its gradient, and the facts.
func derive(c model.Config, flat [][]float32, workers int, m Mode) (value float64, grad [][]float32, facts []float32) {
	for _, x := range flat {
		grad = append(grad, make([]float32, len(x)))
	}
	value, facts = pass(c, Bind(&c, flat), Bind(&c, grad), workers, m)
	return value, grad, facts
}

// pass takes the batch through a decoder of w, and unless the mode is Inference back into g.
func pass(c model.Config, w, g *Weights, workers int, m Mode) (value float64, facts []float32) {
	d := New(c, 1)
	d.workers = workers
	d.Grow(400)
	in, targets := batch(&c)
	r := d.NewRun()
	r.Forward(w, in, m)
	if m == Inference {
		g = nil
	}
	r.Head(targets, g, func(from int, logp, entropy []float32) []float32 {
		out := make([]float32, len(logp))
		for i, x := range logp {
			out[i] = slope(from + i)
			value += float64(out[i]) * float64(x)
		}
		facts = append(append(facts, logp...), entropy...)
		return out
	})
	if g != nil {
		r.Backward(g)
	}
	r.Reset()
	return value, facts
}

// TestGradient holds the gradient against central differences along random
// directions, one for each tensor.
func TestGradient(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			flat := weights(c)
			_, grad, _ := derive(c, flat, 1, Keep)
			rng := rand.New(rand.NewPCG(5, 6))
			for i, spec := range c.Specs() {
				direction, along, size := make([]float32, len(flat[i])), 0.0, 0.0
				for k, g := range grad[i] {
					// Mostly along the gradient, so that rounding does not matter.
					direction[k] = g * (1 + float32(rng.NormFloat64())/2)
					along += float64(direction[k]) * float64(g)
					size += float64(direction[k]) * float64(direction[k])
				}
				at := func(step float64) float64 {
					moved := slices.Clone(flat)
					moved[i] = slices.Clone(flat[i])
					for k := range moved[i] {
						moved[i][k] += float32(step) * direction[k]
					}
					v, _, _ := derive(c, moved, 1, Inference)
					return v
				}
				step := 2e-3 / math.Sqrt(size)
				if got := (at(step) - at(-step)) / (2 * step); size == 0 || math.Abs(got-along) > 2e-2*along {
					t.Errorf("%s: %g along the gradient, the difference is %g", spec.Name, along, got)
				}
			}
		})
	}
}

// TestSameBits: neither the number of workers nor what the tape keeps changes a
// bit.
func TestSameBits(t *testing.T) {
	for name, c := range configs() {
		flat := weights(c)
		value, grad, facts := derive(c, flat, 1, Keep)
		for _, workers := range []int{1, 3} {
			for _, m := range []Mode{Inference, Recompute, Keep} {
				v, g, f := derive(c, flat, workers, m)
				if v != value || !slices.Equal(f, facts) {
					t.Errorf("%s, %d workers, mode %d: other log-probabilities", name, workers, m)
				}
				if m != Inference && !slices.EqualFunc(g, grad, slices.Equal) {
					t.Errorf("%s, %d workers, mode %d: another gradient", name, workers, m)
				}
			}
		}
	}
}

// TestWantedRows: asking for all rows gives the same numbers as asking for those
// that targets need.
func TestWantedRows(t *testing.T) {
	for name, c := range configs() {
		d := New(c, 1)
		d.Grow(400)
		flat := weights(c)
		in, targets := batch(&c)
		run := func() (out []float32) {
			r := d.NewRun()
			r.Forward(Bind(&c, flat), in, Inference)
			r.Head(targets, nil, func(_ int, logp, _ []float32) []float32 { out = append(out, logp...); return nil })
			return out
		}
		some := run()
		for i := range targets {
			targets[i].Row = int(in.Wanted[targets[i].Row])
		}
		in.Wanted = nil
		for i := range in.Tokens {
			in.Wanted = append(in.Wanted, int32(i))
		}
		for i, want := range run() {
			if math.Abs(float64(some[i]-want)) > 1e-5 {
				t.Fatalf("%s: log-probability %d is %g, want %g", name, i, some[i], want)
			}
		}
	}
}

func TestStack(t *testing.T) {
	var s stack
	s.take(10)
	m := s.mark()
	a := s.take(slabSize)
	a[0] = 1
	s.release(m)
	if b := s.take(slabSize); &a[0] != &b[0] {
		t.Error("released memory is not taken again")
	}
	s.reset()
	if len(s.slabs) != 1 || len(s.slabs[0]) != 2*slabSize {
		t.Errorf("%d slabs after a reset", len(s.slabs))
	}
	s.take(slabKeep)
	if s.reset(); s.slabs != nil {
		t.Error("much memory is kept")
	}
}

func TestPacking(t *testing.T) {
	const out, in, rows = 45, 37, 5
	rng := rand.New(rand.NewPCG(7, 8))
	random := func(n int) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = rng.Float32()
		}
		return x
	}
	w, x, y := random(out*in), random(rows*in), random(rows*out)
	d := New(configs()["all"], 1)
	bias := random(out)
	gotY, gotX := make([]float32, rows*out), make([]float32, rows*in)
	d.mul(gotY, x, rows, forth(make([]float32, packedSize(in, out)), w, out, in), bias)
	d.mulAdd(gotX, y, rows, back(make([]float32, packedSize(out, in)), w, out, in))
	near := func(what string, got, want float32) {
		t.Helper()
		if math.Abs(float64(got-want)) > 1e-4 {
			t.Fatalf("%s is %g, want %g", what, got, want)
		}
	}
	for r := range rows {
		for o := range out {
			want := bias[o]
			for i := range in {
				want += x[r*in+i] * w[o*in+i]
			}
			near(fmt.Sprint("y ", r, o), gotY[r*out+o], want)
		}
		for i := range in {
			var want float32
			for o := range out {
				want += y[r*out+o] * w[o*in+i]
			}
			near(fmt.Sprint("x ", r, i), gotX[r*in+i], want)
		}
	}
}
