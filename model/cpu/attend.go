package cpu

import "math"

// queryTile is how many query rows (tokens times query heads of a key-value
// head) share one reading of keys and values.
const queryTile = 16

// tile is rows [from, to) of a pass that attend together: a run of one
// sequence's tokens, or single tokens of sequences with a shared prefix. The
// first common pages are the same for all of them.
type tile struct{ from, to, common int }

// tile cuts the pass into tiles. Neighbours join a tile as long as they share
// all the pages that it shares already.
func (e *engine) tile(spans []span) {
	e.tiles = e.tiles[:0]
	most := max(1, queryTile*e.w.c.KVHeads/e.w.c.Heads)
	for i := range spans {
		s := &spans[i]
		if len(s.tokens) == 1 {
			if n := len(e.tiles); n == 0 || !e.join(&e.tiles[n-1], s.from, most) {
				e.tiles = append(e.tiles, tile{s.from, s.from + 1, s.start/pageLen + 1})
			}
			continue
		}
		for j := 0; j < len(s.tokens); j += most {
			k := min(len(s.tokens), j+most)
			e.tiles = append(e.tiles, tile{s.from + j, s.from + k, (s.start+k-1)/pageLen + 1})
		}
	}
}

// join takes row r into t when it belongs there and t has room.
func (e *engine) join(t *tile, r, most int) bool {
	a, b := e.at[t.from], e.at[r]
	if t.to-t.from >= most || a.kv == b.kv || t.to != r || a.kv.pages[0] != b.kv.pages[0] || e.at[r-1].kv == a.kv && r-1 != t.from {
		return false
	}
	n := 1
	for n < min(t.common, b.pos/pageLen+1) && a.kv.pages[n] == b.kv.pages[n] {
		n++
	}
	if n < t.common && t.to-t.from > 1 {
		return false
	}
	t.to, t.common = r+1, n
	return true
}

// attend computes causal attention of all rows of layer l into e.attn.
func (e *engine) attend(l int) {
	heads := e.w.c.KVHeads
	n := len(e.tiles) * heads
	e.parallel(n, max(1, n/(16*e.workers)), func(worker, from, to int) {
		for i := from; i < to; i++ {
			e.attendTile(l, i%heads, e.tiles[i/heads], worker)
		}
	})
}

// attendTile handles one tile on key-value head h. Per query row it keeps all
// scores [positions], which for 16 rows and 8k positions is 512 KB.
func (e *engine) attendTile(l, h int, t tile, worker int) {
	c, sh, stride := &e.w.c, &e.shape, e.w.layers[l].qkv.out
	d, group := c.HeadDim, c.Heads/c.KVHeads
	n, end := (t.to-t.from)*group, 0
	for _, a := range e.at[t.from:t.to] {
		end = max(end, a.pos+1)
	}
	ld := pad(end)
	buf := resize(e.scratch[worker], n*(d+ld+sh.dimPad+1))
	e.scratch[worker] = buf
	q, s, o, inv := buf[:n*d], buf[n*d:n*(d+ld)], buf[n*(d+ld):n*(d+ld+sh.dimPad)], buf[n*(d+ld+sh.dimPad):]
	for r := t.from; r < t.to; r++ {
		copy(q[(r-t.from)*group*d:], e.qkv[r*stride+h*group*d:r*stride+(h+1)*group*d])
	}
	at := sh.at(l, h)
	for b, p := range e.at[t.from].kv.pages[:t.common] {
		e.k.Mul32(s[b*pageLen:], ld, q, d, n, p.data[at:], pageLen, d, e.zero, 0)
	}
	clear(o)
	by := float32(1 / math.Sqrt(float64(d)))
	for r := t.from; r < t.to; r++ {
		i, a := (r-t.from)*group, e.at[r]
		for b := t.common; b <= a.pos/pageLen; b++ {
			e.k.Mul32(s[i*ld+b*pageLen:], ld, q[i*d:], d, group, a.kv.pages[b].data[at:], pageLen, d, e.zero, 0)
		}
		for g := i; g < i+group; g++ {
			inv[g] = e.k.Softmax(s[g*ld:(g+1)*ld], a.pos+1, by)
			if from, to := (a.pos+16)&^15, t.common*pageLen; from < to {
				clear(s[g*ld+from : g*ld+to])
			}
		}
	}
	for b, p := range e.at[t.from].kv.pages[:t.common] {
		e.weigh(o, s[b*pageLen:], ld, n, p.data[at+sh.key:], min(pageLen, end-b*pageLen))
	}
	for r := t.from; r < t.to; r++ {
		i, a := (r-t.from)*group, e.at[r]
		for b := t.common; b <= a.pos/pageLen; b++ {
			e.weigh(o[i*sh.dimPad:], s[i*ld+b*pageLen:], ld, group, a.kv.pages[b].data[at+sh.key:], min(pageLen, a.pos+1-b*pageLen))
		}
		for g := range group {
			v := o[(i+g)*sh.dimPad : (i+g)*sh.dimPad+d]
			e.k.Scale(v, inv[i+g])
			copy(e.attn[r*c.Heads*d+(h*group+g)*d:], v)
		}
	}
}

// weigh adds to o [rows][dimPad] the first k values of a page, weighted by
// s [rows][ld].
func (e *engine) weigh(o, s []float32, ld, rows int, values []float32, k int) {
	w, j := e.shape.dimPad, 0
	for ; j+32 <= w; j += 32 {
		e.k.Mul32(o[j:], w, s, ld, rows, values[j:], w, k, o[j:], w)
	}
	if j < w {
		e.k.Mul16(o[j:], w, s, ld, rows, values[j:], w, k, o[j:], w)
	}
}
