package train

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/model"

	"ballast/train/plan"
)

type golden struct {
	Samples []struct {
		Tokens    []int32   `json:"tokens"`
		Group     int       `json:"group"`
		Prefix    int       `json:"prefix"`
		Advantage []float32 `json:"advantage"`
		Mask      []float32 `json:"mask"`
		Old       []float32 `json:"old_logprobs"`
		LogProbs  []float32 `json:"logprobs"`
	} `json:"samples"`
	Options struct {
		ClipLow     float64 `json:"clip_low"`
		ClipHigh    float64 `json:"clip_high"`
		Dual        float64 `json:"dual_clip"`
		KL          float32 `json:"kl_coef"`
		Rate        float64 `json:"lr"`
		Beta1       float64 `json:"beta1"`
		Beta2       float64 `json:"beta2"`
		Eps         float64 `json:"eps"`
		WeightDecay float64 `json:"weight_decay"`
		Clip        float64 `json:"clip_norm"`
	} `json:"options"`
	Policy       float64              `json:"policy"`
	Reference    float64              `json:"reference"`
	GradNorm     float64              `json:"grad_norm"`
	ClipFraction float64              `json:"clip_fraction"`
	Grads        map[string][]float64 `json:"grads"`
	GradNorms    map[string]float64   `json:"grad_norms"`
	Steps        []struct {
		Loss     float64              `json:"loss"`
		GradNorm float64              `json:"grad_norm"`
		Weights  map[string][]float64 `json:"weights"`
		Deltas   map[string]float64   `json:"delta_norms"`
	} `json:"steps"`
}

func load(t *testing.T, dir ...string) *model.Model {
	t.Helper()
	m, err := model.LoadWeights(filepath.Join(dir...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Max(1e-3, math.Abs(want))) {
		t.Errorf("%s = %.9g, want %.9g", what, got, want)
	}
}

// readGolden returns the golden batch as samples and the learner's options.
func readGolden(t *testing.T) (golden, []ballast.Sample, Options) {
	t.Helper()
	data, err := os.ReadFile("testdata/grpo.json")
	must(t, err)
	var g golden
	must(t, json.Unmarshal(data, &g))
	var samples []ballast.Sample
	for _, s := range g.Samples {
		count, kl := 0.0, make([]float32, len(s.Mask))
		for i, m := range s.Mask {
			count += float64(m)
			kl[i] = m * g.Options.KL
		}
		out := ballast.Sample{Tokens: s.Tokens, Group: s.Group, Prefix: s.Prefix, OldLogProb: s.Old}
		out.Terms[loss.TermPolicy] = ballast.Term{Weight: s.Advantage, Count: count}
		out.Terms[loss.TermReference] = ballast.Term{Weight: kl, Count: count}
		samples = append(samples, out)
	}
	o := g.Options
	opts := Default()
	opts.AdamW = AdamW{Beta1: o.Beta1, Beta2: o.Beta2, Eps: o.Eps, WeightDecay: o.WeightDecay, Clip: o.Clip}
	opts.Loss = loss.Params{ClipLow: o.ClipLow, ClipHigh: o.ClipHigh, Dual: o.Dual, Gamma: 0.1}
	return g, samples, opts
}

// variants are the ways of cutting the work up that must all give the numbers.
var variants = map[string]plan.Plan{
	"kept":       {Rows: 2048, Shards: 8, Keep: true},
	"recomputed": {Rows: 2048, Shards: 1, Keep: false},
	"cut":        {Rows: 20, Shards: 2, Keep: true},
}

// host is the learner's machine.
func (l *Learner) host() *host { return l.machine.(*host) }

func newVariant(t *testing.T, m *model.Model, opts Options, p plan.Plan) *Learner {
	t.Helper()
	opts.fixed = &p
	l, err := New(m, opts)
	must(t, err)
	return l
}

func TestGRPOAgainstTorch(t *testing.T) {
	for name, cut := range variants {
		t.Run(name, func(t *testing.T) { testGRPO(t, cut) })
	}
}

func testGRPO(t *testing.T, cut plan.Plan) {
	g, samples, opts := readGolden(t)
	l := newVariant(t, load(t, "..", "model", "testdata", "qwen2"), opts, cut)
	l.host().ref = copyOf(&l.m.Config, load(t, "testdata", "reference").Weights)
	logp, err := l.LogProbs(context.Background(), samples)
	must(t, err)
	for i, s := range g.Samples {
		for k, want := range s.LogProbs {
			near(t, "logprob", float64(logp[i][k]), float64(want), 1e-4)
		}
	}
	before := l.snapshot()
	for i, step := range g.Steps {
		st, err := l.Update(context.Background(), samples, g.Options.Rate)
		must(t, err)
		near(t, "loss", st["loss"], step.Loss, 1e-4)
		near(t, "grad_norm", st["grad_norm"], step.GradNorm, 1e-4)
		if i == 0 {
			near(t, "policy", st["loss/policy"], g.Policy, 1e-4)
			near(t, "reference", st["loss/reference"], g.Reference, 1e-3)
			near(t, "clip_fraction", st["clip_fraction"], g.ClipFraction, 1e-6)
			l.compare(t, g)
		}
		for name, want := range step.Weights {
			for k, w := range want {
				near(t, name, float64(l.m.Weights.Get(name).Data[k]), w, 1e-4)
			}
		}
		after := l.snapshot()
		for name, want := range step.Deltas {
			near(t, "delta of "+name, distance(before[name], after[name]), want, 2e-3)
		}
		before = after
	}
}

// compare holds the last gradient against the golden one.
func (l *Learner) compare(t *testing.T, g golden) {
	for i, s := range l.host().w.specs {
		near(t, "gradient norm of "+s.Name, distance(l.host().grads[0].flat[i], nil), g.GradNorms[s.Name], 2e-4)
		for k, want := range g.Grads[s.Name] {
			if math.Abs(float64(l.host().grads[0].flat[i][k])-want) > 1e-4*g.GradNorms[s.Name] {
				t.Errorf("gradient %d of %s = %g, want %g", k, s.Name, l.host().grads[0].flat[i][k], want)
			}
		}
	}
}

func (l *Learner) snapshot() map[string][]float32 {
	out := map[string][]float32{}
	for i, s := range l.host().w.specs {
		out[s.Name] = append([]float32(nil), l.host().w.flat[i]...)
	}
	return out
}

// distance is the norm of a - b; nil is 0.
func distance(a, b []float32) float64 {
	sum := 0.0
	for i, x := range a {
		d := float64(x)
		if b != nil {
			d -= float64(b[i])
		}
		sum += d * d
	}
	return math.Sqrt(sum)
}
