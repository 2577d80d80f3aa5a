package remote

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"ballast"
	"ballast/loss"
	"ballast/model"
	"ballast/monitor"
	"ballast/tinker"
	"ballast/tinker/tinkertest"
	"ballast/train"
)

const vocab = 12

// servers are those whose reductions differ.
var servers = []struct {
	name      string
	habits    tinkertest.Habits
	reduction Reduction
}{{"SkyRL", tinkertest.SkyRL(), Mean}, {"TuFT", tinkertest.TuFT(), Sum}, {"hosted", tinkertest.Hosted(), Sum}}

// bench is a learner on a server of tests.
type bench struct {
	*Learner
	server *tinkertest.Server
	client *tinker.Client
}

func start(t testing.TB, h tinkertest.Habits, o Options) *bench {
	t.Helper()
	s := tinkertest.New(tinkertest.Options{Vocab: vocab, Order: 2, Seed: 3, Habits: h})
	t.Cleanup(s.Close)
	return on(t, s, o)
}

// on is a learner with a session of its own on a server.
func on(t testing.TB, s *tinkertest.Server, o Options) *bench {
	t.Helper()
	c, err := tinker.Dial(t.Context(), tinker.Options{Address: s.URL, Vocabulary: vocab,
		Wait: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	o.Client, o.Base, o.Rank, o.Run = c, "toy", 2, fmt.Sprintf("test-%d", rand.Uint32())
	if o.Train.AdamW == (train.AdamW{}) {
		o.Train = train.Default()
		if o.Reduction == Mean {
			o.Train.AdamW.WeightDecay = 0
		}
	}
	l, err := New(t.Context(), &model.Model{Config: model.Config{Arch: "llama", Vocab: vocab}}, o)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{l, s, c}
}

// weights are those of the model in training.
func (b *bench) weights(t testing.TB) []float64 {
	t.Helper()
	s, ok := b.server.Model(b.Model().ID())
	if !ok {
		t.Fatalf("model %s is gone", b.Model().ID())
	}
	return s.Weights
}

// samples have weights of both signs in the given terms, some of them 0, and the
// log-probabilities of a policy that is a little off.
func (b *bench) samples(t testing.TB, seed uint64, terms ...int) []ballast.Sample {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]ballast.Sample, 4)
	for i := range out {
		s := &out[i]
		s.Tokens = make([]int32, 5+3*i)
		for j := range s.Tokens {
			s.Tokens[j] = int32(r.IntN(vocab))
		}
		weigh(s, 2, r, terms)
	}
	plain := make([]ballast.Sample, len(out))
	for i := range out {
		plain[i].Tokens = out[i].Tokens
	}
	logp, err := b.LogProbs(t.Context(), plain)
	if err != nil {
		t.Fatal(err)
	}
	for i := range out {
		out[i].OldLogProb = logp[i]
		for j := 1; j < len(logp[i]); j++ {
			out[i].OldLogProb[j] += 0.3 * float32(r.NormFloat64())
		}
	}
	return out
}

// weigh gives the tokens of a sample weights in terms, from a token on: of both signs where a term
// takes both, and one 0.
func weigh(s *ballast.Sample, from int, r *rand.Rand, terms []int) {
	for _, term := range terms {
		w := make([]float32, len(s.Tokens))
		for j := from; j < len(w); j++ {
			if w[j] = float32(r.NormFloat64()); term == loss.TermReference || term == loss.TermCrossEntropy || term == loss.TermOffPolicy {
				w[j] = 0.5
			}
		}
		w[from+1] = 0
		if loss.Terms[term].Couple { // its weights are one a sequence
			for j := from; j < len(w); j++ {
				w[j] = w[from]
			}
		}
		s.Terms[term] = ballast.Term{Weight: w, Count: float64(len(w) - from)}
	}
}

// slopes are the derivatives of the loss table at the log-probabilities of some weights, in
// float64 and straight from package loss.
func (b *bench) slopes(samples []ballast.Sample, at, ref []float64) [][]float64 {
	var x loss.Batch
	type place struct{ sample, token int }
	var all []place
	var now, old []float64
	var of []int
	for i := range samples {
		s := &samples[i]
		logp, base := b.server.LogProbs(at, s.Tokens), b.server.LogProbs(ref, s.Tokens)
		for j := 1; j < len(s.Tokens); j++ {
			weighted := false
			for term := range loss.NumTerms {
				weighted = weighted || s.Terms[term].Weight != nil && s.Terms[term].Weight[j] != 0
			}
			if !weighted {
				continue
			}
			all = append(all, place{i, j})
			now, old, of = append(now, logp[j-1]), append(old, float64(s.OldLogProb[j])), append(of, i)
			x.Ref = append(x.Ref, base[j-1])
			for term := range loss.NumTerms {
				if w := s.Terms[term].Weight; w != nil {
					x.Weight[term] = append(x.Weight[term], float64(w[j]))
				}
			}
		}
		for term := range loss.NumTerms {
			x.Count[term] += s.Terms[term].Count
		}
	}
	x.LogProb, x.Old = now, old
	for term := range loss.NumTerms {
		if loss.Terms[term].Couple && x.Weight[term] != nil {
			x.Seq[term] = loss.Sequences(now, old, x.Weight[term], of)
		}
	}
	out := make([][]float64, len(samples))
	for i := range out {
		out[i] = make([]float64, len(samples[i].Tokens))
	}
	for i, g := range loss.Evaluate(x, loss.Default()).Grad {
		out[all[i].sample][all[i].token] = g
	}
	return out
}

// gradient is that of the sum of slopes times log-probabilities, by central differences.
func (b *bench) gradient(samples []ballast.Sample, slopes [][]float64, at []float64) []float64 {
	total := func() (sum float64) {
		for i := range samples {
			for j, lp := range b.server.LogProbs(at, samples[i].Tokens) {
				sum += slopes[i][j+1] * lp
			}
		}
		return sum
	}
	const h = 1e-5
	out := make([]float64, len(at))
	for i := range at {
		was := at[i]
		at[i] = was + h
		up := total()
		at[i] = was - h
		out[i] = (up - total()) / (2 * h)
		at[i] = was
	}
	return out
}

// linear makes AdamW's step the gradient, as good as exactly: no moments, and an eps beside
// which the gradient's size is nothing.
func linear() train.Options {
	o := train.Default()
	o.AdamW = train.AdamW{Eps: 1e7}
	return o
}

// TestGradient: the server steps with the gradient of the loss table, whatever terms a minibatch
// has, and whatever the server makes of losses; in several requests too.
func TestGradient(t *testing.T) {
	var each [][]int
	for term := range loss.NumTerms {
		each = append(each, []int{term})
	}
	each = append(each, []int{loss.TermPolicy, loss.TermOffPolicy, loss.TermCrossEntropy, loss.TermReference})
	for _, srv := range servers {
		for _, terms := range each {
			b := start(t, srv.habits, Options{Reduction: srv.reduction, Train: linear()})
			if _, err := b.Update(t.Context(), b.samples(t, 9, loss.TermCrossEntropy), 1e6); err != nil { // off the base
				t.Fatal(err)
			}
			if err := b.Freeze(); err != nil {
				t.Fatal(err)
			}
			ref := b.weights(t)
			if _, err := b.Update(t.Context(), b.samples(t, 8, loss.TermCrossEntropy), 1e6); err != nil { // off the reference
				t.Fatal(err)
			}
			samples, before := b.samples(t, 7, terms...), b.weights(t)
			const rate = 1e6
			stats, err := b.Update(t.Context(), samples, rate)
			if err != nil {
				t.Fatal(err)
			}
			want, after := b.gradient(samples, b.slopes(samples, before, ref), before), b.weights(t)
			worst, size, norm := 0.0, 0.0, 0.0
			for i := range want {
				got := (before[i] - after[i]) * 1e7 / rate
				worst, size = max(worst, math.Abs(got-want[i])), max(size, math.Abs(want[i]))
				norm += want[i] * want[i]
			}
			if size < 1e-4 || worst > 1e-3*size {
				t.Errorf("%s, terms %v: the gradient is off by %g where it is at most %g", srv.name, terms, worst, size)
			}
			got, told := stats[monitor.GradNorm]
			if told != srv.habits.StepMetrics {
				t.Errorf("%s: grad_norm is told: %t", srv.name, told)
			}
			if told && math.Abs(got/math.Sqrt(norm)-1) > 1e-3 {
				t.Errorf("%s, terms %v: grad_norm is %g, want %g", srv.name, terms, got, math.Sqrt(norm))
			}
		}
	}
}

// TestProbe: a server's reduction shows, or it is said what to set. Nothing is left of the probe.
func TestProbe(t *testing.T) {
	for _, srv := range servers {
		b := start(t, srv.habits, Options{Reduction: srv.reduction})
		got, err := Probe(t.Context(), b.client, "toy", 2)
		switch {
		case !srv.habits.StepMetrics:
			if err == nil || !strings.Contains(err.Error(), "engine.reduction") {
				t.Errorf("%s: %v", srv.name, err)
			}
		case err != nil || got != srv.reduction:
			t.Errorf("%s: %q, %v", srv.name, got, err)
		}
	}
}

// TestLogProbs: they are the server's, of all tokens but the first.
func TestLogProbs(t *testing.T) {
	for _, srv := range servers {
		b := start(t, srv.habits, Options{Reduction: srv.reduction})
		samples := []ballast.Sample{{Tokens: []int32{1, 2, 3, 4}}, {Tokens: []int32{5}}, {Tokens: []int32{7, 0}}}
		got, err := b.LogProbs(t.Context(), samples)
		if err != nil {
			t.Fatal(err)
		}
		for i := range samples {
			want := append([]float64{0}, b.server.LogProbs(nil, samples[i].Tokens)...)
			for j := range want {
				if len(got[i]) != len(want) || math.Abs(float64(got[i][j])-want[j]) > 1e-5 {
					t.Fatalf("%s, sample %d: %v, want %v", srv.name, i, got[i], want)
				}
			}
		}
	}
}

// TestCheckpoint: a learner that loads a checkpoint goes on as the one that wrote it, with its
// moments and its reference, on a server that was restarted too. What a broken update left on the
// server is left behind.
func TestCheckpoint(t *testing.T) {
	for _, srv := range servers {
		t.Run(srv.name, func(t *testing.T) {
			b := start(t, srv.habits, Options{Reduction: srv.reduction})
			if err := b.Freeze(); err != nil {
				t.Fatal(err)
			}
			step := func(b *bench, seed uint64) {
				t.Helper()
				if _, err := b.Update(t.Context(), b.samples(t, seed, loss.TermCrossEntropy, loss.TermReference), 0.01); err != nil {
					t.Fatal(err)
				}
			}
			step(b, 1)
			dir := t.TempDir() + "/checkpoint"
			if err := b.Save(dir); err != nil {
				t.Fatal(err)
			}
			step(b, 2)
			want := b.weights(t)

			again := on(t, b.server, Options{Reduction: srv.reduction})
			d := tinker.Datum{Input: []int32{1, 2}, Inputs: tinker.Tensors{{Name: "target_tokens", Tensor: tinker.Ints([]int32{2, 3})},
				{Name: "weights", Tensor: tinker.Floats([]float32{9, 9})}}}
			if _, err := again.Model().ForwardBackward(t.Context(), []tinker.Datum{d}, "cross_entropy", nil).Wait(); err != nil {
				t.Fatal(err)
			}
			if err := again.Load(dir); err != nil {
				t.Fatal(err)
			}
			step(again, 2)
			equal(t, "in a new session", again.weights(t), want)

			b.server.Restart()
			late := on(t, b.server, Options{Reduction: srv.reduction})
			if err := late.Load(dir); err != nil {
				t.Fatal(err)
			}
			step(late, 2)
			equal(t, "after a restart", late.weights(t), want)
		})
	}
}

func equal(t *testing.T, what string, got, want []float64) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("%s: weight %d is %v, want %v", what, i, got[i], want[i])
		}
	}
}

// TestReset: without its moments the optimiser steps as at first; the weights stay.
func TestReset(t *testing.T) {
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
	if _, err := b.Update(t.Context(), b.samples(t, 1, loss.TermCrossEntropy), 0.01); err != nil {
		t.Fatal(err)
	}
	was := b.weights(t)
	if err := b.ResetOptimizer(); err != nil {
		t.Fatal(err)
	}
	equal(t, "after the reset", b.weights(t), was)
	s, _ := b.server.Model(b.Model().ID())
	if s.Steps != 0 || s.M != nil {
		t.Errorf("the optimiser has taken %d steps", s.Steps)
	}
}

// TestLostAnswers: whichever answer is lost while a checkpoint is written and read, what was trained is
// there, once, and the reference is what it was.
func TestLostAnswers(t *testing.T) {
	for _, srv := range servers {
		for _, lost := range []tinkertest.Action{tinkertest.CutAfter, tinkertest.CutMiddle, tinkertest.CutBefore} {
			for _, on := range []string{"save_weights", "save_weights_for_sampler", "load_weights"} {
				b := start(t, srv.habits, Options{Reduction: srv.reduction})
				if err := b.Freeze(); err != nil {
					t.Fatal(err)
				}
				if _, err := b.Update(t.Context(), b.samples(t, 1, loss.TermCrossEntropy, loss.TermReference), 0.01); err != nil {
					t.Fatal(err)
				}
				want, dir := b.weights(t), t.TempDir()+"/checkpoint"
				for i := range 4 { // every first try
					b.server.Script(tinkertest.Fault{On: on, Nth: 2*i + 1, Do: lost})
				}
				if _, err := b.Model().Sampler(t.Context()).Wait(); err != nil {
					t.Errorf("%s, %s of %s: %v", srv.name, lost, on, err)
					continue
				}
				if err := b.Save(dir); err != nil {
					t.Errorf("%s, %s of %s: %v", srv.name, lost, on, err)
					continue
				}
				if err := b.Load(dir); err != nil {
					t.Errorf("%s, %s of %s: %v", srv.name, lost, on, err)
					continue
				}
				equal(t, srv.name+" after a lost answer of "+on, b.weights(t), want)
				if s, _ := b.server.Model(b.Model().ID()); s.Steps != 1 {
					t.Errorf("%s, %s of %s: the optimiser took %d steps", srv.name, lost, on, s.Steps)
				}
				if n := b.server.Ledger().Faults[lost.String()]; n < 1 {
					t.Errorf("%s, %s of %s: %d faults", srv.name, lost, on, n)
				}
			}
		}
	}
}

// TestDecayOfAll: weight decay that a server would also do to the reference policy is refused before
// anything is made there.
func TestDecayOfAll(t *testing.T) {
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
	o := b.o
	o.Train = train.Default()
	before := b.server.Ledger().Requests["create_model"]
	if _, err := New(t.Context(), b.text, o); err == nil || !strings.Contains(err.Error(), "set adam.decay to 0") {
		t.Errorf("weight decay of %g: %v", o.Train.AdamW.WeightDecay, err)
	}
	if n := b.server.Ledger().Requests["create_model"]; n != before {
		t.Errorf("%d models were made", n-before)
	}
}

// TestStepAfterGradient: no step is asked for before its gradient is there.
func TestStepAfterGradient(t *testing.T) {
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
	samples := b.samples(t, 1, loss.TermCrossEntropy)
	b.server.Script(tinkertest.Fault{On: "forward_backward", Nth: 2, Do: tinkertest.Fails(tinkertest.Detail400, "no gradient")})
	if _, err := b.Update(t.Context(), samples, 0.01); err == nil || !strings.Contains(err.Error(), "no gradient") {
		t.Fatal(err)
	}
	if n := b.server.Ledger().Requests["optim_step"]; n != 0 {
		t.Errorf("%d steps were asked for without a gradient", n)
	}
}

// TestNothingIsSent: an update whose loss is not finite says so and leaves the server alone, and so
// does one without weights.
func TestNothingIsSent(t *testing.T) {
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
	samples := b.samples(t, 1, loss.TermPolicy)
	samples[1].Terms[loss.TermPolicy].Weight[2] = float32(math.NaN())
	was := b.weights(t)
	stats, err := b.Update(t.Context(), samples, 0.1)
	if err != nil || stats[monitor.NonFinite] != 1 {
		t.Errorf("%v, %v", stats, err)
	}
	if stats, err = b.Update(t.Context(), []ballast.Sample{{Tokens: []int32{1, 2}}}, 0.1); err != nil || stats[monitor.TokensTrained] != 0 {
		t.Errorf("%v, %v", stats, err)
	}
	equal(t, "weights", b.weights(t), was)
	for _, op := range b.server.Ledger().Of(b.Model().ID()) { // the forward passes change nothing
		if op.Kind == "forward_backward" || op.Kind == "optim_step" {
			t.Errorf("the server did %v", op)
		}
	}
	if _, err := b.Update(t.Context(), b.samples(t, 2, loss.TermReference), 0.1); err == nil || !strings.Contains(err.Error(), "Freeze") {
		t.Errorf("a reference term without a reference: %v", err)
	}
}

// TestRefused: a manifest that is not whole, or is of another model, is an error that says so.
func TestRefused(t *testing.T) {
	b := start(t, tinkertest.SkyRL(), Options{Reduction: Mean})
	dir := t.TempDir()
	if err := b.Load(dir); err == nil || !strings.Contains(err.Error(), "only a checkpoint of engine tinker") {
		t.Errorf("no manifest: %v", err)
	}
	const whole = `{"format": 1, "server": "s", "base": "toy", "rank": 2, "path": "tinker://m/weights/w", "sampler": "tinker://m/w"}`
	for _, c := range []struct{ old, new, want string }{
		{"}", "", "unexpected EOF"},
		{`"format": 1`, `"format": 2`, "this program reads format 1"},
		{"tinker://m/weights/w", "", "this program reads format 1"},
		{`"sampler": "tinker://m/w"`, `"sampler": ""`, "this program reads format 1"},
		{`"rank"`, `"ranks"`, "unknown field"},
		{`"rank": 2`, `"rank": 4`, "has base toy and rank 4"},
		{`"toy"`, `"another"`, "has base another and rank 2"},
		{"", "", "loading tinker://m/weights/w"}, // the server has no such weights
	} {
		if err := os.WriteFile(filepath.Join(dir, ManifestFile), []byte(strings.Replace(whole, c.old, c.new, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := b.Load(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %q: %v, want %s", c.new, c.old, err, c.want)
		}
	}
}
