package model

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast/chat"
	"ballast/safetext"
)

// Summary is what the headers of a model tell, without reading its weights.
type Summary struct {
	Origin     string         `json:"origin"`
	Config     Config         `json:"config"`
	Params     int            `json:"parameters"`         // a tied output matrix counted once
	Stored     int64          `json:"stored_bytes"`       // of the weights in the files
	Memory     int64          `json:"memory_bytes"`       // of the weights in memory, float32
	DTypes     map[DType]int  `json:"dtypes"`             // number of tensors of each storage type
	Tensors    []TensorInfo   `json:"tensors,omitempty"`  // in the order of Config.Specs
	Tokens     int            `json:"tokens"`             // ids of the tokenizer
	Controls   int            `json:"control_tokens"`     // of those, control tokens
	Template   string         `json:"template"`           // renderer of conversations, "" if the files describe none that is known
	Why        string         `json:"template_why"`       // why that one, or why none
	Parameters map[string]int `json:"parameters_by_part"` // embedding, attention, feed-forward, norms, output
	Warnings   []string       `json:"warnings,omitempty"` // see Model.Warnings
}

// TensorInfo is one stored tensor.
type TensorInfo struct {
	Name  string `json:"name"`
	Shape []int  `json:"shape"`
	DType DType  `json:"dtype"`
}

// Inspect reads the headers and the tokenizer of a model and checks them as Load
// does.
func Inspect(path string) (*Summary, error) {
	a, err := open(path)
	if err != nil {
		return nil, err
	}
	return a.inspect()
}

// inspect reads what Inspect tells, and closes the archive.
func (a *archive) inspect() (*Summary, error) {
	defer a.close()
	if err := a.check(); err != nil {
		return nil, err
	}
	s := &Summary{Origin: a.origin, Config: a.config,
		DTypes: map[DType]int{}, Parameters: map[string]int{}}
	for _, spec := range a.config.Specs() {
		t := a.tensors[spec.Name]
		n := size(t.Shape)
		bytes, err := t.Bytes()
		if err != nil {
			return nil, err
		}
		s.Params += n
		s.Stored += bytes
		s.Parameters[part(spec.Name)] += n
		s.DTypes[t.DType]++
		s.Tensors = append(s.Tensors, TensorInfo{spec.Name, t.Shape, t.DType})
	}
	s.Memory = 4 * int64(s.Params)
	tok, err := a.readTokenizer()
	if err != nil {
		return nil, err
	}
	s.Tokens, s.Warnings = tok.Size(), a.warnings
	source, err := a.source(tok)
	if err != nil {
		return nil, err
	}
	if c, err := chat.Choose(source, tok, chat.Hermes); err != nil {
		s.Why = strings.TrimPrefix(err.Error(), "chat: ")
	} else {
		s.Template, s.Why = c.Name, c.Why
	}
	for _, t := range tok.Added() {
		if t.Special {
			s.Controls++
		}
	}
	return s, nil
}

// part names the part of the decoder that a tensor belongs to.
func part(name string) string {
	switch {
	case hasSuffix(name, "norm.weight"):
		return "norms"
	case hasSuffix(name, "embed_tokens.weight"):
		return "embedding"
	case hasSuffix(name, "lm_head.weight"):
		return "output"
	case strings.Contains(name, ".self_attn."):
		return "attention"
	}
	return "feed-forward"
}

// String gives a few lines for a terminal.
func (s *Summary) String() string {
	c := &s.Config
	tensors, scaling := 0, "none"
	types := map[string]int{}
	for t, n := range s.DTypes {
		types[string(t)] = n
		tensors += n
	}
	if r := c.Rope; r != nil {
		scaling = fmt.Sprintf("by %g over %d positions (llama3)", r.Factor, r.OriginalLen)
	}
	if len(c.NoRope) > 0 {
		scaling += fmt.Sprintf(", no rotary embedding in layers %v (from 0)", c.NoRope)
	}
	output := "a matrix of its own"
	if c.Tied {
		output = "the embedding (tied)"
	}
	return fmt.Sprintf(`%s
  architecture  %s, %d layers, width %d, %d heads of %d (%d key/value), feed-forward %d, output %s
  positions     %d, rope theta %g, scaling %s
  parameters    %d (%s)
  tensors       %d (%s); %.1f MB stored, %.1f MB in memory
  tokenizer     %d ids (%d control), embedding %d rows
  chat template %s
`, safetext.Line(s.Origin), safetext.Line(c.Arch), c.Layers, c.Hidden, c.Heads, c.HeadDim, c.KVHeads, c.FFN, output,
		c.MaxLen, c.RopeTheta, scaling, s.Params, listed(s.Parameters),
		tensors, listed(types), float64(s.Stored)/1e6, float64(s.Memory)/1e6,
		s.Tokens, s.Controls, c.Vocab, safetext.Indent(cmp.Or(s.Template, "none")+": "+s.Why, "                "))
}

// listed writes numbers of things for people.
func listed(n map[string]int) string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(n)) {
		out = append(out, fmt.Sprintf("%s %d", safetext.Line(name), n[name]))
	}
	return strings.Join(out, ", ")
}
