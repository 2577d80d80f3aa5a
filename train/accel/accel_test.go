package accel

import (
	"cmp"
	"context"
	"flag"
	"math"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/model/device"
	"ballast/monitor"
	"ballast/train"
	"ballast/train/adamw"
)

var configs = map[string]model.Config{
	"qwen2":   {Arch: "qwen2", QKVBias: true, Vocab: 90, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 48, MaxLen: 2048, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
	"qwen3":   {Arch: "qwen3", QKNorm: true, Vocab: 77, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 16, FFN: 40, MaxLen: 2048, RopeTheta: 1e6, NormEps: 1e-6},
	"llama":   {Arch: "llama", Vocab: 64, Hidden: 40, Layers: 3, Heads: 5, KVHeads: 5, HeadDim: 6, FFN: 50, MaxLen: 2048, RopeTheta: 1e4, NormEps: 1e-5, Rope: &model.RopeScaling{Factor: 8, LowFreq: 1, HighFreq: 4, OriginalLen: 64}},
	"all":     {QKVBias: true, QKNorm: true, NoRope: []int{0}, Vocab: 77, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 16, FFN: 40, MaxLen: 2048, RopeTheta: 1e6, NormEps: 1e-6},
	"smollm3": {Arch: "smollm3", NoRope: []int{1}, Vocab: 90, Hidden: 24, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 6, FFN: 40, MaxLen: 2048, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
}

// random returns a model whose distributions are far from uniform, biases and
// norms included. Two calls return equal models that share nothing.
func random(c model.Config, seed uint64) *model.Model {
	m, rng := model.New(c, nil, seed), rand.New(rand.NewPCG(seed, 7))
	for _, t := range m.Weights.Tensors {
		for i := range t.Data {
			if len(t.Shape) == 1 {
				t.Data[i] += float32(0.2 * rng.NormFloat64())
			} else {
				t.Data[i] = float32(rng.NormFloat64() / math.Sqrt(float64(t.Shape[1])))
			}
		}
	}
	return m
}

// batch makes groups of these numbers of samples that share prompts, with all four
// terms.
func batch(c *model.Config, prompt int, seed uint64, groups ...int) []ballast.Sample {
	rng := rand.New(rand.NewPCG(seed, 3))
	draw := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = rng.Int32N(int32(c.Vocab))
		}
		return out
	}
	var out []ballast.Sample
	for group, n := range groups {
		head := draw(prompt + group)
		for range n {
			s := ballast.Sample{Group: group, Prefix: len(head), Tokens: append(append([]int32(nil), head...), draw(5+rng.IntN(30))...)}
			s.OldLogProb = make([]float32, len(s.Tokens))
			for term := range loss.NumTerms {
				w := make([]float32, len(s.Tokens))
				for i := len(head); i < len(w); i++ {
					if term == i%2 || term >= 2 {
						w[i] = float32(0.1 + rng.Float64())
						if term < 2 && len(out)%2 == 1 {
							w[i] *= -1
						}
					}
				}
				s.Terms[term] = ballast.Term{Weight: w, Count: float64(len(w) - len(head))}
			}
			for i := range s.OldLogProb {
				s.OldLogProb[i] = float32(-4 - rng.Float64())
			}
			out = append(out, s)
		}
	}
	return out
}

func options() train.Options {
	o := train.Default()
	o.AdamW.WeightDecay = 0.1
	return o
}

// backend is the one that the tests run on: go test ./model/accel ./train/accel -backend xla:PLUGIN
var backend = flag.String("backend", "go", "backend of package device")

// open opens the backend of the tests.
func open(t testing.TB) *device.Device {
	t.Helper()
	d, err := device.Open(*backend)
	must(err)
	return d
}

func learner(t testing.TB, m *model.Model, rows int) *Learner {
	t.Helper()
	l, err := New(open(t), m, options(), cmp.Or(rows, Rows))
	must(err)
	return l
}

// host is the learner to compare with.
func host(t testing.TB, m *model.Model) *train.Learner {
	t.Helper()
	l, err := train.New(m, options())
	must(err)
	return l
}

// apart is the relative distance of two models' weights from each other, seen
// from where they started.
func apart(a, b, from *model.Weights) float64 {
	num, den := 0.0, 0.0
	for i, t := range a.Tensors {
		for k, x := range t.Data {
			d, m := float64(x)-float64(b.Tensors[i].Data[k]), float64(b.Tensors[i].Data[k])-float64(from.Tensors[i].Data[k])
			num, den = num+d*d, den+m*m
		}
	}
	return math.Sqrt(num / den)
}

func nearStats(t *testing.T, got, want ballast.Stats, tolerance float64) {
	t.Helper()
	for name, w := range want {
		switch name {
		case monitor.SecondsTrain, monitor.TokensPadded, monitor.TokensComputed, "tokens/saved": // as batches are cut
			continue
		}
		if g := got[name]; !(math.Abs(g-w) <= tolerance*(0.1+math.Abs(w))) {
			t.Errorf("stat %s is %g, want %g", name, g, w)
		}
	}
}

func TestLearnsAsTheProcessor(t *testing.T) {
	ctx := context.Background()
	for name, c := range configs {
		for cut, rows := range map[string]int{"whole": 0, "cut": 60} {
			if cut == "cut" && name != "qwen2" || testing.Short() && cut != "cut" || name == "smollm3" || name == "all" {
				continue // with a race detector each takes minutes; TestGradients has the others
			}
			t.Run(name+"/"+cut, func(t *testing.T) {
				a, b := learner(t, random(c, 4), rows), host(t, random(c, 4))
				from := random(c, 4).Weights
				must(a.Freeze())
				must(b.Freeze())
				for step := range uint64(3) {
					samples := batch(&c, 20, step, 3, 2, 1)
					got, err := a.LogProbs(ctx, samples)
					must(err)
					want, err := b.LogProbs(ctx, samples)
					must(err)
					for i := range want {
						for k := range want[i] {
							if d := got[i][k] - want[i][k]; !(math.Abs(float64(d)) < 1e-4*(1+math.Abs(float64(want[i][k])))) {
								t.Fatalf("step %d: log-probability %d of sample %d is %g, want %g", step, k, i, got[i][k], want[i][k])
							}
						}
					}
					gs, err := a.Update(ctx, samples, 1e-3)
					must(err)
					ws, err := b.Update(ctx, samples, 1e-3)
					must(err)
					nearStats(t, gs, ws, 2e-4)
				}
				// AdamW turns the rounding of a tiny derivative into a whole step.
				if d := apart(a.Weights(), b.Weights(), from); !(d < 1e-2) {
					t.Errorf("after three steps the weights are %g of the way apart", d)
				}
			})
		}
	}
}

func TestReferenceAsTheProcessor(t *testing.T) {
	ctx, c := context.Background(), configs["qwen2"]
	a, b := learner(t, random(c, 4), 0), host(t, random(c, 4))
	samples, ids := batch(&c, 20, 1, 3, 2), []int32{5, 0, 89}
	if got, err := a.Reference(ctx, samples, ids); got != nil || err != nil {
		t.Errorf("without a reference: %v, %v", got, err)
	}
	must(a.Freeze())
	must(b.Freeze())
	got, err := a.Reference(ctx, samples, ids)
	must(err)
	want, err := b.Reference(ctx, samples, ids)
	must(err)
	seen := 0
	for i := range want {
		for k := range want[i] {
			if (want[i][k] == nil) != (got[i][k] == nil) {
				t.Fatalf("token %d of sample %d: %v, want %v", k, i, got[i][k], want[i][k])
			}
			for j, p := range want[i][k] {
				if seen++; math.Abs(float64(got[i][k][j]-p)) > 1e-5 {
					t.Fatalf("probability %d of token %d of sample %d is %g, want %g", j, k, i, got[i][k][j], p)
				}
			}
		}
	}
	if seen == 0 {
		t.Error("nothing was compared")
	}
}

// TestGradients compares gradients by a step that is proportional to them: with
// no momentum, a huge eps, no clip and no decay, AdamW is gradient descent.
func TestGradients(t *testing.T) {
	prompt := 530 // more than one block of attention
	if testing.Short() {
		prompt = 40
	}
	for name, c := range configs {
		if testing.Short() && name != "qwen3" {
			continue
		}
		prompt := prompt
		if name == "smollm3" || name == "all" {
			prompt = 40 // attention is that of the others
		}
		t.Run(name, func(t *testing.T) {
			o := train.Options{AdamW: adamw.Options{Eps: 1e6}, Loss: loss.Default()}
			from, samples := random(c, 8), batch(&c, prompt, 1, 2)
			a, err := New(open(t), random(c, 8), o, Rows)
			must(err)
			b, err := train.New(random(c, 8), o)
			must(err)
			must(a.Freeze())
			must(b.Freeze())
			gs, err := a.Update(context.Background(), samples, 1e6)
			must(err)
			ws, err := b.Update(context.Background(), samples, 1e6)
			must(err)
			nearStats(t, gs, ws, 1e-4)
			for i, w := range b.Weights().Tensors {
				num, den := 0.0, 0.0
				for k := range w.Data {
					d := float64(w.Data[k]) - float64(from.Weights.Tensors[i].Data[k])
					e := float64(a.Weights().Tensors[i].Data[k]) - float64(w.Data[k])
					num, den = num+e*e, den+d*d
				}
				if !(math.Sqrt(num) <= 1e-4*math.Sqrt(den)+1e-6) {
					t.Errorf("gradient of %s is off by %g of %g", w.Name, math.Sqrt(num), math.Sqrt(den))
				}
			}
		})
	}
}

// TestCheckpoint resumes on the device to the bit, and on the processor from the
// same file.
func TestCheckpoint(t *testing.T) {
	ctx, c := context.Background(), configs["qwen3"]
	a := learner(t, random(c, 1), 0)
	must(a.Freeze())
	update := func(l ballast.Learner, step uint64) ballast.Stats {
		st, err := l.Update(ctx, batch(&c, 12, step, 2, 1), 1e-3)
		must(err)
		return st
	}
	update(a, 1)
	dir := filepath.Join(t.TempDir(), "c")
	must(a.Save(dir))
	want := update(a, 2)
	b := learner(t, random(c, 9), 0)
	must(b.Load(dir))
	nearStats(t, update(b, 2), want, 0)
	for i, x := range a.Weights().Tensors {
		for k := range x.Data {
			if y := b.Weights().Tensors[i].Data[k]; y != x.Data[k] {
				t.Fatalf("%s %d is %g after a resume, want %g", x.Name, k, y, x.Data[k])
			}
		}
	}
	h := host(t, random(c, 9))
	must(h.Load(dir))
	nearStats(t, update(h, 2), want, 1e-3)
	must(b.ResetOptimizer())
	if b.on.steps != 0 || device.Copy[float32](b.on.first[0])[0] != 0 {
		t.Error("the optimiser was not reset")
	}
	if err := b.Load(t.TempDir()); err == nil {
		t.Error("an empty folder is taken for a checkpoint")
	}
}

func TestRefusals(t *testing.T) {
	c := configs["llama"]
	l := learner(t, random(c, 1), 0)
	s := batch(&c, 10, 1, 2)
	if _, err := l.Update(context.Background(), s, 1e-3); err == nil {
		t.Error("a reference term without a reference is taken")
	}
	must(l.Freeze())
	before := l.on.w[0]
	s[0].Tokens[3] = 99
	if _, err := l.LogProbs(context.Background(), s); err == nil {
		t.Error("a token outside the vocabulary is taken")
	}
	s = batch(&c, 10, 1, 2)
	s[0].OldLogProb[len(s[0].OldLogProb)-1] = float32(math.NaN())
	s[0].OldLogProb[len(s[0].OldLogProb)-2] = float32(math.NaN())
	st, err := l.Update(context.Background(), s, 1e-3)
	must(err)
	if st[monitor.NonFinite] != 1 || l.on.w[0] != before || l.on.steps != 0 {
		t.Errorf("a gradient that is not finite: %v", st)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.Update(ctx, batch(&c, 10, 1, 2), 1e-3); err == nil {
		t.Error("a cancelled update does not fail")
	}
}
