package accel

import (
	"slices"

	"github.com/gomlx/gomlx/core/tensors"

	"ballast"
	"ballast/model/graph"
	"ballast/model/sampling"
)

// seq is one conversation in play.
type seq struct {
	sampling.Seq
	row    int
	donor  *seq // wait until donor has computed the first shared tokens
	shared int
	done   bool
	held   []int32 // what its row held when it left that to wait
}

// row is a place in the cache and what it holds.
type row struct {
	s    *seq    // nil: free
	held []int32 // the tokens whose keys and values are there
}

// player plays conversations on one cache.
type player struct {
	e       *engine
	o       Options
	how     ballast.Sampling
	watched *tensors.Tensor
	rows    []row
	kv      *cache
	moves   map[int]move // by row: what is copied before the next pass
	count   sampling.Counters
}

// move says that a row takes over the first keep positions of another.
type move struct{ from, keep int }

// size makes the cache for so many conversations, which need as many positions for their
// first reply. Its length is a power of two, or what the model has.
func (t *player) size(n, longest int) {
	length := max(power(longest+t.o.Steps), 64)
	if top := t.e.c.MaxLen; top > 0 && length > top {
		length = (top/16 + 1) * 16 // no conversation goes beyond, its last token's place included
	}
	n = power(min(t.o.Rows, n))
	for n > 1 && int64(n)*t.e.rowBytes(length) > t.o.Memory {
		n /= 2
	}
	t.rows, t.moves = make([]row, n), map[int]move{}
	t.kv = t.e.newCache(n, length)
}

// worth is the number of common tokens from which on sharing is.
const worth = 16

// Admit gives s a free row: the one that it had, if that still holds what s needs, or the
// first. Whoever has waited reads everything again that no row holds.
func (t *player) Admit(s *seq) {
	s.Prompt = slices.Concat(s.held, s.Pending)
	if r := &t.rows[s.row]; r.s != nil || len(s.held) == 0 || sampling.Common(r.held, s.held) < len(s.held) {
		s.row = slices.IndexFunc(t.rows, func(r row) bool { return r.s == nil })
	}
	t.rows[s.row].s = s
	t.place(s)
}

// Leave takes the row of s, and notes what it held if s comes back.
func (t *player) Leave(s *seq, over bool) {
	s.done = over
	if r := &t.rows[s.row]; r.s == s {
		r.s = nil
		if !over {
			s.held = slices.Clone(r.held)
		}
	}
}

// Full is false: who waits holds no memory of the device.
func (t *player) Full() bool { return false }

// Pass lets those go on that have waited for a donor, and computes what is to be read
// before anything is drawn, or draws.
func (t *player) Pass() []*seq {
	t.inherit()
	t.copyRows()
	if t.prefill() {
		return nil // there may be heirs now
	}
	return t.decode()
}

// inherit gives those whose donor is far enough what they wait for.
func (t *player) inherit() {
	for _, r := range t.rows {
		s := r.s
		if s == nil || s.donor == nil {
			continue
		}
		// The donor reads on, or its row still holds what it read; a row given
		// to somebody else is found by what it holds.
		if d := s.donor; sampling.Common(t.rows[d.row].held, s.Prompt) >= s.shared || d.done || t.rows[d.row].s != d {
			t.place(s)
		}
	}
}

// place looks for the row that holds most of s's prompt, or is about to, and
// plans to copy from it.
func (t *player) place(s *seq) {
	s.donor, s.shared = nil, 0
	from, most := s.row, 0
	for i := range t.rows {
		if _, moving := t.moves[i]; moving {
			continue // what it holds is not there yet
		}
		if n := sampling.Common(t.rows[i].held, s.Prompt); n > most {
			from, most = i, n
		}
	}
	for i := range t.rows {
		d := t.rows[i].s
		if d == nil || d == s || d.donor != nil {
			continue
		}
		if n := sampling.Common(d.Prompt, s.Prompt); n >= max(worth, most+worth) && n > s.shared {
			s.donor, s.shared = d, min(n, len(s.Prompt)-1)
		}
	}
	if s.donor != nil && sampling.Common(t.rows[s.donor.row].held, s.Prompt) < s.shared {
		return
	}
	s.donor = nil
	if most < worth {
		most = 0
	}
	most = min(most, len(s.Prompt)-1) // one token is left to draw from
	t.moves[s.row] = move{from, most}
	if s.held == nil {
		t.count.Shared += int64(most)
	}
	s.Pending, s.Drawn = s.Prompt[most:], s.Drawn && most == len(s.held)
}

// copyRows carries the planned moves out.
func (t *player) copyRows() {
	if len(t.moves) == 0 {
		return
	}
	from, keep := make([]int32, len(t.rows)), make([]int32, len(t.rows))
	needed := false
	for i := range t.rows {
		from[i], keep[i] = int32(i), int32(t.kv.length)
		if m, ok := t.moves[i]; ok {
			from[i], keep[i] = int32(m.from), int32(m.keep)
			needed = needed || m.from != i || m.keep != len(t.rows[i].held)
		}
	}
	if needed {
		t.kv.copyRows(from, keep)
	}
	for i, m := range t.moves {
		t.rows[i].held = slices.Clone(t.rows[i].s.Prompt[:m.keep])
	}
	clear(t.moves)
}

// sizes are the tokens a row that prefill calls come in; all rows of a call have
// as many.
var sizes = []int{32, 256, 1024}

// prefill computes tokens of conversations that have more to read than the one
// they draw from, in one call, longest first. It returns false if there are none.
func (t *player) prefill() bool {
	var todo []*seq
	for _, r := range t.rows {
		if r.s != nil && r.s.donor == nil && len(r.s.Pending) > 1 {
			todo = append(todo, r.s)
		}
	}
	if len(todo) == 0 {
		return false
	}
	slices.SortStableFunc(todo, func(a, b *seq) int { return len(b.Pending) - len(a.Pending) })
	most := len(todo[0].Pending) - 1
	n := sizes[len(sizes)-1]
	for _, size := range slices.Backward(sizes) {
		if size >= most {
			n = size
		}
	}
	n = min(n, power(t.o.Chunk))
	b := min(max(t.o.Chunk/n, 1), power(len(todo)))
	var parts []part
	end := 0
	for _, s := range todo[:min(b, len(todo))] {
		k, r := min(n, len(s.Pending)-1), &t.rows[s.row]
		parts = append(parts, part{s.row, len(r.held), s.Pending[:k]})
		end = max(end, len(r.held)+k)
	}
	t.kv.reach(end)
	t.kv.extend(parts, b, n)
	t.count.Passes++
	for i, s := range todo[:len(parts)] {
		k, r := len(parts[i].tokens), &t.rows[s.row]
		r.held = append(r.held, parts[i].tokens...)
		t.count.Prefilled += int64(k)
		if s.Drawn {
			t.count.Prefilled--
			s.Drawn = false
		}
		s.Pending = s.Pending[k:]
	}
	return true
}

// decode lets all rows draw, and returns those whose reply is complete.
func (t *player) decode() (ended []*seq) {
	n := len(t.rows)
	d := &draw{token: make([]int32, n), pos: make([]int32, n), left: make([]int32, n), stop: make([][]int32, n),
		u: make([]float32, n*t.o.Steps)}
	end := 0
	for i, r := range t.rows {
		if r.s == nil || r.s.donor != nil {
			continue
		}
		d.token[i], d.pos[i] = r.s.Pending[0], int32(len(r.held))
		d.left[i], d.stop[i] = int32(r.s.Req.Max-len(r.s.Reply.Tokens)), r.s.Req.Stop
		for j := range t.o.Steps {
			d.u[j*n+i] = unit(sampling.Uniform(r.s.Req.Seed, len(r.held)+1+j))
		}
		end = max(end, len(r.held)+min(t.o.Steps, int(d.left[i]))+1)
	}
	t.kv.reach(end)
	kind := graph.Plain
	d.scalars = [3]float32{float32(t.how.Temperature), 1, float32(t.e.c.Vocab)}
	if p := t.how.TopP; p > 0 && p < 1 {
		kind, d.scalars[1] = graph.Truncated, float32(p)
	}
	if k := t.how.TopK; k > 0 && k < t.e.c.Vocab {
		kind, d.scalars[2] = graph.Truncated, float32(k)
	}
	if t.how.Temperature == 0 {
		kind = graph.Greedy
	}
	tokens, facts := t.kv.run(kind, d, t.o.Steps, t.watched)
	t.count.Passes++
	for i, r := range t.rows {
		if d.left[i] > 0 {
			if t.take(i, tokens, facts); r.s.Ended() {
				ended = append(ended, r.s)
			}
		}
	}
	return ended
}

// unit is u in float32, still below 1.
func unit(u float64) float32 { return min(float32(u), 1-0x1p-24) }

// take records what row i drew.
func (t *player) take(i int, tokens []int32, facts []float32) {
	r, n, width := &t.rows[i], len(t.rows), 2+t.e.watched
	s := r.s
	if !s.Drawn {
		t.count.Prefilled++
	}
	for step := 0; step < len(tokens)/n && !s.Ended(); step++ {
		at := step*n + i
		if tokens[at] == rests {
			panic("model/accel: a row rests whose reply goes on")
		}
		r.held, s.Pending = append(r.held, s.Pending[0]), nil
		if tokens[at] == broken {
			s.Fail("model/accel: the logits are not finite: the weights are broken")
			break
		}
		f := facts[at*width : (at+1)*width]
		copy(s.Extend(tokens[at], f[0], f[1], t.e.watched), f[2:])
		t.count.Sampled++
	}
}
