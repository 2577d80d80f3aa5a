package tinkertest

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"ballast/tinker"
)

// example is a datum of a gradient test with its tensors.
type example struct {
	tokens                 []int32
	weights, q, advantages []float32 // weights nil = none are sent
	low, high, beta        float64
}

func (e example) datum(loss string) tinker.Datum {
	var more []tinker.Named
	if e.weights != nil {
		more = append(more, floats("weights", e.weights...))
	}
	if loss != "cross_entropy" {
		more = append(more, floats("logprobs", e.q...), floats("advantages", e.advantages...))
	}
	return sequenceOf(e.tokens, more...)
}

// written are the losses of section 1.5 of the protocol, written once more. held is the ratio
// that cispo does not differentiate.
var written = map[string]func(lp, q, a, w, low, high, beta, held float64) float64{
	"cross_entropy":       func(lp, _, _, w, _, _, _, _ float64) float64 { return -w * lp },
	"importance_sampling": func(lp, q, a, _, _, _, _, _ float64) float64 { return -math.Exp(lp-q) * a },
	"ppo": func(lp, q, a, _, low, high, _, _ float64) float64 {
		r := math.Exp(lp - q)
		return -math.Min(r*a, math.Max(low, math.Min(high, r))*a)
	},
	"cispo": func(lp, _, a, _, low, high, _, held float64) float64 {
		return -math.Max(low, math.Min(high, held)) * lp * a
	},
	"dro": func(lp, q, a, _, _, _, beta, _ float64) float64 { return -(lp*a - beta/2*(lp-q)*(lp-q)) },
}

// lossOf is the loss of examples under weights, reduced as a server does.
func lossOf(s *Server, loss string, reduction Reduction, examples []example, weights, held []float64) float64 {
	total := 0.0
	for _, e := range examples {
		lps, before := s.LogProbs(weights, e.tokens), s.LogProbs(held, e.tokens)
		sum, divisor := 0.0, 0.0
		for i, lp := range lps {
			w := 1.0
			if e.weights != nil {
				w = float64(e.weights[i])
			}
			var q, a float64
			if e.q != nil {
				q, a = float64(e.q[i]), float64(e.advantages[i])
			}
			x := written[loss](lp, q, a, w, e.low, e.high, e.beta, math.Exp(before[i]-q))
			if loss != "cross_entropy" && reduction == Mean {
				x *= w // SkyRL weighs these too
			}
			sum += x
			divisor += w
		}
		if reduction == Mean {
			sum /= math.Max(divisor, 1e-9) * float64(len(examples))
		}
		total += sum
	}
	return total
}

// examplesOf draws examples whose ratios lie on both sides of the thresholds.
func examplesOf(s *Server, weights []float64, vocab int, signed bool) []example {
	var out []example
	for i, n := range []int{7, 4, 11} {
		e := example{tokens: tokens(i, n, vocab), advantages: random(i+10, n-1), low: 0.8, high: 1.2, beta: 0.3}
		for j, lp := range s.LogProbs(weights, e.tokens) {
			e.q = append(e.q, float32(lp)+0.6*random(i+20, n)[j])
		}
		for _, w := range random(i+30, n-1) {
			if !signed {
				w = 0.1 + (w+1)/2
			}
			e.weights = append(e.weights, w)
		}
		out = append(out, e)
	}
	return out
}

// TestGradient holds the gradients of all losses against differences of the losses.
func TestGradient(t *testing.T) {
	const vocab = 9
	for _, habits := range []Habits{SkyRL(), TuFT()} {
		for _, order := range []int{1, 2} {
			for loss := range lossFns {
				if _, known := habits.Losses[loss]; !known {
					continue
				}
				t.Run(fmt.Sprintf("%s/%s/%d", habits.Name, loss, order), func(t *testing.T) {
					c := start(t, Options{Vocab: vocab, Order: order, Seed: 5, Habits: habits})
					m := c.create(3, 1)
					for i := range 3 { // until no matrix is zero
						c.backward(m, "cross_entropy", nil, sequenceOf(tokens(40+i, 12, vocab), floats("weights", slices.Repeat([]float32{1}, 11)...)))
						c.step(m, adam)
					}
					w := c.state(m).Weights
					examples := examplesOf(c.s, w, vocab, habits.Reduction == Sum)
					e := examples[0]
					clip := map[string]float64{"clip_low_threshold": e.low, "clip_high_threshold": e.high}
					config := map[string]map[string]float64{"ppo": clip, "cispo": clip, "dro": {"beta": e.beta}}
					// Two requests: gradients add up until the step.
					c.backward(m, loss, config[loss], examples[0].datum(loss))
					c.backward(m, loss, config[loss], examples[1].datum(loss), examples[2].datum(loss))
					got := c.state(m).Gradient
					differences(t, got, w, func(w []float64, held []float64) float64 {
						return lossOf(c.s, loss, habits.Reduction, examples, w, held)
					})
				})
			}
		}
	}
}

// differences holds a gradient against central differences of a function.
func differences(t *testing.T, got, at []float64, f func(w, held []float64) float64) {
	t.Helper()
	const h = 1e-5
	most := 0.0
	for i := range at {
		w := slices.Clone(at)
		w[i] += h
		up := f(w, at)
		w[i] -= 2 * h
		want := (up - f(w, at)) / (2 * h)
		if most = max(most, math.Abs(want)); !close64(got[i], want, 1e-7+1e-6*math.Abs(want)) {
			t.Errorf("weight %d: gradient %.9g, difference %.9g", i, got[i], want)
		}
	}
	if most < 1e-3 {
		t.Errorf("no gradient is larger than %g: the test says nothing", most)
	}
}

// TestAdamW holds the steps against AdamW, written here once more.
func TestAdamW(t *testing.T) {
	c := start(t, Options{Vocab: 6, Seed: 2})
	m := c.create(2, 7)
	w := c.state(m).Weights
	first, second := make([]float64, len(w)), make([]float64, len(w))
	for i := range 6 {
		a := tinker.AdamParams{LearningRate: 0.01 * float64(i+1), Beta1: 0.9, Beta2: 0.95, Eps: 1e-6 * float64(1+i%2)}
		a.WeightDecay = 0.1 * float64(i%3)
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(i, 9, 6), floats("weights", random(i, 8)...)))
		g := c.state(m).Gradient
		measured := c.step(m, a)
		sum := 0.0
		for j, x := range g {
			sum += x * x
			first[j] = a.Beta1*first[j] + (1-a.Beta1)*x
			second[j] = a.Beta2*second[j] + (1-a.Beta2)*x*x
			mhat := first[j] / (1 - math.Pow(a.Beta1, float64(i+1)))
			vhat := second[j] / (1 - math.Pow(a.Beta2, float64(i+1)))
			w[j] -= a.LearningRate*mhat/(math.Sqrt(vhat)+a.Eps) + a.LearningRate*a.WeightDecay*w[j]
		}
		after := c.state(m)
		for j := range w {
			if !close64(after.Weights[j], w[j], 1e-9*math.Max(1, math.Abs(w[j]))) {
				t.Fatalf("step %d: weight %d is %.12g and not %.12g", i, j, after.Weights[j], w[j])
			}
		}
		if got := measured["skyrl.ai/grad_norm"]; got != float64(float32(math.Sqrt(sum))) {
			t.Errorf("step %d: grad_norm %v of %v", i, got, math.Sqrt(sum))
		}
		if after.Steps != i+1 || after.Datums != 0 || norm(after.Gradient) != 0 {
			t.Errorf("step %d left %d steps, %d datums and a gradient of %g", i, after.Steps, after.Datums, norm(after.Gradient))
		}
	}
}

// linear are the weights of a gradient by log-probabilities that sums to less than nothing, as
// those of mixed batches do.
func linear(n, i int) []float32 {
	g := random(i+70, n)
	for j := range g {
		g[j] += 0.3
	}
	return g
}

// TestLinearRequest: what a gradient by the log-probabilities must be sent as. Cross entropy with
// weights -g is it where losses are summed. On a mean that is wrong, and importance sampling with
// the model's own log-probabilities and advantages -g·T·N is right.
func TestLinearRequest(t *testing.T) {
	const vocab = 8
	lengths := []int{6, 10, 3, 13}
	run := func(habits Habits, data func(g, lp []float32, n int) (string, tinker.Datum)) []float64 {
		c := start(t, Options{Vocab: vocab, Seed: 9, Habits: habits})
		m := c.create(4, 3)
		// A step of rate 0 with a large decay makes nothing; B must not be zero, so one real step
		// that is the same for both reductions: a single datum of weights 1, by its sign alone.
		c.backward(m, "cross_entropy", nil, sequenceOf(tokens(90, 9, vocab), floats("weights", slices.Repeat([]float32{1}, 8)...)))
		c.step(m, tinker.AdamParams{LearningRate: 0.1, Eps: 1e-30})
		var batch []tinker.Datum
		loss := ""
		for i, n := range lengths {
			seq := tokens(i+60, n+1, vocab)
			lp, _ := c.forward(m, sequenceOf(seq, floats("weights", make([]float32, n)...))).Outputs[0].Get("logprobs")
			var d tinker.Datum
			loss, d = data(linear(n, i), lp.Floats(), n)
			d.Input = seq[:n]
			d.Inputs = append(tinker.Tensors{{Name: "target_tokens", Tensor: tinker.Ints(seq[1:])}}, d.Inputs...)
			batch = append(batch, d)
		}
		c.backward(m, loss, nil, batch...)
		return c.state(m).Gradient
	}
	negative := func(g []float32, factor float32) []float32 {
		out := make([]float32, len(g))
		for i, x := range g {
			out[i] = -x * factor
		}
		return out
	}
	cross := func(g, _ []float32, _ int) (string, tinker.Datum) {
		return "cross_entropy", tinker.Datum{Inputs: tinker.Tensors{floats("weights", negative(g, 1)...)}}
	}
	recipe := func(g, lp []float32, n int) (string, tinker.Datum) {
		return "importance_sampling", tinker.Datum{Inputs: tinker.Tensors{floats("logprobs", lp...),
			floats("advantages", negative(g, float32(n*len(lengths)))...)}}
	}
	mean, sum := SkyRL(), TuFT()
	want := run(sum, cross)
	if got := run(mean, recipe); !alike(got, want, 1e-5) {
		t.Errorf("the recipe of the mean: %v and not %v", got[:4], want[:4])
	}
	if got := run(mean, cross); alike(got, want, 0.5) {
		t.Errorf("cross entropy with negative weights is right on a mean, which it is not on the real server")
	}
	if got := run(sum, recipe); alike(got, want, 0.5) {
		t.Errorf("the recipe of the mean is right on a sum")
	}
}

// alike says whether two vectors are the same within a share of the second's length.
func alike(a, b []float64, share float64) bool {
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return norm(d) <= share*norm(b)
}

// TestReductionShows: weights 1, then 2, at rate 0. The mean measures the same twice; the sum
// has twice the gradient.
func TestReductionShows(t *testing.T) {
	for _, reduction := range []Reduction{Mean, Sum} {
		h := SkyRL()
		h.Reduction = reduction
		c := start(t, Options{Vocab: 8, Habits: h})
		m := c.create(4, 3)
		var norms []float64
		for w := range 2 {
			c.backward(m, "cross_entropy", nil, sequenceOf(tokens(3, 9, 8), floats("weights", slices.Repeat([]float32{float32(w + 1)}, 8)...)))
			norms = append(norms, c.step(m, tinker.AdamParams{Beta1: 0.9, Beta2: 0.95, Eps: 1e-12})["skyrl.ai/grad_norm"])
		}
		if want := map[Reduction]float64{Mean: 1, Sum: 2}[reduction]; norms[0] == 0 || !close64(norms[1]/norms[0], want, 1e-6) {
			t.Errorf("reduction %d: norms %v", reduction, norms)
		}
	}
}
