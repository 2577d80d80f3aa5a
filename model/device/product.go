package device

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Product is the dot product of x and w, inputs of one precision, over an axis of
// each, with sums and the result in float32: [batch..., x's other axes, w's other
// axes]. The first batch axes are those of both.
//
// On pure Go half-precision inputs are converted to float32 first. There GoMLX's
// AVX2 kernels for small matrices (compute v0.1.5, avx2SmallBFloat16Transposed and
// avx2SmallFloat16Transposed) load sixteen numbers of the contracted axis, multiply
// the lower eight and go on by sixteen: where it is the last axis of both inputs,
// half of every sum is missing. The kernels for AVX-512 and without SIMD are right.
// A product of two halves is exact in float32, so that the result means the same.
func Product(x, w *graph.Node, batch, xOver, wOver int) *graph.Node {
	if x.Graph().Backend().Name() == pureGoName && x.DType().IsHalfPrecision() {
		x, w = graph.ConvertDType(x, dtypes.Float32), graph.ConvertDType(w, dtypes.Float32)
	}
	return dot(x, w, batch, xOver, wOver)
}

// pureGoName is what the pure-Go backend calls itself.
const pureGoName = "Go Backend"

func dot(x, w *graph.Node, batch, xOver, wOver int) *graph.Node {
	same := make([]int, batch)
	for i := range same {
		same[i] = i
	}
	return graph.Dot(x, w).WithOutputDType(dtypes.Float32).General([]int{xOver}, same, []int{wOver}, same)
}

// tries are the products that probe computes, each over the last axes of both
// inputs (2, 2) and over others: one of every stride that kernels have, and one
// that is large enough for the kernels that work by blocks.
var tries = func() (out []try) {
	for _, t := range []try{{batch: 1, n: 1, inner: 16, columns: 1}, {batch: 2, n: 5, inner: 127, columns: 35},
		{batch: 1, n: 130, inner: 256, columns: 131}} {
		for _, over := range [][2]int{{2, 2}, {2, 1}, {1, 1}} {
			t.xOver, t.wOver = over[0], over[1]
			out = append(out, t)
		}
	}
	return out
}()

type try struct{ batch, n, inner, columns, xOver, wOver int }

// probe is an error if the backend's products of a precision are wrong: what an
// engine gets wrong on some processor is said before anything is trained or sampled
// with it. Inputs are quarters, so that every sum is exact in every precision.
func (d *Device) probe(dtype dtypes.DType) error {
	x := d.Graph("probe", func(in []*graph.Node) (out []*graph.Node) {
		for i, t := range tries {
			out = append(out, d.product(graph.ConvertDType(in[2*i], dtype), graph.ConvertDType(in[2*i+1], dtype), 1, t.xOver, t.wOver))
		}
		return out
	})
	defer x.Finalize()
	var data [][]float32
	var in []*tensors.Tensor
	for _, t := range tries {
		a, b := t.rows(t.n, 3), t.rows(t.columns, 5)
		data, in = append(data, a, b), append(in, t.put(d, a, t.xOver), t.put(d, b, t.wOver))
	}
	defer func() { Free(in...) }()
	for i, out := range d.Run(x, in...) {
		if err := tries[i].check(Get[float32](out), data[2*i], data[2*i+1]); err != nil {
			return fmt.Errorf("device: backend %q (%s) computes wrong products of %s numbers on this machine: %w; "+
				"nothing was trained or sampled. Choose another engine, or another engine.address; for pure Go, "+
				"GOMLX_SIMD_AVX512=false or GOMLX_SIMD_AVX2=false leave out kernels; for bfloat16, leave "+
				"engine.precision out", d.Name, d.Describe(), dtype, err)
		}
	}
	return nil
}

// rows are n vectors of inner quarters, for each batch.
func (t try) rows(n, seed int) []float32 {
	out := make([]float32, t.batch*n*t.inner)
	for i := range out {
		r, k := i/t.inner, i%t.inner
		out[i] = float32((r*seed+k*k*11+k*(r%4+1))%9-4) / 4
	}
	return out
}

// put moves those vectors to the device, along axis over of [batch, 2 axes].
func (t try) put(d *Device, data []float32, over int) *tensors.Tensor {
	n := len(data) / t.batch / t.inner
	if over == 2 {
		return Put(d, data, t.batch, n, t.inner)
	}
	turned := make([]float32, 0, len(data))
	for b := range t.batch {
		for k := range t.inner {
			for r := range n {
				turned = append(turned, data[(b*n+r)*t.inner+k])
			}
		}
	}
	return Put(d, turned, t.batch, t.inner, n)
}

// check compares with the product in float64.
func (t try) check(got, x, w []float32) error {
	for i := range got {
		b, r, c := i/(t.n*t.columns), i/t.columns, i%t.columns // r counts on from batch to batch
		want, y := 0.0, w[(b*t.columns+c)*t.inner:]
		for k, v := range x[r*t.inner:][:t.inner] {
			want += float64(v) * float64(y[k])
		}
		if !(math.Abs(float64(got[i])-want) <= 1e-3) {
			return fmt.Errorf("[%d, %d] times [%d, %d] has %g where %g is right (axes %d and %d)", t.n, t.inner, t.inner, t.columns, got[i],
				want, t.xOver, t.wOver)
		}
	}
	return nil
}
