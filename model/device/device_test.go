package device

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

func TestOpenSaysWhatToDo(t *testing.T) {
	for name, want := range map[string]string{
		"nonesuch":          "nonesuch",
		"xla:/no/plugin.so": map[bool]string{true: "no such file", false: "-tags xla"}[Built],
	} {
		if _, err := Open(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", name, err, want)
		}
	}
}

func TestAccelerated(t *testing.T) {
	for name, want := range map[string]bool{"xla:/a/cuda.so,notf32": true, "xla": true, "stablehlo:cpu": true, "go": false, "": false, "go:ops_sequential": false} {
		if Accelerated(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

func TestTensors(t *testing.T) {
	d, err := Open("go")
	if err != nil {
		t.Fatal(err)
	}
	x := Put(d, []float32{1, 2, 3, 4.5}, 2, 2)
	sum := d.Graph("sum", func(in []*graph.Node) []*graph.Node { return []*graph.Node{graph.ReduceAllSum(in[0])} })
	if got := Get[float32](d.Run(sum, x)[0]); !slices.Equal(got, []float32{10.5}) {
		t.Errorf("sum %v", got)
	}
	half := d.Half([]*tensors.Tensor{x})[0]
	if half.ByteSize() != 8 {
		t.Errorf("four numbers in half precision take %d bytes", half.ByteSize())
	}
	if got := Get[float32](x); !slices.Equal(got, []float32{1, 2, 3, 4.5}) {
		t.Errorf("back came %v", got)
	}
	if got := Get[int32](Put(d, []int32{7})); !slices.Equal(got, []int32{7}) {
		t.Errorf("scalar %v", got)
	}
}

// TestProducts: products are those of float64 on every processor, for each kind of
// kernel. It was red for half precision on processors with AVX2 and no AVX-512.
func TestProducts(t *testing.T) {
	d, err := Open("go")
	if err != nil {
		t.Fatal(err)
	}
	for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.BFloat16, dtypes.Float16} {
		if err := d.probe(dtype); err != nil {
			t.Error(err)
		}
	}
}

// TestWrongProducts: a device that loses summands, as some kernels of GoMLX do, is
// refused and not used.
func TestWrongProducts(t *testing.T) {
	d, err := Open("go")
	if err != nil {
		t.Fatal(err)
	}
	for try, lose := range map[string]func(x *graph.Node, over int) *graph.Node{
		"[1, 16] times [16, 1]": func(x *graph.Node, over int) *graph.Node { // the upper half of all
			return graph.SliceAxis(x, over, graph.AxisRange(0, (x.Shape().Dimensions[over]+1)/2))
		},
		"[5, 127] times [127, 35]": func(x *graph.Node, over int) *graph.Node { // the last of an odd number
			return graph.SliceAxis(x, over, graph.AxisRange(0, x.Shape().Dimensions[over]&^1))
		},
		"[130, 256] times [256, 131]": func(x *graph.Node, over int) *graph.Node { // the second block
			return graph.SliceAxis(x, over, graph.AxisRange(0, min(128, x.Shape().Dimensions[over])))
		},
	} {
		d.product = func(x, w *graph.Node, batch, xOver, wOver int) *graph.Node {
			return Product(lose(x, xOver), lose(w, wOver), batch, xOver, wOver)
		}
		err := Guard(func() { d.Half([]*tensors.Tensor{Put(d, []float32{1})}) })
		if err == nil || !strings.Contains(err.Error(), "wrong products of BFloat16") || !strings.Contains(err.Error(), try) {
			t.Errorf("%s: error %v", try, err)
		}
	}
}

func TestGuard(t *testing.T) {
	want := errors.New("broke")
	if err := Guard(func() { panic(want) }); err != want {
		t.Errorf("error %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("a broken invariant is swallowed")
		}
	}()
	Guard(func() { panic("a bug") })
}
