// Package adamw is the optimiser: torch.optim.AdamW after clip_grad_norm_, on
// slices of float32 with the arithmetic in float64.
//
// Contract: results have the same bits whatever the number of cores. It does not
// look at whether numbers are finite; the caller asks Norm first.
package adamw

import (
	"math"
	"runtime"
	"sync"
)

// Options are the optimiser's constants.
type Options struct {
	Beta1, Beta2, Eps float64
	WeightDecay       float64 // decoupled: weights shrink by rate*WeightDecay a step
	Clip              float64 // largest global norm of the gradient; 0 = no bound
}

// State is what the optimiser remembers: first and second moments, by tensor,
// and the steps taken.
type State struct {
	M, V  [][]float32
	Steps int
}

// New returns the state of an optimiser of weights that took no step.
func New(weights [][]float32) State { return State{M: Zeros(weights), V: Zeros(weights)} }

// Zeros returns slices of zeros with the lengths of x's.
func Zeros(x [][]float32) [][]float32 {
	out := make([][]float32, len(x))
	for i := range x {
		out[i] = make([]float32, len(x[i]))
	}
	return out
}

// Reset forgets moments and steps.
func (s *State) Reset() {
	for i := range s.M {
		clear(s.M[i])
		clear(s.V[i])
	}
	s.Steps = 0
}

// Begin counts a step and returns it, given the gradient's norm before clipping.
func (s *State) Begin(o Options, rate, norm float64) Step {
	s.Steps++
	t := Step{state: s, o: o, rate: rate, scale: 1,
		fix1: 1 - math.Pow(o.Beta1, float64(s.Steps)), fix2: math.Sqrt(1 - math.Pow(o.Beta2, float64(s.Steps)))}
	if o.Clip > 0 {
		t.scale = min(1, o.Clip/(norm+1e-6))
	}
	return t
}

// Step is one step in progress.
type Step struct {
	state                   *State
	o                       Options
	rate, scale, fix1, fix2 float64
}

// Numbers are the step in float32, for who computes it elsewhere: the gradient's scale after
// clipping, the share of a weight that decays, the size of the step, and the correction of
// the second moment.
func (t Step) Numbers() []float32 {
	return []float32{float32(t.scale), float32(t.rate * t.o.WeightDecay), float32(t.rate / t.fix1), float32(t.fix2)}
}

// Update changes tensor i's weights w by its gradient. Weights shrink first, and
// norms and biases shrink too.
func (t Step) Update(i int, w, gradient []float32) {
	m, v, o := t.state.M[i], t.state.V[i], t.o
	spread(len(w), func(from, to int) {
		for k := from; k < to; k++ {
			d := t.scale * float64(gradient[k])
			mk := o.Beta1*float64(m[k]) + (1-o.Beta1)*d
			vk := o.Beta2*float64(v[k]) + (1-o.Beta2)*d*d
			m[k], v[k] = float32(mk), float32(vk)
			shrunk := float64(w[k]) * (1 - t.rate*o.WeightDecay)
			w[k] = float32(shrunk - t.rate/t.fix1*mk/(math.Sqrt(vk)/t.fix2+o.Eps))
		}
	})
}

// Merge adds gradients to the first, in order.
func Merge(sum [][]float32, others ...[][]float32) {
	for i, x := range sum {
		spread(len(x), func(from, to int) {
			for _, o := range others {
				for k, y := range o[i][from:to] {
					x[from+k] += y
				}
			}
		})
	}
}

// Norm is the Euclidean norm over all tensors.
func Norm(gradient [][]float32) float64 {
	sum := 0.0
	for _, x := range gradient {
		part := 0.0
		for _, y := range x {
			part += float64(y) * float64(y)
		}
		sum += part
	}
	return math.Sqrt(sum)
}

// spread calls do on pieces of [0, n) on all cores; do must treat elements
// independently. Small n stay on one.
func spread(n int, do func(from, to int)) {
	const least = 1 << 16
	pieces := min(runtime.GOMAXPROCS(0), n/least)
	if pieces < 2 {
		do(0, n)
		return
	}
	var wg sync.WaitGroup
	for i := range pieces {
		wg.Go(func() { do(n*i/pieces, n*(i+1)/pieces) })
	}
	wg.Wait()
}
