package model

import (
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
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

func equalJSON(t *testing.T, a, b any) bool {
	t.Helper()
	x, err := json.Marshal(a)
	ok(t, err)
	y, err := json.Marshal(b)
	ok(t, err)
	return string(x) == string(y)
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
		ok(t, NewWeights(part).write(&b, F32))
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
		{"not safetensors", func(f fstest.MapFS) { put(f, []byte("<html>no such page, please log in</html>")) }, []string{"not safetensors"}},
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

func TestInspect(t *testing.T) {
	s, err := Inspect("testdata/qwen2.gguf")
	ok(t, err)
	if s.Params != 24352 || s.Memory != 4*24352 || s.Tokens != 128 || s.Controls != 2 || s.Template != "chatml" {
		t.Errorf("%+v", s)
	}
	if !maps.Equal(s.DTypes, map[DType]int{F32: 11, "Q8_0": 5, "Q4_0": 2, "Q4_1": 4, BF16: 2, "F16": 2}) {
		t.Errorf("types %v", s.DTypes)
	}
	sum := 0
	for _, n := range s.Parameters {
		sum += n
	}
	if sum != s.Params || s.Parameters["embedding"] != 4096 {
		t.Errorf("parts %v", s.Parameters)
	}
	s.Tensors = nil // a caller may not want the list; the count stays
	for _, want := range []string{"qwen2, 2 layers", "24352 (attention ", ", embedding 4096, ", "tensors       26 (BF16 2, F16 2, F32 11, ", "scaling none", "chatml"} {
		if !strings.Contains(s.String(), want) {
			t.Errorf("%q is not in\n%s", want, s)
		}
	}
	if strings.Contains(s.String(), "map[") {
		t.Errorf("a Go map in\n%s", s)
	}
	data, err := json.Marshal(s)
	ok(t, err)
	for _, want := range []string{`"parameters":24352`, `"config":{"arch":"qwen2","vocab":`, `"memory_bytes":97408`, `"template":"chatml"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("%s is not in\n%s", want, data)
		}
	}
}

// TestNew: what New draws is as wide as the inputs that it multiplies, whatever the heads are.
func TestNew(t *testing.T) {
	c, _ := Features("qwen3")
	c.Vocab, c.Hidden, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN, c.Tied = 64, 96, 2, 4, 2, 64, 192, true
	for _, x := range New(c, nil, 1).Weights.Tensors {
		inputs := map[string]float64{"o_proj.weight": 4 * 64, "down_proj.weight": 192, "norm.weight": 0, "tokens.weight": 0}
		want := 1 / math.Sqrt(3*96)
		for suffix, in := range inputs {
			switch {
			case !strings.HasSuffix(x.Name, suffix):
			case in > 0:
				want = 1 / math.Sqrt(3*in) / math.Sqrt(2*2)
			case suffix == "norm.weight":
				want = 1
			default:
				want = 0.02
			}
		}
		sum := 0.0
		for _, v := range x.Data {
			sum += float64(v) * float64(v)
		}
		if got := math.Sqrt(sum / float64(len(x.Data))); math.Abs(got/want-1) > 0.04 {
			t.Errorf("%s %v: root mean square %.4f, want %.4f", x.Name, x.Shape, got, want)
		}
	}
}
