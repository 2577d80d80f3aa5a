package model

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ballast/model/tensorfile"
)

// TestGGUF reads a file that gguf-py wrote with seven storage types; the sums of
// the dequantised tensors are its own.
func TestGGUF(t *testing.T) {
	var sums map[string]string
	golden(t, "qwen2.gguf.json", &sums)
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	hf, err := LoadWeights("testdata/qwen2")
	ok(t, err)
	for _, x := range m.Weights.Tensors {
		sum := sha256.New()
		binary.Write(sum, binary.LittleEndian, x.Data)
		if hex.EncodeToString(sum.Sum(nil)) != sums[x.Name] {
			t.Errorf("tensor %s differs", x.Name)
		}
	}
	hf.Config.EOS = []int32{127}
	if !equalJSON(t, m.Config, hf.Config) {
		t.Errorf("config\n got %+v\nwant %+v", m.Config, hf.Config)
	}
	if m.Source.Text == "" || m.Source.From == "" {
		t.Errorf("chat template %+v", m.Source)
	}
	if got := m.Tokenizer.Encode("hello world<|im_end|>"); !slices.Equal(got, []int32{98, 103, 127}) {
		t.Errorf("tokens %v", got)
	}
}

// TestGGUFSmolLM3: what gguf-py wrote of testdata/smollm3 is that model; no key says which
// layer does not rotate.
func TestGGUFSmolLM3(t *testing.T) {
	m, err := LoadWeights("testdata/smollm3.gguf")
	ok(t, err)
	hf, err := LoadWeights("testdata/smollm3")
	ok(t, err)
	sameWeights(t, m.Weights, hf.Weights)
	if !equalJSON(t, m.Config, hf.Config) || !slices.Equal(m.Config.NoRope, []int{3}) {
		t.Errorf("config\n got %+v\nwant %+v", m.Config, hf.Config)
	}
}

func TestGGUFErrors(t *testing.T) {
	whole, err := os.ReadFile("testdata/qwen2.gguf")
	ok(t, err)
	swap := func(old, new string) []byte {
		if !strings.Contains(string(whole), old) || len(old) != len(new) {
			t.Fatalf("bad edit %q", old)
		}
		return []byte(strings.Replace(string(whole), old, new, 1))
	}
	for _, c := range []struct {
		name string
		data []byte
		says string
	}{
		{"empty", nil, "cut off"},
		{"magic", append([]byte("GGML"), whole[4:]...), "does not begin with GGUF"},
		{"version", append([]byte("GGUF\x07\x00\x00\x00"), whole[8:]...), "version 7"},
		{"cut head", whole[:2000], "cut off"},
		{"cut data", whole[:len(whole)-100], "cut off"},
		{"architecture", swap("\x05\x00\x00\x00\x00\x00\x00\x00qwen2\x15", "\x05\x00\x00\x00\x00\x00\x00\x00gemma\x15"), `"gemma"`},
		{"key", swap("qwen2.block_count", "qwen2.block_caunt"), "qwen2.block_count is missing"},
		{"tensor", swap("blk.1.attn_q.bias", "blk.1.attn_s.bias"), "q_proj.bias is missing"},
		{"scaling", swap("qwen2.context_length", "qwen2.attention.scale"[:20]), "context_length"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "m.gguf")
			ok(t, os.WriteFile(path, c.data, 0o666))
			_, err := Load(path)
			fails(t, err, path, c.says)
		})
	}
}

// TestHalves checks the row order of llama files on 2 heads of 6 rows: pairs
// (2i, 2i+1) become (i, i+3).
func TestHalves(t *testing.T) {
	w := []float32{0, 0, 3, 3, 1, 1, 4, 4, 2, 2, 5, 5, 10, 10, 13, 13, 11, 11, 14, 14, 12, 12, 15, 15}
	halves(w, 2, 6)
	want := []float32{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15}
	if !slices.Equal(w, want) {
		t.Errorf("got %v", w)
	}
}

func TestRopeFactors(t *testing.T) {
	c := Config{Arch: "llama", HeadDim: 64, RopeTheta: 500000}
	scaled := c
	scaled.Rope = &RopeScaling{32, 1, 4, 8192}
	var raw []byte
	plain := c.Frequencies()
	for i, f := range scaled.Frequencies() {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(plain[i]/f)))
	}
	factors := func() *tensorfile.Entry {
		return entry(t, raw)
	}
	got := c
	ok(t, ropeFactors(&got, factors()))
	if *got.Rope != *scaled.Rope {
		t.Errorf("recovered %+v", got.Rope)
	}
	raw[62]++ // factor 15
	fails(t, ropeFactors(&c, factors()), "factor 15")
}

// entry wraps 32 raw float32 in a safetensors file.
func entry(t *testing.T, raw []byte) *tensorfile.Entry {
	t.Helper()
	head := `{"f":{"dtype":"F32","shape":[32],"data_offsets":[0,128]}}`
	file := append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...), raw...)
	es, err := tensorfile.ReadSafetensors(strings.NewReader(string(file)), int64(len(file)), "f")
	ok(t, err)
	return es[0]
}

// FuzzGGUFModel: a head that is accepted has a configuration that is possible and
// weights of its shape, and no tokenizer that panics.
func FuzzGGUFModel(f *testing.F) {
	for _, name := range []string{"qwen2", "smollm3"} {
		whole, err := os.ReadFile("testdata/" + name + ".gguf")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(whole)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		head, err := tensorfile.ReadGGUF(bytes.NewReader(data), int64(len(data)), "f")
		if err != nil {
			return
		}
		a, err := gguf{head}.archive()
		if err != nil {
			return
		}
		if a.config.Check() != nil {
			t.Fatalf("an impossible configuration: %+v", a.config)
		}
		if tok, err := a.readTokenizer(); err == nil {
			tok.Encode("hello <|im_end|> world 12")
		}
		a.weights()
	})
}

// FuzzDirectory: the files of a model directory may hold anything.
func FuzzDirectory(f *testing.F) {
	files := []string{"config.json", "tokenizer.json", "generation_config.json", "model.safetensors"}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join("testdata/qwen2", name))
		if err == nil {
			f.Add(name, data)
		}
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		if !slices.Contains(files, name) || len(data) > 1<<20 {
			t.Skip()
		}
		fsys := fstest.MapFS{}
		for _, n := range files {
			if text, err := os.ReadFile(filepath.Join("testdata/qwen2", n)); err == nil {
				fsys[n] = &fstest.MapFile{Data: text}
			}
		}
		fsys[name] = &fstest.MapFile{Data: data}
		if m, err := loadFS(fsys, "f"); err == nil {
			m.Tokenizer.Encode("hello world")
		}
	})
}
