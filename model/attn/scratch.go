package attn

import (
	"math"
	"slices"

	"ballast/model/kernel"
)

// scratch is one goroutine's working memory for one head and a segment at a time.
// Heads are padded with zeros to a width that the kernels take.
type scratch struct {
	h      Heads
	k      *kernel.Set
	which  []int32
	groups int // query heads per key-value head
	width  int // of a head, padded
	zero   []float32

	segment Segment   // the open one
	first   int       // its first query
	queries int       // and how many there are
	keys    int       // prefix, then own
	kt, vt  []float32 // [tiles][width][tile], keys and values transposed
	key, v  []float32 // [keys][width]
	dk, dv  []float32 // as kt and vt

	rows            rows
	q, do           []float32      // [panel][width]
	acc             []float32      // [panel][width]
	p, dp           []float32      // [panel][long]
	top, sum, delta [panel]float32 // by row: largest score so far, sum of exponentials, do.out
}

// rows is one panel of query rows: row r of a segment is query r/groups under
// query head r%groups of the key-value head.
type rows struct {
	count int        // at most panel
	at    [panel]int // query*Q + head
	limit [panel]int // keys that the row sees
	most  int        // largest limit
}

func newScratch(h Heads, segs []Segment, which []int32, back bool) *scratch {
	most := 0
	for _, s := range segs {
		most = max(most, s.End-s.Start+s.PrefixEnd-s.PrefixStart)
	}
	most = (most + tile - 1) / tile * tile
	d := (h.Dim + 15) / 16 * 16
	w := &scratch{h: h, k: kernel.Best(), which: which, groups: h.Q / h.KV, width: d, zero: make([]float32, kernel.Panel)}
	slab := func(n int) []float32 { return make([]float32, n) }
	w.kt, w.q, w.acc, w.p = slab(d*most), slab(panel*d), slab(panel*d), slab(panel*long)
	w.v = slab(d * most)
	if back {
		w.key, w.vt, w.dk, w.dv = slab(d*most), slab(d*most), slab(d*most), slab(d*most)
		w.do, w.dp = slab(panel*d), slab(panel*long)
	}
	return w
}

// open makes s the segment to work on and loads the keys and values that it sees
// under one head. It reports false, and loads nothing, if s has no query.
func (w *scratch) open(s Segment, kv int, k, v []float32) bool {
	first, queries := s.Start, s.End-s.Start
	if w.which != nil {
		first, _ = slices.BinarySearch(w.which, int32(s.Start))
		end, _ := slices.BinarySearch(w.which, int32(s.End))
		queries = end - first
	}
	if queries == 0 {
		return false
	}
	shared := s.PrefixEnd - s.PrefixStart
	// What the segment before loaded of the same prefix is still there.
	if w.keys == 0 || s.PrefixStart != w.segment.PrefixStart || s.PrefixEnd != w.segment.PrefixEnd {
		w.load(0, s.PrefixStart, s.PrefixEnd, kv, k, v)
	}
	w.load(shared, s.Start, s.End, kv, k, v)
	w.segment, w.first, w.queries, w.keys = s, first, queries, shared+s.End-s.Start
	w.end()
	if w.dk != nil {
		clear(w.dk)
		clear(w.dv)
	}
	return true
}

// load gathers tokens [from, to) as the keys from j on.
func (w *scratch) load(j, from, to, kv int, k, v []float32) {
	d, wide := w.h.Dim, w.width
	for t := from; t < to; t++ {
		at, turned := (t*w.h.KV+kv)*d, j/tile*tile*wide+j%tile
		for i, x := range k[at : at+d] {
			w.kt[turned+i*tile] = x
		}
		copy(w.v[j*wide:j*wide+d], v[at:at+d])
		if w.dk != nil {
			copy(w.key[j*wide:j*wide+d], k[at:at+d])
			for i, x := range v[at : at+d] {
				w.vt[turned+i*tile] = x
			}
		}
		j++
	}
}

// end makes the last tile's missing keys 0; their scores are cut off, but must be
// numbers.
func (w *scratch) end() {
	for j := w.keys; j%tile != 0; j++ {
		turned := j/tile*tile*w.width + j%tile
		for i := range w.width {
			w.kt[turned+i*tile] = 0
			if w.dk != nil {
				w.vt[turned+i*tile] = 0
			}
		}
	}
}

// start makes the panel the rows from first on, and reports false if there are
// none.
func (w *scratch) start(kv, first int) bool {
	r, prefix := &w.rows, w.segment.PrefixEnd-w.segment.PrefixStart
	r.count, r.most = min(panel, w.queries*w.groups-first), 0
	if r.count <= 0 {
		return false
	}
	for i := range r.count {
		query, head := w.first+(first+i)/w.groups, (first+i)%w.groups
		token := query
		if w.which != nil {
			token = int(w.which[query])
		}
		r.at[i] = query*w.h.Q + kv*w.groups + head
		r.limit[i] = prefix + token - w.segment.Start + 1
		r.most = max(r.most, r.limit[i])
	}
	clear(w.acc)
	return true
}

// take copies the panel's rows of x [queries*Q][Dim].
func (w *scratch) take(dst, x []float32) {
	d := w.h.Dim
	for i, at := range w.rows.at[:w.rows.count] {
		copy(dst[i*w.width:i*w.width+d], x[at*d:at*d+d])
	}
}

// give copies acc to the panel's rows of x, times by.
func (w *scratch) give(x []float32, by func(row int) float32) {
	d := w.h.Dim
	for i, at := range w.rows.at[:w.rows.count] {
		f, dst := by(i), x[at*d:at*d+d]
		for j, y := range w.acc[i*w.width : i*w.width+d] {
			dst[j] = y * f
		}
	}
}

// dot sets s [panel][long] to the products of rows x with the keys, or values, of
// the tile that begins at key from, and returns how many keys there are.
func (w *scratch) dot(s, x, turned []float32, from int) int {
	n := min(w.rows.most-from, tile)
	for j := 0; j < n; j += kernel.Panel {
		w.k.Mul32(s[j:], long, x, w.width, w.rows.count, turned[from*w.width+j:], tile, w.h.Dim, w.zero, 0)
	}
	return n
}

// cut returns the part of row i of s that the row sees of a tile, n keys from one
// on: lengthened with minus infinity to what the kernels take. What it does not
// see is 0.
func (w *scratch) cut(s []float32, i, from, n int) []float32 {
	row := s[i*long : i*long+tile]
	m := min(max(w.rows.limit[i]-from, 0), n)
	up := (m + 15) &^ 15
	for j := m; j < up; j++ {
		row[j] = float32(math.Inf(-1))
	}
	clear(row[up:whole(n)])
	return row[:up]
}

// whole rounds keys up to what one call of a kernel takes.
func whole(n int) int { return (n + kernel.Panel - 1) / kernel.Panel * kernel.Panel }

// sums adds p [panel][long] times b [n][width] to acc.
func (w *scratch) sums(p, b []float32, n int) {
	i, d, rows := 0, w.width, w.rows.count
	for ; i+32 <= d; i += 32 {
		w.k.Mul32(w.acc[i:], d, p, long, rows, b[i:], d, n, w.acc[i:], d)
	}
	if i < d {
		w.k.Mul16(w.acc[i:], d, p, long, rows, b[i:], d, n, w.acc[i:], d)
	}
}

// outer adds to b [width][tile], a tile of keys' derivatives transposed, the
// products of each row of x with its row of p, n keys long.
func (w *scratch) outer(b, p, x []float32, n int) {
	for j := 0; j < n; j += kernel.Panel {
		w.k.Outer32(b[j:], tile, x, w.width, w.h.Dim, p[j:], long, w.rows.count)
	}
}

// forward computes the softmax tile by tile: whenever a row's largest score
// grows, what it summed so far is scaled down.
func (w *scratch) forward(kv int, out, lse, q []float32) {
	scale := w.scale()
	for first := 0; w.start(kv, first); first += panel {
		w.take(w.q, q)
		for i := range w.top {
			w.top[i], w.sum[i] = float32(math.Inf(-1)), 0
		}
		for from := 0; from < w.rows.most; from += tile {
			n := w.dot(w.p, w.q, w.kt, from)
			for i := range w.rows.count {
				if p := w.cut(w.p, i, from, n); len(p) > 0 {
					w.soften(i, p, scale)
				}
			}
			w.sums(w.p, w.v[from*w.width:], n)
		}
		w.give(out, func(i int) float32 { return 1 / w.sum[i] })
		for i, at := range w.rows.at[:w.rows.count] {
			lse[at] = w.top[i] + float32(math.Log(float64(w.sum[i])))
		}
	}
}

// soften turns one row's scores of a tile into exponentials under the row's
// largest score so far.
func (w *scratch) soften(i int, p []float32, scale float32) {
	if top := w.k.Max(p) * scale; top > w.top[i] {
		if w.sum[i] != 0 {
			shrink := float32(math.Exp(float64(w.top[i] - top)))
			w.sum[i] *= shrink
			w.k.Scale(w.acc[i*w.width:(i+1)*w.width], shrink)
		}
		w.top[i] = top
	}
	w.sum[i] += w.k.Exps(p, p, scale, -w.top[i])
}

// backward adds to the scratch's dk and dv and writes dq. With p the softmax,
// do the derivative of out: dv += p do, dp = do v, ds = scale p (dp - do.out),
// dq = ds k, dk += ds q.
func (w *scratch) backward(kv int, dq, dout, out, lse, q []float32) {
	d, scale := w.h.Dim, w.scale()
	for first := 0; w.start(kv, first); first += panel {
		w.take(w.q, q)
		w.take(w.do, dout)
		for i, at := range w.rows.at[:w.rows.count] {
			sum := float32(0)
			for j, x := range out[at*d : at*d+d] {
				sum += x * w.do[i*w.width+j]
			}
			w.delta[i] = sum
		}
		for from := 0; from < w.rows.most; from += tile {
			n := w.dot(w.p, w.q, w.kt, from)
			w.dot(w.dp, w.do, w.vt, from)
			for i := range w.rows.count {
				p := w.cut(w.p, i, from, n)
				ds := w.dp[i*long : i*long+tile]
				w.k.Exps(p, p, scale, -lse[w.rows.at[i]])
				w.k.Center(ds[:len(p)], p, w.delta[i], scale)
				clear(ds[len(p):whole(n)])
			}
			w.sums(w.dp, w.key[from*w.width:], n)
			w.outer(w.dk[from*w.width:], w.dp, w.q, n)
			w.outer(w.dv[from*w.width:], w.p, w.do, n)
		}
		w.give(dq, func(int) float32 { return 1 })
	}
}

// store adds the scratch's dk and dv to the batch's.
func (w *scratch) store(kv int, dk, dv []float32) {
	d, j, s := w.h.Dim, 0, w.segment
	run := func(from, to int) {
		for t := from; t < to; t++ {
			at, turned := (t*w.h.KV+kv)*d, j/tile*tile*w.width+j%tile
			for i := range d {
				dk[at+i] += w.dk[turned+i*tile]
				dv[at+i] += w.dv[turned+i*tile]
			}
			j++
		}
	}
	run(s.PrefixStart, s.PrefixEnd)
	run(s.Start, s.End)
}

func (w *scratch) scale() float32 { return float32(1 / math.Sqrt(float64(w.h.Dim))) }
