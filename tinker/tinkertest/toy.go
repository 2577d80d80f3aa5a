package tinkertest

import (
	"math"
)

// maxOrder is the most tokens that the toy model looks back.
const maxOrder = 4

// alpha is that of LoRA: servers fix it.
const alpha = 32.0

// toy is the base model: a softmax over the vocabulary whose logits are
//
//	bias[v] + Σ_j in_j[x_j]·out[v] + alpha/rank Σ_j A_j[x_j]·B[v]
//
// where x_1 is the last token, x_2 the one before, up to order. The first two terms are drawn
// from the seed and never change; A and B are an adapter.
type toy struct {
	vocab, order, width int
	in, out, bias       []float64 // [order][vocab][width], [vocab][width], [vocab]
	base                func(prefix []int32, logits []float64)
}

// width is the size of the base model's hidden state.
const width = 8

func newToy(o Options) *toy {
	m := &toy{vocab: o.Vocab, order: o.Order, width: width, base: o.Base}
	d := draws{seed: o.Seed}
	m.in = d.normals(m.order*m.vocab*width, 1/math.Sqrt(width))
	m.out = d.normals(m.vocab*width, 1)
	m.bias = d.normals(m.vocab, 0.5)
	return m
}

// adapter is the trained part. Its weights are never changed in place, so that whoever has
// them keeps what they were.
type adapter struct {
	rank    int
	weights []float64 // [order][vocab][rank] of A, then [vocab][rank] of B
}

// size is the number of weights of an adapter.
func (m *toy) size(rank int) int { return (m.order + 1) * m.vocab * rank }

// fresh is an adapter before any step: A is drawn, B is zero, so that the model is the base.
func (m *toy) fresh(rank int, seed uint64) adapter {
	w := make([]float64, m.size(rank))
	copy(w, draws{seed: seed}.normals(m.order*m.vocab*rank, 1/math.Sqrt(float64(rank))))
	return adapter{rank: rank, weights: w}
}

// window is what the next token depends on.
type window struct {
	last   [maxOrder]int32 // the last token first; -1 where there is none
	prefix []int32         // all tokens, where the base model asks for them
}

// contextAt is the context behind the first n tokens.
func (m *toy) contextAt(tokens []int32, n int) window {
	c := window{last: [maxOrder]int32{-1, -1, -1, -1}}
	for j := 0; j < m.order && j < n; j++ {
		c.last[j] = tokens[n-1-j]
	}
	if m.base != nil {
		c.prefix = tokens[:n:n]
	}
	return c
}

// known says whether a token is one of the vocabulary.
func (m *toy) known(token int) bool { return token >= 0 && token < m.vocab }

// row fills logits with log-probabilities of the next token, and hidden with Σ_j A_j[x_j].
func (m *toy) row(a adapter, c window, logits, hidden []float64) {
	var h [width]float64
	clear(hidden)
	for j, x := range c.last[:m.order] {
		if x < 0 {
			break
		}
		at := (j*m.vocab + int(x))
		for k, v := range m.in[at*width : (at+1)*width] {
			h[k] += v
		}
		for k, v := range a.weights[at*a.rank : (at+1)*a.rank] {
			hidden[k] += v
		}
	}
	scale := a.scale()
	b := a.weights[m.order*m.vocab*a.rank:]
	for v := range logits {
		x := m.bias[v]
		for k, o := range m.out[v*width : (v+1)*width] {
			x += h[k] * o
		}
		y := 0.0
		for k, o := range b[v*a.rank : (v+1)*a.rank] {
			y += hidden[k] * o
		}
		logits[v] = x + scale*y
	}
	if m.base != nil {
		m.base(c.prefix, logits)
	}
	normalise(logits)
}

func (a adapter) scale() float64 { return alpha / float64(a.rank) }

// normalise makes log-probabilities of logits.
func normalise(logits []float64) {
	most := math.Inf(-1)
	for _, x := range logits {
		most = max(most, x)
	}
	sum := 0.0
	for _, x := range logits {
		sum += math.Exp(x - most)
	}
	z := most + math.Log(sum)
	for v := range logits {
		logits[v] -= z
	}
}

// backward adds to grad what the logits' derivative delta gives in a context.
func (m *toy) backward(a adapter, c window, delta, hidden, grad []float64) {
	scale, r := a.scale(), a.rank
	first := m.order * m.vocab * r
	b, gb := a.weights[first:], grad[first:]
	up := make([]float64, r)
	for v, d := range delta {
		if d == 0 {
			continue
		}
		d *= scale
		for k := range up {
			gb[v*r+k] += d * hidden[k]
			up[k] += d * b[v*r+k]
		}
	}
	for j, x := range c.last[:m.order] {
		if x < 0 {
			break
		}
		at := (j*m.vocab + int(x)) * r
		for k, d := range up {
			grad[at+k] += d
		}
	}
}

// place is a position of a datum.
type place struct{ datum, at int }

// pass computes log-probabilities of targets, and gradients where grad is not nil. At every
// position it calls slope with the log-probability, and takes back the loss's derivative by it.
// Positions with the same context are computed once, in the order of their first appearance.
func (m *toy) pass(a adapter, data []sequence, grad []float64, slope func(p place, lp float64) float64) {
	var order []window
	var users [][]place
	index := map[[maxOrder]int32]int{}
	for i, s := range data {
		if s.broken {
			for t := range s.tokens {
				slope(place{i, t}, math.NaN())
			}
			continue
		}
		for t := range s.tokens {
			c := m.contextAt(s.tokens, t+1)
			n, seen := index[c.last]
			if !seen || c.prefix != nil {
				n = len(order)
				index[c.last] = n
				order, users = append(order, c), append(users, nil)
			}
			users[n] = append(users[n], place{i, t})
		}
	}
	logits, hidden, delta := make([]float64, m.vocab), make([]float64, a.rank), make([]float64, m.vocab)
	for n, c := range order {
		m.row(a, c, logits, hidden)
		total := 0.0
		for _, p := range users[n] {
			target, lp := data[p.datum].target(p.at), math.NaN()
			if m.known(target) {
				lp = logits[target]
			}
			g := slope(p, lp)
			if grad == nil || !m.known(target) {
				continue
			}
			total += g
			delta[target] += g
		}
		if grad == nil {
			continue
		}
		for v := range delta {
			delta[v] -= total * math.Exp(logits[v])
		}
		m.backward(a, c, delta, hidden, grad)
		clear(delta)
	}
}

// sequence is a datum as the model reads it.
type sequence struct {
	tokens  []int32
	targets []int
	broken  bool // a token that is none of the vocabulary: every position is NaN
}

// target is that of a position: 0 behind the end, as servers pad.
func (s sequence) target(at int) int {
	if at < len(s.targets) {
		return s.targets[at]
	}
	return 0
}

// draws are numbers that depend on a seed and a position alone.
type draws struct{ seed uint64 }

// uniform is the n-th number between 0 and 1, 1 not among them.
func (d draws) uniform(n uint64) float64 { return float64(mix(d.seed, n)>>11) / (1 << 53) }

// mix is splitmix64's finaliser over both.
func mix(seed, n uint64) uint64 {
	z := seed*0xd1342543de82ef95 + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// normals are n numbers with a standard deviation. Arrays of one seed differ by their size.
func (d draws) normals(n int, deviation float64) []float64 {
	own := draws{mix(d.seed, uint64(n))}
	out := make([]float64, n)
	for i := range out {
		u, v := own.uniform(uint64(2*i)), own.uniform(uint64(2*i+1))
		out[i] = deviation * math.Sqrt(-2*math.Log(1-u)) * math.Cos(2*math.Pi*v)
	}
	return out
}
