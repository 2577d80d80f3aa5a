package train

import (
	"fmt"
	"slices"

	"ballast/model"
	"ballast/model/graph"
	"ballast/train/adamw"

	"github.com/gomlx/gomlx/core/tensors"
)

// params are a model's weights as tensors, in the order of Config.Specs. Where
// the backend shares memory, flat is the tensors' own data.
type params struct {
	specs               []model.Spec
	t                   []*tensors.Tensor
	flat                [][]float32
	embed, norm, out    int                 // indices of the embedding, the final norm, the output matrix
	pre, mid, end       [][]*tensors.Tensor // weights of each layer's parts
	preAt, midAt, endAt [][]int             // and their indices
}

// newParams copies weights into tensors of the engine's backend.
func newParams(e *engine, from *model.Weights) *params {
	p := &params{specs: e.c.Specs()}
	index := map[string]int{}
	for i, s := range p.specs {
		src := from.Get(s.Name)
		t, flat := e.alloc(s.Shape...)
		if len(flat) != len(src.Data) {
			panic(fmt.Sprintf("train: tensor %s has %d elements, want %d", s.Name, len(src.Data), len(flat)))
		}
		copy(flat, src.Data)
		p.t, p.flat = append(p.t, t), append(p.flat, flat)
		index[s.Name] = i
	}
	p.embed, p.norm, p.out = index["model.embed_tokens.weight"], index["model.norm.weight"], index[graph.OutName(&e.c)]
	part := func(layer int, names []string, ts *[][]*tensors.Tensor, at *[][]int) {
		var t []*tensors.Tensor
		var is []int
		for _, n := range names {
			k := index[graph.LayerName(layer, n)]
			t, is = append(t, p.t[k]), append(is, k)
		}
		*ts, *at = append(*ts, t), append(*at, is)
	}
	for i := range e.c.Layers {
		part(i, graph.PreNames(&e.c), &p.pre, &p.preAt)
		part(i, graph.MidNames(), &p.mid, &p.midAt)
		part(i, []string{graph.EndName}, &p.end, &p.endAt)
	}
	return p
}

// write lets change edit every tensor's data and tells the backend about it.
func (p *params) write(change func(i int, data []float32)) {
	for i, t := range p.t {
		t.MustMutableFlatData(func(x any) {
			p.flat[i] = x.([]float32)
			change(i, p.flat[i])
		})
	}
}

// equal reports whether two models have the same weights; after a step the first
// tensors already differ.
func (p *params) equal(q *params) bool {
	return slices.EqualFunc(p.flat, q.flat, func(a, b []float32) bool { return slices.Equal(a, b) })
}

// gradient is a sum of derivatives, flat as params.flat.
type gradient struct {
	flat [][]float32
}

func newGradient(p *params) *gradient {
	return &gradient{flat: adamw.Zeros(p.flat)}
}

func (g *gradient) clear() {
	for _, x := range g.flat {
		clear(x)
	}
}

// add adds outputs to the tensors with the given indices and frees them.
func (g *gradient) add(e *engine, outs []*tensors.Tensor, at []int) {
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
