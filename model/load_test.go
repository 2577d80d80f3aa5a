package model

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"ballast/chat/bpe"
)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails checks that err is there and says each of parts.
func fails(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one that says %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

func golden(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	ok(t, err)
	ok(t, json.Unmarshal(data, into))
}

// files is a model directory in memory, to be damaged.
func files(t *testing.T, dir string) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	for _, f := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join("testdata", dir, f))
		ok(t, err)
		out[f] = &fstest.MapFile{Data: data}
	}
	return out
}

// loadBare is LoadWeights from a file system.
func loadBare(fsys fs.FS) (*Model, error) {
	a, err := openDir(fsys, "m")
	if err != nil {
		return nil, err
	}
	return a.load(false)
}

func sameWeights(t *testing.T, got, want *Weights) {
	t.Helper()
	if len(got.Tensors) != len(want.Tensors) {
		t.Fatalf("%d tensors, want %d", len(got.Tensors), len(want.Tensors))
	}
	for i, w := range want.Tensors {
		g := got.Tensors[i]
		if g.Name != w.Name || !slices.Equal(g.Shape, w.Shape) || !slices.Equal(g.Data, w.Data) {
			t.Errorf("tensor %s differs from %s", g.Name, w.Name)
		}
	}
}

func TestConfigs(t *testing.T) {
	for dir, want := range map[string]Config{
		"qwen2": {Arch: "qwen2", Vocab: 128, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 72, MaxLen: 512, RopeTheta: 1e6, NormEps: 1e-6, Tied: true},
		"qwen3": {Arch: "qwen3", Vocab: 120, Hidden: 32, Layers: 2, Heads: 6, KVHeads: 2, HeadDim: 8, FFN: 64, MaxLen: 512, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
		"llama": {Arch: "llama", Vocab: 110, Hidden: 36, Layers: 2, Heads: 3, KVHeads: 1, HeadDim: 12, FFN: 48, MaxLen: 512, RopeTheta: 1e4, NormEps: 1e-5},
	} {
		m, err := LoadWeights("testdata/" + dir)
		ok(t, err)
		got := m.Config
		if dir == "llama" {
			if got.Rope == nil || *got.Rope != (RopeScaling{8, 1, 4, 64}) {
				t.Errorf("llama: rope scaling %v", got.Rope)
			}
			got.Rope = nil
		}
		if !slices.Equal(got.EOS, []int32{0}) || got.BOS != nil {
			t.Errorf("%s: end tokens %v, begin %v", dir, got.EOS, got.BOS)
		}
		got.EOS = nil
		if !equalJSON(t, got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", dir, got, want)
		}
		// What is written is read back the same.
		back, err := ParseConfig(m.Config.JSON(BF16), "written")
		ok(t, err)
		if !equalJSON(t, back, m.Config) {
			t.Errorf("%s: written and read back:\n got %+v\nwant %+v", dir, back, m.Config)
		}
	}
}

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	ok(t, err)
	y, err := json.Marshal(b)
	ok(t, err)
	return string(x) == string(y)
}

// edit returns a config.json of testdata with some keys set (nil removes one).
func edit(t *testing.T, dir string, keys map[string]any) []byte {
	t.Helper()
	var m map[string]any
	golden(t, dir+"/config.json", &m)
	for k, v := range keys {
		if v == nil {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return indented(m)
}

func TestConfigRefusals(t *testing.T) {
	type keys = map[string]any
	for _, c := range []struct {
		dir  string
		keys keys
		says string
	}{
		{"qwen2", keys{"architectures": []string{"MistralForCausalLM"}}, "LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM"},
		{"qwen2", keys{"architectures": nil}, "architectures"},
		{"qwen2", keys{"hidden_act": "gelu"}, "hidden_act"},
		{"qwen2", keys{"use_sliding_window": true}, "use_sliding_window"},
		{"qwen2", keys{"layer_types": []string{"full_attention", "sliding_attention"}}, "layer_types"},
		{"qwen3", keys{"attention_bias": true}, "attention_bias"},
		{"llama", keys{"attention_bias": true}, "attention_bias"},
		{"llama", keys{"mlp_bias": true}, "mlp_bias"},
		{"llama", keys{"attention_dropout": 0.1}, "attention_dropout"},
		{"qwen2", keys{"partial_rotary_factor": 0.5}, "partial_rotary_factor"},
		{"qwen2", keys{"quantization_config": keys{"quant_method": "gptq"}}, "quantization_config"},
		{"qwen2", keys{"rope_scaling": keys{"type": "yarn", "factor": 4.0}}, `rope_type "yarn"`},
		{"qwen2", keys{"rope_scaling": keys{"rope_type": "longrope", "short_factor": []int{1}}}, `rope_type "longrope"`},
		{"qwen2", keys{"rope_parameters": keys{"rope_type": "linear", "factor": 2}}, `rope_type "linear"`},
		{"qwen2", keys{"rope_parameters": keys{"full_attention": keys{}}}, "rope_parameters"},
		{"llama", keys{"rope_parameters": keys{"rope_type": "llama3", "factor": 8}}, "low_freq_factor"},
		{"llama", keys{"vocab_size": nil}, "vocab_size"},
		{"qwen2", keys{"num_key_value_heads": nil}, "num_key_value_heads"},
		{"qwen3", keys{"head_dim": nil}, "head_dim"},
		{"qwen2", keys{"num_key_value_heads": 3}, "num_key_value_heads 3"},
		{"qwen2", keys{"head_dim": 7}, "head_dim 7"},
		{"qwen2", keys{"num_hidden_layers": -1}, "num_hidden_layers"},
		{"qwen2", keys{"rms_norm_eps": 0}, "rms_norm_eps"},
		{"qwen2", keys{"eos_token_id": "x"}, "eos_token_id"},
	} {
		_, err := ParseConfig(edit(t, c.dir, c.keys), "dir/config.json")
		fails(t, err, "dir/config.json", c.says)
	}
	_, err := ParseConfig([]byte("{"), "dir/config.json")
	fails(t, err, "dir/config.json")
}

func TestConfigOldKeys(t *testing.T) {
	// What transformers 4 writes: rope_theta and rope_scaling.
	c, err := ParseConfig(edit(t, "llama", map[string]any{"rope_parameters": nil, "rope_theta": 5e5, "num_key_value_heads": nil,
		"rope_scaling": map[string]any{"type": "llama3", "factor": 32, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 8192},
		"head_dim":     nil, "eos_token_id": []int{3, 5}}), "old")
	ok(t, err)
	if c.RopeTheta != 5e5 || *c.Rope != (RopeScaling{32, 1, 4, 8192}) || c.KVHeads != 3 || c.HeadDim != 12 || !slices.Equal(c.EOS, []int32{3, 5}) {
		t.Errorf("read as %+v %+v", c, c.Rope)
	}
}

func TestSharded(t *testing.T) {
	whole, err := LoadWeights("testdata/qwen3")
	ok(t, err)
	fsys, shards, index := files(t, "qwen3"), fstest.MapFS{}, map[string]string{}
	for k, name := range []string{"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} {
		var part []*Tensor
		for i, x := range whole.Weights.Tensors {
			if i%2 == k {
				part, index[x.Name] = append(part, x), name
			}
		}
		var b strings.Builder
		ok(t, writeSafetensors(&b, NewWeights(part), F32))
		shards[name] = &fstest.MapFile{Data: []byte(b.String())}
	}
	shards["config.json"] = fsys["config.json"]
	shards["model.safetensors.index.json"] = &fstest.MapFile{Data: indented(map[string]any{"weight_map": index})}
	m, err := loadBare(shards)
	ok(t, err)
	sameWeights(t, m.Weights, whole.Weights)

	lacking := maps.Clone(shards)
	delete(lacking, "model-00002-of-00002.safetensors")
	_, err = loadBare(lacking)
	fails(t, err, "m/model-00002-of-00002.safetensors", "not exist")

	twice := maps.Clone(shards)
	twice["model-00002-of-00002.safetensors"] = shards["model-00001-of-00002.safetensors"]
	_, err = loadBare(twice)
	fails(t, err, "also stored as")

	index["x"] = "../x.safetensors"
	shards["model.safetensors.index.json"] = &fstest.MapFile{Data: indented(map[string]any{"weight_map": index})}
	_, err = loadBare(shards)
	fails(t, err, "leaves the directory")
}

func TestDirectoryErrors(t *testing.T) {
	_, err := Load("testdata/nowhere")
	fails(t, err, "testdata/nowhere", "Hugging Face directory")
	_, err = Load("testdata/README.md")
	fails(t, err, "neither a directory nor a .gguf file")
	_, err = Load("testdata/qwen2")
	fails(t, err, "testdata/qwen2/tokenizer.json", "does not exist")

	whole := files(t, "qwen2")
	weights := whole["model.safetensors"].Data
	head := 8 + int(binary.LittleEndian.Uint64(weights))
	header := string(weights[8:head])
	for _, c := range []struct {
		name string
		do   func(fstest.MapFS)
		says []string
	}{
		{"no config", func(f fstest.MapFS) { delete(f, "config.json") }, []string{"m/config.json", "not exist"}},
		{"no weights", func(f fstest.MapFS) { delete(f, "model.safetensors") }, []string{"model.safetensors"}},
		{"pickle", func(f fstest.MapFS) {
			delete(f, "model.safetensors")
			f["pytorch_model.bin"] = &fstest.MapFile{}
		}, []string{"convert"}},
		{"empty", func(f fstest.MapFS) { put(f, nil) }, []string{"m/model.safetensors", "cut off"}},
		{"cut header", func(f fstest.MapFS) { put(f, weights[:head-5]) }, []string{"m/model.safetensors", "cut off"}},
		{"cut data", func(f fstest.MapFS) { put(f, weights[:len(weights)-4]) }, []string{"tensor model.", "cut off"}},
		{"not safetensors", func(f fstest.MapFS) { put(f, []byte("version https://git-lfs.github.com/spec/v1\n")) }, []string{"not safetensors"}},
		{"bad header", func(f fstest.MapFS) { put(f, withHeader(weights, "{"+header[2:])) }, []string{"bad header"}},
		{"dtype", func(f fstest.MapFS) { put(f, withHeader(weights, strings.Replace(header, "F32", "I64", 1))) }, []string{"I64", "not supported"}},
		{"offsets", func(f fstest.MapFS) {
			put(f, withHeader(weights, strings.Replace(header, `"data_offsets":[0,`, `"data_offsets":[4,`, 1)))
		}, []string{"data_offsets"}},
		{"shape in file", func(f fstest.MapFS) {
			put(f, withHeader(weights, strings.Replace(header, "[128,32]", "[32,128]", 1)))
		}, []string{"model.embed_tokens.weight", "[32 128]", "[128 32]"}},
		{"vocabulary", func(f fstest.MapFS) {
			f["config.json"] = &fstest.MapFile{Data: edit(t, "qwen2", map[string]any{"vocab_size": 130})}
		}, []string{"model.embed_tokens.weight", "[128 32]", "[130 32]"}},
		{"missing tensor", func(f fstest.MapFS) {
			f["config.json"] = &fstest.MapFile{Data: edit(t, "qwen2", map[string]any{"tie_word_embeddings": false})}
		}, []string{"lm_head.weight is missing"}},
		{"tensor of no use", func(f fstest.MapFS) {
			f["config.json"] = &fstest.MapFile{Data: edit(t, "qwen2", map[string]any{"architectures": []string{"LlamaForCausalLM"}})}
		}, []string{"self_attn.k_proj.bias", "no place in a llama model"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := files(t, "qwen2")
			c.do(f)
			_, err := loadBare(f)
			fails(t, err, c.says...)
		})
	}
}

func put(f fstest.MapFS, data []byte) { f["model.safetensors"] = &fstest.MapFile{Data: data} }

// withHeader swaps the JSON header of a safetensors file.
func withHeader(file []byte, header string) []byte {
	old := 8 + binary.LittleEndian.Uint64(file)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(out, header...), file[old:]...)
}

func TestTokenizerTooLarge(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	m.Tok, err = bpe.FromVocab(append(tokens(m.Tok), "<a>", "<b>"), nil, nil, bpe.Qwen2)
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
	if len(want) != 7 {
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
		if g, w := bf16(f), binary.LittleEndian.Uint16(out[2*i:]); g != w {
			t.Errorf("bf16(%g) = %#x, want %#x", f, g, w)
		}
	}
	if g := bf16(float32(math.NaN())); g&0x7f80 != 0x7f80 || g&0x7f == 0 {
		t.Errorf("bf16(NaN) = %#x", g)
	}
}

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
	if m.Template != "chatml" {
		t.Errorf("chat template %q", m.Template)
	}
	if got := m.Tok.Encode("hello world<|im_end|>"); !slices.Equal(got, []int32{98, 103, 127}) {
		t.Errorf("tokens %v", got)
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
	factors := func() *stored {
		return &stored{where: "f", dtype: F32, shape: []int{32}, r: strings.NewReader(string(raw))}
	}
	got := c
	ok(t, ropeFactors(&got, factors()))
	if *got.Rope != *scaled.Rope {
		t.Errorf("recovered %+v", got.Rope)
	}
	raw[62]++ // factor 15
	fails(t, ropeFactors(&c, factors()), "factor 15")
}

func TestSaveAndLoad(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	for _, dtype := range []DType{F32, BF16} {
		dir := filepath.Join(t.TempDir(), "a", "m")
		ok(t, m.Save(dir, dtype))
		back, err := Load(dir)
		ok(t, err)
		want := m.Weights
		if dtype == BF16 {
			want = rounded(m.Weights)
		}
		sameWeights(t, back.Weights, want)
		if !equalJSON(t, back.Config, m.Config) || back.Template != m.Template || !slices.Equal(tokens(back.Tok), tokens(m.Tok)) {
			t.Errorf("%s: configuration, template or tokenizer changed", dtype)
		}
		embedded, err := LoadFS(os.DirFS(dir), "embedded")
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
	fails(t, m.Save(filepath.Join(t.TempDir(), "m"), Q4_0), "Q4_0")
}

func TestSaveNew(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	c := m.Config
	c.Layers = 1
	made := New(c, m.Tok, 3)
	made.Template = "compact"
	dir := t.TempDir() // empty: may be written over
	ok(t, made.Save(dir, F32))
	back, err := Load(dir)
	ok(t, err)
	sameWeights(t, back.Weights, made.Weights)
	if back.Template != "compact" {
		t.Errorf("template %q", back.Template)
	}
}

func rounded(w *Weights) *Weights {
	var out []*Tensor
	for _, x := range w.Tensors {
		y := &Tensor{Name: x.Name, Shape: x.Shape}
		for _, f := range x.Data {
			y.Data = append(y.Data, math.Float32frombits(uint32(bf16(f))<<16))
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
		err := m.save(dir, F32, func(path string) (file, error) {
			f, err := os.Create(path)
			return limited{f, &left}, err
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

// limited is a file on a disk with a number of bytes left.
type limited struct {
	*os.File
	left *int
}

func (f limited) Write(p []byte) (int, error) {
	if len(p) > *f.left {
		return 0, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	*f.left -= len(p)
	return f.File.Write(p)
}

func TestInspect(t *testing.T) {
	s, err := Inspect("testdata/qwen2.gguf")
	ok(t, err)
	if s.Params != 24352 || s.Memory != 4*24352 || s.Tokens != 128 || s.Controls != 2 || s.Template != "chatml" {
		t.Errorf("%+v", s)
	}
	if !maps.Equal(s.DTypes, map[DType]int{F32: 11, Q8_0: 5, Q4_0: 2, Q4_1: 4, BF16: 2, F16: 2}) {
		t.Errorf("types %v", s.DTypes)
	}
	sum := 0
	for _, n := range s.Parameters {
		sum += n
	}
	if sum != s.Params || s.Parameters["embedding"] != 4096 {
		t.Errorf("parts %v", s.Parameters)
	}
	for _, want := range []string{"qwen2, 2 layers", "24352", "chatml"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("%q is not in\n%s", want, s)
		}
	}
}
