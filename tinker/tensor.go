package tinker

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// DType is the type of a tensor's elements, numbered as on the wire.
type DType int32

// The types.
const (
	Float32  DType = 1
	Int64    DType = 2
	Int32    DType = 3
	BFloat16 DType = 4
)

// dtypes has what is known of each type.
var dtypes = map[DType]struct {
	name    string
	size    int
	integer bool
}{
	Float32:  {"float32", 4, false},
	Int64:    {"int64", 8, true},
	Int32:    {"int32", 4, true},
	BFloat16: {"bfloat16", 2, false},
}

// String is the name that JSON has.
func (d DType) String() string {
	if t, ok := dtypes[d]; ok {
		return t.name
	}
	return fmt.Sprintf("DTYPE_%d", int32(d))
}

// Tensor is a vector of numbers. The zero value is none, and cannot be written.
type Tensor struct {
	dtype  DType
	floats []float32
	ints   []int64
}

// Floats is a tensor of float32, which v stays the memory of.
func Floats(v []float32) Tensor { return Tensor{dtype: Float32, floats: v} }

// Ints is a tensor of int64.
func Ints[T ~int | ~int32 | ~int64](v []T) Tensor {
	out := make([]int64, len(v))
	for i, x := range v {
		out[i] = int64(x)
	}
	return Tensor{dtype: Int64, ints: out}
}

// DType is the type on the wire. One of int32 or bfloat16 was read.
func (t Tensor) DType() DType { return t.dtype }

// Len is the number of elements.
func (t Tensor) Len() int { return max(len(t.floats), len(t.ints)) }

// Floats are the elements of a tensor of float32 or bfloat16, and nil for others.
func (t Tensor) Floats() []float32 { return t.floats }

// Ints are the elements of a tensor of int64 or int32, and nil for others.
func (t Tensor) Ints() []int64 { return t.ints }

// bytes is the size of the elements on the wire.
func (t Tensor) bytes() int { return t.Len() * dtypes[t.dtype].size }

// appendData writes the elements, little-endian.
func (t Tensor) appendData(b []byte) []byte {
	le := binary.LittleEndian
	switch t.dtype {
	case Float32:
		return appendFloats(b, t.floats)
	case BFloat16:
		for _, x := range t.floats {
			b = le.AppendUint16(b, uint16(math.Float32bits(x)>>16))
		}
	case Int64:
		for _, x := range t.ints {
			b = le.AppendUint64(b, uint64(x))
		}
	case Int32:
		for _, x := range t.ints {
			b = le.AppendUint32(b, uint32(int32(x)))
		}
	}
	return b
}

// tensorOf reads elements.
func tensorOf(dtype DType, data []byte) (Tensor, error) {
	d, ok := dtypes[dtype]
	switch {
	case !ok:
		return Tensor{}, fmt.Errorf("dtype: %v is none that is read here", dtype)
	case len(data)%d.size != 0:
		return Tensor{}, fmt.Errorf("%d bytes are no whole number of %s", len(data), d.name)
	}
	t, n := Tensor{dtype: dtype}, len(data)/d.size
	if !d.integer {
		t.floats = make([]float32, n)
	} else {
		t.ints = make([]int64, n)
	}
	le := binary.LittleEndian
	switch dtype {
	case Float32:
		for i := range t.floats {
			t.floats[i] = math.Float32frombits(le.Uint32(data[4*i:]))
		}
	case BFloat16:
		for i := range t.floats {
			t.floats[i] = math.Float32frombits(uint32(le.Uint16(data[2*i:])) << 16)
		}
	case Int64:
		for i := range t.ints {
			t.ints[i] = int64(le.Uint64(data[8*i:]))
		}
	case Int32:
		for i := range t.ints {
			t.ints[i] = int64(int32(le.Uint32(data[4*i:])))
		}
	}
	return t, nil
}

// appendFloats and the three that follow are arrays that messages hold as bytes.
func appendFloats(b []byte, v []float32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

func appendTokens(b []byte, v []int32) []byte {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

func floatsOf(data []byte) ([]float32, error) {
	t, err := tensorOf(Float32, data)
	return t.floats, err
}

func tokensOf(data []byte) ([]int32, error) {
	if len(data)%4 != 0 {
		return nil, fmt.Errorf("%d bytes are no whole number of int32", len(data))
	}
	out := make([]int32, len(data)/4)
	for i := range out {
		out[i] = int32(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return out, nil
}

// shaped says whether a shape is that of a vector of n elements. Servers leave it out.
func shaped(shape []int64, n int) error {
	if len(shape) == 0 || len(shape) == 1 && shape[0] == int64(n) {
		return nil
	}
	return fmt.Errorf("shape: %v is not that of a vector with %d elements", shape[:min(len(shape), 8)], n)
}

// tensorJSON is a tensor in JSON.
type tensorJSON struct {
	Data  json.RawMessage `json:"data"`
	DType string          `json:"dtype"`
	Shape []int64         `json:"shape"`
	Rows  json.RawMessage `json:"sparse_crow_indices,omitempty"`
	Cols  json.RawMessage `json:"sparse_col_indices,omitempty"`
}

// MarshalJSON fails where a number is not finite: JSON has none.
func (t Tensor) MarshalJSON() ([]byte, error) {
	var data []byte
	var err error
	switch {
	case dtypes[t.dtype].size == 0:
		return nil, fmt.Errorf("a tensor without a type: make it with Floats or Ints")
	case t.Len() == 0:
		data = []byte("[]")
	case dtypes[t.dtype].integer:
		data, err = json.Marshal(t.ints)
	default:
		data, err = json.Marshal(t.floats)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(tensorJSON{Data: data, DType: t.dtype.String(), Shape: []int64{int64(t.Len())}})
}

// UnmarshalJSON reads a vector.
func (t *Tensor) UnmarshalJSON(text []byte) error {
	var j tensorJSON
	if err := json.Unmarshal(text, &j); err != nil {
		return err
	}
	if j.Rows != nil || j.Cols != nil {
		return fmt.Errorf("sparse_crow_indices: a sparse tensor, which is not read here")
	}
	read := Tensor{}
	for d, known := range dtypes {
		if known.name == j.DType {
			read.dtype = d
		}
	}
	if read.dtype == 0 {
		return fmt.Errorf("dtype: %q is none that is read here", cut(j.DType, 40))
	}
	var err error
	if dtypes[read.dtype].integer {
		read.ints, err = numbers[int64](j.Data)
	} else {
		read.floats, err = numbers[float32](j.Data)
	}
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	if read.dtype == Int32 && slices.ContainsFunc(read.ints, func(x int64) bool { return x != int64(int32(x)) }) {
		return fmt.Errorf("data: a number that no int32 is")
	}
	if err := shaped(j.Shape, read.Len()); err != nil {
		return err
	}
	*t = read
	return nil
}

var null = []byte("null")

// numbers reads an array, in which null is no number: the standard decoder would make a
// zero of it.
func numbers[T any](text json.RawMessage) ([]T, error) {
	if len(text) == 0 || text[0] != '[' {
		return nil, fmt.Errorf("no array of numbers")
	}
	out := []T{}
	if !bytes.Contains(text, null) {
		err := json.Unmarshal(text, &out)
		return out, err
	}
	var all []*T
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	for i, x := range all {
		if x == nil {
			return nil, fmt.Errorf("number %d is null", i)
		}
		out = append(out, *x)
	}
	return out, nil
}

// list is an array in which null is no number.
type list[T any] []T

// UnmarshalJSON reads an array, or null.
func (l *list[T]) UnmarshalJSON(text []byte) (err error) {
	*l = nil
	if !bytes.Equal(text, null) {
		*l, err = numbers[T](text)
	}
	return err
}

// Named is a tensor with its name.
type Named struct {
	Name string
	Tensor
}

// Tensors are the tensors of one datum. Those that were read are sorted by name, and no
// name stands twice.
type Tensors []Named

// Get finds a tensor by its name.
func (t Tensors) Get(name string) (Tensor, bool) {
	for _, n := range t {
		if n.Name == name {
			return n.Tensor, true
		}
	}
	return Tensor{}, false
}

// sorted sorts by name and refuses a name that stands twice.
func (t Tensors) sorted() error {
	slices.SortFunc(t, func(a, b Named) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(t); i++ {
		if t[i].Name == t[i-1].Name {
			return fmt.Errorf("%q stands twice", cut(t[i].Name, 40))
		}
	}
	return nil
}

// MarshalJSON is an object of tensors.
func (t Tensors) MarshalJSON() ([]byte, error) {
	object := make(map[string]Tensor, len(t))
	for _, n := range t {
		if _, twice := object[n.Name]; twice {
			return nil, fmt.Errorf("%q stands twice", cut(n.Name, 40))
		}
		object[n.Name] = n.Tensor
	}
	return json.Marshal(object)
}

// UnmarshalJSON reads an object of tensors. A tensor that is null is none.
func (t *Tensors) UnmarshalJSON(text []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return err
	}
	*t = make(Tensors, 0, len(object))
	for name, raw := range object {
		if bytes.Equal(raw, null) {
			continue
		}
		n := Named{Name: name}
		if err := n.UnmarshalJSON(raw); err != nil {
			return fmt.Errorf("%s: %w", cut(name, 40), err)
		}
		*t = append(*t, n)
	}
	return t.sorted()
}

// cut is the beginning of a foreign text for an error.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
