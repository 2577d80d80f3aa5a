package adamw

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// TestFirstSteps has numbers small enough to do by hand: the first step of Adam
// moves by rate whatever the gradient, after the shrink.
func TestFirstSteps(t *testing.T) {
	w, g := []float32{1, -2, 3}, []float32{0.5, -0.25, 0}
	s := New([][]float32{w})
	o := Options{Beta1: 0.9, Beta2: 0.999, Eps: 1e-12, WeightDecay: 0.1}
	s.Begin(o, 0.01, Norm([][]float32{g})).Update(0, w, g)
	for i, want := range []float64{0.999 - 0.01, -2*0.999 + 0.01, 3 * 0.999} {
		if math.Abs(float64(w[i])-want) > 1e-6 {
			t.Errorf("w[%d] = %g, want %g", i, w[i], want)
		}
	}
	if s.Steps != 1 || math.Abs(float64(s.M[0][0])-0.05) > 1e-8 || math.Abs(float64(s.V[0][0])-0.00025) > 1e-9 {
		t.Errorf("state %+v", s)
	}
	s.Reset()
	if s.Steps != 0 || s.M[0][0] != 0 || s.V[0][0] != 0 {
		t.Errorf("state %+v after Reset", s)
	}
}

func TestClip(t *testing.T) {
	w, g := []float32{0, 0}, []float32{30, 40}
	s := New([][]float32{w})
	s.Begin(Options{Beta1: 0.5, Beta2: 0.5, Eps: 1, Clip: 5}, 1, Norm([][]float32{g})).Update(0, w, g)
	if math.Abs(float64(s.M[0][0])-1.5) > 1e-4 || math.Abs(float64(s.M[0][1])-2) > 1e-4 {
		t.Errorf("moments %v of a gradient of norm 50 clipped to 5", s.M)
	}
}

func TestSameBitsForAnyCores(t *testing.T) {
	run := func(cores int) ([]float32, [][]float32) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
		rng := rand.New(rand.NewPCG(1, 1))
		w, a, b := make([]float32, 300_001), make([]float32, 300_001), make([]float32, 300_001)
		for i := range w {
			w[i], a[i], b[i] = rng.Float32(), rng.Float32(), rng.Float32()
		}
		Merge([][]float32{a}, [][]float32{b})
		s := New([][]float32{w})
		s.Begin(Options{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8}, 0.1, 1).Update(0, w, a)
		return w, s.M
	}
	w1, m1 := run(1)
	w4, m4 := run(4)
	if !slices.Equal(w1, w4) || !slices.Equal(m1[0], m4[0]) {
		t.Error("bits depend on the number of cores")
	}
}
