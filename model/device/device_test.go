package device

import (
	"errors"
	"slices"
	"strings"
	"testing"

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
	t.Setenv("GOMLX_BACKEND", "")
	if Named() != "go" {
		t.Errorf("without the variable the backend is %q", Named())
	}
}

func TestTensors(t *testing.T) {
	d, err := Open("")
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
