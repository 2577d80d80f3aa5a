package loss

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/gobackend"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

var inf, nan = math.Inf(1), math.NaN()

// near fails unless got is want within tol, relative to their size where that is
// above 1.
func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol*max(1, math.Abs(want))) {
		t.Errorf("%s: got %.9g, want %.9g", what, got, want)
	}
}

// one returns a batch of one token with weight w for one term.
func one(term int, logp, other, w float64) Batch {
	b := Batch{LogProb: []float64{logp}, Old: []float64{other}, Ref: []float64{other}}
	b.Weight[term], b.Count[term] = []float64{w}, 1
	return couple(b, 1)
}

// couple fills in what terms that couple tokens need, for sequences of some tokens each.
func couple(b Batch, tokens int) Batch {
	of := make([]int, len(b.LogProb))
	for i := range of {
		of[i] = i / tokens
	}
	for term := range Terms {
		if Terms[term].Couple && b.Weight[term] != nil {
			b.Seq[term] = Sequences(b.LogProb, b.Old, b.Weight[term], of)
		}
	}
	return b
}

func TestByHand(t *testing.T) {
	ln := math.Log
	rows := []struct {
		name        string
		term        int
		p, other, w float64 // probabilities
		value, grad float64
	}{
		{"policy, ratio 1", TermPolicy, 0.5, 0.5, 2, -2, -2},
		{"policy, inside", TermPolicy, 0.55, 0.5, 2, -2.2, -2.2},
		{"policy, up against the clip", TermPolicy, 0.8, 0.5, 2, -2.4, 0},
		{"policy, down is free", TermPolicy, 0.1, 0.5, 2, -0.4, -0.4},
		{"policy, negative inside", TermPolicy, 0.45, 0.5, -2, 1.8, 1.8},
		{"policy, negative against the clip", TermPolicy, 0.1, 0.5, -2, 1.6, 0},
		{"policy, negative up is free", TermPolicy, 0.8, 0.4, -2, 4, 4},
		{"policy, dual clip", TermPolicy, 0.8, 0.2, -2, 6, 0},
		{"policy, no advantage", TermPolicy, 0.8, 0.2, 0, 0, 0},
		{"off-policy, p = gamma", TermOffPolicy, 0.1, 0, 2, -1, -0.5},
		{"off-policy, sure", TermOffPolicy, 1, 0, 1, -1 / 1.1, -0.1 / 1.21},
		{"cross entropy", TermCrossEntropy, 0.25, 0, 3, 3 * ln(4), -3},
		{"k3, equal", TermReference, 0.25, 0.25, 1, 0, 0},
		{"k3, half", TermReference, 0.25, 0.5, 10, 10 * (1 - ln(2)), -10},
		{"k3, double", TermReference, 0.5, 0.25, 10, 10 * (ln(2) - 0.5), 5},
		{"k3, at its limit", TermReference, 0.01, 0.5, 1, 10, 0},
		{"gspo, inside", TermSequence, 0.55, 0.5, 2, -2.2, -2.2},
		{"gspo, against the clip", TermSequence, 0.8, 0.5, 2, -2.4, 0},
		{"gspo, no dual clip", TermSequence, 0.8, 0.2, -2, 8, 8},
		{"cispo, inside", TermTruncated, 0.55, 0.5, 2, -2.2 * ln(0.55), -2.2},
		{"cispo, truncated above", TermTruncated, 0.8, 0.5, 2, -2.4 * ln(0.8), -2.4},
		{"cispo, truncated below", TermTruncated, 0.1, 0.5, 2, -1.6 * ln(0.1), -1.6},
		{"cispo, negative, no dual clip", TermTruncated, 0.8, 0.1, -2, 2.4 * ln(0.8), 2.4},
	}
	for _, r := range rows {
		got := Evaluate(one(r.term, ln(r.p), ln(r.other), r.w), Default())
		near(t, r.name+": value", got.Total, r.value, 1e-12)
		near(t, r.name+": grad", got.Grad[0], r.grad, 1e-12)
	}
}

func TestDualOff(t *testing.T) {
	p := Default()
	p.Dual = 0
	value, grad := policyToken(math.Log(0.9), math.Log(0.01), -1, p)
	near(t, "value", value, 90, 1e-9)
	near(t, "grad", grad, 90, 1e-9)
}

// TestAggregation: token-mean and sequence-mean are weights and counts.
func TestAggregation(t *testing.T) {
	logp := []float64{-1, -2, -3, -10} // sequences of 3 tokens and of 1
	token := Batch{LogProb: logp}
	token.Weight[TermCrossEntropy] = []float64{1, 1, 1, 1}
	token.Count[TermCrossEntropy] = 4
	near(t, "token mean", Evaluate(token, Default()).Total, 16.0/4, 1e-12)
	seq := Batch{LogProb: logp}
	seq.Weight[TermCrossEntropy] = []float64{1. / 3, 1. / 3, 1. / 3, 1}
	seq.Count[TermCrossEntropy] = 2
	near(t, "sequence mean", Evaluate(seq, Default()).Total, (2.0+10)/2, 1e-12)
}

// random returns n tokens with weights for all terms; some are 0.
func random(rng *rand.Rand, n int, spread float64) Batch {
	var b Batch
	for i := 0; i < n; i++ {
		logp := -rng.ExpFloat64() * 2
		b.LogProb = append(b.LogProb, logp)
		b.Old = append(b.Old, min(0, logp+rng.NormFloat64()*spread))
		b.Ref = append(b.Ref, min(0, logp+rng.NormFloat64()*spread))
		for term := range b.Weight {
			w := rng.NormFloat64()
			switch {
			case i%4 == term%4:
				w = 0
			case term == TermCrossEntropy || term == TermReference:
				w = math.Abs(w)
			}
			b.Weight[term] = append(b.Weight[term], w)
		}
	}
	for term := range b.Count {
		b.Count[term] = []float64{7, 11, 13, 17, 19, 23}[term%6]
	}
	return couple(b, 5)
}

// TestCentralDifferences checks the closed-form derivatives of lone tokens; a token
// within a step of a kink is left out.
func TestCentralDifferences(t *testing.T) {
	const step = 1e-6
	rng := rand.New(rand.NewPCG(1, 2))
	p := Default()
	checked := 0
	for range 20000 {
		b := random(rng, 1, 1.5)
		b.Weight[TermTruncated] = nil // TestTruncatedDifferences
		kink := func(logp float64) bool {
			r, d := math.Exp(logp-b.Old[0]), b.Ref[0]-logp
			for _, edge := range []float64{0.8, 1.2, 3} {
				if math.Abs(r-edge) < 1e-4 {
					return true
				}
			}
			return math.Abs(math.Expm1(d)-d-k3Limit) < 1e-3
		}
		at := func(logp float64) float64 {
			c := b
			c.LogProb = []float64{logp}
			return Evaluate(couple(c, 1), p).Total
		}
		x := b.LogProb[0]
		if kink(x) {
			continue
		}
		checked++
		near(t, "derivative", Evaluate(b, p).Grad[0], (at(x+step)-at(x-step))/(2*step), 1e-6)
		if t.Failed() {
			t.Fatalf("at %+v", b)
		}
	}
	if checked < 15000 {
		t.Errorf("only %d tokens checked", checked)
	}
}

// runner evaluates graph code on batches.
type runner struct {
	t       *testing.T
	backend compute.Backend
}

func newRunner(t *testing.T) runner {
	backend, err := gobackend.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(backend.Finalize)
	return runner{t, backend}
}

// run evaluates the graph and returns what Evaluate does, the gradient as
// automatic differentiation gives it, and that in closed form.
func (r runner) run(b Batch, p Params, dtype dtypes.DType) (Result, []float64) {
	r.t.Helper()
	var args []any
	add := func(x any) { args = append(args, x) }
	add(b.LogProb)
	add(b.Old)
	add(b.Ref)
	for term, w := range b.Weight {
		if w != nil {
			add(w)
			add(1 / b.Count[term])
			if Terms[term].Couple {
				add(b.Seq[term].Gap)
				add(b.Seq[term].Mean)
			}
		}
	}
	exec, err := graph.NewExec(r.backend, func(x []*graph.Node) []*graph.Node {
		for i := range x {
			x[i] = graph.ConvertDType(x[i], dtype)
		}
		in := Inputs{LogProb: x[0], Old: x[1], Ref: x[2], Params: p}
		for term, rest := 0, x[3:]; term < NumTerms; term++ {
			if b.Weight[term] != nil {
				in.Weight[term], in.InvCount[term], rest = rest[0], rest[1], rest[2:]
				if Terms[term].Couple {
					in.Gap[term], in.Mean[term], rest = rest[0], rest[1], rest[2:]
				}
			}
		}
		out := Graph(in)
		zero := graph.ScalarZero(x[0].Graph(), dtype)
		all := []*graph.Node{out.Total, graph.Gradient(out.Total, in.LogProb)[0], out.Grad}
		for _, n := range out.Term {
			if n == nil {
				n = zero
			}
			all = append(all, n)
		}
		for i := range all {
			all[i] = graph.ConvertDType(all[i], dtypes.Float64)
		}
		return all
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer exec.Finalize()
	outs, err := exec.Call(args...)
	if err != nil {
		r.t.Fatal(err)
	}
	num := func(i int) float64 { return tensors.ToScalar[float64](outs[i]) }
	res := Result{Total: num(0), Grad: tensors.MustCopyFlatData[float64](outs[1])}
	for term := range res.Term {
		res.Term[term] = num(3 + term)
	}
	return res, tensors.MustCopyFlatData[float64](outs[2])
}

// same fails unless graph and reference agree on a batch.
func (r runner) same(name string, b Batch, p Params, dtype dtypes.DType, tol float64) {
	r.t.Helper()
	want := Evaluate(b, p)
	got, closed := r.run(b, p, dtype)
	near(r.t, name+": total", got.Total, want.Total, tol)
	for term := range want.Term {
		near(r.t, name+": term", got.Term[term], want.Term[term], tol)
	}
	for i := range want.Grad {
		near(r.t, name+": gradient", got.Grad[i], want.Grad[i], tol)
		near(r.t, name+": closed-form gradient", closed[i], want.Grad[i], tol)
	}
}

func TestGraphEqualsReference(t *testing.T) {
	r := newRunner(t)
	rng := rand.New(rand.NewPCG(3, 4))
	for _, spread := range []float64{0, 0.01, 0.3, 2, 30} {
		b := random(rng, 500, spread)
		r.same("float64", b, Default(), dtypes.Float64, 1e-9)
		r.same("float32", b, Default(), dtypes.Float32, 1e-4)
	}
	noDual := Default()
	noDual.Dual = 0
	r.same("no dual", random(rng, 200, 1), noDual, dtypes.Float64, 1e-9)
}

// TestGraphSubsets: any set of terms may be absent.
func TestGraphSubsets(t *testing.T) {
	r := newRunner(t)
	rng := rand.New(rand.NewPCG(5, 6))
	for set := 1; set < 1<<NumTerms; set++ {
		b := random(rng, 20, 1)
		for term := range b.Weight {
			if set>>term&1 == 0 {
				b.Weight[term] = nil
			}
		}
		r.same("subset", b, Default(), dtypes.Float64, 1e-9)
	}
}

// TestGraphUnweighted: what unweighted tokens hold does not matter.
func TestGraphUnweighted(t *testing.T) {
	r := newRunner(t)
	rng := rand.New(rand.NewPCG(7, 8))
	b := random(rng, 8, 1)
	for i, bad := range []float64{-inf, inf, nan, -1e30} {
		for term := range b.Weight {
			b.Weight[term][i] = 0
		}
		b.LogProb[i], b.Old[i], b.Ref[i] = bad, bad, -bad
	}
	b = couple(b, 5)
	r.same("unweighted", b, Default(), dtypes.Float32, 1e-5)
	if total := Evaluate(b, Default()).Total; math.IsNaN(total) {
		t.Error("the reference is NaN")
	}
}

// TestGraphHugeGaps: finite inputs give finite outputs at any distance.
func TestGraphHugeGaps(t *testing.T) {
	r := newRunner(t)
	var b Batch
	for _, gap := range []float64{0, 1e-7, 19.5, 20.5, 100, 1e4, 1e30} {
		for _, sign := range []float64{1, -1} {
			for _, w := range []float64{1e-3, -1e-3, 1e-30} {
				b.LogProb = append(b.LogProb, -1)
				b.Old = append(b.Old, -1+sign*gap)
				b.Ref = append(b.Ref, -1-sign*gap)
				for term := range b.Weight {
					b.Weight[term] = append(b.Weight[term], w)
				}
			}
		}
	}
	for term := range b.Count {
		b.Count[term] = 1
	}
	b = couple(b, 1)
	for _, p := range []Params{Default(), {ClipLow: 0.2, ClipHigh: 0.28, Gamma: 1e-6}} {
		r.same("huge", b, p, dtypes.Float32, 1e-4)
	}
}

// TestEdges: on either side of a clip edge the value is continuous and the
// derivative drops to 0 outside, in both implementations.
func TestEdges(t *testing.T) {
	r := newRunner(t)
	for _, edge := range []struct{ ratio, w float64 }{{1.2, 1}, {0.8, -1}, {3, -1}} {
		outward := 1.0
		if edge.ratio < 1 {
			outward = -1
		}
		for _, step := range []float64{-1e-4, 1e-4} {
			b := one(TermPolicy, -5+math.Log(edge.ratio)+step*outward, -5, edge.w)
			r.same("edge", b, Default(), dtypes.Float32, 1e-3)
			got := Evaluate(b, Default())
			near(t, "value at the edge", got.Total, -edge.w*edge.ratio, 1e-3)
			if (got.Grad[0] == 0) != (step > 0) {
				t.Errorf("ratio %g, step %g: derivative %g", edge.ratio, step, got.Grad[0])
			}
		}
	}
}

// TestNonfiniteShows: a NaN at a weighted token is not swallowed.
func TestNonfiniteShows(t *testing.T) {
	r := newRunner(t)
	for term := range NumTerms {
		b := one(term, nan, -1, 1)
		got, _ := r.run(b, Default(), dtypes.Float32)
		if !math.IsNaN(got.Total) || !math.IsNaN(Evaluate(b, Default()).Total) {
			t.Errorf("term %d: graph %g, reference %g, want NaN", term, got.Total, Evaluate(b, Default()).Total)
		}
	}
}

// TestGolden compares with torch on the batch that package train steps on.
func TestGolden(t *testing.T) {
	data, err := os.ReadFile("../train/testdata/grpo.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Samples []struct {
			Advantage, Mask, LogProbs []float64
			Old                       []float64 `json:"old_logprobs"`
			Ref                       []float64 `json:"ref_logprobs"`
		}
		Options struct {
			KL float64 `json:"kl_coef"`
		}
		Policy, Reference, Loss float64
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	var b Batch
	n := 0.0
	for _, s := range golden.Samples {
		b.LogProb, b.Old, b.Ref = append(b.LogProb, s.LogProbs...), append(b.Old, s.Old...), append(b.Ref, s.Ref...)
		for i, m := range s.Mask {
			n += m
			b.Weight[TermPolicy] = append(b.Weight[TermPolicy], m*s.Advantage[i])
			b.Weight[TermReference] = append(b.Weight[TermReference], m*golden.Options.KL)
		}
	}
	b.Count = [NumTerms]float64{n, n, n, n}
	got := Evaluate(b, Default())
	near(t, "policy", got.Term[TermPolicy], golden.Policy, 1e-7)
	near(t, "reference", got.Term[TermReference], golden.Reference, 1e-7)
	near(t, "loss", got.Total, golden.Loss, 1e-7)
	newRunner(t).same("graph", b, Default(), dtypes.Float32, 1e-4)
}
