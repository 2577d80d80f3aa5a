package train

import (
	"fmt"
	"sync"

	"ballast/loss"
	"ballast/model"
	"ballast/model/attn"
	"ballast/model/graph"
	"ballast/train/plan"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	gx "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// graphEngine runs a decoder forward and backward, layer by layer: one compiled graph
// for each part of a layer and each bucket of rows, used for all layers, with
// gathers, rotation and attention on the host between them: the engine of every
// GoMLX backend. It holds no weights and may be used by several goroutines.
type graphEngine struct {
	backend compute.Backend
	c       model.Config
	heads   attn.Heads
	rot     *attn.Rotary
	params  loss.Params
	tape    mode // of a forward pass in training
	inner   int  // goroutines of one attention call

	pre, preBack, mid, midBack, end, endBack, predict *gx.Exec

	mu      sync.Mutex
	byTerms map[terms]*gx.Exec // by the terms that are present
}

func newGraphEngine(backend compute.Backend, c model.Config, p loss.Params, cut plan.Plan) (*graphEngine, error) {
	e := &graphEngine{backend: backend, c: c, params: p, tape: recompute, inner: inner(cut),
		heads: attn.Heads{Q: c.Heads, KV: c.KVHeads, Dim: c.HeadDim}, rot: attn.NewRotary(c.Frequencies()),
		byTerms: map[terms]*gx.Exec{}}
	if cut.Keep {
		e.tape = kept
	}
	var err error
	build := func(name string, fn func(in []*gx.Node) []*gx.Node) *gx.Exec {
		x, failed := gx.NewExec(backend, fn)
		if failed != nil {
			err = fmt.Errorf("train: building graph %s: %w", name, failed)
			return nil
		}
		return x.WithName(name).SetMaxCache(-1)
	}
	e.pre, e.preBack = build("pre", e.preGraph), build("preBack", e.preBackGraph)
	e.mid, e.midBack = build("mid", e.midGraph), build("midBack", e.midBackGraph)
	e.end = build("end", func(in []*gx.Node) []*gx.Node { return []*gx.Node{graph.End(&e.c, in[0], in[1], in[2])} })
	e.endBack = build("endBack", func(in []*gx.Node) []*gx.Node {
		dact, ddown := graph.EndBack(&e.c, in[0], in[1], in[2])
		return []*gx.Node{dact, ddown}
	})
	e.predict = build("predict", func(in []*gx.Node) []*gx.Node {
		t := graph.Head(&e.c, in[0], in[1], in[2], in[3])
		return []*gx.Node{t.LogProb}
	})
	return e, err
}

// preGraph takes x and weights, and returns q, k, v and what to keep.
func (e *graphEngine) preGraph(in []*gx.Node) []*gx.Node {
	t := graph.Pre(&e.c, in[0], in[1:])
	return append([]*gx.Node{t.Q, t.K, t.V}, t.Keep()...)
}

// preBackGraph takes dq, dk, dv, rest, the weights, and what was kept; it returns
// dx and the weights' derivatives.
func (e *graphEngine) preBackGraph(in []*gx.Node) []*gx.Node {
	n := len(graph.PreNames(&e.c))
	w, keep := in[4:4+n], in[4+n:]
	dx, dw := graph.PreBack(&e.c, graph.PreKept(&e.c, keep, w), w, in[0], in[1], in[2], in[3])
	return append([]*gx.Node{dx}, dw...)
}

// midGraph takes x, the attention's output and weights, and returns the residual
// stream, gate, up and what to keep.
func (e *graphEngine) midGraph(in []*gx.Node) []*gx.Node {
	t := graph.Mid(&e.c, in[0], in[1], in[2:])
	return append([]*gx.Node{t.X, t.Gate, t.Up}, t.Keep()...)
}

// midBackGraph takes dmid, dgate, dup, the attention's output, the weights, and
// what was kept; it returns dx past attention, the attention's and the weights'
// derivatives.
func (e *graphEngine) midBackGraph(in []*gx.Node) []*gx.Node {
	n := len(graph.MidNames())
	w, keep := in[4:4+n], in[4+n:]
	dx, datt, dw := graph.MidBack(&e.c, graph.MidKept(in[3], keep, w), w, in[0], in[1], in[2])
	return append([]*gx.Node{dx, datt}, dw...)
}

// headExec is the graph of head, loss and their derivative for some terms.
//
//	in: h [rows, Hidden], norm, output matrix, target rows [rows, Hidden], old and
//	    reference log-probabilities [rows], then weight [rows] and 1/count for each term present
//	out: log-probabilities [rows], entropies [rows], dh, dnorm, output matrix's
//	    derivative transposed, target rows' derivative, then each term's loss
func (e *graphEngine) headExec(has terms) (*gx.Exec, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x := e.byTerms[has]; x != nil {
		return x, nil
	}
	x, err := gx.NewExec(e.backend, func(in []*gx.Node) []*gx.Node {
		t := graph.Head(&e.c, in[0], in[1], in[2], in[3])
		li := loss.Inputs{LogProb: t.LogProb, Old: in[4], Ref: in[5], Params: e.params}
		for term, next := 0, 6; term < len(has); term++ {
			if has[term] {
				li.Weight[term], li.InvCount[term] = in[next], in[next+1]
				next += 2
			}
		}
		lo := loss.Graph(li)
		dh, dnorm, doutT, dtarget := graph.HeadBack(t, in[1], lo.Grad)
		out := []*gx.Node{t.LogProb, t.Entropy, dh, dnorm, doutT, dtarget}
		for term := range has {
			if has[term] {
				out = append(out, lo.Term[term])
			}
		}
		return out
	})
	if err != nil {
		return nil, fmt.Errorf("train: building the head's graph: %w", err)
	}
	e.byTerms[has] = x.WithName("head").SetMaxCache(-1)
	return x, nil
}

func (e *graphEngine) grow(positions int) { e.rot.Grow(positions) }

// host returns an output's data on the host: a view where the backend shares
// memory, else a copy. It must not be used after the tensor is freed.
func host(t *tensors.Tensor) []float32 {
	var flat []float32
	t.MustConstFlatData(func(x any) { flat = x.([]float32) })
	return flat
}

// call runs a graph on tensors and returns its outputs.
func call(x *gx.Exec, in ...*tensors.Tensor) []*tensors.Tensor {
	args := make([]any, len(in))
	for i, t := range in {
		args[i] = t
	}
	out, err := x.Exec(args...)
	if err != nil {
		panic(fmt.Errorf("train: running graph %s: %w", x.Name(), err))
	}
	return out
}

// guard turns a panic below, graph code's and tensors' way of failing, into an
// error; broken invariants of this program keep panicking with their text.
func guard(do func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			failed, ok := r.(error)
			if !ok {
				panic(r)
			}
			err = failed
		}
	}()
	do()
	return nil
}

// alloc returns a tensor of zeros and its data, which is writable until the tensor
// is an input for the first time.
func (e *graphEngine) alloc(dims ...int) (*tensors.Tensor, []float32) {
	t, err := tensors.FromShapeForBackend(e.backend, 0, shapes.Make(dtypes.Float32, dims...))
	if err != nil {
		panic(fmt.Errorf("train: allocating %v: %w", dims, err))
	}
	var flat []float32
	t.MustMutableFlatData(func(x any) { flat = x.([]float32) })
	clear(flat)
	return t, flat
}

// free gives tensors' memory back; nil is nothing.
func (e *graphEngine) free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil {
			t.MustFinalizeAll()
		}
	}
}
