package bpe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"ballast/chat/pretoken"
)

// config is tokenizer.json. Unknown keys are errors where they could change ids.
type config struct {
	Version       string          `json:"version"`
	Truncation    json.RawMessage `json:"truncation"`
	Padding       json.RawMessage `json:"padding"`
	AddedTokens   []AddedToken    `json:"added_tokens"`
	Normalizer    *normalizer     `json:"normalizer"`
	PreTokenizer  *preTokenizer   `json:"pre_tokenizer"`
	PostProcessor json.RawMessage `json:"post_processor"`
	Decoder       *decoder        `json:"decoder"`
	Model         model           `json:"model"`
}

type normalizer struct {
	Type        string       `json:"type"`
	Normalizers []normalizer `json:"normalizers,omitempty"`
}

type preTokenizer struct {
	Type             string         `json:"type"`
	Pretokenizers    []preTokenizer `json:"pretokenizers,omitempty"`
	Pattern          *pattern       `json:"pattern,omitempty"`
	Behavior         string         `json:"behavior,omitempty"`
	Invert           *bool          `json:"invert,omitempty"`
	AddPrefixSpace   *bool          `json:"add_prefix_space,omitempty"`
	TrimOffsets      *bool          `json:"trim_offsets,omitempty"`
	UseRegex         *bool          `json:"use_regex,omitempty"`
	IndividualDigits *bool          `json:"individual_digits,omitempty"`
}

type pattern struct {
	Regex  string `json:"Regex,omitempty"`
	String string `json:"String,omitempty"`
}

type decoder struct {
	Type           string    `json:"type"`
	Decoders       []decoder `json:"decoders,omitempty"`
	AddPrefixSpace *bool     `json:"add_prefix_space,omitempty"`
	TrimOffsets    *bool     `json:"trim_offsets,omitempty"`
	UseRegex       *bool     `json:"use_regex,omitempty"`
}

type model struct {
	Type          string   `json:"type"`
	Dropout       *float64 `json:"dropout"`
	UnkToken      *string  `json:"unk_token"`
	SubwordPrefix *string  `json:"continuing_subword_prefix"`
	WordSuffix    *string  `json:"end_of_word_suffix"`
	FuseUnk       bool     `json:"fuse_unk"`
	ByteFallback  bool     `json:"byte_fallback"`
	IgnoreMerges  bool     `json:"ignore_merges"`
	Vocab         vocab    `json:"vocab"`
	Merges        merges   `json:"merges"`
}

// merges reads both forms: "a b" and ["a", "b"].
type merges [][2]string

// UnmarshalJSON reads it as tokenizer.json has it.
func (m *merges) UnmarshalJSON(data []byte) error {
	if pairs := [][]string(nil); json.Unmarshal(data, &pairs) == nil {
		for i, p := range pairs {
			if len(p) != 2 {
				return fmt.Errorf("model.merges[%d]: %d tokens, not 2", i, len(p))
			}
			*m = append(*m, [2]string{p[0], p[1]})
		}
		return nil
	}
	var lines []string
	if err := json.Unmarshal(data, &lines); err != nil {
		return fmt.Errorf("model.merges: neither strings nor pairs: %w", err)
	}
	out, err := splitMerges(lines)
	*m = out
	return err
}

// splitMerges reads merges in the form "a b". A first line "#version ..." is
// a comment.
func splitMerges(lines []string) (merges, error) {
	m := make(merges, 0, len(lines))
	for i, line := range lines {
		if i == 0 && strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, ok := strings.Cut(line, " ")
		if !ok || strings.Contains(b, " ") {
			return nil, fmt.Errorf("model.merges[%d]: %q is not two tokens and a space", i, line)
		}
		m = append(m, [2]string{a, b})
	}
	return m, nil
}

// Parse reads the bytes of a tokenizer.json; name stands in its errors.
func Parse(data []byte, name string) (*Tokenizer, error) {
	t := new(Tokenizer)
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(&t.cfg)
	if err == nil {
		if _, tail := dec.Token(); tail != io.EOF {
			err = errors.New("text after the closing brace")
		}
	}
	if err == nil {
		err = t.build()
	}
	if err != nil {
		return nil, fmt.Errorf("tokenizer %s: %w", name, err)
	}
	t.file = slices.Clone(data)
	return t, nil
}

// unsupported is the error for a component that this package does not have.
func unsupported(key, got, want string) error {
	return fmt.Errorf("%s: %q is not supported (%s)", key, got, want)
}

// newNormalize makes the function for a normalizer; nil for none.
func newNormalize(n *normalizer, key string) (normalize, error) {
	if n == nil {
		return nil, nil
	}
	switch n.Type {
	case "NFC":
		return pretoken.NFC, nil
	case "Sequence":
		if strings.Count(key, "[") >= maxStepDepth {
			return nil, fmt.Errorf("%s: nested more than %d deep", key, maxStepDepth)
		}
		var chain normalize
		for i := range n.Normalizers {
			f, err := newNormalize(&n.Normalizers[i], fmt.Sprintf("%s.normalizers[%d]", key, i))
			if err != nil {
				return nil, err
			}
			if f != nil {
				chain = f // NFC twice is NFC
			}
		}
		return chain, nil
	}
	return nil, unsupported(key+".type", n.Type, "NFC, Sequence or null")
}

// newSteps makes the splitters for a pre_tokenizer. byteLevel tells whether it
// ends in ByteLevel, without which the vocabulary would mean something else.
func newSteps(p *preTokenizer, key string) (steps []pretoken.Splitter, byteLevel bool, err error) {
	if p == nil {
		return nil, false, fmt.Errorf("%s: missing; only byte-level BPE is supported", key)
	}
	on := func(b *bool, absent bool) bool {
		if b == nil {
			return absent
		}
		return *b
	}
	switch p.Type {
	case "Sequence":
		if len(p.Pretokenizers) > maxSteps || strings.Count(key, "[") >= maxStepDepth {
			return nil, false, fmt.Errorf("%s: more than %d parts, or nested more than %d deep", key, maxSteps, maxStepDepth)
		}
		for i := range p.Pretokenizers {
			if byteLevel {
				return nil, false, fmt.Errorf("%s.pretokenizers[%d]: stands after ByteLevel, which must be the last", key, i)
			}
			more, last, err := newSteps(&p.Pretokenizers[i], fmt.Sprintf("%s.pretokenizers[%d]", key, i))
			if err != nil {
				return nil, false, err
			}
			steps, byteLevel = append(steps, more...), last
		}
		return steps, byteLevel, nil
	case "ByteLevel":
		if on(p.AddPrefixSpace, true) {
			steps = append(steps, pretoken.PrefixSpace)
		}
		if on(p.UseRegex, true) {
			steps = append(steps, pretoken.GPT2)
		}
		return steps, true, nil
	case "Digits":
		return []pretoken.Splitter{pretoken.Digits(on(p.IndividualDigits, false))}, false, nil
	case "Split":
		step, err := newSplit(p, key)
		return []pretoken.Splitter{step}, false, err
	}
	return nil, false, unsupported(key+".type", p.Type, "Sequence, Split, Digits or ByteLevel")
}

// newSplit makes the splitter of a Split.
func newSplit(p *preTokenizer, key string) (pretoken.Splitter, error) {
	if !slices.Contains(pretoken.Behaviors, p.Behavior) {
		return nil, unsupported(key+".behavior", p.Behavior, strings.Join(pretoken.Behaviors, ", "))
	}
	invert := p.Invert != nil && *p.Invert
	if p.Pattern == nil || (p.Pattern.Regex == "") == (p.Pattern.String == "") {
		return nil, fmt.Errorf("%s.pattern: wants either Regex or String", key)
	}
	split, err := pretoken.NewSplit(p.Pattern.Regex, p.Pattern.String, p.Behavior, invert)
	if err != nil {
		return nil, fmt.Errorf("%s.pattern.Regex: %w", key, err)
	}
	return split, nil
}
