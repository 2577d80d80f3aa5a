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
	m, err := LoadFS(f, "m")
	ok(t, err)
	sameWeights(t, m.Weights, w)
	put(f, withHeader(file, strings.Replace(string(text), "F16", "F8_E4M3", 1)))
	_, err = LoadFS(f, "m")
	fails(t, err, "m/model.safetensors", "F8_E4M3")
}

// FuzzConfig: what is accepted has sizes that can be, and survives being written.
func FuzzConfig(f *testing.F) {
	for _, dir := range []string{"qwen2", "qwen3", "llama"} {
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
