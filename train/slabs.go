package train

import (
	"fmt"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
)

// slabs hands out tensors that the host writes and graphs read, and takes them
// back: the Go backend makes such tensors anew each time and never reuses their
// memory, which would leave a large model's collector gigabytes behind.
type slabs struct {
	backend compute.Backend
	mu      sync.Mutex
	idle    map[[2]int][]*tensors.Tensor // by dimensions
	bytes   int64                        // of the idle ones
	mine    map[*tensors.Tensor]bool     // handed out
}

// idleMost is the memory in bytes that waits for reuse at most.
const idleMost = 256 << 20

func newSlabs(backend compute.Backend) *slabs {
	return &slabs{backend: backend, idle: map[[2]int][]*tensors.Tensor{}, mine: map[*tensors.Tensor]bool{}}
}

// raw returns a tensor [rows] or [rows, width] with whatever contents and its
// data, which is writable until the tensor is an input for the first time.
func (e *engine) raw(dims ...int) (*tensors.Tensor, []float32) {
	t := e.slabs.take(dims)
	if t == nil {
		var err error
		t, err = tensors.FromShapeForBackend(e.backend, 0, shapes.Make(dtypes.Float32, dims...))
		if err != nil {
			panic(fmt.Errorf("train: allocating %v: %w", dims, err))
		}
	}
	e.slabs.mu.Lock()
	e.slabs.mine[t] = true
	e.slabs.mu.Unlock()
	var flat []float32
	t.MustMutableFlatData(func(x any) { flat = x.([]float32) })
	return t, flat
}

// alloc is raw with zeros.
func (e *engine) alloc(dims ...int) (*tensors.Tensor, []float32) {
	t, flat := e.raw(dims...)
	clear(flat)
	return t, flat
}

func shapeKey(dims []int) (key [2]int) {
	copy(key[:], dims)
	return key
}

// take returns an idle tensor or nil.
func (s *slabs) take(dims []int) *tensors.Tensor {
	s.mu.Lock()
	defer s.mu.Unlock()
	key := shapeKey(dims)
	list := s.idle[key]
	if len(list) == 0 {
		return nil
	}
	t := list[len(list)-1]
	s.idle[key] = list[:len(list)-1]
	s.bytes -= t.ByteSize()
	return t
}

// give takes a tensor back, or reports false if it is not of this pool or the
// pool is full.
func (s *slabs) give(t *tensors.Tensor) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mine[t] {
		return false
	}
	delete(s.mine, t)
	if s.bytes+t.ByteSize() > idleMost {
		return false
	}
	key := shapeKey(t.Shape().Dimensions)
	s.idle[key] = append(s.idle[key], t)
	s.bytes += t.ByteSize()
	return true
}

// free takes back tensors of alloc and raw, and gives the memory of graphs'
// outputs to the backend's pool; nil is nothing.
func (e *engine) free(ts ...*tensors.Tensor) {
	for _, t := range ts {
		if t != nil && !e.slabs.give(t) {
			t.MustFinalizeAll()
		}
	}
}
