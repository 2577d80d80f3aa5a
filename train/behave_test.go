package train

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/train/adamw"
	"ballast/train/pack"
	"ballast/train/tally"
)

// TestLogProbsAgainstTorch covers all architectures.
func TestLogProbsAgainstTorch(t *testing.T) {
	for _, name := range []string{"qwen2", "qwen3", "llama", "smollm3"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join("..", "model", "testdata", name)
			data, err := os.ReadFile(filepath.Join(dir, "golden.json"))
			must(t, err)
			var g struct {
				IDs      []int32   `json:"ids"`
				LogProbs []float64 `json:"logprobs"`
				Entropy  []float64 `json:"entropy"`
			}
			must(t, json.Unmarshal(data, &g))
			l := newVariant(t, load(t, dir), Default(), variants["kept"])
			s := ballast.Sample{Tokens: g.IDs}
			got, err := l.LogProbs(context.Background(), []ballast.Sample{s})
			must(t, err)
			for i, want := range g.LogProbs {
				near(t, fmt.Sprint("log p of ", i), float64(got[0][i]), want, 1e-4)
			}
			// A cross-entropy update over all tokens reports the means.
			w := make([]float32, len(g.IDs))
			var nats, entropy float64
			for i := 1; i < len(w); i++ {
				w[i], nats, entropy = 1, nats-g.LogProbs[i], entropy+g.Entropy[i]
			}
			n := float64(len(w) - 1)
			s.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: w, Count: n}
			st, err := l.Update(context.Background(), []ballast.Sample{s}, 0)
			must(t, err)
			near(t, "loss", st["loss/cross_entropy"], nats/n, 1e-4)
			near(t, "entropy", st["entropy/trained"], entropy/n, 1e-4)
			for _, name := range []string{"loss/policy", "loss/offpolicy", "loss/reference", "kl/mean", "ratio/mean", "clip_fraction"} {
				if v, ok := st[name]; ok {
					t.Errorf("an update without a policy's tokens has %s %g", name, v)
				}
			}
		})
	}
}

// TestGradientsAgainstTorch holds the cross-entropy's gradient of a decoder with a layer
// that does not rotate, in every way of cutting the work up.
func TestGradientsAgainstTorch(t *testing.T) {
	dir := filepath.Join("..", "model", "testdata", "smollm3")
	data, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	must(t, err)
	var g struct {
		golden
		IDs  []int32 `json:"ids"`
		Loss float64 `json:"loss"`
	}
	must(t, json.Unmarshal(data, &g))
	s := ballast.Sample{Tokens: g.IDs}
	w := make([]float32, len(g.IDs))
	for i := 1; i < len(w); i++ {
		w[i] = 1
	}
	s.Terms[loss.TermCrossEntropy] = ballast.Term{Weight: w, Count: float64(len(w) - 1)}
	for name, cut := range variants {
		t.Run(name, func(t *testing.T) {
			l := newVariant(t, load(t, dir), Default(), cut)
			st, err := l.Update(context.Background(), []ballast.Sample{s}, 0)
			must(t, err)
			near(t, "loss", st["loss"], g.Loss, 1e-4)
			l.compare(t, g.golden)
		})
	}
}

// lone takes samples' groups apart, so that nothing is shared.
func lone(samples []ballast.Sample) []ballast.Sample {
	out := append([]ballast.Sample(nil), samples...)
	for i := range out {
		out[i].Group, out[i].Prefix = i, 0
	}
	return out
}

func TestSharingChangesNothing(t *testing.T) {
	_, samples, _ := readGolden(t)
	a, b := fresh(t, variants["kept"]), fresh(t, variants["kept"])
	sa, err := a.Update(context.Background(), samples, 0)
	must(t, err)
	sb, err := b.Update(context.Background(), lone(samples), 0)
	must(t, err)
	if sa["tokens/computed"] >= sb["tokens/computed"] {
		t.Errorf("sharing computes %g tokens, without it %g", sa["tokens/computed"], sb["tokens/computed"])
	}
	near(t, "loss", sa["loss"], sb["loss"], 1e-5)
	for i, s := range a.host().w.specs {
		if d, n := distance(a.host().grads[0].flat[i], b.host().grads[0].flat[i]), distance(b.host().grads[0].flat[i], nil); d > 1e-4*n {
			t.Errorf("gradient of %s differs by %g of %g", s.Name, d, n)
		}
	}
}

// TestReferenceShortcut holds the first update after Freeze, which spares the
// reference's forward pass, to the bits of one that makes it.
func TestReferenceShortcut(t *testing.T) {
	_, samples, _ := readGolden(t)
	a, b := fresh(t, variants["kept"]), fresh(t, variants["kept"])
	for i, l := range []*Learner{a, b} {
		in, err := tally.Prepare(samples, l.m.Config.Vocab, true)
		must(t, err)
		if !l.host().ref.equal(l.host().w) {
			t.Fatal("the frozen reference is not seen to be the policy")
		}
		in.RefIsPolicy = i == 0
		l.host().grads = []*params{l.host().of.gradient()}
		batch := pack.Batches(samples, 2048, false)
		l.host().grow(batch)
		l.host().e.derive(l.host().grads[0], l.host().w, l.host().ref, samples, &batch[0], in, tally.New(&l.host().opts.Loss, nil))
		if adamw.Norm(l.host().grads[0].flat) == 0 || adamw.Norm(l.host().grads[0].flat) != adamw.Norm(a.host().grads[0].flat) {
			t.Errorf("gradient norms %v and %v", adamw.Norm(a.host().grads[0].flat), adamw.Norm(l.host().grads[0].flat))
		}
	}
}

func TestSameBitsForAnyCores(t *testing.T) {
	a, b := fresh(t, variants["cut"]), fresh(t, variants["cut"])
	steps(t, a, 2)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	steps(t, b, 2)
	sameBits(t, a, b)
}

// digest is a checksum of all weights.
func (l *Learner) digest() string {
	sum := crc32.NewIEEE()
	for _, x := range l.host().w.flat {
		fmt.Fprint(sum, x)
	}
	return fmt.Sprintf("digest %08x", sum.Sum32())
}

// TestNewProcess continues a checkpoint in another process and compares with
// going on in this one.
func TestNewProcess(t *testing.T) {
	if dir := os.Getenv("BALLAST_TEST_CHECKPOINT"); dir != "" {
		l := fresh(t, variants["kept"])
		must(t, l.Load(dir))
		steps(t, l, 2)
		fmt.Println(l.digest())
		return
	}
	l := fresh(t, variants["kept"])
	steps(t, l, 2)
	dir := filepath.Join(t.TempDir(), "checkpoint")
	must(t, l.Save(dir))
	steps(t, l, 2)
	cmd := exec.Command(os.Args[0], "-test.run=^TestNewProcess$")
	cmd.Env = append(os.Environ(), "BALLAST_TEST_CHECKPOINT="+dir)
	out, err := cmd.CombinedOutput()
	must(t, err)
	if !strings.Contains(string(out), l.digest()) {
		t.Errorf("the other process has other bits: %s, here %s", out, l.digest())
	}
}

func TestNonFiniteLeavesWeights(t *testing.T) {
	l := fresh(t, variants["kept"])
	_, samples, _ := readGolden(t)
	before := l.snapshot()
	samples[1].OldLogProb[8] = float32(math.NaN())
	st, err := l.Update(context.Background(), samples, 1e-3)
	must(t, err)
	if st["nonfinite"] != 1 {
		t.Errorf("stats %v", st)
	}
	for i, s := range l.host().w.specs {
		if distance(l.host().w.flat[i], before[s.Name]) != 0 || l.host().adam.Steps != 0 {
			t.Fatalf("%s changed", s.Name)
		}
	}
}

func TestNoSignalChangesNothing(t *testing.T) {
	l := fresh(t, variants["kept"])
	before := l.snapshot()
	st, err := l.Update(context.Background(), []ballast.Sample{{Tokens: []int32{1, 2, 3}}}, 1e-3)
	must(t, err)
	for i, s := range l.host().w.specs {
		if distance(l.host().w.flat[i], before[s.Name]) != 0 || st["tokens/trained"] != 0 {
			t.Fatalf("%s changed, stats %v", s.Name, st)
		}
	}
}

func TestRefusals(t *testing.T) {
	_, good, opts := readGolden(t)
	edit := func(change func(s *ballast.Sample)) []ballast.Sample {
		_, samples, _ := readGolden(t)
		change(&samples[1])
		return samples
	}
	l := fresh(t, variants["kept"])
	for want, samples := range map[string][]ballast.Sample{
		"sample 1: token 3 is 9999":       edit(func(s *ballast.Sample) { s.Tokens[3] = 9999 }),
		"sample 1: term 0 has 2 weights":  edit(func(s *ballast.Sample) { s.Terms[0].Weight = s.Terms[0].Weight[:2] }),
		"sample 1: 1 old":                 edit(func(s *ballast.Sample) { s.OldLogProb = s.OldLogProb[:1] }),
		"sample 1: a policy term needs":   edit(func(s *ballast.Sample) { s.OldLogProb = nil }),
		"term 2 has weights, but its cou": edit(func(s *ballast.Sample) { s.Terms[2].Weight = s.Terms[0].Weight }),
	} {
		if _, err := l.Update(context.Background(), samples, 1e-3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	l = newVariant(t, load(t, "..", "model", "testdata", "qwen2"), opts, variants["kept"])
	if _, err := l.Update(context.Background(), good, 1e-3); err == nil || !strings.Contains(err.Error(), "Freeze") {
		t.Errorf("error %v without a reference", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	must(t, l.Freeze())
	if _, err := l.Update(ctx, good, 1e-3); err != context.Canceled {
		t.Errorf("error %v after cancel", err)
	}
	opts.AdamW.Beta1 = 1
	if _, err := New(load(t, "..", "model", "testdata", "qwen2"), opts); err == nil {
		t.Error("beta 1 was taken")
	}
}

// TestLearns takes steps on one batch and wants the loss to fall.
func TestLearns(t *testing.T) {
	l := newVariant(t, load(t, "..", "model", "testdata", "qwen3"), Default(), variants["kept"])
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
	for i := range 30 {
		st, err := l.Update(context.Background(), samples, 1e-2)
		must(t, err)
		if i == 0 {
			first = st["loss"]
		}
		last = st["loss"]
	}
	if last > first/3 {
		t.Errorf("loss went from %g to %g only", first, last)
	}
}
