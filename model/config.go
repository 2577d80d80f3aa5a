package model

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// hfConfig is the part of config.json that changes the numbers. Pointers tell a
// missing key from a zero. Both generations of transformers are read: rotary
// settings stand in rope_theta and rope_scaling before version 5, and in
// rope_parameters since.
type hfConfig struct {
	Architectures    []string        `json:"architectures"`
	Vocab            *int            `json:"vocab_size"`
	Hidden           *int            `json:"hidden_size"`
	FFN              *int            `json:"intermediate_size"`
	Layers           *int            `json:"num_hidden_layers"`
	Heads            *int            `json:"num_attention_heads"`
	KVHeads          *int            `json:"num_key_value_heads"`
	HeadDim          *int            `json:"head_dim"`
	MaxLen           *int            `json:"max_position_embeddings"`
	Act              *string         `json:"hidden_act"`
	NormEps          *float64        `json:"rms_norm_eps"`
	RopeTheta        *float64        `json:"rope_theta"`
	RopeScaling      json.RawMessage `json:"rope_scaling"`
	RopeParameters   json.RawMessage `json:"rope_parameters"`
	Partial          *float64        `json:"partial_rotary_factor"`
	Tied             *bool           `json:"tie_word_embeddings"`
	AttentionBias    *bool           `json:"attention_bias"`
	MLPBias          *bool           `json:"mlp_bias"`
	AttentionDropout *float64        `json:"attention_dropout"`
	UseSliding       *bool           `json:"use_sliding_window"`
	NoRopeLayers     []*int          `json:"no_rope_layers"` // 1: the layer rotates, whatever the name says
	NoRopeEvery      *int            `json:"no_rope_layer_interval"`
	LayerTypes       []string        `json:"layer_types"`
	Quantization     json.RawMessage `json:"quantization_config"`
	BOS              json.RawMessage `json:"bos_token_id"`
	EOS              json.RawMessage `json:"eos_token_id"`
}

// ParseConfig reads a config.json. Every key that changes the numbers is
// honoured or refused with an error that names it; name is the file for
// messages.
func ParseConfig(data []byte, name string) (Config, error) {
	var h hfConfig
	if err := json.Unmarshal(data, &h); err != nil {
		return Config{}, fmt.Errorf("%s: not a model configuration: %w", name, err)
	}
	c, err := h.config()
	if err != nil {
		return Config{}, fmt.Errorf("%s: %w", name, err)
	}
	return c, nil
}

// config checks the keys and fills in the defaults of transformers' classes.
func (h *hfConfig) config() (Config, error) {
	f := h.family()
	if f == nil {
		return Config{}, fmt.Errorf("architectures %q is not supported; one of %s is",
			h.Architectures, named(func(f family) string { return f.class }))
	}
	c := f.has
	if err := h.refuse(f); err != nil {
		return c, err
	}
	for _, k := range []struct {
		key  string
		from *int
		to   *int
	}{
		{"vocab_size", h.Vocab, &c.Vocab}, {"hidden_size", h.Hidden, &c.Hidden},
		{"intermediate_size", h.FFN, &c.FFN}, {"num_hidden_layers", h.Layers, &c.Layers},
		{"num_attention_heads", h.Heads, &c.Heads},
	} {
		if k.from == nil {
			return c, fmt.Errorf("key %s is missing", k.key)
		}
		*k.to = *k.from
	}
	c.KVHeads, c.HeadDim = c.Heads, c.Hidden/max(c.Heads, 1)
	set(&c.KVHeads, h.KVHeads)
	set(&c.HeadDim, h.HeadDim)
	set(&c.MaxLen, h.MaxLen)
	set(&c.NormEps, h.NormEps)
	set(&c.Tied, h.Tied)
	if f.kv && h.KVHeads == nil || f.head && h.HeadDim == nil {
		return c, errors.New("keys num_key_value_heads and, for Qwen3, head_dim are needed: their defaults do not follow from the sizes")
	}
	if err := h.rope(&c); err != nil {
		return c, err
	}
	if err := h.noRope(&c, f); err != nil {
		return c, err
	}
	var err error
	if c.BOS, err = tokenIDs(h.BOS, "bos_token_id"); err != nil {
		return c, err
	}
	if c.EOS, err = tokenIDs(h.EOS, "eos_token_id"); err != nil {
		return c, err
	}
	return c, c.Check()
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// family finds the one that architectures names; nil if it names none, or several.
func (h *hfConfig) family() *family {
	if len(h.Architectures) != 1 {
		return nil
	}
	for _, f := range families {
		if f.class == h.Architectures[0] {
			return familyOf(f.arch)
		}
	}
	return nil
}

// noRope reads which layers go without rotary embedding: the list says it, and without
// one the interval does.
func (h *hfConfig) noRope(c *Config, f *family) error {
	if f.every == 0 {
		// transformers does not look at these keys here; whoever wrote them meant something.
		off := func(v *int) bool { return v == nil || *v == 0 }
		if slices.ContainsFunc(h.NoRopeLayers, off) || h.NoRopeEvery != nil && *h.NoRopeEvery != 0 {
			return fmt.Errorf("no_rope_layers and no_rope_layer_interval are not supported for %s", f.class)
		}
		return nil
	}
	every := f.every
	set(&every, h.NoRopeEvery)
	switch {
	case c.Layers < 0 || c.Layers > maxLayers:
		return c.Check()
	case h.NoRopeLayers == nil && every <= 0:
		return fmt.Errorf("no_rope_layer_interval %d is not a number of layers", every)
	case h.NoRopeLayers == nil:
		c.NoRope = skipping(c.Layers, every)
		return nil
	case len(h.NoRopeLayers) != c.Layers:
		return fmt.Errorf("no_rope_layers has %d entries for %d layers", len(h.NoRopeLayers), c.Layers)
	}
	for i, v := range h.NoRopeLayers {
		if v == nil || *v != 0 && *v != 1 {
			return fmt.Errorf("no_rope_layers: entry %d is neither 1 (the layer rotates) nor 0", i)
		}
		if *v == 0 {
			c.NoRope = append(c.NoRope, i)
		}
	}
	return nil
}

// refuse names the first setting that this decoder does not compute.
func (h *hfConfig) refuse(f *family) error {
	full := func(s string) bool { return s == "full_attention" }
	switch {
	case h.Act != nil && *h.Act != "silu":
		return fmt.Errorf("hidden_act %q is not supported; silu is", *h.Act)
	case !f.has.QKVBias && h.AttentionBias != nil && *h.AttentionBias: // of the output projection, too
		return errors.New("attention_bias true is not supported for this architecture")
	case h.MLPBias != nil && *h.MLPBias:
		return errors.New("mlp_bias true is not supported")
	case h.UseSliding != nil && *h.UseSliding:
		return errors.New("use_sliding_window true is not supported; full attention is")
	case slices.ContainsFunc(h.LayerTypes, func(s string) bool { return !full(s) }):
		return fmt.Errorf("layer_types %q: only full_attention is supported", h.LayerTypes)
	case h.AttentionDropout != nil && *h.AttentionDropout != 0:
		return errors.New("attention_dropout other than 0 is not supported; set it to 0")
	case h.Partial != nil && *h.Partial != 1:
		return errors.New("partial_rotary_factor other than 1 is not supported")
	case !null(h.Quantization):
		return errors.New("quantization_config: quantised safetensors are not supported; take the original checkpoint or a GGUF file")
	}
	return nil
}

func null(m json.RawMessage) bool { return len(m) == 0 || string(m) == "null" }

// hfRope is the content of rope_scaling and rope_parameters.
type hfRope struct {
	Type     string   `json:"rope_type"`
	OldType  string   `json:"type"`
	Theta    *float64 `json:"rope_theta"`
	Factor   float64  `json:"factor"`
	Low      float64  `json:"low_freq_factor"`
	High     float64  `json:"high_freq_factor"`
	Original int      `json:"original_max_position_embeddings"`
	Partial  *float64 `json:"partial_rotary_factor"`
}

// rope reads the rotary settings of either generation.
func (h *hfConfig) rope(c *Config) error {
	set(&c.RopeTheta, h.RopeTheta)
	both := !null(h.RopeScaling) && !null(h.RopeParameters)
	for _, key := range []string{"rope_scaling", "rope_parameters"} {
		raw := h.RopeScaling
		if key == "rope_parameters" {
			raw = h.RopeParameters
		}
		if null(raw) {
			continue
		}
		older := c.Rope
		var r hfRope
		dec := json.NewDecoder(strings.NewReader(string(raw)))
		dec.DisallowUnknownFields()
		err := dec.Decode(&r)
		r.Type = cmp.Or(r.Type, r.OldType)
		switch {
		case r.Type != "" && r.Type != "default" && r.Type != "llama3":
			return fmt.Errorf("%s: rope_type %q is not supported; default and llama3 are", key, r.Type)
		case err != nil:
			return fmt.Errorf("%s: %w", key, err)
		case r.Partial != nil && *r.Partial != 1:
			return fmt.Errorf("%s: partial_rotary_factor other than 1 is not supported", key)
		}
		set(&c.RopeTheta, r.Theta)
		if r.Type == "llama3" {
			if r.Factor < 1 || r.Low <= 0 || r.High <= r.Low || r.Original <= 0 {
				return fmt.Errorf("%s: llama3 needs factor >= 1, 0 < low_freq_factor < high_freq_factor and original_max_position_embeddings > 0", key)
			}
			c.Rope = &RopeScaling{Factor: r.Factor, LowFreq: r.Low, HighFreq: r.High, OriginalLen: r.Original}
		}
		if both && key == "rope_parameters" && (r.Type == "llama3") != (older != nil) || older != nil && *older != *c.Rope {
			return errors.New("rope_scaling and rope_parameters say different things; remove the one that the model was not trained with")
		}
	}
	return nil
}

// tokenIDs reads a token id, a list of them, or null.
func tokenIDs(raw json.RawMessage, key string) ([]int32, error) {
	if null(raw) {
		return nil, nil
	}
	var one int32
	if json.Unmarshal(raw, &one) == nil {
		return []int32{one}, nil
	}
	var many []int32
	if err := json.Unmarshal(raw, &many); err != nil {
		return nil, fmt.Errorf("%s: neither a token id nor a list of them", key)
	}
	if len(many) == 0 {
		return nil, nil
	}
	return many, nil
}

// maxLayers is the most layers that are believed.
const maxLayers = 1 << 12

// Check reports the first impossible size.
func (c *Config) Check() error {
	for _, k := range []struct {
		key string
		v   int
	}{
		{"vocab_size", c.Vocab}, {"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers},
		{"num_attention_heads", c.Heads}, {"num_key_value_heads", c.KVHeads}, {"head_dim", c.HeadDim},
		{"intermediate_size", c.FFN}, {"max_position_embeddings", c.MaxLen},
	} {
		if k.v <= 0 || k.v > 1<<28 {
			return fmt.Errorf("%s %d is out of range", k.key, k.v)
		}
	}
	switch {
	case c.Layers > maxLayers:
		return fmt.Errorf("num_hidden_layers %d is out of range", c.Layers)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", c.Heads, c.KVHeads)
	case c.HeadDim%2 != 0:
		return fmt.Errorf("head_dim %d is odd; rotary positions need pairs", c.HeadDim)
	case !(c.NormEps > 0 && c.NormEps <= 1):
		return fmt.Errorf("rms_norm_eps %v does not lie between 0 and 1", c.NormEps)
	case !(c.RopeTheta > 0 && c.RopeTheta <= math.MaxFloat32):
		return fmt.Errorf("rope_theta %v does not lie between 0 and %g", c.RopeTheta, float64(math.MaxFloat32))
	}
	return c.checkNoRope()
}

// JSON returns the config.json of c for weights stored as dtype. The rotary
// settings are written the way that every transformers version reads.
func (c *Config) JSON(dtype DType) []byte {
	m := map[string]any{
		"vocab_size": c.Vocab, "hidden_size": c.Hidden, "intermediate_size": c.FFN,
		"num_hidden_layers": c.Layers, "num_attention_heads": c.Heads,
		"num_key_value_heads": c.KVHeads, "head_dim": c.HeadDim,
		"max_position_embeddings": c.MaxLen, "hidden_act": "silu", "rms_norm_eps": c.NormEps,
		"rope_theta": c.RopeTheta, "rope_scaling": nil, "tie_word_embeddings": c.Tied,
		"attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": true,
		"torch_dtype": torchNames[dtype], "model_type": c.Arch,
		"bos_token_id": oneOrMany(c.BOS), "eos_token_id": oneOrMany(c.EOS),
	}
	if f := familyOf(c.Arch); f != nil {
		m["architectures"] = []string{f.class}
		maps.Copy(m, f.says)
		if f.every > 0 {
			rotates := make([]int, c.Layers)
			for i := range rotates {
				if c.Rotates(i) {
					rotates[i] = 1
				}
			}
			m["no_rope_layers"], m["no_rope_layer_interval"] = rotates, f.every
		}
	}
	if s := c.Rope; s != nil {
		m["rope_scaling"] = map[string]any{"rope_type": "llama3", "factor": s.Factor,
			"low_freq_factor": s.LowFreq, "high_freq_factor": s.HighFreq,
			"original_max_position_embeddings": s.OriginalLen}
	}
	return indented(m)
}

// torchNames are the names in config.json of the storage types that Save writes.
var torchNames = map[DType]string{F32: "float32", F16: "float16", BF16: "bfloat16"}

// ParseDType reads a storage type that Save writes, by its name in safetensors or in
// config.json.
func ParseDType(name string) (DType, error) {
	for d, torch := range torchNames {
		if strings.EqualFold(name, string(d)) || name == torch {
			return d, nil
		}
	}
	return "", fmt.Errorf("%q is no type that weights are written in; choose F32, BF16 (bfloat16) or F16 (float16)", name)
}

// oneOrMany writes token ids as transformers does: null, a number or a list.
func oneOrMany(ids []int32) any {
	switch len(ids) {
	case 0:
		return nil
	case 1:
		return ids[0]
	}
	return ids
}

// indented marshals a value made of plain maps, which cannot fail.
func indented(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		panic("model: " + err.Error())
	}
	return out.Bytes()
}
