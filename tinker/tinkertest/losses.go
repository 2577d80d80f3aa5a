package tinkertest

import (
	"math"

	"ballast/tinker"
)

// token is what a loss is computed of at one position.
type token struct {
	lp, q, adv float64 // under the weights of now, under those that sampled, advantage
	low, high  float64 // clip thresholds of the ratio
	beta       float64
	weight     float64
	unweighted bool // the loss takes no notice of weight
}

// lossFn is a loss of one position without its weight, and its derivative by lp.
type lossFn func(t token) (loss, slope float64)

// lossFns is the table of the losses that are computed here.
var lossFns = map[string]lossFn{
	"cross_entropy": func(t token) (float64, float64) { return -t.lp, -1 },
	"importance_sampling": func(t token) (float64, float64) {
		r := math.Exp(t.lp - t.q)
		return -r * t.adv, -r * t.adv
	},
	"ppo": func(t token) (float64, float64) {
		r := math.Exp(t.lp - t.q)
		free, clipped := r*t.adv, min(max(r, t.low), t.high)*t.adv
		if free <= clipped {
			return -free, -free
		}
		return -clipped, 0
	},
	"cispo": func(t token) (float64, float64) {
		r := min(max(math.Exp(t.lp-t.q), t.low), t.high)
		return -r * t.lp * t.adv, -r * t.adv
	},
	"dro": func(t token) (float64, float64) {
		d := t.lp - t.q
		return -(t.lp*t.adv - t.beta/2*d*d), -(t.adv - t.beta*d)
	},
}

// at is the weighted loss of a position. A weight of 0 masks, even what is not finite.
func (f lossFn) at(t token) (loss, slope float64) {
	loss, slope = f(t)
	if t.unweighted {
		return loss, slope
	}
	if t.weight == 0 {
		return 0, 0
	}
	return t.weight * loss, t.weight * slope
}

// Reduction is how a server makes one loss of the losses of all positions.
type Reduction int

const (
	// Sum adds them up over positions, datums and requests.
	Sum Reduction = iota
	// Mean divides the sum of a datum by the sum of its weights, but by no less than 1e-9, and
	// takes the mean over all datums since the last step of the optimiser.
	Mean
)

// least is what the mean divides by at the least.
const least = 1e-9

// moments is the state of the optimiser. Like weights it is never changed in place.
type moments struct {
	steps int
	m, v  []float64
}

// step is AdamW with decoupled decay. It returns the new weights and moments.
func (o moments) step(w, g []float64, a tinker.AdamParams) ([]float64, moments) {
	next := moments{steps: o.steps + 1, m: make([]float64, len(w)), v: make([]float64, len(w))}
	out := make([]float64, len(w))
	c1, c2 := 1-math.Pow(a.Beta1, float64(next.steps)), 1-math.Pow(a.Beta2, float64(next.steps))
	for i, x := range g {
		var m, v float64
		if o.m != nil {
			m, v = o.m[i], o.v[i]
		}
		m, v = a.Beta1*m+(1-a.Beta1)*x, a.Beta2*v+(1-a.Beta2)*x*x
		next.m[i], next.v[i] = m, v
		out[i] = w[i] - a.LearningRate*((m/c1)/(math.Sqrt(v/c2)+a.Eps)+a.WeightDecay*w[i])
	}
	return out, next
}

// norm is the length of a vector.
func norm(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}
