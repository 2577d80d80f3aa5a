package train

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model/cpu"
	"ballast/model/lora"
	"ballast/train/plan"
)

// adapting is a learner of an adapter on a model of testdata.
func adapting(t *testing.T, name string, cut plan.Plan, config lora.Config) *Learner {
	t.Helper()
	m := load(t, "..", "model", "testdata", name)
	_, _, opts := readGolden(t)
	a, err := lora.New(&m.Config, config, 1)
	must(t, err)
	opts.Adapter = a
	l := newVariant(t, m, opts, cut)
	must(t, l.Freeze())
	return l
}

func all(rank int) lora.Config { return lora.Config{Rank: rank, Alpha: 32, Targets: lora.Targets()} }

// TestAdapterContinues: a checkpoint of an adapter goes on with the same bits, and so does
// one after ResetOptimizer and a newer reference.
func TestAdapterContinues(t *testing.T) {
	for name, cut := range variants {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "checkpoint")
			a, b := adapting(t, "qwen2", cut, all(4)), adapting(t, "qwen2", cut, all(4))
			steps(t, a, 2)
			must(t, a.Freeze())
			steps(t, a, 1)
			must(t, a.Save(dir))
			steps(t, b, 1) // leaves traces that Load must wipe
			must(t, b.ResetOptimizer())
			must(t, b.Load(dir))
			sameBits(t, a, b)
			if !slices.EqualFunc(a.host().ref.flat, b.host().ref.flat, slices.Equal) || b.host().Same() {
				t.Error("the reference came back otherwise")
			}
			steps(t, a, 2)
			steps(t, b, 2)
			sameBits(t, a, b)
			if distance(a.host().w.flat[1], nil) == 0 {
				t.Error("the adapter has not moved")
			}
		})
	}
}

// TestAdapterSameBitsForAnyCores: as for whole weights.
func TestAdapterSameBitsForAnyCores(t *testing.T) {
	a, b := adapting(t, "qwen2", variants["cut"], all(4)), adapting(t, "qwen2", variants["cut"], all(4))
	steps(t, a, 2)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	steps(t, b, 2)
	sameBits(t, a, b)
}

// TestAdapterLearns: the loss falls, and of the model no bit changes. It is a checkpoint's
// merged weights that do.
func TestAdapterLearns(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and TestAdapterContinues races the same")
	}
	for _, targets := range [][]string{lora.Targets(), {"q_proj", "v_proj"}, {"down_proj"}} {
		l := adapting(t, "qwen3", variants["kept"], lora.Config{Rank: 8, Alpha: 32, Targets: targets})
		base := load(t, "..", "model", "testdata", "qwen3")
		_, samples, _ := readGolden(t)
		for i := range samples {
			s := &samples[i]
			w := make([]float32, len(s.Tokens))
			for k := range w {
				w[k] = 1
				s.Tokens[k] = min(s.Tokens[k], int32(l.m.Config.Vocab-1))
			}
			s.Terms = [ballast.MaxTerms]ballast.Term{}
			s.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: w, Count: float64(len(w) - 1)}
		}
		var first, last float64
		for i := range 40 {
			st, err := l.Update(context.Background(), samples, 2e-2)
			must(t, err)
			if last = st["loss"]; i == 0 {
				first = st["loss"]
			}
		}
		if last > first/2 {
			t.Errorf("%v: the loss went from %g to %g only", targets, first, last)
		}
		now := l.Weights()
		for i, x := range base.Weights.Tensors {
			if !slices.Equal(x.Data, l.m.Weights.Tensors[i].Data) {
				t.Errorf("%v: %s of the frozen model has changed", targets, x.Name)
			}
			adapted := slices.ContainsFunc(targets, func(s string) bool { return strings.Contains(x.Name, s+".weight") })
			if slices.Equal(x.Data, now.Tensors[i].Data) == adapted {
				t.Errorf("%v: with the adapter %s is another: %t", targets, x.Name, !adapted)
			}
		}
	}
}

// TestAdapterSamplerAgrees: the sampler with the merged weights and the learner give the same
// log-probabilities, as near as they do without an adapter.
func TestAdapterSamplerAgrees(t *testing.T) {
	gap := func(l *Learner) (most float64) {
		_, samples, _ := readGolden(t)
		got, err := l.LogProbs(context.Background(), samples)
		must(t, err)
		now := *l.m
		now.Weights = l.Weights()
		p := cpu.NewPolicy(&now, cpu.Options{Workers: 1})
		for i, s := range samples {
			for k, want := range p.LogProbs(s.Tokens) {
				most = max(most, math.Abs(float64(want-got[i][k])))
			}
		}
		return most
	}
	a, b := adapting(t, "qwen2", variants["kept"], all(4)), fresh(t, variants["kept"])
	steps(t, a, 3)
	steps(t, b, 3)
	if with, without := gap(a), gap(b); with > 2e-5 || without > 2e-5 {
		t.Errorf("they differ by %g with an adapter and by %g without", with, without)
	}
}

// TestAdapterCheckpoint: the directory is a model, the merged one, and has the adapter.
func TestAdapterCheckpoint(t *testing.T) {
	l := adapting(t, "qwen2", variants["kept"], lora.Config{Rank: 3, Alpha: 32, Targets: []string{"v_proj", "up_proj"}})
	steps(t, l, 2)
	dir := filepath.Join(t.TempDir(), "checkpoint")
	must(t, l.Save(dir))
	m := load(t, dir)
	for i, x := range l.Weights().Tensors {
		if !slices.Equal(x.Data, m.Weights.Tensors[i].Data) {
			t.Errorf("%s of the checkpoint is not what is sampled with", x.Name)
		}
	}
	a, err := lora.Read(filepath.Join(dir, AdapterFolder), &m.Config)
	must(t, err)
	if a.Rank != 3 || len(a.Targets) != 2 || !slices.EqualFunc(a.Flat(), l.host().w.flat, slices.Equal) {
		t.Errorf("its adapter is %v", a.Config)
	}
	state, err := os.Stat(filepath.Join(dir, "learner.bin"))
	must(t, err)
	if n := int64(3 * 4 * a.Weights.Count()); state.Size() < n || state.Size() > n+1000 {
		t.Errorf("the state has %d bytes, the adapter's moments and reference %d", state.Size(), n)
	}
	same := func(name string, l *Learner, want string) {
		t.Helper()
		before := l.snapshot()
		if err := l.Load(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
		for i, s := range l.host().w.specs {
			if !slices.Equal(l.host().w.flat[i], before[s.Name]) {
				t.Errorf("%s: %s has changed", name, s.Name)
			}
		}
	}
	other := func(change func(c *lora.Config)) *Learner {
		c := lora.Config{Rank: 3, Alpha: 32, Targets: []string{"v_proj", "up_proj"}}
		change(&c)
		return adapting(t, "qwen2", variants["kept"], c)
	}
	same("rank", other(func(c *lora.Config) { c.Rank = 4 }), "holds an adapter with rank 3 and not 4")
	same("alpha", other(func(c *lora.Config) { c.Alpha = 16 }), "alpha 32 and not 16")
	same("targets", other(func(c *lora.Config) { c.Targets = c.Targets[:1] }), "targets [v_proj, up_proj] and not [v_proj]")
	base := other(func(*lora.Config) {})
	base.m.Weights.Get("model.layers.1.mlp.up_proj.weight").Data[5] += 0.5
	same("another base", base, "trained on another model than the one in training: tensor model.layers.1.mlp.up_proj.weight")
	_, _, opts := readGolden(t)
	same("whole weights", newVariant(t, load(t, "..", "model", "testdata", "qwen2"), opts, variants["kept"]), "is of another model")
	must(t, os.RemoveAll(filepath.Join(dir, AdapterFolder)))
	same("no adapter", other(func(*lora.Config) {}), "adapter_config.json")
}

// TestAdapterMemory: nothing of the frozen weights' size is kept but those themselves.
func TestAdapterMemory(t *testing.T) {
	l := adapting(t, "qwen2", variants["kept"], all(4))
	steps(t, l, 1)
	h := l.host()
	n, want := 0, l.adapter.Weights.Count()
	for _, list := range [][][]float32{h.w.flat, h.ref.flat, h.adam.M, h.adam.V, h.grads[0].flat} {
		for _, x := range list {
			n += len(x)
		}
	}
	if n != 5*want || h.opts.Trained(&l.m.Config) != int64(want) {
		t.Errorf("weights, reference, moments and a gradient have %d numbers, want 5 times %d", n, want)
	}
	if want >= l.m.Weights.Count()/2 {
		t.Errorf("an adapter of %d parameters on %d", want, l.m.Weights.Count())
	}
}
