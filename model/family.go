package model

import (
	"fmt"
	"slices"
	"strings"
)

// family is what the name of an architecture stands for in files. Readers turn it
// into features of Config, and the writer of config.json looks it up again; what
// computes sees the features only. A decoder that has no new feature is one line here.
type family struct {
	arch  string // Config.Arch, model_type of config.json, general.architecture of GGUF
	class string // architectures of config.json
	// has is what decoders of the family have, and the defaults of transformers' class.
	has Config
	// every is the default of no_rope_layer_interval: every so many layers one has no
	// rotary embedding. 0: config.json has no such key, and all layers rotate.
	every int
	// kv and head say that num_key_value_heads and head_dim have defaults that do not
	// follow from the sizes.
	kv, head bool
	// pairs says that rows of q and k in GGUF files have the pair layout; see halves.
	pairs bool
	// says are the keys that config.json has besides those of all families: what could be
	// on and is off, and a default of the class that need not fit the vocabulary.
	says map[string]any
}

var families = []family{
	{arch: "llama", class: "LlamaForCausalLM", has: Config{MaxLen: 2048, RopeTheta: 1e4, NormEps: 1e-6},
		pairs: true, says: map[string]any{"attention_bias": false, "mlp_bias": false}},
	{arch: "qwen2", class: "Qwen2ForCausalLM", has: Config{MaxLen: 32768, RopeTheta: 1e4, NormEps: 1e-6, QKVBias: true},
		kv: true, says: map[string]any{"use_sliding_window": false}},
	{arch: "qwen3", class: "Qwen3ForCausalLM", has: Config{MaxLen: 32768, RopeTheta: 1e4, NormEps: 1e-6, QKNorm: true},
		kv: true, head: true, says: map[string]any{"attention_bias": false, "use_sliding_window": false}},
	{arch: "smollm3", class: "SmolLM3ForCausalLM", has: Config{MaxLen: 32768, RopeTheta: 2e6, NormEps: 1e-6, Tied: true},
		every: 4, kv: true, pairs: true,
		says: map[string]any{"attention_bias": false, "mlp_bias": false, "use_sliding_window": false, "pad_token_id": nil}},
}

// familyOf finds a family by its arch, and its features under that name; nil if there
// is none.
func familyOf(arch string) *family {
	i := slices.IndexFunc(families, func(f family) bool { return f.arch == arch })
	if i < 0 {
		return nil
	}
	f := families[i]
	f.has.Arch = f.arch
	return &f
}

// named lists a name of every family, for messages.
func named(of func(family) string) string {
	var out []string
	for _, f := range families {
		out = append(out, of(f))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// Features returns a configuration without sizes: what decoders of an architecture have,
// by its name in files (qwen2, qwen3, llama, smollm3), with the defaults of transformers'
// class; ok is false for a name that is not known. Which layers go without rotary
// embedding depends on their number, and is not in it.
func Features(arch string) (c Config, ok bool) {
	f := familyOf(arch)
	if f == nil {
		return Config{}, false
	}
	return f.has, true
}

// Uniform lists the architectures whose layers are all alike, by their names in files:
// Features and sizes are all of a configuration there.
func Uniform() (out []string) {
	for _, f := range families {
		if f.every == 0 {
			out = append(out, f.arch)
		}
	}
	slices.Sort(out)
	return out
}

// Rotates reports whether queries and keys of a layer, counted from 0, get rotary
// positions.
func (c *Config) Rotates(layer int) bool { return !slices.Contains(c.NoRope, layer) }

// skipping lists the layers without rotary embedding when it is every n-th one.
func skipping(layers, n int) (out []int) {
	for i := n - 1; i < layers; i += n {
		out = append(out, i)
	}
	return out
}

// writable reports why config.json cannot say c: tools that read the file would compute
// another model, and say nothing.
func (c *Config) writable() error {
	f := familyOf(c.Arch)
	switch {
	case f == nil:
		return fmt.Errorf("architecture %q has no name in config.json; %s have", c.Arch, named(func(f family) string { return f.arch }))
	case f.has.QKVBias != c.QKVBias:
		return fmt.Errorf("biases of q, k and v: the model says %t, a file of architecture %s means %t", c.QKVBias, c.Arch, f.has.QKVBias)
	case f.has.QKNorm != c.QKNorm:
		return fmt.Errorf("norms of q and k: the model says %t, a file of architecture %s means %t", c.QKNorm, c.Arch, f.has.QKNorm)
	case f.every == 0 && len(c.NoRope) > 0:
		return fmt.Errorf("layers %v have no rotary embedding, which a file of architecture %s cannot say", c.NoRope, c.Arch)
	}
	return c.checkNoRope()
}

// checkNoRope reports the first layer of NoRope that is none, or is out of order.
func (c *Config) checkNoRope() error {
	last := -1
	for _, l := range c.NoRope {
		if l <= last || l >= c.Layers {
			return fmt.Errorf("layers without rotary embedding %v: they are not ascending numbers below num_hidden_layers %d", c.NoRope, c.Layers)
		}
		last = l
	}
	return nil
}
