package cpu

import (
	"sync"
	"sync/atomic"

	"ballast/model/kernel"
)

// span is a run of tokens of one sequence in a pass; its keys and values go to
// the cache positions from start on.
type span struct {
	kv     *cache
	start  int
	tokens []int32
	from   int  // row of the first token in the pass
	all    bool // logits for every token, else as last says
	last   bool // logits for the last token
}

// place is where the token of a row is: which sequence, which position.
type place struct {
	kv  *cache
	pos int
}

// engine is a forward pass with its scratch memory. One goroutine at a time.
type engine struct {
	w         *weights
	k         *kernel.Set
	workers   int
	shape     shape
	pool      pool
	cos, sin  []float32 // [positions][head/2]
	zero      []float32
	x, h      []float32   // [rows][hidden]: residual stream, normed
	qkv, attn []float32   // [rows][...]
	ff        []float32   // [rows][2*ffn]
	logits    []float32   // [sampling rows][vocab]
	scratch   [][]float32 // of attention, by worker
	at        []place     // of each row
	tiles     []tile
}

func newEngine(w *weights, k *kernel.Set, workers int) *engine {
	e := &engine{w: w, k: k, workers: workers, shape: newShape(&w.c), scratch: make([][]float32, workers), zero: make([]float32, panel)}
	e.pool.size = e.shape.size
	return e
}

// parallel runs f over parts of [0, n), of grain items each, on the workers and
// waits. f gets the worker's number, which names its scratch memory.
func (e *engine) parallel(n, grain int, f func(worker, from, to int)) {
	if e.workers == 1 || n <= grain {
		f(0, 0, n)
		return
	}
	var next atomic.Int64
	run := func(worker int) {
		for {
			to := int(next.Add(int64(grain)))
			if from := to - grain; from < n {
				f(worker, from, min(to, n))
				continue
			}
			return
		}
	}
	var wg sync.WaitGroup
	for i := 1; i < e.workers; i++ {
		wg.Go(func() { run(i) })
	}
	run(0)
	wg.Wait()
}

// linear computes dst = x m^T + bias, or dst += x m^T. dst has stride ldd >= m.out.
func (e *engine) linear(dst []float32, ldd int, x []float32, ldx, rows int, m *matrix, add bool) {
	if rows == 0 {
		return
	}
	panels := m.out / panel
	e.parallel(panels, max(1, panels/(8*e.workers)), func(_, from, to int) {
		for p := from; p < to; p++ {
			init, ldi := e.zero, 0
			switch {
			case add:
				init, ldi = dst[p*panel:], ldd
			case m.bias != nil:
				init = m.bias[p*panel:]
			}
			e.k.Mul32(dst[p*panel:], ldd, x, ldx, rows, m.w[p*m.in*panel:], panel, m.in, init, ldi)
		}
	})
}

func resize(s []float32, n int) []float32 {
	if cap(s) < n {
		s = make([]float32, n+n/4)
	}
	return s[:n]
}

// forward runs all spans through the model: their keys and values are in the
// caches afterwards (grown by the caller) and e.logits holds, in the order of
// the spans, the logits [.., vocab] of the tokens that asked for them.
func (e *engine) forward(spans []span) {
	rows := e.begin(spans)
	w, c := e.w, &e.w.c
	for l := range w.layers {
		y := &w.layers[l]
		e.norm(rows, y.norm1)
		e.linear(e.qkv, y.qkv.out, e.h, w.hidden, rows, &y.qkv, false)
		e.parallel(rows, max(8, rows/(4*e.workers)), func(_, from, to int) {
			for r := from; r < to; r++ {
				e.rotate(y, r)
				e.store(l, r)
			}
		})
		e.attend(l)
		e.linear(e.x, w.hidden, e.attn, y.o.in, rows, &y.o, true)
		e.norm(rows, y.norm2)
		e.linear(e.ff, 2*w.ffn, e.h, w.hidden, rows, &y.gateUp, false)
		e.parallel(rows, max(8, rows/(4*e.workers)), func(worker, from, to int) {
			tmp := resize(e.scratch[worker], w.ffn)
			e.scratch[worker] = tmp
			for r := from; r < to; r++ {
				f := e.ff[r*2*w.ffn : (r+1)*2*w.ffn]
				e.k.SwiGLU(f[:w.ffn], f[w.ffn:], tmp)
			}
		})
		e.linear(e.x, w.hidden, e.ff, 2*w.ffn, rows, &y.down, true)
	}
	n := 0
	for i := range spans {
		s := &spans[i]
		for j := range s.tokens {
			if s.all || s.last && j == len(s.tokens)-1 {
				e.k.RMSNorm(e.h[n*w.hidden:], e.x[(s.from+j)*w.hidden:], w.norm, c.Hidden, float32(c.NormEps))
				n++
			}
		}
	}
	e.logits = resize(e.logits, n*w.vocab)
	e.linear(e.logits, w.vocab, e.h, w.hidden, n, w.head, false)
}

// begin lays the spans out as rows, sizes the scratch memory and looks up the
// embeddings. It returns the number of rows.
func (e *engine) begin(spans []span) int {
	w, rows, end := e.w, 0, 0
	e.at = e.at[:0]
	for i := range spans {
		s := &spans[i]
		s.from = rows
		rows += len(s.tokens)
		end = max(end, s.start+len(s.tokens))
		for j := range s.tokens {
			e.at = append(e.at, place{s.kv, s.start + j})
		}
	}
	if half := len(w.freq); len(e.cos) < end*half {
		have := len(e.cos) / half
		cos, sin := w.rotary(have, end+end/4)
		e.cos, e.sin = append(e.cos, cos...), append(e.sin, sin...)
	}
	e.x, e.h = resize(e.x, rows*w.hidden), resize(e.h, rows*w.hidden)
	e.qkv, e.attn = resize(e.qkv, rows*w.layers[0].qkv.out), resize(e.attn, rows*w.layers[0].o.in)
	e.ff = resize(e.ff, rows*2*w.ffn)
	e.tile(spans)
	clear(e.x)
	for _, s := range spans {
		for j, t := range s.tokens {
			w.embed.row(e.x[(s.from+j)*w.hidden:], int(t))
		}
	}
	return rows
}

func (e *engine) norm(rows int, w []float32) {
	n, s, eps := e.w.c.Hidden, e.w.hidden, float32(e.w.c.NormEps)
	e.parallel(rows, max(8, rows/(4*e.workers)), func(_, from, to int) {
		for r := from; r < to; r++ {
			e.k.RMSNorm(e.h[r*s:], e.x[r*s:], w, n, eps)
		}
	})
}

// rotate applies the head norms and the rotary positions, where the layer has
// them, to queries and keys of row r.
func (e *engine) rotate(y *layer, r int) {
	c := &e.w.c
	d, half := c.HeadDim, c.HeadDim/2
	cos, sin := e.cos[e.at[r].pos*half:], e.sin[e.at[r].pos*half:]
	row := e.qkv[r*y.qkv.out:]
	for h := range c.Heads + c.KVHeads {
		v := row[h*d : h*d+d]
		if y.qNorm != nil {
			w := y.qNorm
			if h >= c.Heads {
				w = y.kNorm
			}
			e.k.RMSNorm(v, v, w, d, float32(c.NormEps))
		}
		if y.rotates {
			e.k.Rope(v, cos, sin, half)
		}
	}
}

// store writes keys and values of row r to its cache.
func (e *engine) store(l, r int) {
	c, s := &e.w.c, &e.shape
	d, p := c.HeadDim, e.at[r].pos
	data := e.at[r].kv.pages[p/pageLen].data
	row := e.qkv[r*e.w.layers[l].qkv.out+c.Heads*d:]
	for h := range c.KVHeads {
		keys := data[s.at(l, h)+p%pageLen:]
		for i, v := range row[h*d : h*d+d] {
			keys[i*pageLen] = v
		}
		copy(data[s.at(l, h)+s.key+p%pageLen*s.dimPad:], row[(c.KVHeads+h)*d:(c.KVHeads+h)*d+d])
	}
}
