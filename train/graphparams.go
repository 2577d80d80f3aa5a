package train

import (
	"fmt"

	"ballast/model"
	"ballast/model/graph"

	"github.com/gomlx/gomlx/core/tensors"
)

// tensorParams are weights as tensors, in the order of Config.Specs.
type tensorParams struct {
	t                   []*tensors.Tensor
	embed, norm, out    int                 // indices of the embedding, the final norm, the output matrix
	pre, mid, end       [][]*tensors.Tensor // weights of each layer's parts
	preAt, midAt, endAt [][]int             // and their indices
}

// place implements engine: it copies weights into tensors of the backend.
func (e *graphEngine) place(from *model.Weights) *params {
	p, g := &params{specs: e.c.Specs()}, &tensorParams{}
	p.graph = g
	index := map[string]int{}
	for i, s := range p.specs {
		src := from.Get(s.Name)
		t, flat := e.alloc(s.Shape...)
		if len(flat) != len(src.Data) {
			panic(fmt.Sprintf("train: tensor %s has %d elements, want %d", s.Name, len(src.Data), len(flat)))
		}
		copy(flat, src.Data)
		g.t, p.flat = append(g.t, t), append(p.flat, flat)
		index[s.Name] = i
	}
	g.embed, g.norm, g.out = index["model.embed_tokens.weight"], index["model.norm.weight"], index[graph.OutName(&e.c)]
	part := func(layer int, names []string, ts *[][]*tensors.Tensor, at *[][]int) {
		var t []*tensors.Tensor
		var is []int
		for _, n := range names {
			k := index[graph.LayerName(layer, n)]
			t, is = append(t, g.t[k]), append(is, k)
		}
		*ts, *at = append(*ts, t), append(*at, is)
	}
	for i := range e.c.Layers {
		part(i, graph.PreNames(&e.c), &g.pre, &g.preAt)
		part(i, graph.MidNames(), &g.mid, &g.midAt)
		part(i, []string{graph.EndName}, &g.end, &g.endAt)
	}
	return p
}

// write implements engine. The data may move, to the device and back.
func (e *graphEngine) write(p *params, change func(i int, data []float32)) {
	for i, t := range p.graph.t {
		t.MustMutableFlatData(func(x any) {
			p.flat[i] = x.([]float32)
			change(i, p.flat[i])
		})
	}
}

// add adds outputs to the tensors with the given indices and frees them.
func (g *gradient) add(e *graphEngine, outs []*tensors.Tensor, at []int) {
	for i, t := range outs {
		add(g.flat[at[i]], host(t))
	}
	e.free(outs...)
}

// scatter adds rows of d to the rows of a matrix that ids name.
func (g *gradient) scatter(at int, ids []int32, d []float32, width int) {
	m := g.flat[at]
	for i, id := range ids {
		add(m[int(id)*width:(int(id)+1)*width], d[i*width:])
	}
}

// add adds y's leading elements to x.
func add(x, y []float32) {
	y = y[:len(x)]
	for i := range x {
		x[i] += y[i]
	}
}

// addTransposed adds yT [cols, rows] to x [rows, cols], in tiles that fit the
// nearest cache.
func addTransposed(x, yT []float32, rows, cols int) {
	const tile = 32
	for r := 0; r < rows; r += tile {
		for c := 0; c < cols; c += tile {
			for j := c; j < min(c+tile, cols); j++ {
				col := yT[j*rows:]
				for i := r; i < min(r+tile, rows); i++ {
					x[i*cols+j] += col[i]
				}
			}
		}
	}
}
