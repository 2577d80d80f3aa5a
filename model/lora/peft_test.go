package lora

import (
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/durable"
	"ballast/model/tensorfile"
)

// written is what PEFT 0.18 writes for a plain adapter.
const written = `{"alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
"base_model_name_or_path": "HuggingFaceTB/SmolLM2-135M-Instruct", "bias": "none", "corda_config": null, "ensure_weight_tying": false,
"eva_config": null, "exclude_modules": null, "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true,
"layer_replication": null, "layers_pattern": null, "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 32, "lora_bias": false,
"lora_dropout": 0.05, "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null, "peft_type": "LORA",
"peft_version": "0.18.0", "qalora_group_size": 16, "r": 8, "rank_pattern": {}, "revision": null,
"target_modules": ["v_proj", "q_proj"], "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null,
"use_dora": false, "use_qalora": false, "use_rslora": false}`

// with is a configuration with one key set, or without it where v is nothing.
func with(t testing.TB, key string, v any) []byte {
	t.Helper()
	var all map[string]any
	must(t, json.Unmarshal([]byte(written), &all))
	if all[key] = v; v == (nothing{}) {
		delete(all, key)
	}
	data, err := json.Marshal(all)
	must(t, err)
	return data
}

type nothing struct{}

func TestConfiguration(t *testing.T) {
	s, err := parse([]byte(written))
	must(t, err)
	if s.Rank != 8 || s.Alpha != 32 || !slices.Equal(s.Targets, []string{"v_proj", "q_proj"}) || s.dropout != 0.05 ||
		s.base != "HuggingFaceTB/SmolLM2-135M-Instruct" {
		t.Errorf("read as %+v", s)
	}
	for _, c := range []struct {
		key  string
		v    any
		want string // of the error, "" for none
	}{
		{"use_dora", true, "use_dora is true"},
		{"use_rslora", true, "use_rslora is true"},
		{"use_qalora", true, "use_qalora is true"},
		{"lora_bias", true, "lora_bias is true"},
		{"fan_in_fan_out", true, "fan_in_fan_out is true"},
		{"bias", "all", "bias is all"},
		{"modules_to_save", []string{"lm_head"}, "modules_to_save is a list"},
		{"modules_to_save", []string{}, ""},
		{"rank_pattern", map[string]int{"q_proj": 4}, "rank_pattern is an object"},
		{"alpha_pattern", map[string]int{"q_proj": 4}, "alpha_pattern is an object"},
		{"layers_to_transform", []int{0}, "layers_to_transform is a list"},
		{"layers_to_transform", 0, "layers_to_transform is 0"},
		{"exclude_modules", "q_proj", "exclude_modules is q_proj"},
		{"trainable_token_indices", []int{1}, "trainable_token_indices is a list"},
		{"invented", 1, "invented is 1"},
		{"invented", nil, ""},
		{"invented", false, ""},
		{"init_lora_weights", "pissa", "init_lora_weights is pissa"},
		{"init_lora_weights", map[string]any{}, "init_lora_weights is an object"},
		{"init_lora_weights", "gaussian", ""},
		{"peft_type", "IA3", "peft_type is IA3"},
		{"peft_type", nothing{}, "peft_type is missing"},
		{"task_type", "SEQ_CLS", "task_type is SEQ_CLS"},
		{"task_type", nil, ""},
		{"r", 0, "r is 0"},
		{"r", 2.5, "r is 2.5"},
		{"r", "8", "r is 8: a rank is a whole number"},
		{"r", 1e9, "r is 1000000000"},
		{"r", nothing{}, "key r is missing"},
		{"lora_alpha", -1, "lora_alpha is -1"},
		{"lora_alpha", true, "lora_alpha is true"},
		{"lora_alpha", 0.5, ""},
		{"lora_alpha", nothing{}, "key lora_alpha is missing"},
		{"lora_dropout", 2, "lora_dropout is 2"},
		{"lora_dropout", nil, ""},
		{"target_modules", ".*_proj", "patterns are not read"},
		{"target_modules", []string{}, "must be a list of projections"},
		{"target_modules", []string{"q_proj", "lm_head"}, "targets are those of q_proj"},
		{"target_modules", []string{"model.layers.0.self_attn.q_proj"}, "in all layers"},
		{"target_modules", []any{1}, "targets are those of"},
		{"target_modules", []string{"q_proj", "q_proj"}, "twice"},
		{"target_modules", "all-linear", ""},
		{"target_modules", nil, ""},
		{"base_model_name_or_path", nil, ""},
		{"base_model_name_or_path", 1, "base_model_name_or_path is 1"},
	} {
		_, err := parse(with(t, c.key, c.v))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %v: error %v, want %q", c.key, c.v, err, c.want)
		}
	}
	for _, text := range []string{"", "[]", "null", `{"r": 1, "r": 2}`, written + "x"} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// TestRead: tensors that are not those of the configuration and the model are refused, with
// the file and the tensor.
func TestRead(t *testing.T) {
	c := shape()
	a := moved(t, c, 5, "q_proj", "v_proj")
	write := func(t *testing.T, config []byte, change func(ts []tensorfile.Tensor) []tensorfile.Tensor, as tensorfile.DType) string {
		dir := t.TempDir()
		must(t, os.WriteFile(Files(dir)[0], config, 0o666))
		var ts []tensorfile.Tensor
		for _, x := range a.Weights.Tensors {
			ts = append(ts, tensorfile.Tensor{Name: prefix + x.Name, Shape: x.Shape, Data: slices.Clone(x.Data)})
		}
		must(t, durable.Replace(Files(dir)[1], func(w io.Writer) error { return tensorfile.WriteSafetensors(w, change(ts), as) }))
		return dir
	}
	same := func(ts []tensorfile.Tensor) []tensorfile.Tensor { return ts }
	for name, x := range map[string]struct {
		config []byte
		change func(ts []tensorfile.Tensor) []tensorfile.Tensor
		want   string
	}{
		"whole":                 {with(t, "r", 5), same, ""},
		"targets by tensors":    {[]byte(`{"peft_type": "LORA", "r": 5, "lora_alpha": 32}`), same, ""},
		"another rank":          {with(t, "r", 4), same, "q_proj.lora_A.weight: shape [5 36], and a model of these sizes with rank 4 wants [4 36]"},
		"a target more":         {edited(t, 5, "q_proj", "v_proj", "k_proj"), same, "k_proj.lora_A.weight is missing"},
		"a target less":         {edited(t, 5, "q_proj"), same, "v_proj.lora_A.weight: it is none of the adapter's on q_proj in 2 layers"},
		"a tensor less":         {with(t, "r", 5), func(ts []tensorfile.Tensor) []tensorfile.Tensor { return ts[:7] }, "lora_B.weight is missing"},
		"a tensor of the model": {with(t, "r", 5), func(ts []tensorfile.Tensor) []tensorfile.Tensor { ts[7].Name = "lm_head.weight"; return ts }, "missing"},
		"not finite": {with(t, "r", 5), func(ts []tensorfile.Tensor) []tensorfile.Tensor {
			ts[3].Data[6] = float32(math.NaN())
			return ts
		}, "[1 1] is NaN"},
		"DoRA": {with(t, "use_dora", true), same, "adapter_config.json: use_dora is true"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, x.config, x.change, tensorfile.F32)
			got, err := Read(dir, c)
			if (err == nil) != (x.want == "") || err != nil && (!strings.Contains(err.Error(), x.want) || !strings.Contains(err.Error(), dir)) {
				t.Errorf("error %v, want %q", err, x.want)
			}
			if err == nil && (got.Alpha != 32 || !slices.EqualFunc(got.Flat(), a.Flat(), slices.Equal)) {
				t.Errorf("read as %v", got.Config)
			}
		})
	}
	dir := write(t, with(t, "r", 5), same, tensorfile.BF16)
	if got, err := Read(dir, c); err != nil || math.Abs(float64(got.Flat()[1][3]-a.Flat()[1][3])) > 1e-2 {
		t.Errorf("bfloat16: %v", err)
	}
	must(t, os.Remove(Files(dir)[1]))
	if _, err := Read(dir, c); err == nil || !strings.Contains(err.Error(), "adapter_model.safetensors") {
		t.Errorf("without tensors: %v", err)
	}
	if _, err := Read(filepath.Join(dir, "none"), c); err == nil || !strings.Contains(err.Error(), "adapter_config.json") {
		t.Errorf("without anything: %v", err)
	}
}

func edited(t testing.TB, rank int, targets ...string) []byte {
	t.Helper()
	var all map[string]any
	must(t, json.Unmarshal(with(t, "target_modules", targets), &all))
	all["r"] = rank
	data, err := json.Marshal(all)
	must(t, err)
	return data
}

// FuzzConfiguration: what is taken is an adapter that can be, and is written as the same.
func FuzzConfiguration(f *testing.F) {
	f.Add([]byte(written))
	f.Add([]byte(`{"peft_type": "lora", "r": 1, "lora_alpha": 1e-3, "target_modules": ["up_proj"], "x": [], "y": {}}`))
	f.Add([]byte(`{"r": 1e400, "lora_alpha": "NaN", "target_modules": [[[]]]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parse(data)
		if err != nil {
			return
		}
		if s.Targets == nil {
			s.Targets = Targets()
		}
		must(t, s.Check(shape()))
		a := &Adapter{Config: s.Config, Base: s.base}
		back, err := parse(a.config())
		if err != nil || s.Config.Differs(&back.Config) != "" || back.base != s.base || back.dropout != 0 {
			t.Errorf("%+v became %+v (%v)", s, back, err)
		}
	})
}
