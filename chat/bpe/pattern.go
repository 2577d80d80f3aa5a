package bpe

import (
	"fmt"
	"maps"
	"slices"

	"ballast/chat/pretoken"
)

// Pattern names how a family of models normalises and splits text. The values
// are those of tokenizer.ggml.pre in GGUF files.
type Pattern string

// The patterns that Train and FromVocab know.
const (
	GPT2    Pattern = "gpt-2"     // words with the space before them
	Qwen2   Pattern = "qwen2"     // Qwen2, 2.5 and 3: NFC, digits one by one
	Llama3  Pattern = "llama-bpe" // digits in threes; whole pieces need no merges
	SmolLM2 Pattern = "smollm"    // GPT2 with digits one by one
)

// patterns lists them.
var patterns = []Pattern{GPT2, Qwen2, Llama3, SmolLM2}

// Patterns are the names of the patterns.
func Patterns() []string {
	names := make([]string, len(patterns))
	for i, p := range patterns {
		names[i] = string(p)
	}
	return names
}

// aliases are other names in GGUF files for the same normalisation, splitting and merging.
// llama.cpp's table (llama-vocab.cpp) puts more names beside these; where it splits alike but
// merges or normalises otherwise, as for dbrx, the name is none here. Its "default" is a
// pattern of its own, for files whose converter knew no name.
var aliases = map[Pattern]Pattern{
	"llama3": Llama3, "llama-v3": Llama3, "deepseek-r1-qwen": Qwen2, "starcoder": SmolLM2, "refact": SmolLM2,
}

// config is a tokenizer.json for the pattern with an empty vocabulary.
func (p Pattern) config() (config, error) {
	yes, no := true, false
	if same, ok := aliases[p]; ok {
		p = same
	}
	c := config{
		Version: "1.0",
		Decoder: &decoder{Type: "ByteLevel", AddPrefixSpace: &no, TrimOffsets: &no, UseRegex: &no},
		Model:   model{Type: "BPE", Vocab: vocab{}},
	}
	level := preTokenizer{Type: "ByteLevel", AddPrefixSpace: &no, TrimOffsets: &yes, UseRegex: &no}
	split := preTokenizer{Type: "Split", Behavior: "Isolated", Invert: &no}
	first := &split
	switch p {
	case GPT2:
		level.UseRegex, first = &yes, nil
	case SmolLM2:
		level.UseRegex, first = &yes, &preTokenizer{Type: "Digits", IndividualDigits: &yes}
	case Qwen2:
		split.Pattern = &pattern{Regex: pretoken.QwenRegex}
		c.Normalizer = &normalizer{Type: "NFC"}
	case Llama3:
		split.Pattern = &pattern{Regex: pretoken.Llama3Regex}
		c.Model.IgnoreMerges = true
	default:
		return c, fmt.Errorf("tokenizer pattern %q is not known (one of %q, or another name of these: %q)", p, patterns,
			slices.Sorted(maps.Keys(aliases)))
	}
	if c.PreTokenizer = &level; first != nil {
		c.PreTokenizer = &preTokenizer{Type: "Sequence", Pretokenizers: []preTokenizer{*first, level}}
	}
	return c, nil
}

// Token types of GGUF files (tokenizer.ggml.token_type).
const (
	ggufControl     = 3
	ggufUserDefined = 4
)

// FromVocab makes a tokenizer from what a GGUF file says: tokens by id
// (tokenizer.ggml.tokens), merges "a b" in rank order, a type for each token
// (control tokens become special added tokens, user-defined ones added tokens;
// nil: all are normal) and the pattern (tokenizer.ggml.pre).
func FromVocab(tokens, merges []string, types []int, pattern Pattern) (*Tokenizer, error) {
	if types != nil && len(types) != len(tokens) {
		return nil, fmt.Errorf("tokenizer: %d token types for %d tokens", len(types), len(tokens))
	}
	if len(tokens) > maxID {
		return nil, fmt.Errorf("tokenizer: %d tokens, more than %d", len(tokens), maxID)
	}
	c, err := pattern.config()
	if err != nil {
		return nil, err
	}
	for i, token := range tokens {
		id := int32(i)
		if other, ok := c.Model.Vocab[token]; ok {
			return nil, fmt.Errorf("tokenizer: tokens %d and %d are both %q", other, id, token)
		}
		c.Model.Vocab[token] = id
		if types != nil && (types[i] == ggufControl || types[i] == ggufUserDefined) {
			c.AddedTokens = append(c.AddedTokens, AddedToken{ID: id, Content: token, Special: types[i] == ggufControl})
		}
	}
	if c.Model.Merges, err = splitMerges(merges); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t := &Tokenizer{cfg: c}
	if err := t.build(); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return t, nil
}
