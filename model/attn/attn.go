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
	"slices"
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

// Rows are taken in blocks, as many as the kernels' registers hold, and a panel
// of blocks meets one tile of keys at a time, which the near caches hold. lanes
// is the number of scores that the kernels round up to.
const (
	block = 8
	panel = 8 // blocks
	tile  = 64
	lanes = 16
)

// Forward computes out [queries, Q*Dim] and lse [queries, Q], the logarithm of
// each softmax's denominator, which Backward wants back. q is [queries, Q*Dim];
// k and v are [tokens, KV*Dim]. which names the tokens that have a query, in
// ascending order; nil is all of them. Up to workers goroutines share the work.
func Forward(out, lse, q, k, v []float32, h Heads, segs []Segment, which []int32, workers int) {
	n := h.check(len(k), segs, which)
	h.want(n, len(q), len(out), len(lse), len(v), len(k))
	clear(out)
	clear(lse)
	h.each(workers, func(kv int) {
		w := newScratch(h, segs, which, false)
		for _, s := range segs {
			if w.open(s) {
				w.load(s, kv, k, v)
				w.forward(s, kv, out, lse, q)
			}
		}
	})
}

// Backward computes dq, dk and dv, shaped as q, k and v, from dout, the
// derivative with respect to Forward's out, and from Forward's inputs and results.
func Backward(dq, dk, dv, dout, out, lse, q, k, v []float32, h Heads, segs []Segment, which []int32, workers int) {
	n := h.check(len(k), segs, which)
	h.want(n, len(q), len(out), len(lse), len(v), len(k))
	h.want(n, len(dq), len(dout), len(lse), len(dv), len(dk))
	clear(dq)
	clear(dk)
	clear(dv)
	// A key-value head owns its columns of dk and dv, so heads never meet and
	// sums have one order.
	h.each(workers, func(kv int) {
		w := newScratch(h, segs, which, true)
		for _, s := range segs {
			if w.open(s) {
				w.load(s, kv, k, v)
				w.backward(s, kv, dq, dout, out, lse, q)
				w.store(s, kv, dk, dv)
			}
		}
	})
}

// check returns the number of queries and panics on segments outside of the
// tokens.
func (h Heads) check(lenK int, segs []Segment, which []int32) int {
	n := lenK / (h.KV * h.Dim)
	for _, s := range segs {
		if s.Start < 0 || s.End > n || s.Start > s.End || s.PrefixStart < 0 || s.PrefixEnd > n || s.PrefixStart > s.PrefixEnd {
			panic(fmt.Sprintf("attn: segment %+v outside of %d tokens", s, n))
		}
	}
	if which != nil {
		return len(which)
	}
	return n
}

func (h Heads) want(n, q, out, lse, v, k int) {
	if q != n*h.Q*h.Dim || out != q || lse != n*h.Q || v != k {
		panic(fmt.Sprintf("attn: lengths %d %d %d %d %d do not fit %d queries of %+v", q, out, lse, v, k, n, h))
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
	which  []int32
	first  int // the open segment's first query
	tokens int // and how many there are
	groups int // query heads per key-value head
	keys   int // keys of the loaded segment: prefix, then own
	kern   kernels
	kt, vt []float32 // [tiles][Dim][tile], keys and values transposed
	k, v   []float32 // [keys][Dim]
	dk, dv []float32 // [keys][Dim]
	p, dp  []float32 // [block][tile]
	panel  [panel]rows
	q, do  []float32 // [panel*block][Dim], q scaled
	qt, dt []float32 // [panel][Dim][block], the same transposed by block
	acc    []float32 // [panel*block][Dim]
	// By row of the panel: largest score so far, sum of exponentials, do.out.
	top, sum, delta [panel * block]float32
}

func newScratch(h Heads, segs []Segment, which []int32, back bool) *scratch {
	most := 0
	for _, s := range segs {
		most = max(most, s.End-s.Start+s.PrefixEnd-s.PrefixStart)
	}
	most = (most + tile - 1) / tile * tile
	w := &scratch{h: h, which: which, groups: h.Q / h.KV, kern: pick(h.Dim)}
	slab := func(n int) []float32 { return make([]float32, n) }
	d, high := h.Dim, panel*block
	w.kt, w.v, w.p, w.q, w.qt, w.acc = slab(d*most), slab(d*most), slab(block*tile), slab(high*d), slab(high*d), slab(high*d)
	if back {
		w.k, w.vt, w.dk, w.dv = slab(d*most), slab(d*most), slab(d*most), slab(d*most)
		w.dp, w.do, w.dt = slab(block*tile), slab(high*d), slab(high*d)
	}
	return w
}

// open sets first and tokens, and reports whether the segment has a query.
func (w *scratch) open(s Segment) bool {
	w.first, w.tokens = s.Start, s.End-s.Start
	if w.which != nil {
		at := func(token int) int {
			i, _ := slices.BinarySearch(w.which, int32(token))
			return i
		}
		w.first = at(s.Start)
		w.tokens = at(s.End) - w.first
	}
	return w.tokens > 0
}

// token is the place in the segment of its query i.
func (w *scratch) token(s Segment, i int) int {
	if w.which == nil {
		return i
	}
	return int(w.which[w.first+i]) - s.Start
}

// load gathers the keys and values that the segment sees under one head.
func (w *scratch) load(s Segment, kv int, k, v []float32) {
	d := w.h.Dim
	w.keys = s.PrefixEnd - s.PrefixStart + s.End - s.Start
	// The last tile's missing keys are 0; their scores are cut off.
	last := w.keys / tile * tile * d
	clear(w.kt[last:min(last+tile*d, len(w.kt))])
	if w.dk != nil {
		clear(w.vt[last:min(last+tile*d, len(w.vt))])
	}
	j := 0
	run := func(from, to int) {
		for t := from; t < to; t++ {
			at, turned := (t*w.h.KV+kv)*d, j/tile*tile*d+j%tile
			for i, x := range k[at : at+d] {
				w.kt[turned+i*tile] = x
			}
			copy(w.v[j*d:j*d+d], v[at:at+d])
			if w.dk != nil {
				copy(w.k[j*d:j*d+d], k[at:at+d])
				for i, x := range v[at : at+d] {
					w.vt[turned+i*tile] = x
				}
			}
			j++
		}
	}
	run(s.PrefixStart, s.PrefixEnd)
	run(s.Start, s.End)
	if w.dk != nil {
		clear(w.dk[:w.keys*d])
		clear(w.dv[:w.keys*d])
	}
}

// rows is one block of query rows: row r of a segment is query r/groups under
// query head r%groups of the key-value head.
type rows struct {
	count int        // rows that exist, at most block
	at    [block]int // query*Q + head
	limit [block]int // keys that the row sees
	most  int        // largest limit
}

func (w *scratch) rowsAt(s Segment, kv, first int) rows {
	prefix := s.PrefixEnd - s.PrefixStart
	var r rows
	for i := range block {
		row := first + i
		if row >= w.tokens*w.groups {
			break
		}
		r.at[i] = (w.first+row/w.groups)*w.h.Q + kv*w.groups + row%w.groups
		r.limit[i] = prefix + w.token(s, row/w.groups) + 1
		r.most = max(r.most, r.limit[i])
		r.count++
	}
	return r
}

// start makes the panel the rows from first on and returns its number of blocks
// and the largest number of keys that a row sees.
func (w *scratch) start(s Segment, kv, first int) (blocks, most int) {
	for ; blocks < panel && first < w.tokens*w.groups; blocks++ {
		w.panel[blocks] = w.rowsAt(s, kv, first)
		most = w.panel[blocks].most
		first += block
	}
	clear(w.acc)
	return blocks, most
}

// take copies a block's rows of x [tokens*Q][Dim], scaled, into dst, and
// transposed into turned; rows that do not exist are 0.
func (w *scratch) take(dst, turned, x []float32, b int, scale float32) {
	d, r := w.h.Dim, &w.panel[b]
	dst, turned = dst[b*block*d:(b+1)*block*d], turned[b*block*d:(b+1)*block*d]
	clear(dst)
	for i := range r.count {
		row := x[r.at[i]*d : r.at[i]*d+d]
		for j, y := range row {
			dst[i*d+j] = scale * y
		}
	}
	for i := range block {
		for j := range d {
			turned[j*block+i] = dst[i*d+j]
		}
	}
}

// scores fills p with the scores of a block's rows and the keys from one on, and
// cuts off, with minus infinity, what a row does not see. It returns the number
// of keys, at most a tile, and the same rounded up.
func (w *scratch) scores(b, from int) (n, width int) {
	d, r := w.h.Dim, &w.panel[b]
	n = min(r.most-from, tile)
	width = (n + lanes - 1) / lanes * lanes
	w.kern.dot(w.p, w.qt[b*block*d:], w.kt[from*d:], d, width)
	for i := range block {
		row := w.p[i*tile : i*tile+width]
		for j := max(r.limit[i]-from, 0); j < width; j++ {
			row[j] = float32(math.Inf(-1))
		}
	}
	return n, width
}

// forward computes the softmax tile by tile: whenever a row's largest score
// grows, what it summed so far is scaled down.
func (w *scratch) forward(s Segment, kv int, out, lse, q []float32) {
	d := w.h.Dim
	for first := 0; first < w.tokens*w.groups; first += panel * block {
		blocks, most := w.start(s, kv, first)
		for b := range blocks {
			w.take(w.q, w.qt, q, b, w.scale())
		}
		for i := range w.top {
			w.top[i], w.sum[i] = float32(math.Inf(-1)), 0
		}
		for from := 0; from < most; from += tile {
			for b := range blocks {
				r := &w.panel[b]
				if from >= r.most {
					continue
				}
				n, width := w.scores(b, from)
				for i := range block {
					w.soften(b*block+i, w.p[i*tile:i*tile+width], i < r.count)
				}
				w.kern.sum(w.acc[b*block*d:], w.p, w.v[from*d:], d, n)
			}
		}
		for b := range blocks {
			r := &w.panel[b]
			for i := range r.count {
				row := b*block + i
				dst, inv := out[r.at[i]*d:r.at[i]*d+d], 1/w.sum[row]
				for j := range dst {
					dst[j] = w.acc[row*d+j] * inv
				}
				lse[r.at[i]] = w.top[row] + float32(math.Log(float64(w.sum[row])))
			}
		}
	}
}

// soften turns one row's scores of a tile into exponentials under the row's
// largest score so far.
func (w *scratch) soften(row int, p []float32, exists bool) {
	if !exists {
		clear(p)
		return
	}
	if top := w.kern.max(p); top > w.top[row] {
		shrink := float32(math.Exp(float64(w.top[row] - top)))
		w.sum[row] *= shrink
		for j := range w.h.Dim {
			w.acc[row*w.h.Dim+j] *= shrink
		}
		w.top[row] = top
	}
	w.sum[row] += w.kern.exp(p, w.top[row])
}

// backward adds to the scratch's dk and dv and writes dq. With p the softmax,
// do the derivative of out: dv += p do, dp = do v, ds = p (dp - do.out),
// dq = scale ds k, dk += scale ds q.
func (w *scratch) backward(s Segment, kv int, dq, dout, out, lse, q []float32) {
	d, scale := w.h.Dim, w.scale()
	for first := 0; first < w.tokens*w.groups; first += panel * block {
		blocks, most := w.start(s, kv, first)
		for b := range blocks {
			w.takeBack(b, dout, out, q)
		}
		for from := 0; from < most; from += tile {
			for b := range blocks {
				w.tileBack(b, from, lse)
			}
		}
		for b := range blocks {
			r := &w.panel[b]
			for i := range r.count {
				dst := dq[r.at[i]*d : r.at[i]*d+d]
				for j := range dst {
					dst[j] = scale * w.acc[(b*block+i)*d+j]
				}
			}
		}
	}
}

// takeBack copies a block's queries and derivatives and sets delta to do.out.
func (w *scratch) takeBack(b int, dout, out, q []float32) {
	d, r := w.h.Dim, &w.panel[b]
	w.take(w.q, w.qt, q, b, w.scale())
	w.take(w.do, w.dt, dout, b, 1)
	for i := range r.count {
		sum := float32(0)
		for j, x := range out[r.at[i]*d : r.at[i]*d+d] {
			sum += x * w.do[(b*block+i)*d+j]
		}
		w.delta[b*block+i] = sum
	}
}

// tileBack is the backward pass of one block and one tile.
func (w *scratch) tileBack(b, from int, lse []float32) {
	d, r := w.h.Dim, &w.panel[b]
	if from >= r.most {
		return
	}
	q, do := w.q[b*block*d:], w.do[b*block*d:]
	n, width := w.scores(b, from)
	w.kern.dot(w.dp, w.dt[b*block*d:], w.vt[from*d:], d, width)
	for i := range block {
		p, ds := w.p[i*tile:i*tile+width], w.dp[i*tile:i*tile+width]
		if i >= r.count {
			clear(p)
			clear(ds)
			continue
		}
		w.kern.exp(p, lse[r.at[i]])
		w.kern.scale(ds, p, w.delta[b*block+i])
	}
	w.kern.sum(w.acc[b*block*d:], w.dp, w.k[from*d:], d, n)
	w.kern.outer(w.dk[from*d:], w.dp, q, d, n)
	w.kern.outer(w.dv[from*d:], w.p, do, d, n)
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
