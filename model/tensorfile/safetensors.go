package tensorfile

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"ballast/bounded"
)

// A safetensors file is the length of a JSON header (8 bytes, little-endian), the
// header {name: {dtype, shape, data_offsets}}, and the bytes of the tensors.

// headerLimit bounds the JSON header; 100,000 tensors take 15 MB of it.
const headerLimit = 32 << 20

// rawTensor is one entry of the header; offsets count from its end.
type rawTensor struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// ReadSafetensors reads the tensor list of a safetensors file of the given size,
// by name, and checks that every tensor lies inside the file and has the size of
// its shape. name is the file in messages.
func ReadSafetensors(r io.ReaderAt, size int64, name string) ([]*Entry, error) {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil && size >= 8 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if n > headerLimit && size >= 8 && n <= uint64(size-8) {
		return nil, fmt.Errorf("%s: a header of %d bytes: %w: more than %s", name, n, bounded.ErrTooLarge, bounded.Bytes(headerLimit))
	}
	if size < 8 || n > headerLimit || int64(n) > size-8 {
		return nil, fmt.Errorf("%s: header of %d bytes does not fit the file's %d: cut off, or not safetensors; copy the file again", name,
			n, size)
	}
	text := make([]byte, n)
	if _, err := r.ReadAt(text, 8); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(text, &entries); err != nil {
		return nil, fmt.Errorf("%s: bad header: %w", name, err)
	}
	delete(entries, "__metadata__")
	data := size - 8 - int64(n)
	var out []*Entry
	for k, raw := range entries {
		var e rawTensor
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("%s: tensor %s: %w", name, k, err)
		}
		t := &Entry{Name: k, Where: name + ": tensor " + k, DType: e.DType, Shape: e.Shape, r: r}
		from, to := e.Offsets[0], e.Offsets[1]
		want, err := t.Bytes()
		switch {
		case err != nil && strings.HasSuffix(k, ".inv_freq"):
			continue // never read, whatever its type
		case err != nil:
			return nil, err
		case from < 0 || to < from || to-from != want: // in this order: differences wrap
			return nil, fmt.Errorf("%s: data_offsets %v, but %s%v takes %d bytes", t.Where, e.Offsets, e.DType, e.Shape, want)
		case to > data:
			return nil, fmt.Errorf("%s: ends at byte %d of %d: the file is cut off; copy it again", t.Where, to, data)
		}
		t.offset = 8 + int64(n) + from
		out = append(out, t)
	}
	if err := apart(out); err != nil {
		return nil, err
	}
	slices.SortFunc(out, func(a, b *Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Tensor is one tensor to be written, row-major.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// WriteSafetensors writes tensors in their order, as F32, or as F16 or BF16, rounded to
// nearest even. A number that this would make an infinity is an error that names the tensor;
// other errors are those of out.
func WriteSafetensors(out io.Writer, tensors []Tensor, dtype DType) error {
	round, infinity := dtype.narrow()
	width := int64(4)
	if round != nil {
		width = 2
	} else if dtype != F32 {
		return fmt.Errorf("weights are not written as %q; F32, F16 and BF16 are", dtype)
	}
	// The header is written by hand to keep the order of the tensors.
	var head strings.Builder
	head.WriteString(`{"__metadata__":{"format":"pt"}`)
	var at int64
	for _, t := range tensors {
		end := at + width*int64(len(t.Data))
		shape, _ := json.Marshal(t.Shape) // ints cannot fail
		fmt.Fprintf(&head, `,%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, t.Name, dtype, shape, at, end)
		at = end
	}
	head.WriteString("}")
	head.WriteString(strings.Repeat(" ", -head.Len()&7)) // data starts at a multiple of 8
	buf := binary.LittleEndian.AppendUint64(make([]byte, 0, 1<<20), uint64(head.Len()))
	buf = append(buf, head.String()...)
	for _, t := range tensors {
		for _, f := range t.Data {
			if round == nil {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(f))
			} else {
				h := round(f)
				if h&0x7fff == infinity && !math.IsInf(float64(f), 0) {
					return fmt.Errorf("tensor %s: %g is more than %s holds; F32 holds it", t.Name, f, dtype)
				}
				buf = binary.LittleEndian.AppendUint16(buf, h)
			}
			if len(buf) >= 1<<20-4 {
				if _, err := out.Write(buf); err != nil {
					return err
				}
				buf = buf[:0]
			}
		}
	}
	_, err := out.Write(buf)
	return err
}
