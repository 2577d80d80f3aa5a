package model

import (
	"encoding/binary"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestConfigs(t *testing.T) {
	for dir, want := range map[string]Config{
		"qwen2": {Arch: "qwen2", QKVBias: true, Vocab: 128, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 72, MaxLen: 512, RopeTheta: 1e6, NormEps: 1e-6, Tied: true},
		"qwen3": {Arch: "qwen3", QKNorm: true, Vocab: 120, Hidden: 32, Layers: 2, Heads: 6, KVHeads: 2, HeadDim: 8, FFN: 64, MaxLen: 512, RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
		"llama": {Arch: "llama", Vocab: 110, Hidden: 36, Layers: 2, Heads: 3, KVHeads: 1, HeadDim: 12, FFN: 48, MaxLen: 512, RopeTheta: 1e4, NormEps: 1e-5},
		"smollm3": {Arch: "smollm3", NoRope: []int{3}, Vocab: 96, Hidden: 24, Layers: 5, Heads: 4, KVHeads: 2, HeadDim: 6, FFN: 40, MaxLen: 256,
			RopeTheta: 1e4, NormEps: 1e-6, Tied: true},
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
		{"qwen2", keys{"architectures": []string{"MistralForCausalLM"}}, "LlamaForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM, SmolLM3ForCausalLM"},
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
		{"llama", keys{"rope_scaling": keys{"rope_type": "llama3", "factor": 9, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 64}}, "say different things"},
		{"llama", keys{"rope_scaling": keys{"rope_type": "default"}}, "say different things"},
		{"llama", keys{"vocab_size": nil}, "vocab_size"},
		{"qwen2", keys{"num_key_value_heads": nil}, "num_key_value_heads"},
		{"qwen3", keys{"head_dim": nil}, "head_dim"},
		{"qwen2", keys{"num_key_value_heads": 3}, "num_key_value_heads 3"},
		{"qwen2", keys{"head_dim": 7}, "head_dim 7"},
		{"qwen2", keys{"num_hidden_layers": -1}, "num_hidden_layers"},
		{"qwen2", keys{"rms_norm_eps": 0}, "rms_norm_eps"},
		{"qwen2", keys{"eos_token_id": "x"}, "eos_token_id"},
		{"smollm3", keys{"no_rope_layers": []int{1, 1, 1, 0}}, "no_rope_layers has 4 entries for 5 layers"},
		{"smollm3", keys{"no_rope_layers": []int{}}, "no_rope_layers has 0 entries"},
		{"smollm3", keys{"no_rope_layers": []int{1, 1, 2, 0, 1}}, "no_rope_layers: entry 2"},
		{"smollm3", keys{"no_rope_layers": []any{1, 1, nil, 0, 1}}, "no_rope_layers: entry 2"},
		{"smollm3", keys{"no_rope_layers": []bool{true}}, "no_rope_layers"},
		{"smollm3", keys{"no_rope_layers": nil, "no_rope_layer_interval": 0}, "no_rope_layer_interval 0"},
		{"smollm3", keys{"no_rope_layers": nil, "no_rope_layer_interval": -4}, "no_rope_layer_interval -4"},
		{"smollm3", keys{"no_rope_layers": nil, "num_hidden_layers": 1 << 27}, "num_hidden_layers"},
		{"smollm3", keys{"num_key_value_heads": nil}, "num_key_value_heads"},
		{"smollm3", keys{"attention_bias": true}, "attention_bias"},
		{"smollm3", keys{"mlp_bias": true}, "mlp_bias"},
		{"smollm3", keys{"use_sliding_window": true, "sliding_window": 64}, "use_sliding_window"},
		{"smollm3", keys{"rope_parameters": keys{"rope_type": "yarn", "factor": 2}}, `rope_type "yarn"`},
		{"llama", keys{"no_rope_layers": []int{1, 0}}, "no_rope_layers and no_rope_layer_interval are not supported for LlamaForCausalLM"},
		{"qwen2", keys{"no_rope_layer_interval": 4}, "no_rope_layer_interval"},
	} {
		_, err := ParseConfig(edit(t, c.dir, c.keys), "dir/config.json")
		fails(t, err, "dir/config.json", c.says)
	}
	_, err := ParseConfig([]byte("{"), "dir/config.json")
	fails(t, err, "dir/config.json")
}

// TestNoRope reads which layers do not rotate: the list says it, and else the interval.
func TestNoRope(t *testing.T) {
	for _, c := range []struct {
		keys map[string]any
		want []int
	}{
		{map[string]any{}, []int{3}},
		{map[string]any{"no_rope_layer_interval": 2}, []int{3}}, // the list goes first
		{map[string]any{"no_rope_layers": []int{0, 1, 1, 1, 0}}, []int{0, 4}},
		{map[string]any{"no_rope_layers": []int{1, 1, 1, 1, 1}}, nil},
		{map[string]any{"no_rope_layers": nil, "no_rope_layer_interval": 2}, []int{1, 3}},
		{map[string]any{"no_rope_layers": nil, "no_rope_layer_interval": 9}, nil},
		{map[string]any{"no_rope_layers": nil, "no_rope_layer_interval": nil, "tie_word_embeddings": nil, "rope_parameters": nil}, []int{3}},
	} {
		got, err := ParseConfig(edit(t, "smollm3", c.keys), "config.json")
		ok(t, err)
		back, err := ParseConfig(got.JSON(F32), "written")
		ok(t, err)
		theta := 1e4
		if len(c.keys) == 4 { // the class's own
			theta = 2e6
		}
		if !slices.Equal(got.NoRope, c.want) || !equalJSON(t, back, got) || !got.Tied || got.RopeTheta != theta {
			t.Errorf("%v: read as %+v, written and read back as %+v", c.keys, got, back)
		}
		for i := range got.Layers {
			if got.Rotates(i) == slices.Contains(c.want, i) {
				t.Errorf("%v: layer %d", c.keys, i)
			}
		}
	}
}

// TestWritable: a model that its architecture's files cannot say is not saved.
func TestWritable(t *testing.T) {
	of := func(arch string, change func(*Config)) Config {
		c, known := Features(arch)
		if !known {
			t.Fatal(arch)
		}
		c.Vocab, c.Hidden, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.FFN = 8, 4, 2, 1, 1, 4, 4
		change(&c)
		return c
	}
	for _, f := range families {
		ok(t, New(of(f.arch, func(*Config) {}), nil, 1).Save(t.TempDir(), F32))
	}
	for says, c := range map[string]Config{
		"biases of q, k and v":        of("qwen2", func(c *Config) { c.QKVBias = false }),
		"norms of q and k":            of("llama", func(c *Config) { c.QKNorm = true }),
		"[0] have no rotary":          of("qwen3", func(c *Config) { c.NoRope = []int{0} }),
		"rotary embedding [1 0]":      of("smollm3", func(c *Config) { c.NoRope = []int{1, 0} }),
		"rotary embedding [2]":        of("smollm3", func(c *Config) { c.NoRope = []int{2} }),
		`architecture "gemma" has no`: of("llama", func(c *Config) { c.Arch = "gemma" }),
	} {
		fails(t, New(c, nil, 1).Save(t.TempDir(), F32), says)
	}
	if c, known := Features("gemma"); known {
		t.Errorf("gemma is %+v", c)
	}
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

// TestTransformers5 reads what transformers 5.24 writes: dtype for torch_dtype, rope_parameters,
// layer_types and keys that say null.
func TestTransformers5(t *testing.T) {
	const common = `"attention_dropout": 0.0, "bos_token_id": 1, "dtype": "bfloat16", "eos_token_id": [2, 3], "hidden_act": "silu", "hidden_size": 32,
		"initializer_range": 0.02, "intermediate_size": 48, "max_position_embeddings": 64, "num_attention_heads": 4, "num_hidden_layers": 2, "num_key_value_heads": 2,
		"pad_token_id": null, "rms_norm_eps": 1e-06, "tie_word_embeddings": true, "transformers_version": "5.24.0", "use_cache": true, "vocab_size": 100`
	const sliding = `"layer_types": ["full_attention", "full_attention"], "max_window_layers": 28, "sliding_window": null, "use_sliding_window": false`
	want := Config{Vocab: 100, Hidden: 32, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 8, FFN: 48, MaxLen: 64, RopeTheta: 10000, NormEps: 1e-6, Tied: true, BOS: []int32{1}, EOS: []int32{2, 3}}
	for _, c := range []struct {
		arch, keys string
		theta      float64
		rope       *RopeScaling
		headDim    int
	}{
		{"llama", `"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": false, "mlp_bias": false, "head_dim": 8, "pretraining_tp": 1,
			"rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}`, 10000, nil, 8},
		{"llama", `"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": false, "mlp_bias": false, "head_dim": null, "pretraining_tp": 1,
			"rope_parameters": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192, "rope_theta": 500000.0, "rope_type": "llama3"}`,
			500000, &RopeScaling{32, 1, 4, 8192}, 8},
		{"qwen2", `"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "rope_parameters": {"rope_theta": 1000000.0, "rope_type": "default"}, ` + sliding, 1e6, nil, 8},
		{"qwen3", `"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "attention_bias": false, "head_dim": 16, "rope_parameters": {"rope_theta": 5000000, "rope_type": "default"}, ` + sliding,
			5e6, nil, 16},
	} {
		got, err := ParseConfig([]byte("{"+common+", "+c.keys+"}"), "config.json")
		ok(t, err)
		want := want
		want.Arch, want.RopeTheta, want.Rope, want.HeadDim = c.arch, c.theta, c.rope, c.headDim
		want.QKVBias, want.QKNorm = c.arch == "qwen2", c.arch == "qwen3"
		if !equalJSON(t, got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", c.arch, got, want)
		}
	}
}

// TestFloat16 reads safetensors of 16-bit floats to the bit, and refuses what is no float
// of a model.
func TestFloat16(t *testing.T) {
	f := whole(t)
	w := weightsOf(t, f)
	header, data := map[string]any{}, []byte{}
	for _, x := range w.Tensors {
		from := len(data)
		for i, v := range x.Data {
			x.Data[i] = float32(math.Round(float64(v)*512)) / 512 // 16 bits hold it
			bits, half := math.Float32bits(x.Data[i]), uint16(0)
			if x.Data[i] != 0 {
				half = uint16(bits>>16&0x8000) | uint16(bits>>23&0xff-127+15)<<10 | uint16(bits>>13&0x3ff)
			}
			data = binary.LittleEndian.AppendUint16(data, half)
		}
		header[x.Name] = map[string]any{"dtype": "F16", "shape": x.Shape, "data_offsets": []int{from, len(data)}}
	}
	text := indented(header)
	file := append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), data...)
	put(f, file)
	m, err := loadFS(f, "m")
	ok(t, err)
	sameWeights(t, m.Weights, w)
	put(f, withHeader(file, strings.Replace(string(text), "F16", "F8_E4M3", 1)))
	_, err = loadFS(f, "m")
	fails(t, err, "m/model.safetensors", "F8_E4M3")
}

// FuzzConfig: what is accepted has sizes that can be, and survives being written.
func FuzzConfig(f *testing.F) {
	for _, dir := range []string{"qwen2", "qwen3", "llama", "smollm3"} {
		data, err := os.ReadFile("testdata/" + dir + "/config.json")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data, "f")
		if err != nil {
			return
		}
		back, err := ParseConfig(c.JSON(F32), "written")
		ok(t, err)
		if !equalJSON(t, back, c) {
			t.Errorf("%+v became %+v", c, back)
		}
	})
}
