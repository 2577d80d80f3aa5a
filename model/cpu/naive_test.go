package cpu

import (
	"fmt"
	"math"

	"ballast/model"
)

// naive is the decoder in float64, one token after another, written for
// clarity: the reference of every test that has no golden numbers.
func naive(m *model.Model, tokens []int32) [][]float64 {
	c := m.Config
	var out [][]float64
	keys, values := make([][][]float64, c.Layers), make([][][]float64, c.Layers)
	for pos, t := range tokens {
		x := wide(m.Weights.Get("model.embed_tokens.weight").Data[int(t)*c.Hidden : (int(t)+1)*c.Hidden])
		for l := range c.Layers {
			get := func(n string) []float32 { return m.Weights.Get(fmt.Sprintf("model.layers.%d.%s", l, n)).Data }
			h := rms(x, get("input_layernorm.weight"), c.NormEps)
			var qkv [3][]float64
			for i, n := range []string{"q", "k", "v"} {
				qkv[i] = apply(get("self_attn."+n+"_proj.weight"), h)
				if c.QKVBias {
					for j, b := range get("self_attn." + n + "_proj.bias") {
						qkv[i][j] += float64(b)
					}
				}
			}
			for i, n := range []string{"q", "k"} {
				for o := 0; o < len(qkv[i]); o += c.HeadDim {
					v := qkv[i][o : o+c.HeadDim]
					if c.QKNorm {
						copy(v, rms(v, get("self_attn."+n+"_norm.weight"), c.NormEps))
					}
					if c.Rotates(l) {
						turnBy(v, c.Frequencies(), pos)
					}
				}
			}
			keys[l], values[l] = append(keys[l], qkv[1]), append(values[l], qkv[2])
			mixed := make([]float64, c.Heads*c.HeadDim)
			for hd := range c.Heads {
				o, kv := hd*c.HeadDim, hd/(c.Heads/c.KVHeads)*c.HeadDim
				p, sum := make([]float64, pos+1), 0.0
				for j := range p {
					for i := range c.HeadDim {
						p[j] += qkv[0][o+i] * keys[l][j][kv+i]
					}
					p[j] = math.Exp(p[j] / math.Sqrt(float64(c.HeadDim)))
					sum += p[j]
				}
				for j := range p {
					for i := range c.HeadDim {
						mixed[o+i] += p[j] / sum * values[l][j][kv+i]
					}
				}
			}
			add(x, apply(get("self_attn.o_proj.weight"), mixed))
			h = rms(x, get("post_attention_layernorm.weight"), c.NormEps)
			g, u := apply(get("mlp.gate_proj.weight"), h), apply(get("mlp.up_proj.weight"), h)
			for i := range g {
				g[i] = g[i] / (1 + math.Exp(-g[i])) * u[i]
			}
			add(x, apply(get("mlp.down_proj.weight"), g))
		}
		head := "lm_head.weight"
		if c.Tied {
			head = "model.embed_tokens.weight"
		}
		out = append(out, apply(m.Weights.Get(head).Data, rms(x, m.Weights.Get("model.norm.weight").Data, c.NormEps)))
	}
	return out
}

func wide(v []float32) []float64 {
	out := make([]float64, len(v))
	for i := range v {
		out[i] = float64(v[i])
	}
	return out
}

func add(x, y []float64) {
	for i := range x {
		x[i] += y[i]
	}
}

func apply(w []float32, x []float64) []float64 {
	out := make([]float64, len(w)/len(x))
	for o := range out {
		for i, v := range x {
			out[o] += float64(w[o*len(x)+i]) * v
		}
	}
	return out
}

func rms(x []float64, w []float32, eps float64) []float64 {
	s := 0.0
	for _, v := range x {
		s += v * v
	}
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v / math.Sqrt(s/float64(len(x))+eps) * float64(w[i])
	}
	return out
}

func turnBy(v, freq []float64, pos int) {
	for i, f := range freq {
		s, c := math.Sincos(float64(pos) * f)
		a, b := v[i], v[i+len(freq)]
		v[i], v[i+len(freq)] = a*c-b*s, b*c+a*s
	}
}
