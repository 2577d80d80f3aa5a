package cpu

import "ballast/model"

// pageLen is the number of positions in a page of the KV cache: one panel, so
// that the scores of a page are one product.
const pageLen = panel

// page holds keys and values of pageLen positions in all layers. For layer l
// and key-value head h the keys are [head][pageLen] (transposed, ready as a
// panel) and the values [pageLen][headPad].
type page struct {
	data []float32
	refs int // sequences and kept prefixes that read it
}

// shape says where things are in a page.
type shape struct {
	heads, dim, dimPad int
	key, one, size     int // floats of the keys of a head, of a head, of a page
}

func newShape(c *model.Config) shape {
	s := shape{heads: c.KVHeads, dim: c.HeadDim, dimPad: (c.HeadDim + 15) &^ 15}
	s.key = s.dim * pageLen
	s.one = s.key + s.dimPad*pageLen
	s.size = s.one * s.heads * c.Layers
	return s
}

// at returns the offset of the keys of head h in layer l; the values follow.
func (s *shape) at(l, h int) int { return (l*s.heads + h) * s.one }

// pool hands out pages and takes them back.
type pool struct {
	size int
	free []*page
	live int // pages handed out
	most int // largest live
}

func (p *pool) get() *page {
	p.live++
	p.most = max(p.most, p.live)
	if n := len(p.free); n > 0 {
		g := p.free[n-1]
		p.free = p.free[:n-1]
		g.refs = 1
		return g
	}
	return &page{data: make([]float32, p.size), refs: 1}
}

func (p *pool) put(g *page) {
	if g.refs--; g.refs == 0 {
		p.free = append(p.free, g)
		p.live--
	}
}

// cache is the KV cache of one sequence. The first borrowed pages belong to
// another sequence: they are read, and copied before the first write.
type cache struct {
	pages    []*page
	borrowed int
	len      int // positions computed, or being computed in the running pass
}

// grow makes room for n more positions, owned where they will be written.
func (c *cache) grow(p *pool, n int) {
	if i := c.len / pageLen; n > 0 && i < c.borrowed {
		g := p.get()
		copy(g.data, c.pages[i].data)
		p.put(c.pages[i])
		c.pages[i], c.borrowed = g, i
	}
	for len(c.pages)*pageLen < c.len+n {
		c.pages = append(c.pages, p.get())
	}
	c.len += n
}

// fork returns a cache that reads the first n positions of c. c may go on
// writing later positions in place.
func (c *cache) fork(n int) cache {
	k := (n + pageLen - 1) / pageLen
	out := cache{pages: append([]*page(nil), c.pages[:k]...), borrowed: k, len: n}
	for _, g := range out.pages {
		g.refs++
	}
	return out
}

// trim gives back all pages beyond the first n positions.
func (c *cache) trim(p *pool, n int) {
	k := (n + pageLen - 1) / pageLen
	for _, g := range c.pages[min(k, len(c.pages)):] {
		p.put(g)
	}
	c.pages = c.pages[:min(k, len(c.pages))]
	c.len = min(c.len, n)
}
