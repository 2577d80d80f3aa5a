package decoder

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"ballast/model"
	"ballast/model/lora"
)

// adapted is an adapter of c on all projections whose A and B are not 0.
func adapted(t testing.TB, c model.Config, rank int) *lora.Adapter {
	t.Helper()
	a, err := lora.New(&c, lora.Config{Rank: rank, Alpha: 2, Targets: lora.Targets()}, 1)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 10))
	for _, x := range a.Flat() {
		for k := range x {
			x[k] += float32(rng.NormFloat64()) / 10
		}
	}
	return a
}

// adaptedGradient is derive of an adapter's numbers on frozen weights.
func adaptedGradient(c model.Config, flat [][]float32, a *lora.Adapter, of [][]float32, workers int, m Mode) (
	value float64, grad [][]float32, facts []float32) {
	for _, x := range of {
		grad = append(grad, make([]float32, len(x)))
	}
	g := BindAdapted(&c, nil, a.Pairs(grad))
	value, facts = pass(c, BindAdapted(&c, flat, a.Pairs(of)), g, workers, m)
	return value, grad, facts
}

// merged is the model's numbers with the adapter in them.
func merged(c model.Config, flat [][]float32, a *lora.Adapter) [][]float32 {
	var ts []*model.Tensor
	for i, s := range c.Specs() {
		ts = append(ts, &model.Tensor{Name: s.Name, Shape: s.Shape, Data: flat[i]})
	}
	var out [][]float32
	for _, t := range a.Merge(model.NewWeights(ts)).Tensors {
		out = append(out, t.Data)
	}
	return out
}

// TestAdapterIsMerged: a pass with an adapter has the bits of one with merged weights, in
// every mode and with any number of workers, and so has its gradient.
func TestAdapterIsMerged(t *testing.T) {
	for name, c := range configs() {
		flat, a := weights(c), adapted(t, c, 5)
		before := make([][]float32, len(flat))
		for i, x := range flat {
			before[i] = slices.Clone(x)
		}
		value, _, facts := derive(c, merged(c, flat, a), 1, Inference)
		_, grad, _ := adaptedGradient(c, flat, a, a.Flat(), 1, Keep)
		for _, workers := range []int{1, 3} {
			for _, m := range []Mode{Inference, Recompute, Keep} {
				v, g, f := adaptedGradient(c, flat, a, a.Flat(), workers, m)
				if v != value || !slices.Equal(f, facts) {
					t.Errorf("%s, %d workers, mode %d: other log-probabilities than the merged model's", name, workers, m)
				}
				if m != Inference && !slices.EqualFunc(g, grad, slices.Equal) {
					t.Errorf("%s, %d workers, mode %d: another gradient", name, workers, m)
				}
			}
		}
		if plain, _, _ := derive(c, flat, 1, Inference); plain == value {
			t.Errorf("%s: the adapter changes nothing", name)
		}
		if !slices.EqualFunc(flat, before, slices.Equal) {
			t.Errorf("%s: frozen weights have changed", name)
		}
	}
}

// TestAdapterGradient holds the gradient of A and B against what follows from the gradient of
// the merged weight, dA = scale BT dW and dB = scale dW AT, and in one layer against central
// differences along random directions, one for each tensor.
func TestAdapterGradient(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	for name, c := range configs() {
		t.Run(name, func(t *testing.T) {
			flat, a := weights(c), adapted(t, c, 5)
			now := a.Flat()
			_, grad, _ := adaptedGradient(c, flat, a, now, 1, Keep)
			_, whole, _ := derive(c, merged(c, flat, a), 1, Keep)
			full := map[string]*lora.Pair{}
			for i, s := range c.Specs() {
				full[s.Name] = &lora.Pair{A: whole[i]}
			}
			for name, p := range a.Pairs(now) {
				chain(t, name, p, a.Pairs(grad)[name], full[name].A)
			}
			rng := rand.New(rand.NewPCG(5, 6))
			for i, spec := range a.Specs()[:2*len(a.Targets)] {
				direction, along, size := make([]float32, len(now[i])), 0.0, 0.0
				for k, g := range grad[i] {
					direction[k] = g * (1 + float32(rng.NormFloat64())/2)
					along += float64(direction[k]) * float64(g)
					size += float64(direction[k]) * float64(direction[k])
				}
				at := func(step float64) float64 {
					moved := slices.Clone(now)
					moved[i] = slices.Clone(now[i])
					for k := range moved[i] {
						moved[i][k] += float32(step) * direction[k]
					}
					v, _, _ := adaptedGradient(c, flat, a, moved, 1, Inference)
					return v
				}
				step := 4e-3 / math.Sqrt(size)
				if got := (at(step) - at(-step)) / (2 * step); size == 0 || math.Abs(got-along) > 2e-2*along {
					t.Errorf("%s: %g along the gradient, the difference is %g", spec.Name, along, got)
				}
			}
		})
	}
}

// chain compares an adapter's gradient g with that of the weight dw [out, in], in float64.
func chain(t *testing.T, name string, p, g *lora.Pair, dw []float32) {
	t.Helper()
	rank := p.Rank
	out, in := len(p.B)/rank, len(p.A)/rank
	far := func(what string, got, want []float64) {
		var gap, size float64
		for i, x := range want {
			gap, size = gap+(x-got[i])*(x-got[i]), size+x*x
		}
		if size == 0 || math.Sqrt(gap) > 1e-5*math.Sqrt(size) {
			t.Errorf("%s: the gradient of %s is off by %g of %g", name, what, math.Sqrt(gap), math.Sqrt(size))
		}
	}
	a, b := make([]float64, len(p.A)), make([]float64, len(p.B))
	for o := range out {
		for r := range rank {
			for k := range in {
				d := float64(p.Scale) * float64(dw[o*in+k])
				a[r*in+k] += d * float64(p.B[o*rank+r])
				b[o*rank+r] += d * float64(p.A[r*in+k])
			}
		}
	}
	far("A", doubles(g.A), a)
	far("B", doubles(g.B), b)
}

func doubles(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}
