package decoder

import (
	"math"

	"ballast/train/plan"
)

// Target is one token to predict.
type Target struct {
	Row int   // index into Input.Wanted
	ID  int32 // token
}

// Head applies the final norm and the output matrix to the targets' rows and hands
// log-probabilities and entropies, in nats, to got, target by target in chunks
// that begin at from. In training (g not nil) got returns the derivatives of the
// loss with respect to the log-probabilities; their derivatives are added to g,
// and what flows into the layers is left for Backward.
func (r *Run) Head(targets []Target, g *Weights, got func(from int, logp, entropy []float32) []float32) {
	c := &r.d.c
	if g != nil {
		r.dh = r.stack.take(len(r.h))
		clear(r.dh)
	}
	mark := r.stack.mark()
	for from := 0; from < len(targets); from += plan.HeadRows(c) {
		some := targets[from:min(from+plan.HeadRows(c), len(targets))]
		h := r.newHead(some, g != nil)
		d := got(from, h.logp, h.entropy)
		if g != nil {
			h.back(g, d)
		}
		r.stack.release(mark)
	}
}

// head is one chunk of targets on its way through the output matrix.
type head struct {
	r       *Run
	targets []Target
	// Vocab rounded up to whole panels, and a line more: powers of two apart, rows would fight for the same lines of the cache
	stride        int
	x, n          []float32 // [targets, Hidden] before and after the norm
	p             []float32 // [targets, stride] logits, then e^(logit - largest)
	sum           []float32 // [targets] of those
	logp, entropy []float32
	mem           []float32 // for packed parts of the output matrix
}

// part is the number of tokens of the vocabulary that are taken at once: their
// rows of the output matrix should lie in a near cache.
func (r *Run) part() int { return max(1<<17/r.d.c.Hidden/panel, 1) * panel }

// newHead computes a chunk forward; back is to follow if tape is set.
func (r *Run) newHead(targets []Target, tape bool) *head {
	d, c := r.d, &r.d.c
	m := len(targets)
	h := &head{r: r, targets: targets, stride: (c.Vocab+panel-1)/panel*panel + 16,
		x: r.stack.take(m * c.Hidden), n: r.stack.take(m * c.Hidden), sum: r.stack.take(m),
		logp: r.stack.take(m), entropy: r.stack.take(m), mem: r.stack.take(d.workers * packedSize(r.part(), c.Hidden))}
	h.p = r.stack.take(m * h.stride)
	for i, t := range targets {
		copy(h.x[i*c.Hidden:(i+1)*c.Hidden], r.h[t.Row*c.Hidden:])
	}
	r.normalize(h.n, h.x, r.w.norm, m)
	h.parts(func(worker, from, to int) {
		w := forth(h.mem[worker*len(h.mem)/d.workers:], r.w.out[from*c.Hidden:], to-from, c.Hidden)
		for k := 0; k < to-from; k += panel {
			d.k.Mul32(h.p[from+k:], h.stride, h.n, c.Hidden, m, w.w[k*c.Hidden:], panel, c.Hidden, d.zero, 0)
		}
	})
	exp := make([][]float32, d.workers)
	for i := range exp {
		exp[i] = r.stack.take(h.stride)
	}
	r.blocks(0, m, func(worker, from, to int) {
		for i := from; i < to; i++ {
			h.soften(i, exp[worker], tape)
		}
	})
	return h
}

// parts calls do for every part of the vocabulary on the workers.
func (h *head) parts(do func(worker, from, to int)) {
	size, vocab := h.r.part(), h.r.d.c.Vocab
	h.r.each((vocab+size-1)/size, func(worker, i int) { do(worker, i*size, min((i+1)*size, vocab)) })
}

// soften turns row i's logits into its facts and, for the tape, exponentials.
func (h *head) soften(i int, exp []float32, tape bool) {
	k, row := h.r.d.k, h.p[i*h.stride:(i+1)*h.stride]
	for j := h.r.d.c.Vocab; j < h.stride; j++ {
		row[j] = -math.MaxFloat32 // as good as minus infinity, but 0 times it is 0
	}
	top := k.Max(row)
	h.sum[i] = k.Exps(exp, row, 1, -top)
	lse := float32(math.Log(float64(h.sum[i]))) // above top
	h.logp[i] = min(row[h.targets[i].ID]-top-lse, 0)
	h.entropy[i] = lse - k.Dot(exp, row, top)/h.sum[i]
	if tape {
		copy(row, exp)
	}
}

// back goes back from dlogp [targets] and adds to g and the Run's dh.
func (h *head) back(g *Weights, dlogp []float32) {
	r, d, c, m := h.r, h.r.d, &h.r.d.c, len(h.targets)
	// The derivative of log p with respect to the logits is 1 at the target
	// less the distribution.
	r.blocks(0, m, func(_, from, to int) {
		for i := from; i < to; i++ {
			row := h.p[i*h.stride : (i+1)*h.stride]
			d.k.Scale(row, -dlogp[i]/h.sum[i])
			row[h.targets[i].ID] += dlogp[i]
		}
	})
	dn := r.stack.take(m * c.Hidden)
	clear(dn)
	size := r.part()
	for from := 0; from < c.Vocab; from += size {
		to := min(from+size, c.Vocab)
		w := back(h.mem, r.w.out[from*c.Hidden:], to-from, c.Hidden)
		r.blocks(0, m, func(_, a, b int) {
			d.mulAddFrom(dn[a*c.Hidden:], h.p[a*h.stride+from:], h.stride, b-a, w)
		})
	}
	var list []outer
	for from := 0; from < c.Vocab && g.out != nil; from += size {
		list = append(list, outer{g.out[from*c.Hidden:], h.p[from:], h.n, min(size, c.Vocab-from), c.Hidden, h.stride})
	}
	r.outers(m, list...)
	dx := r.stack.take(m * c.Hidden)
	clear(dx)
	norm := g.norm
	if norm == nil { // frozen: what is added there is dropped
		norm = r.stack.take(c.Hidden)
		clear(norm)
	}
	r.normBack(dx, norm, dn, h.x, r.w.norm, m)
	for i, t := range h.targets {
		add(r.dh[t.Row*c.Hidden:(t.Row+1)*c.Hidden], dx[i*c.Hidden:])
	}
}
