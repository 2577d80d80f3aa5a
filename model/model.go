// Package model holds decoder models as plain data: configuration, weights by
// Hugging Face name, and reading and writing them. It computes nothing; package
// model/cpu samples from a model in plain Go and package model/graph expresses
// the same decoder as a GoMLX graph. Package tensorfile has the file formats.
//
// Contract: a Model that was read without error has exactly the tensors of its
// configuration, each with the right shape and finite, and a tokenizer whose ids all
// have a row in the embedding: added tokens that have none are left out and said. Every setting of a file that would change the numbers is
// honoured or refused. A saved directory is complete or not there.
//
// Errors name the file and the key or tensor. Asking for a tensor that the
// configuration does not have is a bug, and panics.
package model

import (
	"fmt"
	"math"
	"math/rand/v2"

	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/model/tensorfile"
)

// Config describes a decoder: pre-norm RMSNorm blocks, rotary positions,
// grouped-query attention, SwiGLU feed-forward.
type Config struct {
	Arch      string       `json:"arch"`       // the architecture's name in files, for reading and writing; what is computed stands below
	Vocab     int          `json:"vocab"`      // rows of the embedding
	Hidden    int          `json:"hidden"`     // width of the residual stream
	Layers    int          `json:"layers"`     //
	Heads     int          `json:"heads"`      // query heads
	KVHeads   int          `json:"kv_heads"`   // key and value heads; divides Heads
	HeadDim   int          `json:"head_dim"`   // width of a head; Heads*HeadDim need not equal Hidden (qwen3)
	FFN       int          `json:"ffn"`        // inner width of the feed-forward
	MaxLen    int          `json:"max_len"`    // longest conversation the positions are made for
	RopeTheta float64      `json:"rope_theta"` // base of the rotary frequencies
	Rope      *RopeScaling `json:"rope,omitempty"`
	NormEps   float64      `json:"norm_eps"`
	Tied      bool         `json:"tied"`               // the output matrix is the embedding
	QKVBias   bool         `json:"qkv_bias,omitempty"` // queries, keys and values have biases
	QKNorm    bool         `json:"qk_norm,omitempty"`  // heads of queries and keys are normalised (RMSNorm)
	NoRope    []int        `json:"no_rope,omitempty"`  // layers without rotary embedding, from 0, ascending
	// BOS and EOS are the begin and end tokens that the files name, for
	// messages and for saving; none if they name none.
	BOS []int32 `json:"bos,omitempty"`
	EOS []int32 `json:"eos,omitempty"`
}

// RopeScaling is Llama 3's frequency rescaling (rope_type "llama3").
type RopeScaling struct {
	Factor      float64 `json:"factor"`
	LowFreq     float64 `json:"low_freq"`
	HighFreq    float64 `json:"high_freq"`
	OriginalLen int     `json:"original_len"`
}

// Frequencies returns the HeadDim/2 rotary angular frequencies in radians per
// position; dimension i is rotated with dimension i+HeadDim/2 (the "half"
// layout of Hugging Face weights).
func (c *Config) Frequencies() []float64 {
	out := make([]float64, c.HeadDim/2)
	for i := range out {
		f := math.Pow(c.RopeTheta, -2*float64(i)/float64(c.HeadDim))
		if s := c.Rope; s != nil {
			f = s.rescale(f)
		}
		out[i] = f
	}
	return out
}

// rescale lowers the frequencies whose wavelength exceeds the original context
// and interpolates between the two cut-offs.
func (s *RopeScaling) rescale(f float64) float64 {
	wave := 2 * math.Pi / f
	low, high := float64(s.OriginalLen)/s.LowFreq, float64(s.OriginalLen)/s.HighFreq
	switch {
	case wave < high:
		return f
	case wave > low:
		return f / s.Factor
	}
	t := (float64(s.OriginalLen)/wave - s.LowFreq) / (s.HighFreq - s.LowFreq)
	return (1-t)*f/s.Factor + t*f
}

// Tensor is one weight, row-major. Linear weights are [out, in] as in Hugging
// Face files.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// DType names how tensors are stored in a file; in memory they are float32.
type DType = tensorfile.DType

// The storage types that Save writes.
const (
	F32  = tensorfile.F32
	F16  = tensorfile.F16
	BF16 = tensorfile.BF16
)

// Weights is a list of tensors: those of a model in the order of Config.Specs, or what is trained in their place.
type Weights struct {
	Tensors []*Tensor
	byName  map[string]*Tensor
}

// NewWeights indexes tensors by name.
func NewWeights(ts []*Tensor) *Weights {
	w := &Weights{Tensors: ts, byName: make(map[string]*Tensor, len(ts))}
	for _, t := range ts {
		w.byName[t.Name] = t
	}
	return w
}

// Get returns the named tensor; asking for one that is not there is a bug.
func (w *Weights) Get(name string) *Tensor {
	t := w.byName[name]
	if t == nil {
		panic("model: no tensor " + name)
	}
	return t
}

// Count returns the number of parameters.
func (w *Weights) Count() int {
	n := 0
	for _, t := range w.Tensors {
		n += len(t.Data)
	}
	return n
}

// Spec is the name and shape of one tensor that a configuration calls for.
type Spec struct {
	Name  string
	Shape []int
}

// Specs lists every tensor of the configuration with its shape, in the order in
// which weights are stored and updated.
func (c *Config) Specs() []Spec {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	out := []Spec{{"model.embed_tokens.weight", []int{c.Vocab, c.Hidden}}}
	for i := range c.Layers {
		p := fmt.Sprintf("model.layers.%d.", i)
		add := func(name string, shape ...int) { out = append(out, Spec{p + name, shape}) }
		add("input_layernorm.weight", c.Hidden)
		add("self_attn.q_proj.weight", q, c.Hidden)
		add("self_attn.k_proj.weight", kv, c.Hidden)
		add("self_attn.v_proj.weight", kv, c.Hidden)
		if c.QKVBias {
			add("self_attn.q_proj.bias", q)
			add("self_attn.k_proj.bias", kv)
			add("self_attn.v_proj.bias", kv)
		}
		if c.QKNorm {
			add("self_attn.q_norm.weight", c.HeadDim)
			add("self_attn.k_norm.weight", c.HeadDim)
		}
		add("self_attn.o_proj.weight", c.Hidden, q)
		add("post_attention_layernorm.weight", c.Hidden)
		add("mlp.gate_proj.weight", c.FFN, c.Hidden)
		add("mlp.up_proj.weight", c.FFN, c.Hidden)
		add("mlp.down_proj.weight", c.Hidden, c.FFN)
	}
	out = append(out, Spec{"model.norm.weight", []int{c.Hidden}})
	if !c.Tied {
		out = append(out, Spec{"lm_head.weight", []int{c.Vocab, c.Hidden}})
	}
	return out
}

// Model is a decoder with its tokenizer.
type Model struct {
	Config    Config
	Weights   *Weights
	Tokenizer *bpe.Tokenizer
	// Template is the name of the chat template that a model made here is for, one of
	// chat.Templates; "" for a model that was read.
	Template string
	// Source is the chat template that a model came with. chat.Choose finds the renderer.
	Source chat.Source
	// Origin is where the model was read from, for messages.
	Origin string
	// Extra holds files of a Hugging Face directory by name that Save writes
	// as they are: those of the tokenizer and generation_config.json as read,
	// and chat_template.jinja. nil for a model made here.
	Extra map[string][]byte
	// Warnings are what whoever uses the model should know, one sentence each: tokens
	// without a row, an adapter that is not applied. nil for none.
	Warnings []string

	serve *serve // see ServeAs
}

// New returns a model with random weights: embeddings normal with deviation
// 0.02, linear layers with the deviation of PyTorch's default, 1/sqrt(3*in) (a
// fixed 0.02 makes narrow models learn to copy late), those that write into the
// residual stream scaled by 1/sqrt(2*Layers), norms 1, biases 0. The same seed
// gives the same weights.
func New(c Config, tok *bpe.Tokenizer, seed uint64) *Model {
	var ts []*Tensor
	for k, s := range c.Specs() {
		t := &Tensor{Name: s.Name, Shape: s.Shape, Data: make([]float32, size(s.Shape))}
		rng := rand.New(rand.NewPCG(seed, uint64(k)))
		fill(t, &c, rng)
		ts = append(ts, t)
	}
	return &Model{Config: c, Weights: NewWeights(ts), Tokenizer: tok, Origin: "random initialisation"}
}

func fill(t *Tensor, c *Config, rng *rand.Rand) {
	switch {
	case len(t.Shape) == 1 && hasSuffix(t.Name, "bias"):
		return
	case len(t.Shape) == 1:
		for i := range t.Data {
			t.Data[i] = 1
		}
		return
	}
	dev := 0.02 // embedding and output
	if hasSuffix(t.Name, "proj.weight") {
		dev = 1 / math.Sqrt(3*float64(t.Shape[1]))
	}
	if hasSuffix(t.Name, "o_proj.weight") || hasSuffix(t.Name, "down_proj.weight") {
		dev /= math.Sqrt(2 * float64(c.Layers))
	}
	for i := range t.Data {
		t.Data[i] = float32(dev * rng.NormFloat64())
	}
}

func hasSuffix(s, suffix string) bool {
	return len(s) >= len(suffix) && s[len(s)-len(suffix):] == suffix
}

func size(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// source is the chat template among the model's files, with the special tokens that it may
// name. A GGUF file names those by id.
func (a *archive) source(tok *bpe.Tokenizer) (chat.Source, error) {
	s, err := chat.ReadSource(a.extra, a.origin)
	for _, id := range a.config.EOS {
		if id >= 0 && int(id) < tok.Size() {
			s.Ends = append(s.Ends, tok.Token(id))
		}
	}
	if err != nil || a.extra[tokenizerConfigFile] != nil {
		return s, err
	}
	for name, ids := range map[string][]int32{"bos_token": a.config.BOS, "eos_token": a.config.EOS} {
		if _, ok := s.Special[name]; !ok && len(ids) > 0 && ids[0] >= 0 && int(ids[0]) < tok.Size() {
			s.Special[name] = tok.Token(ids[0])
		}
	}
	return s, nil
}
