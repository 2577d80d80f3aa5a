package model

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"path"
	"sort"
	"strings"
)

// A safetensors file is the length of a JSON header (8 bytes, little-endian), the
// header {name: {dtype, shape, data_offsets}}, and the bytes of the tensors.

// headerLimit bounds the JSON header, as the format's own reader does.
const headerLimit = 100 << 20

// rawTensor is one entry of the header; offsets count from its end.
type rawTensor struct {
	DType   DType    `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// readHeader reads the tensor list of a safetensors file of the given size and
// checks that every tensor lies inside the file and has the size of its shape.
func readHeader(r io.ReaderAt, size int64, name string) ([]*stored, error) {
	var head [8]byte
	if _, err := r.ReadAt(head[:], 0); err != nil && size >= 8 {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	n := binary.LittleEndian.Uint64(head[:])
	if size < 8 || n > headerLimit || int64(n) > size-8 {
		return nil, fmt.Errorf("%s: header of %d bytes does not fit the file's %d: cut off, or not safetensors; copy the file again", name, n, size)
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
	var out []*stored
	for k, raw := range entries {
		var e rawTensor
		if err := json.Unmarshal(raw, &e); err != nil {
			return nil, fmt.Errorf("%s: tensor %s: %w", name, k, err)
		}
		t := &stored{name: k, where: name + ": tensor " + k, dtype: e.DType, shape: e.Shape, r: r, offset: 8 + int64(n) + e.Offsets[0]}
		want, err := t.bytes()
		switch {
		case err != nil && strings.HasSuffix(k, ".inv_freq"):
			continue // never read, whatever its type
		case err != nil:
			return nil, err
		case e.Offsets[0] < 0 || e.Offsets[1]-e.Offsets[0] != want:
			return nil, fmt.Errorf("%s: data_offsets %v, but %s%v takes %d bytes", t.where, e.Offsets, e.DType, e.Shape, want)
		case e.Offsets[1] > data:
			return nil, fmt.Errorf("%s: ends at byte %d of %d: the file is cut off; copy it again", t.where, e.Offsets[1], data)
		}
		out = append(out, t)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out, nil
}

// bytes returns the stored size of the tensor, or an error for impossible shapes
// and unknown types.
func (t *stored) bytes() (int64, error) {
	n, row := 1, 1
	for _, d := range t.shape {
		if d < 0 || d > 0 && n > math.MaxInt32*1024/d {
			return 0, fmt.Errorf("%s: impossible shape %v", t.where, t.shape)
		}
		n, row = n*d, d
	}
	b, err := t.dtype.bytes(n, row)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", t.where, err)
	}
	return b, nil
}

// weightFiles lists the safetensors files of a directory: model.safetensors, or
// the shards that the index names.
func weightFiles(fsys fs.FS, origin string) ([]string, error) {
	const single, index = "model.safetensors", "model.safetensors.index.json"
	if _, err := fs.Stat(fsys, single); err == nil {
		return []string{single}, nil
	}
	data, err := fs.ReadFile(fsys, index)
	if errors.Is(err, fs.ErrNotExist) {
		if bins, _ := fs.Glob(fsys, "pytorch_model*.bin"); len(bins) > 0 {
			return nil, fmt.Errorf("%s: only %s, no safetensors; convert the checkpoint to safetensors first", origin, bins[0])
		}
		return nil, fmt.Errorf("%s: neither %s nor %s is there", origin, single, index)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %w", origin, err)
	}
	var idx struct {
		Map map[string]string `json:"weight_map"`
	}
	if err := json.Unmarshal(data, &idx); err != nil || len(idx.Map) == 0 {
		return nil, fmt.Errorf("%s: no weight_map that names shards (%v)", path.Join(origin, index), err)
	}
	seen := map[string]bool{}
	var files []string
	for _, f := range idx.Map {
		if !fs.ValidPath(f) {
			return nil, fmt.Errorf("%s: shard name %q leaves the directory", path.Join(origin, index), f)
		}
		if !seen[f] {
			seen[f] = true
			files = append(files, f)
		}
	}
	sort.Strings(files)
	return files, nil
}

// writeSafetensors writes w in the order of its tensors, as F32 or BF16.
func writeSafetensors(out io.Writer, w *Weights, dtype DType) error {
	width := int64(4)
	if dtype == BF16 {
		width = 2
	}
	// The header is written by hand to keep the order of the tensors.
	var head strings.Builder
	head.WriteString(`{"__metadata__":{"format":"pt"}`)
	var at int64
	for _, t := range w.Tensors {
		end := at + width*int64(len(t.Data))
		shape, _ := json.Marshal(t.Shape) // ints cannot fail
		fmt.Fprintf(&head, `,%q:{"dtype":%q,"shape":%s,"data_offsets":[%d,%d]}`, t.Name, dtype, shape, at, end)
		at = end
	}
	head.WriteString("}")
	head.WriteString(strings.Repeat(" ", -head.Len()&7)) // data starts at a multiple of 8
	buf := binary.LittleEndian.AppendUint64(make([]byte, 0, 1<<20), uint64(head.Len()))
	buf = append(buf, head.String()...)
	for _, t := range w.Tensors {
		for _, f := range t.Data {
			if dtype == BF16 {
				buf = binary.LittleEndian.AppendUint16(buf, bf16(f))
			} else {
				buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(f))
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
