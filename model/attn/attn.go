// Package attn is causal attention over ragged batches with shared prefixes, and
// its derivative, in plain Go, for the learner; with it come rotary positions and
// the SwiGLU product. A graph would hold every score several times over, and make
// seven passes of what is one here.
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

// Query rows are taken in panels, which meet one tile of keys at a time, so that
// scores and keys stay in the near caches. A row of scores is longer than a tile by
// a cache line: a power of two apart, rows would fight for the same lines.
const (
	panel = 64
	tile  = 128
	long  = tile + 16
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
			if w.open(s, kv, k, v) {
				w.forward(kv, out, lse, q)
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
			if w.open(s, kv, k, v) {
				w.backward(kv, dq, dout, out, lse, q)
				w.store(kv, dk, dv)
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
