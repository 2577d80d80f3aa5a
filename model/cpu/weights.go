package cpu

import (
	"fmt"
	"math"

	"ballast/model"
	"ballast/model/kernel"
)

// panel is how many outputs of a matrix lie side by side.
const panel = kernel.Panel

// matrix is a linear map packed for the kernels: panels of 32 outputs, and in
// a panel the 32 weights of one input side by side. Outputs are padded with
// zeros to whole panels.
type matrix struct {
	in, out int       // out is padded
	w       []float32 // [out/32][in][32]
	bias    []float32 // [out], nil for none
}

// layer is one decoder block.
type layer struct {
	norm1, norm2 []float32 // [hidden]
	qNorm, kNorm []float32 // [head], nil for none
	rotates      bool
	qkv          matrix // queries, keys, values one after the other
	o, down      matrix
	gateUp       matrix // gates, padded to whole panels, then ups
}

// weights is a model as the forward pass wants it. It shares no memory with
// the model it was made from.
type weights struct {
	c      model.Config
	embed  matrix // also the output matrix when tied
	head   *matrix
	norm   []float32
	layers []layer
	freq   []float64
	hidden int // c.Hidden padded to whole panels: the stride of the residual stream
	ffn    int // c.FFN padded
	vocab  int // c.Vocab padded
}

func pad(n int) int { return (n + panel - 1) / panel * panel }

// pack copies rows [out, in] of several tensors, each starting at the given
// output, into one matrix; reuse is a matrix of the same shape or nil.
func pack(reuse *matrix, in, out int, starts []int, ts ...*model.Tensor) matrix {
	m := matrix{in: in, out: pad(out), w: reuse.w}
	if len(m.w) != m.in*m.out {
		m.w = make([]float32, m.in*m.out)
	}
	for i, t := range ts {
		for r := range len(t.Data) / in {
			o := starts[i] + r
			p := m.w[o/panel*in*panel+o%panel:]
			for k, v := range t.Data[r*in : r*in+in] {
				p[k*panel] = v
			}
		}
	}
	return m
}

// row writes the weights of output o to dst[:in].
func (m *matrix) row(dst []float32, o int) {
	p := m.w[o/panel*m.in*panel+o%panel:]
	for k := range dst[:m.in] {
		dst[k] = p[k*panel]
	}
}

// newWeights packs w; old, when not nil, gives its memory back for reuse.
func newWeights(c model.Config, w *model.Weights, old *weights) (*weights, error) {
	for _, s := range c.Specs() {
		t := find(w, s.Name)
		n := 1
		for _, d := range s.Shape {
			n *= d
		}
		if t == nil || len(t.Data) != n {
			return nil, fmt.Errorf("model/cpu: weight %s is missing or not of shape %v, which the configuration asks for", s.Name, s.Shape)
		}
	}
	if c.HeadDim%2 != 0 || c.KVHeads == 0 || c.Heads%c.KVHeads != 0 {
		return nil, fmt.Errorf("model/cpu: %d heads of width %d on %d key-value heads: the width must be even and the heads divide", c.Heads,
			c.HeadDim, c.KVHeads)
	}
	if old == nil {
		old = &weights{layers: make([]layer, c.Layers), head: &matrix{}}
	}
	out := &weights{c: c, freq: c.Frequencies(), layers: make([]layer, c.Layers),
		hidden: pad(c.Hidden), ffn: pad(c.FFN), vocab: pad(c.Vocab)}
	copied := func(name string, n int) []float32 {
		v := make([]float32, pad(n))
		copy(v, w.Get(name).Data)
		return v
	}
	out.embed = pack(&old.embed, c.Hidden, c.Vocab, []int{0}, w.Get("model.embed_tokens.weight"))
	out.head = &out.embed
	if !c.Tied {
		m := pack(old.head, c.Hidden, c.Vocab, []int{0}, w.Get("lm_head.weight"))
		out.head = &m
	}
	out.norm = copied("model.norm.weight", c.Hidden)
	for i := range out.layers {
		packLayer(&out.layers[i], &old.layers[i], &c, w, fmt.Sprintf("model.layers.%d.", i), copied)
		out.layers[i].rotates = c.Rotates(i)
	}
	return out, nil
}

func packLayer(l, old *layer, c *model.Config, w *model.Weights, p string, copied func(string, int) []float32) {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	at := []int{0, q, q + kv}
	a := p + "self_attn."
	l.norm1, l.norm2 = copied(p+"input_layernorm.weight", c.Hidden), copied(p+"post_attention_layernorm.weight", c.Hidden)
	l.qkv = pack(&old.qkv, c.Hidden, q+2*kv, at, w.Get(a+"q_proj.weight"), w.Get(a+"k_proj.weight"), w.Get(a+"v_proj.weight"))
	l.o = pack(&old.o, q, c.Hidden, []int{0}, w.Get(a+"o_proj.weight"))
	l.gateUp = pack(&old.gateUp, c.Hidden, pad(c.FFN)+c.FFN, []int{0, pad(c.FFN)}, w.Get(p+"mlp.gate_proj.weight"),
		w.Get(p+"mlp.up_proj.weight"))
	l.down = pack(&old.down, c.FFN, c.Hidden, []int{0}, w.Get(p+"mlp.down_proj.weight"))
	if c.QKVBias {
		l.qkv.bias = make([]float32, l.qkv.out)
		for i, n := range []string{"q", "k", "v"} {
			copy(l.qkv.bias[at[i]:], w.Get(a+n+"_proj.bias").Data)
		}
	}
	if c.QKNorm {
		l.qNorm, l.kNorm = copied(a+"q_norm.weight", c.HeadDim), copied(a+"k_norm.weight", c.HeadDim)
	}
}

func find(w *model.Weights, name string) *model.Tensor {
	for _, t := range w.Tensors {
		if t.Name == name {
			return t
		}
	}
	return nil
}

// rotary returns cosines and sines of positions [from, to), [to-from][head/2].
func (w *weights) rotary(from, to int) (cos, sin []float32) {
	for p := from; p < to; p++ {
		for _, f := range w.freq {
			s, c := math.Sincos(float64(p) * f)
			cos, sin = append(cos, float32(c)), append(sin, float32(s))
		}
	}
	return cos, sin
}
