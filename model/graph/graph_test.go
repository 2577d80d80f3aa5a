package graph

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"ballast/model"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/gobackend"
	. "github.com/gomlx/gomlx/core/graph" //nolint:staticcheck // graph code reads as formulas
	"github.com/gomlx/gomlx/core/tensors"
)

type golden struct {
	IDs       []int32     `json:"ids"`
	Positions []int       `json:"positions"`
	Logits    [][]float64 `json:"logits"`
	LogProbs  []float64   `json:"logprobs"`
	Entropy   []float64   `json:"entropy"`
}

func read(t *testing.T, name string) (*model.Model, golden) {
	t.Helper()
	dir := filepath.Join("..", "testdata", name)
	m, err := model.LoadWeights(dir)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "golden.json"))
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return m, g
}

// rowsOf gathers rows of a weight, one for each id.
func rowsOf(w *model.Tensor, ids []int32) *tensors.Tensor {
	width := w.Shape[1]
	var out []float32
	for _, id := range ids {
		out = append(out, w.Data[int(id)*width:][:width]...)
	}
	return tensors.FromFlatDataAndDimensions(out, len(ids), width)
}

func run(t *testing.T, fn func([]*Node) []*Node, args ...any) [][]float32 {
	t.Helper()
	exec, err := NewExec(compute.Backend(gobackend.GetBackend()), fn)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Exec(args...)
	if err != nil {
		t.Fatal(err)
	}
	var flat [][]float32
	for _, x := range out {
		flat = append(flat, tensors.MustCopyFlatData[float32](x))
	}
	return flat
}

func TestLogitsAgainstTorch(t *testing.T) {
	for _, name := range []string{"qwen2", "qwen3", "llama", "smollm3"} {
		t.Run(name, func(t *testing.T) {
			m, g := read(t, name)
			args := []any{rowsOf(m.Weights.Get("model.embed_tokens.weight"), g.IDs)}
			for _, w := range m.Weights.Tensors {
				args = append(args, tensors.FromFlatDataAndDimensions(w.Data, w.Shape...))
			}
			got := run(t, func(in []*Node) []*Node {
				w := map[string]*Node{}
				for i, x := range m.Weights.Tensors {
					w[x.Name] = in[1+i]
				}
				return []*Node{logits(&m.Config, in[0], w)}
			}, args...)[0]
			for i, pos := range g.Positions {
				top := 0.0
				for _, want := range g.Logits[i] {
					top = max(top, math.Abs(want))
				}
				for v, want := range g.Logits[i] {
					if diff := math.Abs(float64(got[pos*m.Config.Vocab+v]) - want); diff > 1e-4*top {
						t.Fatalf("logit %d at %d = %g, want %g", v, pos, got[pos*m.Config.Vocab+v], want)
					}
				}
			}
		})
	}
}

// check compares a derivative written by hand with automatic differentiation of
// the same forward code. build returns a scalar and the derivatives by hand of
// that scalar with respect to all inputs.
func check(t *testing.T, shapes [][]int, build func(in []*Node) (*Node, []*Node)) {
	t.Helper()
	rng := rand.New(rand.NewPCG(5, 6))
	var args []any
	for _, s := range shapes {
		n := 1
		for _, d := range s {
			n *= d
		}
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(rng.NormFloat64())
		}
		args = append(args, tensors.FromFlatDataAndDimensions(x, s...))
	}
	n := len(shapes)
	out := run(t, func(in []*Node) []*Node {
		value, hand := build(in)
		return append(Gradient(value, in...), hand...)
	}, args...)
	for i := range n {
		var diff, size float64
		for j, want := range out[i] {
			diff += math.Pow(float64(out[n+i][j]-want), 2)
			size += math.Pow(float64(want), 2)
		}
		if size == 0 || math.Sqrt(diff/size) > 2e-5 {
			t.Errorf("input %d: relative difference %g of norm %g", i, math.Sqrt(diff/size), math.Sqrt(size))
		}
	}
}

func configs() map[string]*model.Config {
	c := func(bias, norm bool, hidden int) *model.Config {
		return &model.Config{QKVBias: bias, QKNorm: norm, Vocab: 37, Hidden: hidden, Heads: 4, KVHeads: 2, HeadDim: 6, FFN: 20, NormEps: 1e-5}
	}
	return map[string]*model.Config{"bias": c(true, false, 16), "norm": c(false, true, 16), "both": c(true, true, 16),
		"plain": c(false, false, 16), "wide": c(false, false, narrow+8)}
}

func TestDerivatives(t *testing.T) {
	const n = 7
	for name, c := range configs() {
		q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
		t.Run(name+"/pre", func(t *testing.T) {
			shapes := [][]int{{n, c.Hidden}, {c.Hidden}, {q, c.Hidden}, {kv, c.Hidden}, {kv, c.Hidden}}
			if c.QKVBias {
				shapes = append(shapes, []int{q}, []int{kv}, []int{kv})
			}
			if c.QKNorm {
				shapes = append(shapes, []int{c.HeadDim}, []int{c.HeadDim})
			}
			check(t, shapes, func(in []*Node) (*Node, []*Node) {
				tape := pre(c, in[0], in[1:])
				dq, dk, dv := Sin(IotaLike(tape.Q, 1)), Cos(IotaLike(tape.K, 0)), Cos(IotaLike(tape.V, 1))
				rest := Cos(IotaLike(in[0], 1))
				dx, dw := preBack(c, tape, in[1:], dq, dk, dv, rest)
				value := Add(Add(dot(tape.Q, dq), dot(tape.K, dk)), Add(dot(tape.V, dv), dot(in[0], rest)))
				return value, append([]*Node{dx}, dw...)
			})
		})
		t.Run(name+"/mid", func(t *testing.T) {
			check(t, [][]int{{n, c.Hidden}, {n, q}, {c.Hidden, q}, {c.Hidden}, {c.FFN, c.Hidden}, {c.FFN, c.Hidden}},
				func(in []*Node) (*Node, []*Node) {
					tape := mid(c, in[0], in[1], in[2:])
					dmid, dgate, dup := Cos(IotaLike(in[0], 1)), Sin(IotaLike(tape.Gate, 1)), Cos(IotaLike(tape.Up, 0))
					dx, datt, dw := midBack(c, tape, in[2:], dmid, dgate, dup)
					return Add(dot(tape.X, dmid), Add(dot(tape.Gate, dgate), dot(tape.Up, dup))), append([]*Node{dx, datt}, dw...)
				})
		})
		t.Run(name+"/end", func(t *testing.T) {
			check(t, [][]int{{n, c.Hidden}, {n, c.FFN}, {c.Hidden, c.FFN}}, func(in []*Node) (*Node, []*Node) {
				dy := Cos(IotaLike(in[0], 1))
				dact, ddown := endBack(c, dy, in[1], in[2])
				return dot(end(c, in[0], in[1], in[2]), dy), []*Node{dy, dact, ddown}
			})
		})
		t.Run(name+"/head", func(t *testing.T) {
			check(t, [][]int{{n, c.Hidden}, {c.Hidden}, {c.Vocab, c.Hidden}}, func(in []*Node) (*Node, []*Node) {
				// The targets are rows 0..n-1 of the output matrix, so their
				// part of the derivative goes to those rows.
				target := Slice(in[2], AxisRange(0, n))
				tape := Head(c, in[0], in[1], in[2], target)
				d := Cos(IotaLike(tape.LogProb, 0))
				dh, dnorm, doutT, dtarget := HeadBack(tape, in[1], d)
				rest := ZerosLike(Slice(in[2], AxisRange(n)))
				dout := Add(Transpose(doutT, 0, 1), Concatenate([]*Node{dtarget, rest}, 0))
				return dot(tape.LogProb, d), []*Node{dh, dnorm, dout}
			})
		})
	}
}

func dot(a, b *Node) *Node { return ReduceAllSum(Mul(a, b)) }

// logits is the whole decoder on one sequence: embedded tokens x [tokens, Hidden]
// to logits [tokens, Vocab].
func logits(c *model.Config, x *Node, w map[string]*Node) *Node {
	g, n := x.Graph(), x.Shape().Dimensions[0]
	positions := make([]int32, n)
	zeros := Const(g, make([]int32, n))
	for i := range positions {
		positions[i] = int32(i)
	}
	cos, sin := Tables(c, positions)
	seen := Packed{First: zeros, PrefixFrom: zeros, PrefixTo: zeros,
		Cos: Reshape(Const(g, cos), n, c.HeadDim), Sin: Reshape(Const(g, sin), n, c.HeadDim)}
	for i := range c.Layers {
		var of []*Node
		for _, name := range LayerNames(c) {
			of = append(of, w[LayerName(i, name)])
		}
		here := seen
		if !c.Rotates(i) {
			here.Cos, here.Sin = OnesLike(seen.Cos), ZerosLike(seen.Sin)
		}
		x = PackedForward(c, x, of, here).Y
	}
	return Last(c, x, w["model.norm.weight"], w[OutName(c)])
}
