// Package decoder is a decoder forward and backward in plain Go, for the learner
// on the host's processor: products, norms and attention with the kernels of
// model/kernel and model/attn, the derivative written by hand. GoMLX's pure-Go
// backend runs the same formulas as graphs (model/graph), but spends half its
// time on passes over memory between the products.
//
// Rows of a batch run in chunks that the near caches hold. The last layer computes
// queries, feed-forward and head for those rows only that a target is predicted
// from; all other rows matter there as keys and values alone.
//
// A projection with an adapter is merged when its weight is packed, so that all computes
// with the very weights that a merged model has. Its derivative is that of A and B; none of the
// weight itself is formed.
//
// Contract: results have the same bits whatever the number of workers is. Wrong
// lengths are a bug and panic; nothing else fails.
package decoder

import (
	"fmt"
	"runtime"
	"sync"

	"ballast/model"
	"ballast/model/attn"
	"ballast/model/kernel"
	"ballast/model/lora"
)

// Input is one batch of token rows.
type Input struct {
	Tokens    []int32        // [rows]
	Positions []int32        // [rows]
	Segments  []attn.Segment // who attends to whom; together they cover all rows
	Wanted    []int32        // rows whose output is asked for, ascending
}

// Mode says what a forward pass leaves for the backward pass.
type Mode int

const (
	Inference Mode = iota // nothing
	Recompute             // layers' inputs and attention's outputs; the rest is computed again
	Keep                  // all that the backward pass needs
)

// Decoder is a shape with what all passes share. It may be used by several
// goroutines, each with its own Run.
type Decoder struct {
	c       model.Config
	k       *kernel.Set
	heads   attn.Heads
	rot     *attn.Rotary
	workers int
	q, kv   int // widths of queries and of keys
	zero    []float32
}

// New makes a decoder of which every Run uses up to workers goroutines.
func New(c model.Config, workers int) *Decoder {
	return &Decoder{c: c, k: kernel.Best(), rot: attn.NewRotary(c.Frequencies()), workers: min(workers, runtime.GOMAXPROCS(0)),
		heads: attn.Heads{Q: c.Heads, KV: c.KVHeads, Dim: c.HeadDim},
		q:     c.Heads * c.HeadDim, kv: c.KVHeads * c.HeadDim, zero: make([]float32, kernel.Panel)}
}

// Grow makes the rotary tables cover positions below n; no Run may be at work.
func (d *Decoder) Grow(n int) { d.rot.Grow(n) }

// Weights are a model's tensors, or its gradient's, by their place. In a gradient the
// tensors that are frozen are nil.
type Weights struct {
	embed, norm, out []float32 // out is embed where they are tied
	layers           []layer
}

// matrix is the weight of a projection [out, in], as in the files, with its adapter; nil for
// none.
type matrix struct {
	w    []float32
	pair *lora.Pair
}

type layer struct {
	norm1, norm2         []float32 // [Hidden]
	q, k, v, o           matrix
	gate, up, down       matrix
	biasQ, biasK, biasV  []float32 // nil for none
	headNormQ, headNormK []float32 // [HeadDim], nil for none
}

// Bind finds the tensors in flat, which are in the order of Config.Specs.
func Bind(c *model.Config, flat [][]float32) *Weights { return BindAdapted(c, flat, nil) }

// BindAdapted is Bind of tensors with adapters, by the names of the weights that these are on.
// The gradient of an adapter has no flat.
func BindAdapted(c *model.Config, flat [][]float32, pairs map[string]*lora.Pair) *Weights {
	by := map[string][]float32{}
	if flat != nil {
		for i, s := range c.Specs() {
			by[s.Name] = flat[i]
		}
	}
	w := &Weights{embed: by["model.embed_tokens.weight"], norm: by["model.norm.weight"], out: by["lm_head.weight"]}
	if c.Tied {
		w.out = w.embed
	}
	for i := range c.Layers {
		of := func(name string) string { return fmt.Sprintf("model.layers.%d.%s", i, name) }
		get := func(name string) []float32 { return by[of(name)] }
		proj := func(name string) matrix { return matrix{get(name), pairs[of(name)]} }
		w.layers = append(w.layers, layer{
			norm1: get("input_layernorm.weight"), norm2: get("post_attention_layernorm.weight"),
			q: proj("self_attn.q_proj.weight"), k: proj("self_attn.k_proj.weight"), v: proj("self_attn.v_proj.weight"),
			o: proj("self_attn.o_proj.weight"), gate: proj("mlp.gate_proj.weight"), up: proj("mlp.up_proj.weight"),
			down:  proj("mlp.down_proj.weight"),
			biasQ: get("self_attn.q_proj.bias"), biasK: get("self_attn.k_proj.bias"), biasV: get("self_attn.v_proj.bias"),
			headNormQ: get("self_attn.q_norm.weight"), headNormK: get("self_attn.k_norm.weight"),
		})
	}
	return w
}

// Run is one goroutine's passes and their memory, which it keeps for the next
// ones. A pass is Forward, then Head, then Backward.
type Run struct {
	d     *Decoder
	w     *Weights
	in    Input
	mode  Mode
	stack stack
	tapes []tape
	h     []float32   // [wanted, Hidden] the last layer's output
	dh    []float32   // its derivative
	own   [][]float32 // scratch of each worker
}

// tape is what one layer's backward pass needs of its forward pass; in the last
// layer all but x, k and v have the wanted rows only. What the mode does not keep
// is nil and computed again.
type tape struct {
	x, att, lse   []float32
	q, k, v       []float32 // q and k rotated, where the layer rotates
	mid, gate, up []float32 // mid is the residual stream after attention
}

// NewRun returns a Run without memory.
func (d *Decoder) NewRun() *Run { return &Run{d: d} }

// Reset ends the Run's passes: their results are gone, and so is large memory.
func (r *Run) Reset() {
	r.stack.reset()
	r.w, r.tapes, r.own, r.h, r.dh, r.in = nil, nil, nil, nil, nil, Input{}
}

// Forward runs all layers.
func (r *Run) Forward(w *Weights, in Input, m Mode) {
	d := r.d
	r.w, r.in, r.mode = w, in, m
	r.stack.reset()
	r.tapes = make([]tape, d.c.Layers)
	r.own = make([][]float32, d.workers)
	for i := range r.own {
		r.own[i] = r.stack.take(block * (2*d.c.Hidden + max(3*d.c.FFN, d.q, d.kv)))
	}
	x := r.stack.take(len(in.Tokens) * d.c.Hidden)
	for i, id := range in.Tokens {
		copy(x[i*d.c.Hidden:(i+1)*d.c.Hidden], w.embed[int(id)*d.c.Hidden:])
	}
	for i := range r.tapes {
		x = r.layer(i, x)
	}
	r.h = x
}

// rows returns the number of rows of layer i's output, and those rows where they
// are not all.
func (r *Run) rows(i int) (n int, which []int32) {
	if i == r.d.c.Layers-1 && len(r.in.Wanted) < len(r.in.Tokens) {
		return len(r.in.Wanted), r.in.Wanted
	}
	return len(r.in.Tokens), nil
}

// part returns the range of the rows in which that lie in [from, to).
func part(which []int32, from, to int) (a, b int) {
	if which == nil {
		return from, to
	}
	for a < len(which) && int(which[a]) < from {
		a++
	}
	for b = a; b < len(which) && int(which[b]) < to; b++ {
	}
	return a, b
}

// positions of the rows in which, nil for all.
func (r *Run) positions(which []int32) []int32 {
	if which == nil {
		return r.in.Positions
	}
	out := make([]int32, len(which))
	for i, row := range which {
		out[i] = r.in.Positions[row]
	}
	return out
}

// each calls do for 0 to n-1 on the workers, in any order.
func (r *Run) each(n int, do func(worker, i int)) {
	workers := min(r.d.workers, n)
	if workers <= 1 {
		for i := range n {
			do(0, i)
		}
		return
	}
	var wg sync.WaitGroup
	turn := make(chan int, n)
	for i := range n {
		turn <- i
	}
	close(turn)
	for worker := range workers {
		wg.Go(func() {
			for i := range turn {
				do(worker, i)
			}
		})
	}
	wg.Wait()
}

// blocks calls do for every block of n rows on the workers.
func (r *Run) blocks(from, to int, do func(worker, from, to int)) {
	r.each((to-from+block-1)/block, func(worker, i int) {
		at := from + i*block
		do(worker, at, min(at+block, to))
	})
}

// chunks calls do for every chunk of n rows, one after the other: what do needs of
// a chunk again should still be in the caches.
func (r *Run) chunks(n int, do func(from, to int)) {
	size := r.chunk()
	for from := 0; from < n; from += size {
		do(from, min(from+size, n))
	}
}

func (r *Run) chunk() int { return 4 * block * r.d.workers }

// block is the number of rows that one worker takes at a time. Sums over rows that
// workers share are added up by block, so it may not depend on their number.
const block = 64

// stack is memory that is taken in order and given back in the opposite one.
type stack struct {
	slabs    [][]float32
	slab, at int
}

// slabSize is the least number of floats that the stack asks for at once, slabKeep
// the most that it keeps.
const (
	slabSize = 1 << 20
	slabKeep = 1 << 26
)

// take returns n floats of whatever contents, on a cache line's boundary.
func (s *stack) take(n int) []float32 {
	for ; s.slab < len(s.slabs); s.slab, s.at = s.slab+1, 0 {
		if have := s.slabs[s.slab]; s.at+n <= len(have) {
			out := have[s.at : s.at+n : s.at+n]
			s.at += (n + 15) &^ 15
			return out
		}
	}
	s.slabs = append(s.slabs, make([]float32, max(n, slabSize)))
	s.at = (n + 15) &^ 15
	return s.slabs[s.slab][:n:n]
}

// reset takes everything back. Little memory stays, as one slab, for the next time;
// much is left to the collector.
func (s *stack) reset() {
	total := 0
	for _, x := range s.slabs {
		total += len(x)
	}
	switch {
	case total > slabKeep:
		s.slabs = nil
	case len(s.slabs) > 1:
		s.slabs = [][]float32{make([]float32, total)}
	}
	s.slab, s.at = 0, 0
}

// mark returns the stack's height, for release.
func (s *stack) mark() [2]int { return [2]int{s.slab, s.at} }

func (s *stack) release(m [2]int) { s.slab, s.at = m[0], m[1] }

// cut takes n floats off the front of a worker's scratch.
func cut(from *[]float32, n int) []float32 {
	out := (*from)[:n:n]
	*from = (*from)[n:]
	return out
}
