// Package tensorfile reads the two file formats that model weights come in,
// safetensors and GGUF, and writes safetensors. It knows tensors, types and
// metadata, not what they mean; package model does.
//
// Contract: a head that was read without error lists tensors that lie inside the
// file, with a known type and a possible shape, so that reading one can fail only
// with the disk. No length from a file is allocated before it is checked against
// the file's size. Errors name the file, and the tensor or key.
package tensorfile

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// Entry is one tensor in a file. Shapes are row-major: the last dimension is
// contiguous, as in safetensors (GGUF lists dimensions the other way round).
type Entry struct {
	Name  string
	Where string // file and tensor, for messages
	DType DType
	Shape []int

	r      io.ReaderAt
	offset int64
}

const maxDims = 8

// apart says whether no two tensors share bytes of the file: a few bytes that many
// tensors share would become any amount of memory.
func apart(entries []*Entry) error {
	byPlace := slices.Clone(entries)
	slices.SortFunc(byPlace, func(a, b *Entry) int { return cmp.Or(cmp.Compare(a.offset, b.offset), cmp.Compare(a.Name, b.Name)) })
	end, last := int64(0), ""
	for _, t := range byPlace {
		n, err := t.Bytes()
		if err != nil {
			return err
		}
		if t.offset < end && n > 0 {
			return fmt.Errorf("%s: it shares bytes of the file with %s", t.Where, last)
		}
		if n > 0 {
			end, last = t.offset+n, t.Name
		}
	}
	return nil
}

// Bytes returns the stored size of the tensor, or an error for impossible shapes
// and unknown types.
func (t *Entry) Bytes() (int64, error) {
	if len(t.Shape) > maxDims {
		return 0, fmt.Errorf("%s: a shape of %d dimensions", t.Where, len(t.Shape))
	}
	n, row := 1, 1
	for _, d := range t.Shape {
		if d < 0 || d > 0 && n > math.MaxInt32*1024/d {
			return 0, fmt.Errorf("%s: impossible shape %v", t.Where, t.Shape)
		}
		n, row = n*d, d
	}
	b, err := t.DType.bytes(n, row)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", t.Where, err)
	}
	return b, nil
}

// Read streams the tensor into dst, which has its number of values; it needs one
// megabyte beyond that.
func (t *Entry) Read(dst []float32) error {
	b, err := t.DType.block()
	if err != nil {
		return fmt.Errorf("%s: %w", t.Where, err)
	}
	const chunk = 1 << 20
	step := chunk / b.size * b.n // values per read
	buf := make([]byte, min(step, len(dst))/b.n*b.size)
	at := t.offset
	for rest := dst; len(rest) > 0; {
		n := min(step, len(rest))
		src := buf[:n/b.n*b.size]
		if got, err := t.r.ReadAt(src, at); got < len(src) { // the last read may end with io.EOF
			return fmt.Errorf("%s: the file is cut off: %w", t.Where, err)
		}
		if err := t.DType.decode(rest[:n], src); err != nil {
			return fmt.Errorf("%s: %w", t.Where, err)
		}
		at += int64(len(src))
		rest = rest[n:]
	}
	return nil
}
