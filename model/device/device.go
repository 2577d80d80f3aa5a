// Package device is the little that running graphs on a backend takes: opening
// one by name, and moving tensors to it and back.
//
// Contract: a Device is one backend; tensors of one Device are of no use to
// another, so whoever wants to share weights shares the Device. Calls wait for
// their results; one goroutine at a time makes them.
//
// Failure: Open returns an error that says what to install or build, and one for a
// backend that multiplies wrongly on this machine (see Product). After that,
// graphs and tensors fail by panicking with an error; Guard turns that into a
// returned one at the boundary of a package.
package device

import (
	"fmt"
	"os"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	_ "github.com/gomlx/compute/gobackend" // the pure-Go backend
	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"ballast/model"
)

// pureGo is the pure-Go backend's configuration: one operation after the other in
// the order of the code, so that memory is what the code says.
const pureGo = "go:ops_sequential,creation_order"

// Device is one backend.
type Device struct {
	Backend compute.Backend
	Name    string // as asked for
	half    *graph.Exec
	product func(x, w *graph.Node, batch, xOver, wOver int) *graph.Node // that probe asks about
}

// Accelerated reports whether a backend's name asks for XLA, where whole graphs
// run on the device, rather than for pure Go, where the host steps in between.
func Accelerated(name string) bool {
	kind, _, _ := strings.Cut(name, ":")
	return kind == "xla" || kind == "stablehlo" || kind == "hlo" || kind == "pjrt"
}

// Open makes a backend: "go" is pure Go, "xla:PLUGIN" is XLA with a PJRT plugin, by its
// path or by the name under which it is installed. Options follow it after commas.
func Open(name string) (d *Device, err error) {
	if Accelerated(name) && !Built {
		return nil, fmt.Errorf("device: backend %q: this binary was built without XLA; build it with cgo and the tag: CGO_ENABLED=1 "+
			"GOEXPERIMENT=simd go build -tags xla ./cmd/ballast", name)
	}
	if _, plugin, _ := strings.Cut(name, ":"); Accelerated(name) && strings.HasPrefix(plugin, "/") {
		path, _, _ := strings.Cut(plugin, ",")
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("device: backend %q: the PJRT plugin is not there: %w; docs/gpu.md says where to find one", name, err)
		}
	}
	defer func() { // an unknown name panics
		if r := recover(); r != nil {
			err = fmt.Errorf("device: backend %q: %v", name, r)
		}
	}()
	config := name
	if name == "go" {
		config = pureGo
	}
	b, err := compute.NewWithConfig(config)
	if err != nil {
		return nil, fmt.Errorf("device: backend %q: %w; docs/gpu.md says how to set one up", name, err)
	}
	d = &Device{Backend: b, Name: name, product: Product}
	if err := d.probe(dtypes.Float32); err != nil {
		return nil, err
	}
	return d, nil
}

// Describe says in words what the backend is.
func (d *Device) Describe() string { return d.Backend.Description() }

// Graph makes a graph that is compiled for every new combination of input
// shapes. fn may panic, which Run hands on.
func (d *Device) Graph(name string, fn func(in []*graph.Node) []*graph.Node) *graph.Exec {
	x, err := graph.NewExec(d.Backend, fn)
	if err != nil {
		panic(fmt.Errorf("device: building graph %s: %w", name, err))
	}
	return x.WithName(name).SetMaxCache(-1)
}

// Run runs a graph and returns its outputs, on the device.
func (d *Device) Run(x *graph.Exec, in ...*tensors.Tensor) []*tensors.Tensor {
	args := make([]any, len(in))
	for i, t := range in {
		args[i] = t
	}
	out, err := x.Exec(args...)
	if err != nil {
		panic(fmt.Errorf("device: running graph %s: %w", x.Name(), err))
	}
	return out
}

// number is what tensors here hold.
type number interface{ float32 | int32 }

// Put moves data to the device as a tensor of these dimensions; none is a scalar.
func Put[T number](d *Device, data []T, dims ...int) *tensors.Tensor {
	var t *tensors.Tensor
	if len(dims) == 0 {
		t = tensors.FromScalar(data[0])
	} else {
		t = tensors.FromFlatDataAndDimensions(data, dims...)
	}
	if err := t.ToDevice(d.Backend, 0); err != nil {
		panic(fmt.Errorf("device: moving a tensor of %v to %s: %w", dims, d.Name, err))
	}
	return t
}

// Get copies a tensor to the host and frees it.
func Get[T number](t *tensors.Tensor) []T {
	defer Free(t)
	return Copy[T](t)
}

// Copy copies a tensor to the host and leaves it on the device only.
func Copy[T number](t *tensors.Tensor) []T {
	var out []T
	t.MustConstFlatData(func(flat any) { out = append([]T(nil), flat.([]T)...) })
	if !t.IsShared() && t.HasLocal() && t.IsOnAnyDevice() {
		t.FinalizeLocal()
	}
	return out
}

// Free gives tensors' memory back at once; nil is nothing.
func Free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil {
			t.MustFinalizeAll()
		}
	}
}

// Weights copies a model's weights to the device in the order of Config.Specs,
// in half precision (bfloat16) if asked for.
func (d *Device) Weights(c *model.Config, w *model.Weights, half bool) []*tensors.Tensor {
	var out []*tensors.Tensor
	for _, s := range c.Specs() {
		out = append(out, Put(d, w.Get(s.Name).Data, s.Shape...))
	}
	if !half {
		return out
	}
	small := d.Half(out)
	Free(out...)
	return small
}

// Half returns copies of tensors in half precision, made on the device. Before the
// first it asks whether the device multiplies them right.
func (d *Device) Half(ts []*tensors.Tensor) (out []*tensors.Tensor) {
	if d.half == nil {
		if err := d.probe(dtypes.BFloat16); err != nil {
			panic(err)
		}
		d.half = d.Graph("half", func(in []*graph.Node) []*graph.Node {
			return []*graph.Node{graph.ConvertDType(in[0], dtypes.BFloat16)}
		})
	}
	for _, t := range ts {
		out = append(out, d.Run(d.half, t)...)
	}
	return out
}

// Guard turns a panic with an error below into a returned error; broken
// invariants of this program keep panicking with their text.
func Guard(do func()) (err error) {
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
