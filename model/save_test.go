package model

import (
	"archive/zip"
	"ballast/chat"
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"ballast/chat/bpe"
)

func TestTokenizerTooLarge(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	m.Tokenizer, err = bpe.FromVocab(append(tokens(m.Tokenizer), "<a>", "<b>"), nil, nil, bpe.Qwen2)
	ok(t, err)
	dir := filepath.Join(t.TempDir(), "m")
	ok(t, m.Save(dir, F32))
	_, err = Load(dir)
	fails(t, err, dir, "130 ids", "128 rows")
}

func tokens(tok *bpe.Tokenizer) (out []string) {
	for id := range tok.Size() {
		out = append(out, tok.Token(int32(id)))
	}
	return out
}

func TestSaveAndLoad(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	for _, dtype := range []DType{F32, F16, BF16} {
		dir := filepath.Join(t.TempDir(), "a", "m")
		ok(t, m.Save(dir, dtype))
		back, err := Load(dir)
		ok(t, err)
		want := m.Weights
		if dtype != F32 {
			want = rounded(m.Weights, dtype)
		}
		sameWeights(t, back.Weights, want)
		if !equalJSON(t, back.Config, m.Config) || back.Source.Jinja() != m.Source.Jinja() || !slices.Equal(tokens(back.Tokenizer), tokens(m.Tokenizer)) {
			t.Errorf("%s: configuration, template or tokenizer changed", dtype)
		}
		embedded, err := loadFS(os.DirFS(dir), "embedded")
		ok(t, err)
		sameWeights(t, embedded.Weights, want)
		// Saved again without a change, every file has the same bytes.
		again := filepath.Join(t.TempDir(), "again")
		ok(t, back.Save(again, dtype))
		for _, f := range list(t, dir) {
			a, _ := os.ReadFile(filepath.Join(dir, f))
			b, err := os.ReadFile(filepath.Join(again, f))
			if err != nil || string(a) != string(b) {
				t.Errorf("%s: %s changed when saved again (%v)", dtype, f, err)
			}
		}
		fails(t, m.Save(dir, dtype), dir, "not empty")
	}
	fails(t, m.Save(filepath.Join(t.TempDir(), "m"), "Q4_0"), "Q4_0")
}

// TestSaveTooLarge: what 16 bits cannot hold is an error that names the tensor, and nothing is
// left behind.
func TestSaveTooLarge(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	m.Weights.Get("model.norm.weight").Data[1] = 1e5
	parent := t.TempDir()
	fails(t, m.Save(filepath.Join(parent, "m"), F16), "model.safetensors", "tensor model.norm.weight: 100000 is more than F16 holds")
	if got := list(t, parent); len(got) != 0 {
		t.Errorf("%q is left behind", got)
	}
	ok(t, m.Save(filepath.Join(parent, "m"), BF16))
}

func TestSaveNew(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	c := m.Config
	c.Layers = 1
	made := New(c, m.Tokenizer, 3)
	ok(t, made.ServeAs(style(made, "compact", "xml"), nil))
	dir := t.TempDir() // empty: may be written over
	ok(t, made.Save(dir, F32))
	back, err := Load(dir)
	ok(t, err)
	sameWeights(t, back.Weights, made.Weights)
	if c, err := chat.Choose(back.Source, back.Tokenizer, chat.Hermes); err != nil || c.Name != "compact" {
		t.Errorf("template %s, %v", c, err)
	}
}

// rounded are weights in a type of 16 bits, by the digits that it has: 11 of float16, in steps
// of 2^-24 at least, and 8 of bfloat16.
func rounded(w *Weights, dtype DType) *Weights {
	digits, least := 11, -24
	if dtype == BF16 {
		digits, least = 8, -133
	}
	var out []*Tensor
	for _, x := range w.Tensors {
		y := &Tensor{Name: x.Name, Shape: x.Shape}
		for _, f := range x.Data {
			_, exp := math.Frexp(float64(f))
			step := max(exp-digits, least)
			y.Data = append(y.Data, float32(math.Ldexp(math.RoundToEven(math.Ldexp(float64(f), -step)), step)))
		}
		out = append(out, y)
	}
	return NewWeights(out)
}

func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestFullDisk(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	for _, room := range []int{0, 3000, 50000} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "m")
		left := room
		err := m.saveAs(dir, F32, func(f *os.File, p []byte) (int, error) {
			if len(p) > left {
				return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
			}
			left -= len(p)
			return f.Write(p)
		})
		fails(t, err, dir, "no space left on device")
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the cause is lost: %v", err)
		}
		if got := list(t, parent); len(got) != 0 {
			t.Errorf("with room for %d bytes %q is left behind", room, got)
		}
	}
}

// TestZip reads a model from a file system whose files cannot be read at offsets.
func TestZip(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	dir := filepath.Join(t.TempDir(), "m")
	ok(t, m.Save(dir, F32))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	ok(t, z.AddFS(os.DirFS(dir)))
	ok(t, z.Close())
	fsys, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	ok(t, err)
	back, err := loadFS(fsys, "zip")
	ok(t, err)
	sameWeights(t, back.Weights, m.Weights)
}
