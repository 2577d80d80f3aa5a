package tensorfile

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"ballast/bounded"
)

// A GGUF file (version 2 or 3, little-endian) is the magic, counts, key-value
// metadata, a list of tensors with dimensions, type and offset, and the aligned
// bytes of the tensors. This reader is our own because the one of go-huggingface
// v0.4.2 brings GoMLX's tensors and a downloader along, reads from paths only and
// does not check that tensors lie inside the file.

// ggufTypes names the storage types by their number in the file, those that are read and
// those that are refused by name: all of ggml's enum ggml_type, the retired ones too.
var ggufTypes = map[uint32]DType{0: F32, 1: F16, 2: Q4_0, 3: Q4_1, 4: "Q4_2", 5: "Q4_3", 6: Q5_0, 7: Q5_1,
	8: Q8_0, 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: Q4_K, 13: Q5_K, 14: Q6_K, 15: "Q8_K",
	16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS",
	24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 30: BF16,
	31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0",
	36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8", 38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0"}

// GGUF is the parsed head of a file.
type GGUF struct {
	Name    string         // of the file, for messages
	Meta    map[string]any // int64, float64, bool, string, or a slice of one of them
	Tensors []*Entry
}

// Bounds on the head: bytes of metadata (a vocabulary of 256,000 tokens with its merges
// takes 12 MB), and keys or tensors.
const maxHead, maxItems = 256 * bounded.MiB, 1 << 20

// ggufReader reads the head. The first error sticks; every length is checked
// against what is left of the file before it is allocated.
type ggufReader struct {
	r    *bufio.Reader
	at   int64
	size int64
	err  error
}

func (g *ggufReader) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf(format, args...)
	}
}

// bytes reads n bytes.
func (g *ggufReader) bytes(n uint64) []byte {
	if g.err == nil && n > uint64(g.size-g.at) {
		g.fail("the file is cut off or damaged at byte %d (%d more bytes expected, %d left)", g.at, n, g.size-g.at)
	}
	if g.err == nil && n > maxHead {
		g.fail("%d bytes at byte %d: %w: more than %s", n, g.at, bounded.ErrTooLarge, bounded.Bytes(maxHead))
	}
	if g.err != nil {
		return nil
	}
	buf := make([]byte, n)
	if _, err := io.ReadFull(g.r, buf); err != nil {
		g.fail("byte %d: %w", g.at, err)
		return nil
	}
	g.at += int64(n)
	return buf
}

// num reads a little-endian unsigned number of width bytes, 0 after an error.
func (g *ggufReader) num(width int) uint64 {
	var buf [8]byte
	copy(buf[:], g.bytes(uint64(width)))
	return binary.LittleEndian.Uint64(buf[:])
}

func (g *ggufReader) text() string { return string(g.bytes(g.num(8))) }

// count reads a number of items that take at least width bytes each.
func (g *ggufReader) count(width int) int {
	n := g.num(8)
	if g.err == nil && n > uint64(g.size-g.at)/uint64(width) {
		g.fail("the file is cut off or damaged at byte %d (%d items of %d bytes or more expected)", g.at, n, width)
	}
	if g.err == nil && n > maxHead/8 {
		g.fail("%d items at byte %d: %w: more than %d", n, g.at, bounded.ErrTooLarge, maxHead/8)
	}
	if g.err != nil {
		return 0
	}
	return int(n)
}

// The numbers of the metadata types.
const (
	ggufU8 = iota
	ggufI8
	ggufU16
	ggufI16
	ggufU32
	ggufI32
	ggufF32
	ggufBool
	ggufString
	ggufArray
	ggufU64
	ggufI64
	ggufF64
)

// scalarWidth is the size of the scalar types; strings take 8 bytes or more.
var scalarWidth = map[uint64]int{ggufU8: 1, ggufI8: 1, ggufU16: 2, ggufI16: 2, ggufU32: 4, ggufI32: 4,
	ggufF32: 4, ggufBool: 1, ggufString: 8, ggufU64: 8, ggufI64: 8, ggufF64: 8}

// value reads one metadata value.
func (g *ggufReader) value(kind uint64) any {
	switch kind {
	case ggufU8, ggufU16, ggufU32, ggufU64:
		return int64(g.num(scalarWidth[kind]))
	case ggufI8:
		return int64(int8(g.num(1)))
	case ggufI16:
		return int64(int16(g.num(2)))
	case ggufI32:
		return int64(int32(g.num(4)))
	case ggufI64:
		return int64(g.num(8))
	case ggufF32:
		return float64(math.Float32frombits(uint32(g.num(4))))
	case ggufF64:
		return math.Float64frombits(g.num(8))
	case ggufBool:
		return g.num(1) != 0
	case ggufString:
		return g.text()
	case ggufArray:
		return g.array()
	}
	g.fail("metadata type %d at byte %d is unknown", kind, g.at)
	return nil
}

// array reads an array of scalars into a typed slice.
func (g *ggufReader) array() any {
	kind := g.num(4)
	width := scalarWidth[kind]
	if width == 0 {
		g.fail("metadata array of type %d at byte %d is not supported", kind, g.at)
		return nil
	}
	n := g.count(width)
	switch kind {
	case ggufString:
		return collect[string](g, kind, n)
	case ggufF32, ggufF64:
		return collect[float64](g, kind, n)
	case ggufBool:
		return collect[bool](g, kind, n)
	}
	return collect[int64](g, kind, n)
}

func collect[T any](g *ggufReader, kind uint64, n int) []T {
	out := make([]T, 0, n)
	for range n {
		v, ok := g.value(kind).(T)
		if !ok || g.err != nil {
			return nil
		}
		out = append(out, v)
	}
	return out
}

// ReadGGUF parses the head of a file of the given size; name is the file in
// messages.
func ReadGGUF(r io.ReaderAt, size int64, name string) (*GGUF, error) {
	g := &ggufReader{r: bufio.NewReaderSize(io.NewSectionReader(r, 0, size), 1<<16), size: size}
	f := &GGUF{Name: name, Meta: map[string]any{}}
	if magic := string(g.bytes(4)); g.err == nil && magic != "GGUF" {
		g.fail("does not begin with GGUF")
	}
	version := g.num(4)
	if g.err == nil && version != 2 && version != 3 {
		g.fail("GGUF version %d is not supported; 2 and 3 are", version)
	}
	tensors, keys := g.count(24), g.count(13)
	if max(tensors, keys) > maxItems {
		g.fail("%d tensors and %d keys: %w: more than %d", tensors, keys, bounded.ErrTooLarge, maxItems)
	}
	if g.err != nil {
		return nil, fmt.Errorf("%s: %w", name, g.err)
	}
	for range keys {
		key := g.text()
		kind := g.num(4)
		v := g.value(kind)
		if g.at > maxHead {
			g.fail("%w: metadata of more than %s", bounded.ErrTooLarge, bounded.Bytes(maxHead))
		}
		if g.err != nil {
			return nil, fmt.Errorf("%s: key %.80q: %w", name, key, g.err)
		}
		f.Meta[key] = v
	}
	for range tensors {
		if t := g.tensor(name); t != nil && g.err == nil {
			t.r = r
			f.Tensors = append(f.Tensors, t)
		}
	}
	if g.err != nil {
		return nil, fmt.Errorf("%s: %w", name, g.err)
	}
	return f, f.place(g.at, size)
}

// tensor reads one entry of the tensor list.
func (g *ggufReader) tensor(file string) *Entry {
	t := &Entry{Name: g.text()}
	t.Where = file + ": tensor " + t.Name
	dims := g.num(4)
	if g.err == nil && dims > 4 {
		g.fail("tensor %s has %d dimensions", t.Name, dims)
	}
	for range min(dims, 4) {
		d := g.num(8)
		if d > math.MaxInt32*1024 {
			g.fail("tensor %s has an impossible dimension %d", t.Name, d)
			return nil
		}
		t.Shape = append([]int{int(d)}, t.Shape...)
	}
	kind := uint32(g.num(4))
	t.offset = int64(g.num(8))
	if g.err != nil {
		return nil
	}
	var ok bool
	if t.DType, ok = ggufTypes[kind]; !ok {
		t.DType = DType(fmt.Sprintf("number %d of ggml", kind))
	}
	if len(t.Shape) == 0 {
		t.Shape = []int{1}
	}
	return t
}

// place turns offsets into file positions and checks that all tensors lie inside.
func (f *GGUF) place(head, size int64) error {
	align := int64(32)
	if v, ok := f.Meta["general.alignment"].(int64); ok {
		align = v
	}
	if align <= 0 || align > 1<<20 {
		return fmt.Errorf("%s: general.alignment %d is out of range", f.Name, align)
	}
	start := (head + align - 1) / align * align
	for _, t := range f.Tensors {
		n, err := t.Bytes()
		if err != nil {
			return err
		}
		if t.offset < 0 || t.offset > size || t.offset+start+n > size {
			return fmt.Errorf("%s: ends at byte %d, the file at %d: the file is cut off; copy it again", t.Where, t.offset+start+n, size)
		}
		t.offset += start
	}
	return apart(f.Tensors)
}

// Text returns a text of the metadata, "" if there is none.
func (f *GGUF) Text(key string) string { s, _ := f.Meta[key].(string); return s }

// Int returns a non-negative integer of the metadata; a missing one is an error
// unless there is a default.
func (f *GGUF) Int(key string, def ...int) (int, error) {
	switch v := f.Meta[key].(type) {
	case int64:
		if v < 0 || v > math.MaxInt32 {
			return 0, fmt.Errorf("%s: %s %d is out of range", f.Name, key, v)
		}
		return int(v), nil
	case nil:
		if len(def) > 0 {
			return def[0], nil
		}
		return 0, fmt.Errorf("%s: key %s is missing", f.Name, key)
	}
	return 0, fmt.Errorf("%s: key %s is not one integer (a value per layer is not supported)", f.Name, key)
}

// Float returns a number of the metadata.
func (f *GGUF) Float(key string, def float64) (float64, error) {
	switch v := f.Meta[key].(type) {
	case float64:
		return v, nil
	case nil:
		return def, nil
	}
	return 0, fmt.Errorf("%s: key %s is not a number", f.Name, key)
}
