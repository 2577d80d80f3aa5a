package tensorfile

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
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
