package model

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"ballast/bounded"
	"ballast/chat/bpe"
	"ballast/model/tensorfile"
)

// openGGUF reads the head of a GGUF file and translates it.
func openGGUF(path string) (*archive, error) {
	fh, err := bounded.Open(path)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	info, err := fh.Stat()
	if err != nil {
		fh.Close()
		return nil, fmt.Errorf("model: %w", err)
	}
	if err := pointerAt(fh, info.Size()); err != nil {
		fh.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f, err := tensorfile.ReadGGUF(fh, info.Size(), path)
	if err == nil {
		var a *archive
		if a, err = (gguf{f}).archive(); err == nil {
			a.closers = append(a.closers, fh)
			return a, nil
		}
	}
	fh.Close()
	return nil, err
}

// gguf is the head of a GGUF file, to be translated.
type gguf struct{ *tensorfile.GGUF }

// archive translates a GGUF head to Hugging Face names, shapes and settings.
func (f gguf) archive() (*archive, error) {
	if n, err := f.Int("split.count", 1); err != nil || n > 1 {
		return nil, fmt.Errorf("%s: one part of a split model; merge the parts first", f.Name)
	}
	a := &archive{origin: f.Name, tensors: map[string]*stored{}, extra: map[string][]byte{}}
	var rope *tensorfile.Entry
	for _, t := range f.Tensors {
		if t.Name == "rope_freqs.weight" {
			rope = t
			continue
		}
		name := hfName(t.Name)
		if a.tensors[name] != nil {
			return nil, fmt.Errorf("%s: stored twice", t.Where)
		}
		a.tensors[name] = &stored{Entry: t}
	}
	if err := f.config(a); err != nil {
		return nil, err
	}
	if rope != nil {
		if err := ropeFactors(&a.config, rope); err != nil {
			return nil, err
		}
	}
	if familyOf(a.config.Arch).pairs {
		for name, t := range a.tensors {
			switch {
			case strings.HasSuffix(name, ".q_proj.weight"):
				t.heads = a.config.Heads
			case strings.HasSuffix(name, ".k_proj.weight"):
				t.heads = a.config.KVHeads
			}
		}
	}
	if text := f.Text("tokenizer.chat_template"); text != "" {
		a.extra[templateFile] = []byte(text)
	}
	a.tokenizer = f.tokenizer
	return a, nil
}

// config reads the sizes.
func (f gguf) config(a *archive) error {
	c := &a.config
	arch := f.Text("general.architecture")
	fam := familyOf(arch)
	if fam == nil {
		return fmt.Errorf("%s: general.architecture %q is not supported; one of %s is",
			f.Name, arch, named(func(f family) string { return f.arch }))
	}
	*c = fam.has
	p := c.Arch + "."
	for _, k := range []struct {
		key string
		to  *int
	}{
		{"block_count", &c.Layers}, {"context_length", &c.MaxLen}, {"embedding_length", &c.Hidden},
		{"feed_forward_length", &c.FFN}, {"attention.head_count", &c.Heads},
	} {
		v, err := f.Int(p + k.key)
		if err != nil {
			return err
		}
		*k.to = v
	}
	var err error
	if c.KVHeads, err = f.Int(p+"attention.head_count_kv", c.Heads); err != nil {
		return err
	}
	if c.HeadDim, err = f.Int(p+"attention.key_length", c.Hidden/max(c.Heads, 1)); err != nil {
		return err
	}
	if c.RopeTheta, err = f.Float(p+"rope.freq_base", 10000); err != nil {
		return err
	}
	if c.NormEps, err = f.Float(p+"attention.layer_norm_rms_epsilon", 0); err != nil {
		return err
	}
	// Both are stored as float32; the decimal that was meant is the shortest.
	c.NormEps, c.RopeTheta = shortest(c.NormEps), shortest(c.RopeTheta)
	embed := a.tensors["model.embed_tokens.weight"]
	if embed == nil {
		return fmt.Errorf("%s: tensor token_embd.weight is missing", f.Name)
	}
	c.Vocab, c.Tied = embed.Shape[0], a.tensors["lm_head.weight"] == nil
	for key, to := range map[string]*[]int32{"tokenizer.ggml.bos_token_id": &c.BOS, "tokenizer.ggml.eos_token_id": &c.EOS} {
		if id, err := f.Int(key, -1); err != nil {
			return err
		} else if id >= 0 {
			*to = []int32{int32(id)}
		}
	}
	if err := f.unsupported(p, c); err != nil {
		return err
	}
	if fam.every > 0 && c.Layers <= maxLayers { // no key says it; llama.cpp has the number in its code
		c.NoRope = skipping(c.Layers, fam.every)
	}
	if err := c.Check(); err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil
}

// shortest returns the decimal with the fewest digits that is the same float32.
func shortest(v float64) float64 {
	var out float64
	fmt.Sscan(fmt.Sprint(float32(v)), &out)
	return out
}

// ggufNames maps the names inside a block, and those outside.
var ggufNames = map[string]string{
	"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head",
	"attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
	"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
	"attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
	"ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}

// hfName translates a tensor name; one that is not known stays as it is, and is
// refused later.
func hfName(name string) string {
	base, suffix := name, ""
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		base, suffix = name[:i], name[i:]
	}
	prefix := ""
	if rest, ok := strings.CutPrefix(base, "blk."); ok {
		if n, inner, ok := strings.Cut(rest, "."); ok {
			prefix, base = "model.layers."+n+".", inner
		}
	}
	hf, ok := ggufNames[base]
	if !ok {
		return name
	}
	return prefix + hf + suffix
}

// ropeFactors recovers Llama 3's frequency scaling from rope_freqs.weight, the
// divisors of the frequencies, which is all that GGUF keeps of it. The published
// models share the cut-offs 1 and 4 and the original length 8192; anything that
// these do not explain is refused.
func ropeFactors(c *Config, t *tensorfile.Entry) error {
	if size(t.Shape) != c.HeadDim/2 {
		return fmt.Errorf("%s: %d factors for a head of %d", t.Where, size(t.Shape), c.HeadDim)
	}
	div := make([]float32, c.HeadDim/2)
	if err := t.Read(div); err != nil {
		return err
	}
	plain := c.Frequencies()
	c.Rope = &RopeScaling{Factor: shortest(float64(div[len(div)-1])), LowFreq: 1, HighFreq: 4, OriginalLen: 8192}
	for i, f := range c.Frequencies() {
		if got := plain[i] / f; math.Abs(got-float64(div[i])) > 1e-3*got {
			return fmt.Errorf("%s: factor %d is %g: %w", t.Where, i, div[i], errScaling)
		}
	}
	return nil
}

// tokenizer builds the tokenizer from the metadata.
func (f gguf) tokenizer() (*bpe.Tokenizer, error) {
	if kind := f.Text("tokenizer.ggml.model"); kind != "gpt2" {
		return nil, fmt.Errorf("%s: tokenizer.ggml.model %q is not supported; gpt2 (byte-level BPE) is", f.Name, kind)
	}
	tokens, _ := f.Meta["tokenizer.ggml.tokens"].([]string)
	merges, _ := f.Meta["tokenizer.ggml.merges"].([]string)
	types, _ := f.Meta["tokenizer.ggml.token_type"].([]int64)
	if len(tokens) == 0 || len(merges) == 0 || len(types) != len(tokens) {
		return nil, fmt.Errorf("%s: tokenizer.ggml.tokens, merges and token_type are missing or of unequal length", f.Name)
	}
	kinds := make([]int, len(types))
	for i, t := range types {
		kinds[i] = int(t)
	}
	if pre := f.Text("tokenizer.ggml.pre"); pre == "" || pre == "default" {
		return nil, fmt.Errorf("%s: tokenizer.ggml.pre is %q: whoever converted the model did not say how its text is split; convert it "+
			"again with a newer llama.cpp, or take its Hugging Face directory", f.Name, pre)
	}
	tok, err := bpe.FromVocab(tokens, merges, kinds, bpe.Pattern(f.Text("tokenizer.ggml.pre")))
	if err != nil {
		return nil, fmt.Errorf("%s: tokenizer: %w", f.Name, err)
	}
	return tok, nil
}

var errScaling = errors.New("rope scaling of this kind is not supported; none and llama3's are")

// unsupported names the first key that asks for what the decoder does not compute.
func (f gguf) unsupported(prefix string, c *Config) error {
	for key, v := range f.Meta {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		n, _ := v.(int64)
		x, _ := v.(float64)
		switch {
		case rest == "rope.scaling.type" && v != "none",
			rest == "rope.scaling.factor" && x != 1 && f.Text(prefix+"rope.scaling.type") != "none",
			rest == "rope.scaling.attn_factor" && x != 1:
			return fmt.Errorf("%s: %s %v: %w", f.Name, key, v, errScaling)
		case rest == "expert_count" && n > 0,
			rest == "attention.sliding_window" && n > 0 && int(n) < c.MaxLen,
			rest == "rope.dimension_count" && int(n) != c.HeadDim,
			rest == "attention.value_length" && int(n) != c.HeadDim,
			rest == "attention.causal" && v == false,
			rest == "attention.scale" && x != 0, rest == "logit_scale" && x != 0 && x != 1,
			rest == "residual_scale" && x != 0 && x != 1, rest == "embedding_scale" && x != 0 && x != 1:
			return fmt.Errorf("%s: %s %v is not supported", f.Name, key, v)
		}
	}
	return nil
}
