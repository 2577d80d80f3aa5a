package train

import (
	"math"
	"runtime"
	"sync"
)

// moments are AdamW's state: first and second moments and the steps taken.
type moments struct {
	m, v [][]float32
	t    int
}

func newMoments(p *params) moments {
	m, v := newGradient(p), newGradient(p)
	return moments{m: m.flat, v: v.flat}
}

func (a *moments) reset() {
	for i := range a.m {
		clear(a.m[i])
		clear(a.v[i])
	}
	a.t = 0
}

// step updates the weights as torch.optim.AdamW does after clip_grad_norm_:
// weights shrink first, and norms and biases shrink too. The arithmetic is in
// float64, the state in float32.
func (a *moments) step(p *params, g *gradient, o AdamW, rate, norm float64) {
	a.t++
	scale := 1.0
	if o.Clip > 0 {
		scale = min(1, o.Clip/(norm+1e-6))
	}
	fix1 := 1 - math.Pow(o.Beta1, float64(a.t))
	fix2 := math.Sqrt(1 - math.Pow(o.Beta2, float64(a.t)))
	p.write(func(i int, w []float32) {
		grad, m, v := g.flat[i], a.m[i], a.v[i]
		spread(len(w), func(from, to int) {
			for k := from; k < to; k++ {
				d := scale * float64(grad[k])
				mk := o.Beta1*float64(m[k]) + (1-o.Beta1)*d
				vk := o.Beta2*float64(v[k]) + (1-o.Beta2)*d*d
				m[k], v[k] = float32(mk), float32(vk)
				shrunk := float64(w[k]) * (1 - rate*o.WeightDecay)
				w[k] = float32(shrunk - rate/fix1*mk/(math.Sqrt(vk)/fix2+o.Eps))
			}
		})
	})
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

func (g *gradient) clear() {
	for _, x := range g.flat {
		clear(x)
	}
}

// merge adds other gradients, in order.
func (g *gradient) merge(others []*gradient) {
	for i, x := range g.flat {
		spread(len(x), func(from, to int) {
			for _, o := range others {
				add(x[from:to], o.flat[i][from:])
			}
		})
	}
}

// norm is the Euclidean norm over all tensors.
func (g *gradient) norm() float64 {
	sum := 0.0
	for _, x := range g.flat {
		part := 0.0
		for _, y := range x {
			part += float64(y) * float64(y)
		}
		sum += part
	}
	return math.Sqrt(sum)
}
