package tensorfile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func golden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	ok(t, err)
	ok(t, json.Unmarshal(data, into))
}

func unbase(t *testing.T, s string) []byte {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(s)
	ok(t, err)
	return out
}

// TestDequantise compares every storage type bit by bit with ggml's python
// reference (package gguf).
func TestDequantise(t *testing.T) {
	var want map[DType]struct{ Raw, F32 string }
	golden(t, "quant.json", &want)
	if len(want) != 10 {
		t.Fatal(len(want), "types")
	}
	for dtype, w := range want {
		raw, exact := unbase(t, w.Raw), unbase(t, w.F32)
		got := make([]float32, len(exact)/4)
		ok(t, dtype.decode(got, raw))
		for i, g := range got {
			if e := binary.LittleEndian.Uint32(exact[4*i:]); math.Float32bits(g) != e && !(g == 0 && e<<1 == 0) {
				t.Errorf("%s: value %d is %g, want %g", dtype, i, g, math.Float32frombits(e))
			}
		}
	}
}

func TestRoundBF16(t *testing.T) {
	var want struct{ F32, BF16 string }
	golden(t, "bf16.json", &want)
	in, out := unbase(t, want.F32), unbase(t, want.BF16)
	for i := range len(in) / 4 {
		f := math.Float32frombits(binary.LittleEndian.Uint32(in[4*i:]))
		if g, w := RoundBF16(f), binary.LittleEndian.Uint16(out[2*i:]); g != w {
			t.Errorf("RoundBF16(%g) = %#x, want %#x", f, g, w)
		}
	}
	if g := RoundBF16(float32(math.NaN())); g&0x7f80 != 0x7f80 || g&0x7f == 0 {
		t.Errorf("RoundBF16(NaN) = %#x", g)
	}
}

// FuzzGGUF: a head that is accepted lists tensors that can be read.
func FuzzGGUF(f *testing.F) {
	whole, err := os.ReadFile("../testdata/qwen2.gguf")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(whole[:500])
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := ReadGGUF(bytes.NewReader(data), int64(len(data)), "f")
		if err != nil {
			return
		}
		readAll(t, g.Tensors, len(data))
	})
}

// FuzzSafetensors does the same for the other format.
func FuzzSafetensors(f *testing.F) {
	var b bytes.Buffer
	if err := WriteSafetensors(&b, []Tensor{{"a", []int{2, 3}, make([]float32, 6)}, {"b", []int{1}, []float32{7}}}, BF16); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		es, err := ReadSafetensors(bytes.NewReader(data), int64(len(data)), "f")
		if err != nil {
			return
		}
		readAll(t, es, len(data))
	})
}

// readAll reads every tensor; none may hold more values than the file can store
// (a block of 256 values takes 144 bytes at least).
func readAll(t *testing.T, es []*Entry, file int) {
	t.Helper()
	for _, e := range es {
		n := 1
		for _, d := range e.Shape {
			n *= d
		}
		if n > 2*file {
			t.Fatalf("%s: %v of a file of %d bytes", e.Where, e.Shape, file)
		}
		ok(t, e.Read(make([]float32, n)))
	}
}

func TestWriteThenRead(t *testing.T) {
	in := []Tensor{{"z", []int{2, 3}, []float32{1, 2, 3, 4, 5, -6}}, {"a", []int{2}, []float32{0.5, 1e-3}}}
	var b bytes.Buffer
	ok(t, WriteSafetensors(&b, in, F32))
	es, err := ReadSafetensors(bytes.NewReader(b.Bytes()), int64(b.Len()), "f")
	ok(t, err)
	if len(es) != 2 || es[0].Name != "a" || es[1].Name != "z" {
		t.Fatal(es)
	}
	for i, e := range es {
		got := make([]float32, len(in[1-i].Data))
		ok(t, e.Read(got))
		if !slices.Equal(got, in[1-i].Data) || !slices.Equal(e.Shape, in[1-i].Shape) {
			t.Errorf("%s: %v", e.Name, got)
		}
	}
	if (8+binary.LittleEndian.Uint64(b.Bytes()))%8 != 0 {
		t.Error("the data is not aligned")
	}
}

// safetensors is a file with a header and n bytes of data.
func safetensors(header string, n int) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), make([]byte, n)...)
}

// TestOffsetsThatLie: offsets that wrap, cross the end, or share bytes are errors.
func TestOffsetsThatLie(t *testing.T) {
	entry := func(name, shape, offsets string) string {
		return `"` + name + `":{"dtype":"F32","shape":[` + shape + `],"data_offsets":[` + offsets + `]}`
	}
	for name, header := range map[string]string{
		"wraps":      entry("a", "2", "9223372036854775807,-9223372036854775801"),
		"wraps 2":    entry("a", "2", "-4,4"),
		"backwards":  entry("a", "2", "8,0"),
		"too far":    entry("a", "2", "60,68"),
		"shared":     entry("a", "4", "0,16") + "," + entry("b", "4", "12,28"),
		"the same":   entry("a", "4", "0,16") + "," + entry("b", "4", "0,16"),
		"dimensions": entry("a", strings.TrimSuffix(strings.Repeat("1,", 1000), ","), "0,4"),
		"product":    entry("a", "4294967296,4294967296", "0,0"),
	} {
		data := safetensors("{"+header+"}", 64)
		if _, err := ReadSafetensors(bytes.NewReader(data), int64(len(data)), "f"); err == nil || !strings.Contains(err.Error(), "tensor") {
			t.Errorf("%s: %v", name, err)
		}
	}
	data := safetensors("{"+entry("a", "4", "0,16")+","+entry("empty", "0", "16,16")+","+entry("b", "4", "16,32")+"}", 32)
	if es, err := ReadSafetensors(bytes.NewReader(data), int64(len(data)), "f"); err != nil || len(es) != 3 {
		t.Errorf("a tensor without values: %v", err)
	}
}

// sparse is a file of zeros after its head.
type sparse struct{ head []byte }

func (s sparse) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	if at < int64(len(s.head)) {
		copy(p, s.head[at:])
	}
	return len(p), nil
}

// TestGGUFThatLies: counts and lengths that a large, empty file seems to hold are
// errors before memory is made for them.
func TestGGUFThatLies(t *testing.T) {
	num := func(width int, n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n)[:width] }
	text := func(s string) []byte { return append(num(8, uint64(len(s))), s...) }
	head := func(tensors, keys uint64, rest ...[]byte) []byte {
		return slices.Concat(append([][]byte{[]byte("GGUF"), num(4, 3), num(8, tensors), num(8, keys)}, rest...)...)
	}
	one := slices.Concat(num(4, 1), num(8, 4), num(4, 0), num(8, 0)) // a vector of four at the start
	for name, data := range map[string][]byte{
		"tensors":     head(1<<60, 0),
		"keys":        head(0, 1<<60),
		"many":        head(1<<24, 1<<24),
		"a key":       head(0, 1, num(8, 1<<40)),
		"a text":      head(0, 1, text("k"), num(4, ggufString), num(8, 1<<38)),
		"an array":    head(0, 1, text("k"), num(4, ggufArray), num(4, ggufString), num(8, 1<<33)),
		"bytes":       head(0, 1, text("k"), num(4, ggufArray), num(4, ggufU8), num(8, 1<<33)),
		"a shape":     head(1, 0, text("t"), num(4, 4), num(8, 1<<31), num(8, 1<<31), num(8, 1<<31), num(8, 1<<31)),
		"alignment":   head(0, 1, text("general.alignment"), num(4, ggufU64), num(8, 1<<62)),
		"the same":    head(2, 0, text("a"), one, text("b"), one),
		"in an array": head(0, 1, text("k"), num(4, ggufArray), num(4, ggufArray), num(8, 1<<20)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadGGUF(sparse{data}, 1<<40, "f")
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; err == nil || n > 300<<20 {
			t.Errorf("%s: %v, %d MB", name, err, n>>20)
		}
	}
}
