package model

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"ballast/model/tensorfile"
)

// whole is a model directory in memory, with a tokenizer of 128 ids for its 128 rows.
func whole(t *testing.T) fstest.MapFS {
	t.Helper()
	out := files(t, "qwen2")
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	data, err := m.Tokenizer.JSON()
	ok(t, err)
	out[tokenizerFile] = &fstest.MapFile{Data: data}
	return out
}

// weightsOf reads the weights of a directory for a test to change.
func weightsOf(t *testing.T, fsys fstest.MapFS) *Weights {
	t.Helper()
	m, err := loadBare(fsys)
	ok(t, err)
	return m.Weights
}

// store puts weights into a directory.
func store(t *testing.T, fsys fstest.MapFS, file string, ts []*Tensor, dtype DType) {
	t.Helper()
	var b strings.Builder
	ok(t, NewWeights(ts).write(&b, dtype))
	fsys[file] = &fstest.MapFile{Data: []byte(b.String())}
}

// text edits a JSON file of a directory.
func text(t *testing.T, fsys fstest.MapFS, file string, edit func(map[string]any)) {
	t.Helper()
	var m map[string]any
	ok(t, json.Unmarshal(fsys[file].Data, &m))
	edit(m)
	fsys[file] = &fstest.MapFile{Data: indented(m)}
}

func set1(key string, v any) func(map[string]any) { return func(m map[string]any) { m[key] = v } }

// addTokens adds added tokens past the ids that are there.
func addTokens(t *testing.T, fsys fstest.MapFS, contents ...string) {
	text(t, fsys, tokenizerFile, func(m map[string]any) {
		list := m["added_tokens"].([]any)
		for i, c := range contents {
			list = append(list, map[string]any{"id": 128 + i, "content": c, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false})
		}
		m["added_tokens"] = list
	})
}

// extra is a tensor of the given shape, all ones.
func extra(name string, shape ...int) *Tensor {
	t := &Tensor{Name: name, Shape: shape, Data: make([]float32, size(shape))}
	for i := range t.Data {
		t.Data[i] = 1
	}
	return t
}

// TestShapesThatLoad: what people's checkpoints look like, and give the same weights.
func TestShapesThatLoad(t *testing.T) {
	want := weightsOf(t, whole(t))
	embed := func() *Tensor { return want.Tensors[0] }
	for _, c := range []struct {
		name string
		do   func(fstest.MapFS)
		eos  []int32
	}{
		{name: "as it is", do: func(fstest.MapFS) {}},
		{name: "rotary tables of old checkpoints", do: func(f fstest.MapFS) {
			store(t, f, "model.safetensors", append(slices.Clone(want.Tensors), extra("model.layers.0.self_attn.rotary_emb.inv_freq", 4), extra("model.rotary_emb.inv_freq", 4)), F32)
		}},
		{name: "a copy of the tied embedding", do: func(f fstest.MapFS) {
			store(t, f, "model.safetensors", append(slices.Clone(want.Tensors), &Tensor{Name: "lm_head.weight", Shape: embed().Shape, Data: embed().Data}), F32)
		}},
		{name: "a list of end tokens", do: func(f fstest.MapFS) { text(t, f, "config.json", set1("eos_token_id", []int{127, 2})) }, eos: []int32{127, 2}},
		{name: "generation_config has the end tokens", do: func(f fstest.MapFS) {
			f[generationFile] = &fstest.MapFile{Data: []byte(`{"eos_token_id": [126, 127]}`)}
		}, eos: []int32{126, 127}},
		{name: "keys of other programs", do: func(f fstest.MapFS) {
			text(t, f, "config.json", func(m map[string]any) {
				m["unsloth_fixed"], m["pad_token_id"], m["_attn_implementation"] = true, nil, "sdpa"
				m["use_sliding_window"], m["sliding_window"], m["max_window_layers"] = false, 32768, 21
			})
		}},
		{name: "index beside one file", do: func(f fstest.MapFS) {
			f[indexFile] = &fstest.MapFile{Data: []byte(`{"weight_map": {"x": "gone.safetensors"}}`)}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := whole(t)
			c.do(f)
			m, err := loadFS(f, "m")
			ok(t, err)
			sameWeights(t, m.Weights, want)
			if len(m.Warnings) > 0 {
				t.Errorf("warnings %q", m.Warnings)
			}
			if c.eos != nil && !slices.Equal(m.Config.EOS, c.eos) {
				t.Errorf("end tokens %v", m.Config.EOS)
			}
		})
	}
}

// TestPaddedVocabulary: more rows than ids is common, and Save keeps them.
func TestPaddedVocabulary(t *testing.T) {
	f := whole(t)
	w := weightsOf(t, f)
	e := w.Tensors[0]
	padded := &Tensor{Name: e.Name, Shape: []int{160, e.Shape[1]}, Data: append(slices.Clone(e.Data), make([]float32, 32*e.Shape[1])...)}
	store(t, f, "model.safetensors", append([]*Tensor{padded}, w.Tensors[1:]...), BF16)
	text(t, f, "config.json", set1("vocab_size", 160))
	m, err := loadFS(f, "m")
	ok(t, err)
	if m.Tokenizer.Size() != 128 || m.Config.Vocab != 160 || len(m.Warnings) != 0 {
		t.Errorf("%d ids, %d rows, %q", m.Tokenizer.Size(), m.Config.Vocab, m.Warnings)
	}
}

// TestHalfPrecision: BF16 holds each value as it is rounded.
func TestHalfPrecision(t *testing.T) {
	f := whole(t)
	w := weightsOf(t, f)
	for _, x := range w.Tensors {
		for i, v := range x.Data {
			x.Data[i] = math.Float32frombits(uint32(tensorfile.RoundBF16(v)) << 16)
		}
	}
	store(t, f, "model.safetensors", w.Tensors, BF16)
	m, err := loadFS(f, "m")
	ok(t, err)
	sameWeights(t, m.Weights, w)
}

// TestLinks: a directory of links, as the Hugging Face cache has them, is a directory.
func TestLinks(t *testing.T) {
	root := t.TempDir()
	blobs, snap := filepath.Join(root, "blobs"), filepath.Join(root, "snapshots", "abc")
	ok(t, os.MkdirAll(blobs, 0o777))
	ok(t, os.MkdirAll(snap, 0o777))
	i := 0
	for name, file := range whole(t) {
		blob := fmt.Sprintf("%040x", i)
		i++
		ok(t, os.WriteFile(filepath.Join(blobs, blob), file.Data, 0o666))
		ok(t, os.Symlink(filepath.Join("..", "..", "blobs", blob), filepath.Join(snap, name)))
	}
	_, err := Load(snap)
	ok(t, err)
	_, err = Load(root)
	fails(t, err, "config.json", "no such file", "the Hugging Face cache", "ORG/NAME")
	text, err := LoadText(snap)
	ok(t, err)
	if text.Weights != nil || text.Tokenizer.Size() != 128 || text.Config.Vocab != 128 {
		t.Errorf("%+v", text.Config)
	}
}

// TestShapesThatAreRefused: each with its file and key, tensor or reason.
func TestShapesThatAreRefused(t *testing.T) {
	lora := `{"peft_type": "LORA", "base_model_name_or_path": "Qwen/Qwen2.5-0.5B-Instruct"}`
	lfs := []byte("version https://git-lfs.github.com/spec/v1\noid sha256:aaa\nsize 123\n")
	spoil := func(tensor, at int, v float64) func(fstest.MapFS) {
		return func(f fstest.MapFS) {
			w := weightsOf(t, f)
			w.Tensors[tensor].Data[at] = float32(v)
			store(t, f, "model.safetensors", w.Tensors, F32)
		}
	}
	rename := func(to func(string) string) func(fstest.MapFS) {
		return func(f fstest.MapFS) {
			w := weightsOf(t, f)
			for _, x := range w.Tensors {
				x.Name = to(x.Name)
			}
			store(t, f, "model.safetensors", w.Tensors, F32)
		}
	}
	config := func(key string, v any) func(fstest.MapFS) {
		return func(f fstest.MapFS) { text(t, f, "config.json", set1(key, v)) }
	}
	for _, c := range []struct {
		name string
		do   func(fstest.MapFS)
		says []string
	}{
		{"NaN", spoil(0, 37, math.NaN()), []string{"m/model.safetensors", "tensor model.embed_tokens.weight", "[1 5]", "NaN"}},
		{"Inf", spoil(1, 3, math.Inf(-1)), []string{"m/model.safetensors", "tensor model.layers.0.input_layernorm.weight", "[3]", "-Inf"}},
		{"LFS weights", func(f fstest.MapFS) { put(f, lfs) }, []string{"m/model.safetensors", "Git LFS pointer", "git lfs pull"}},
		{"LFS config", func(f fstest.MapFS) { f["config.json"] = &fstest.MapFile{Data: lfs} }, []string{"m/config.json", "Git LFS pointer"}},
		{"LFS tokenizer", func(f fstest.MapFS) { f[tokenizerFile] = &fstest.MapFile{Data: lfs} }, []string{"m/tokenizer.json", "Git LFS pointer"}},
		{"adapter", func(f fstest.MapFS) {
			delete(f, "config.json")
			delete(f, "model.safetensors")
			f[AdapterConfig], f[AdapterWeights] = &fstest.MapFile{Data: []byte(lora)}, &fstest.MapFile{}
		}, []string{"m: this is a LoRA adapter of Qwen/Qwen2.5-0.5B-Instruct", "merge it"}},
		{"adapter with a config.json", func(f fstest.MapFS) {
			delete(f, "model.safetensors")
			f[AdapterConfig], f[AdapterWeights] = &fstest.MapFile{Data: []byte(lora)}, &fstest.MapFile{}
		}, []string{"m: this is a LoRA adapter of Qwen/Qwen2.5-0.5B-Instruct", "no model's weights", "merge it"}},
		{"adapter of another kind", func(f fstest.MapFS) {
			delete(f, "config.json")
			f[AdapterConfig] = &fstest.MapFile{Data: []byte(`{"peft_type": "IA3"}`)}
		}, []string{"an adapter (IA3) of a model that it does not name"}},
		{"adapter without its configuration", func(f fstest.MapFS) {
			delete(f, "config.json")
			f[AdapterWeights] = &fstest.MapFile{}
		}, []string{"an adapter without its adapter_config.json"}},
		{"end token without a row", config("eos_token_id", 128), []string{"eos_token_id [128]", "no reply could end"}},
		{"compiled", rename(func(n string) string { return "_orig_mod." + n }), []string{"tensor model.embed_tokens.weight is missing"}},
		{"8 bit", config("quantization_config", map[string]any{"quant_method": "gptq"}), []string{"m/config.json", "quantization_config"}},
		{"yarn", config("rope_scaling", map[string]any{"type": "yarn", "factor": 4.0}), []string{"m/config.json", "rope_scaling", "yarn"}},
		{"window", config("use_sliding_window", true), []string{"m/config.json", "use_sliding_window"}},
		{"architecture", config("architectures", []string{"Gemma3ForCausalLM"}), []string{"m/config.json", "Gemma3ForCausalLM"}},
		{"tokenizer of another model", func(f fstest.MapFS) {
			text(t, f, tokenizerFile, func(m map[string]any) { m["model"].(map[string]any)["vocab"].(map[string]any)["zzz"] = 128 })
		}, []string{"m: the tokenizer has 129 ids", "128 rows", `token 128 ("zzz")`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := whole(t)
			c.do(f)
			_, err := loadFS(f, "m")
			fails(t, err, c.says...)
		})
	}
}

// TestTokensWithoutARow: a [PAD] that was added and never got a row is said, is plain text,
// and survives Save.
func TestTokensWithoutARow(t *testing.T) {
	f := whole(t)
	addTokens(t, f, "[PAD]", "[A]", "[B]", "[C]", "[D]", "[E]")
	m, err := loadFS(f, "m")
	ok(t, err)
	if len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], `"[PAD]", "[A]", "[B]", "[C]", and 2 more have no row in the embedding of 128`) {
		t.Errorf("warnings %q", m.Warnings)
	}
	for _, id := range m.Tokenizer.Encode("hello[PAD] world[E]<|im_end|>") {
		if id >= 128 {
			t.Errorf("id %d has no row", id)
		}
	}
	if id, is := m.Tokenizer.ID("[PAD]"); is || m.Tokenizer.Size() != 128 {
		t.Errorf("[PAD] is %d of %d", id, m.Tokenizer.Size())
	}
	if id, is := m.Tokenizer.ID("<|im_end|>"); !is || id != 127 {
		t.Errorf("<|im_end|> is %d, %v", id, is)
	}
	dir := filepath.Join(t.TempDir(), "out")
	ok(t, m.Save(dir, F32))
	data, err := os.ReadFile(filepath.Join(dir, tokenizerFile))
	ok(t, err)
	if string(data) != string(f[tokenizerFile].Data) {
		t.Error("tokenizer.json was changed")
	}
	s, err := Inspect(dir)
	ok(t, err)
	if len(s.Warnings) != 1 || s.Tokens != 128 {
		t.Errorf("%q, %d tokens", s.Warnings, s.Tokens)
	}
	text(t, f, "config.json", set1("eos_token_id", []int{127, 128}))
	if m, err = loadFS(f, "m"); err != nil || len(m.Warnings) != 2 || !strings.Contains(m.Warnings[1], "eos_token_id [128]") {
		t.Errorf("%v, %q", err, m.Warnings)
	}
}

// TestAdapterBesideAModel: the model is read as it is, and that is said.
func TestAdapterBesideAModel(t *testing.T) {
	f := whole(t)
	f[AdapterConfig] = &fstest.MapFile{Data: []byte(`{"peft_type": "LORA", "base_model_name_or_path": "a/b"}`)}
	m, err := loadFS(f, "m")
	ok(t, err)
	if len(m.Warnings) != 1 || !strings.Contains(m.Warnings[0], "a LoRA adapter of a/b") || !strings.Contains(m.Warnings[0], "not applied") {
		t.Errorf("warnings %q", m.Warnings)
	}
}

// TestGGUFNames: a storage type that is not read is named, and so is a splitting of text.
func TestGGUFNames(t *testing.T) {
	data, err := os.ReadFile("testdata/qwen2.gguf")
	ok(t, err)
	path := filepath.Join(t.TempDir(), "m.gguf")
	read := func(data []byte) error {
		ok(t, os.WriteFile(path, data, 0o666))
		_, err := Load(path)
		return err
	}
	// The type is the number behind the dimensions of the last tensor.
	name := []byte("blk.1.ffn_down.weight")
	at := strings.LastIndex(string(data), string(name)) + len(name) + 4 + 2*8
	for kind, want := range map[uint32]string{4: "Q4_2", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
		20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 29: "IQ1_M", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 28: "F64", 99: "number 99 of ggml"} {
		bad := slices.Clone(data)
		binary.LittleEndian.PutUint32(bad[at:], kind)
		fails(t, read(bad), path, "tensor blk.1.ffn_down.weight", "storage type "+want+" is not supported", "Q8_0")
	}
	fails(t, read([]byte("version https://git-lfs.github.com/spec/v1\noid sha256:aaa\nsize 123\n")), path, "Git LFS pointer")
}
