// Package attn is causal attention over ragged batches with shared prefixes, and
// its derivative, in plain Go; with it come rotary positions and the SwiGLU
// product. The learner runs them between GoMLX graphs: a graph would hold every
// score several times over, and make seven passes of what is one here.
//
// Tokens of a batch lie one after the other: [tokens, heads*dim]. A Segment is a
// run of tokens that attend causally to each other, and to all of one other run,
// the prefix, which many segments may share. Only real scores are computed:
// nothing is padded, no mask exists, and the memory is a few rows of scores.
//
// Contract: for given inputs the result has the same bits whatever workers is;
// rows outside all segments come out 0. Wrong lengths are a bug and panic.
package attn

import (
	"fmt"
	"math"
	"sync"
)

// Segment is a run of tokens [Start, End) that attends to all of
// [PrefixStart, PrefixEnd), which may be empty, and causally to itself.
type Segment struct {
	Start, End             int
	PrefixStart, PrefixEnd int
}

// Heads is the shape of attention: Q query heads share KV key and value heads
// (KV divides Q), each Dim wide. Scores are scaled by 1/sqrt(Dim).
type Heads struct {
	Q, KV, Dim int
}

// block is the number of query rows that the kernels take at a time, lanes the
// number of scores that they round up to.
const (
	block = 4
	lanes = 16
)

// Forward computes out [tokens, Q*Dim] and lse [tokens, Q], the logarithm of
// each softmax's denominator, which Backward wants back. q is [tokens, Q*Dim];
// k and v are [tokens, KV*Dim]. Up to workers goroutines share the work.
func Forward(out, lse, q, k, v []float32, h Heads, segs []Segment, workers int) {
	n := h.check(len(q), segs)
	h.want(n, len(out), len(lse), len(k), len(v))
	clear(out)
	clear(lse)
	h.each(workers, func(kv int) {
		w := newScratch(h, segs, false)
		for _, s := range segs {
			w.load(s, kv, k, v)
			w.forward(s, kv, out, lse, q)
		}
	})
}

// Backward computes dq, dk and dv, shaped as q, k and v, from dout, the
// derivative with respect to Forward's out, and from Forward's inputs and results.
func Backward(dq, dk, dv, dout, out, lse, q, k, v []float32, h Heads, segs []Segment, workers int) {
	n := h.check(len(q), segs)
	h.want(n, len(out), len(lse), len(k), len(v))
	h.want(n, len(dout), len(lse), len(dk), len(dv))
	h.want(n, len(dq), len(lse), len(dk), len(dv))
	clear(dq)
	clear(dk)
	clear(dv)
	// A key-value head owns its columns of dk and dv, so heads never meet and
	// sums have one order.
	h.each(workers, func(kv int) {
		w := newScratch(h, segs, true)
		for _, s := range segs {
			w.load(s, kv, k, v)
			w.backward(s, kv, dq, dout, out, lse, q)
			w.store(s, kv, dk, dv)
		}
	})
}

// check returns the number of tokens and panics on segments outside of them.
func (h Heads) check(lenQ int, segs []Segment) int {
	n := lenQ / (h.Q * h.Dim)
	for _, s := range segs {
		if s.Start < 0 || s.End > n || s.Start > s.End || s.PrefixStart < 0 || s.PrefixEnd > n || s.PrefixStart > s.PrefixEnd {
			panic(fmt.Sprintf("attn: segment %+v outside of %d tokens", s, n))
		}
	}
	return n
}

func (h Heads) want(n, out, lse, k, v int) {
	if out != n*h.Q*h.Dim || lse != n*h.Q || k != n*h.KV*h.Dim || v != k {
		panic(fmt.Sprintf("attn: lengths %d %d %d %d do not fit %d tokens of %+v", out, lse, k, v, n, h))
	}
}

// each calls do for every key-value head.
func (h Heads) each(workers int, do func(kv int)) {
	if workers <= 1 || h.KV == 1 {
		for kv := range h.KV {
			do(kv)
		}
		return
	}
	var wg sync.WaitGroup
	turn := make(chan struct{}, workers)
	for kv := range h.KV {
		turn <- struct{}{}
		wg.Go(func() {
			do(kv)
			<-turn
		})
	}
	wg.Wait()
}

// scratch is one goroutine's working memory for one segment and head.
type scratch struct {
	h      Heads
	groups int // query heads per key-value head
	keys   int // keys of the loaded segment: prefix, then own
	stride int // keys rounded up to lanes
	kern   kernels
	kt, vt []float32 // [Dim][stride], keys and values transposed
	k, v   []float32 // [keys][Dim]
	dk, dv []float32 // [keys][Dim]
	p, dp  []float32 // [block][stride]
	q, do  []float32 // [block][Dim], q scaled
	acc    []float32 // [block][Dim]
}

func newScratch(h Heads, segs []Segment, back bool) *scratch {
	most := 0
	for _, s := range segs {
		most = max(most, s.End-s.Start+s.PrefixEnd-s.PrefixStart)
	}
	most = (most + lanes - 1) / lanes * lanes
	w := &scratch{h: h, groups: h.Q / h.KV, kern: pick(h.Dim)}
	slab := func(n int) []float32 { return make([]float32, n) }
	d := h.Dim
	w.kt, w.v, w.p, w.q, w.acc = slab(d*most), slab(d*most), slab(block*most), slab(block*d), slab(block*d)
	if back {
		w.k, w.vt, w.dk, w.dv, w.dp, w.do = slab(d*most), slab(d*most), slab(d*most), slab(d*most), slab(block*most), slab(block*d)
	}
	return w
}

// load gathers the keys and values that the segment sees under one head.
func (w *scratch) load(s Segment, kv int, k, v []float32) {
	d := w.h.Dim
	w.keys = s.PrefixEnd - s.PrefixStart + s.End - s.Start
	w.stride = (w.keys + lanes - 1) / lanes * lanes
	j := 0
	run := func(from, to int) {
		for t := from; t < to; t++ {
			at := (t*w.h.KV + kv) * d
			row := k[at : at+d]
			for i, x := range row {
				w.kt[i*w.stride+j] = x
			}
			copy(w.v[j*d:j*d+d], v[at:at+d])
			if w.dk != nil {
				copy(w.k[j*d:j*d+d], row)
				for i, x := range v[at : at+d] {
					w.vt[i*w.stride+j] = x
				}
			}
			j++
		}
	}
	run(s.PrefixStart, s.PrefixEnd)
	run(s.Start, s.End)
	for i := range d { // the rounded-up keys are 0, their scores are cut off
		clear(w.kt[i*w.stride+j : (i+1)*w.stride])
		if w.dk != nil {
			clear(w.vt[i*w.stride+j : (i+1)*w.stride])
		}
	}
	if w.dk != nil {
		clear(w.dk[:w.keys*d])
		clear(w.dv[:w.keys*d])
	}
}

// rows is one block of query rows: row r of a segment is token r/groups under
// query head r%groups of the key-value head.
type rows struct {
	count int        // rows that exist, at most block
	at    [block]int // token*Q + head
	limit [block]int // keys that the row sees
	most  int        // largest limit
}

func (w *scratch) rowsAt(s Segment, kv, first int) rows {
	prefix := s.PrefixEnd - s.PrefixStart
	var r rows
	for i := range block {
		row := first + i
		if row >= (s.End-s.Start)*w.groups {
			break
		}
		t := row / w.groups
		r.at[i] = (s.Start+t)*w.h.Q + kv*w.groups + row%w.groups
		r.limit[i] = prefix + t + 1
		r.most = max(r.most, r.limit[i])
		r.count++
	}
	return r
}

// take copies the block's rows of x [tokens*Q][Dim], scaled, into dst; rows that
// do not exist are 0.
func (w *scratch) take(dst, x []float32, r rows, scale float32) {
	d := w.h.Dim
	for i := range r.count {
		row := x[r.at[i]*d : r.at[i]*d+d]
		for j, y := range row {
			dst[i*d+j] = scale * y
		}
	}
	clear(dst[r.count*d : block*d])
}

// scores fills p with the scores of the block's rows and cuts off, with minus
// infinity, what a row does not see. It returns the width it filled.
func (w *scratch) scores(r rows) int {
	width := (r.most + lanes - 1) / lanes * lanes
	w.kern.dot(w.p, w.q, w.kt, w.h.Dim, w.stride, width)
	for i := range block {
		row := w.p[i*w.stride : i*w.stride+width]
		for j := r.limit[i]; j < width; j++ {
			row[j] = float32(math.Inf(-1))
		}
	}
	return width
}

func (w *scratch) forward(s Segment, kv int, out, lse, q []float32) {
	d, scale := w.h.Dim, w.scale()
	for first := 0; first < (s.End-s.Start)*w.groups; first += block {
		r := w.rowsAt(s, kv, first)
		w.take(w.q, q, r, scale)
		width := w.scores(r)
		var sum [block]float32
		for i := range r.count {
			row := w.p[i*w.stride : i*w.stride+width]
			top := w.kern.max(row)
			sum[i] = w.kern.exp(row, top)
			lse[r.at[i]] = top + float32(math.Log(float64(sum[i])))
		}
		for i := r.count; i < block; i++ {
			clear(w.p[i*w.stride : i*w.stride+width])
		}
		w.kern.sum(w.acc, w.p, w.v, d, w.stride, r.most)
		for i := range r.count {
			dst, inv := out[r.at[i]*d:r.at[i]*d+d], 1/sum[i]
			for j := range dst {
				dst[j] = w.acc[i*d+j] * inv
			}
		}
	}
}

// backward adds to the scratch's dk and dv and writes dq. With p the softmax,
// do the derivative of out: dv += p do, dp = do v, ds = p (dp - do.out),
// dq = scale ds k, dk += scale ds q.
func (w *scratch) backward(s Segment, kv int, dq, dout, out, lse, q []float32) {
	d, scale := w.h.Dim, w.scale()
	for first := 0; first < (s.End-s.Start)*w.groups; first += block {
		r := w.rowsAt(s, kv, first)
		w.take(w.q, q, r, scale)
		w.take(w.do, dout, r, 1)
		width := w.scores(r)
		w.kern.dot(w.dp, w.do, w.vt, d, w.stride, width)
		for i := range block {
			p, ds := w.p[i*w.stride:i*w.stride+width], w.dp[i*w.stride:i*w.stride+width]
			if i >= r.count {
				clear(p)
				clear(ds)
				continue
			}
			var delta float32
			for j, x := range out[r.at[i]*d : r.at[i]*d+d] {
				delta += x * w.do[i*d+j]
			}
			w.kern.exp(p, lse[r.at[i]])
			w.kern.scale(ds, p, delta)
		}
		w.kern.sum(w.acc, w.dp, w.k, d, w.stride, r.most)
		for i := range r.count {
			dst := dq[r.at[i]*d : r.at[i]*d+d]
			for j := range dst {
				dst[j] = scale * w.acc[i*d+j]
			}
		}
		w.kern.outer(w.dk, w.dp, w.q, d, w.stride, r.most)
		w.kern.outer(w.dv, w.p, w.do, d, w.stride, r.most)
	}
}

// store adds the scratch's dk and dv to the batch's.
func (w *scratch) store(s Segment, kv int, dk, dv []float32) {
	d, j := w.h.Dim, 0
	run := func(from, to int) {
		for t := from; t < to; t++ {
			at := (t*w.h.KV + kv) * d
			for i := range d {
				dk[at+i] += w.dk[j*d+i]
				dv[at+i] += w.dv[j*d+i]
			}
			j++
		}
	}
	run(s.PrefixStart, s.PrefixEnd)
	run(s.Start, s.End)
}

func (w *scratch) scale() float32 { return float32(1 / math.Sqrt(float64(w.h.Dim))) }
