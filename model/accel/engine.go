package accel

import (
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"ballast/model"
	"ballast/model/device"
	"ballast/model/graph"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
)

// engine has the compiled graphs of a model's sampler and its weights.
type engine struct {
	d       *device.Device
	c       model.Config
	at      layout
	watched int
	half    bool
	w       []*tensors.Tensor // in the order of Config.Specs
	decode  [3]*gx.Exec       // by graph.Draws
	// One layer's worth each, run for all layers.
	prefill, embed, move, grow *gx.Exec
}

func newEngine(d *device.Device, c model.Config, watched int, half bool) *engine {
	e := &engine{d: d, c: c, at: newLayout(&c), watched: watched, half: half}
	for kind, name := range map[graph.Draws]string{graph.Greedy: "greedy", graph.Plain: "sample", graph.Truncated: "truncated"} {
		e.decode[kind] = d.Graph(name, e.decodeGraph(kind))
	}
	e.prefill, e.embed = d.Graph("prefill", e.prefillGraph), d.Graph("embed", e.embedGraph)
	e.move, e.grow = d.Graph("move", e.moveGraph), d.Graph("grow", e.growGraph)
	return e
}

// cache is the keys and values of all rows, by layer in turn, each
// [rows*KVHeads*length, HeadDim].
type cache struct {
	e            *engine
	rows, length int
	kv           []*tensors.Tensor
	cos, sin     *tensors.Tensor // [length, HeadDim]
	sized        *tensors.Tensor // [rows], for its shape
}

func (e *engine) newCache(rows, length int) *cache {
	c := &cache{e: e, rows: rows, length: length, sized: device.Put(e.d, make([]int32, rows), rows)}
	dtype := dtypes.Float32
	if e.half {
		dtype = dtypes.BFloat16
	}
	zeros := e.d.Graph("zeros", func(in []*gx.Node) []*gx.Node {
		return []*gx.Node{gx.Zeros(in[0].Graph(), shapes.Make(dtype, rows*e.c.KVHeads*length, e.c.HeadDim))}
	})
	defer zeros.Finalize()
	for range 2 * e.c.Layers {
		c.kv = append(c.kv, e.d.Run(zeros, c.sized)...)
	}
	c.tables()
	return c
}

// rowBytes is the size of a cache's row. A decode call holds the cache twice.
func (e *engine) rowBytes(length int) int64 {
	size := 4
	if e.half {
		size = 2
	}
	return int64(2*e.c.Layers*e.c.KVHeads*e.c.HeadDim) * int64(length) * int64(size)
}

// tables makes the rotary tables of the cache's length.
func (c *cache) tables() {
	device.Free(c.cos, c.sin)
	positions := make([]int32, c.length)
	for i := range positions {
		positions[i] = int32(i)
	}
	cos, sin := graph.Tables(&c.e.c, positions)
	c.cos, c.sin = device.Put(c.e.d, cos, c.length, c.e.c.HeadDim), device.Put(c.e.d, sin, c.length, c.e.c.HeadDim)
}

// bytes is the size of the cache.
func (c *cache) bytes() (n int64) {
	for _, t := range c.kv {
		n += t.ByteSize()
	}
	return n
}

func (c *cache) free() {
	device.Free(c.kv...)
	device.Free(c.cos, c.sin, c.sized)
}

// each replaces every layer's keys and values by what the graph makes of them,
// one at a time, so that memory for one is enough.
func (c *cache) each(x *gx.Exec, args ...*tensors.Tensor) {
	for i, old := range c.kv {
		c.kv[i] = c.e.d.Run(x, append([]*tensors.Tensor{old}, args...)...)[0]
		device.Free(old)
	}
}

// reach makes room for n positions.
func (c *cache) reach(n int) {
	if n <= c.length {
		return
	}
	for c.length < n {
		c.each(c.e.grow, c.sized)
		c.length *= 2
	}
	c.tables()
}

// copyRows makes each row i the first keep[i] positions of row from[i].
func (c *cache) copyRows(from, keep []int32) {
	f, k := device.Put(c.e.d, from, c.rows), device.Put(c.e.d, keep, c.rows)
	c.each(c.e.move, f, k)
	device.Free(f, k)
}

// part is some tokens of one row.
type part struct {
	row, start int
	tokens     []int32
}

// extend computes keys and values of b parts of at most n tokens; fewer are
// padded.
func (c *cache) extend(parts []part, b, n int) {
	e := c.e
	ids, pos, real, rows := make([]int32, b*n), make([]int32, b*n), make([]float32, b*n), make([]int32, b)
	for i, p := range parts {
		rows[i] = int32(p.row)
		for j, t := range p.tokens {
			ids[i*n+j], pos[i*n+j], real[i*n+j] = t, int32(p.start+j), 1
		}
	}
	in := []*tensors.Tensor{device.Put(e.d, rows, b), device.Put(e.d, pos, b, n), device.Put(e.d, real, b, n)}
	// What queries and keys are turned by: position 0 in layers without rotary embedding.
	turn, still := device.Put(e.d, pos, b, n), device.Put(e.d, make([]int32, b*n), b, n)
	tokens := device.Put(e.d, ids, b*n)
	x := e.d.Run(e.embed, e.w[e.at.embed], tokens)[0]
	for l := range e.c.Layers {
		by := turn
		if !e.c.Rotates(l) {
			by = still
		}
		args := append([]*tensors.Tensor{x, c.kv[2*l], c.kv[2*l+1]}, in...)
		args = append(append(args, by, c.cos, c.sin), pick(e.w, e.at.layers[l])...)
		out := e.d.Run(e.prefill, args...)
		device.Free(x, c.kv[2*l], c.kv[2*l+1])
		x, c.kv[2*l], c.kv[2*l+1] = out[0], out[1], out[2]
	}
	device.Free(x, tokens, turn, still)
	device.Free(in...)
}

// draw is what one call of the decode graph starts from, by row.
type draw struct {
	token, pos, left []int32
	stop             [][]int32
	u                []float32 // [steps][rows]
	scalars          [3]float32
}

// run draws up to steps tokens a row: tokens [steps][rows], facts
// [steps][rows][2+watched].
func (c *cache) run(kind graph.Draws, d *draw, steps int, watched *tensors.Tensor) (tokens []int32, facts []float32) {
	e := c.e
	stops := 1
	for _, s := range d.stop {
		for stops < len(s) {
			stops *= 2
		}
	}
	stop := make([]int32, c.rows*stops)
	for i := range stop {
		stop[i] = rests
		if s := d.stop[i/stops]; i%stops < len(s) {
			stop[i] = s[i%stops]
		}
	}
	own := []*tensors.Tensor{
		device.Put(e.d, d.token, c.rows), device.Put(e.d, d.pos, c.rows), device.Put(e.d, d.left, c.rows),
		device.Put(e.d, stop, c.rows, stops), device.Put(e.d, d.u, steps, c.rows),
	}
	for _, s := range d.scalars {
		own = append(own, device.Put(e.d, []float32{s}))
	}
	args := append(append([]*tensors.Tensor(nil), own...), watched, c.cos, c.sin)
	args = append(append(args, e.w...), c.kv...)
	out := e.d.Run(e.decode[kind], args...)
	device.Free(own...)
	device.Free(c.kv...)
	c.kv = out[2:]
	tokens, facts = device.Get[int32](out[0]), device.Get[float32](out[1])
	for i := range tokens {
		tokens[i]--
	}
	return tokens, facts
}
