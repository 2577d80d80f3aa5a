package bpe

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"ballast/durable"
)

// vocab is written in the order of the ids.
type vocab map[string]int32

// MarshalJSON writes it as tokenizer.json has it.
func (v vocab) MarshalJSON() ([]byte, error) {
	tokens := slices.SortedFunc(maps.Keys(v), func(a, b string) int { return cmp.Compare(v[a], v[b]) })
	var out bytes.Buffer
	out.WriteByte('{')
	for i, token := range tokens {
		if i > 0 {
			out.WriteByte(',')
		}
		key, err := json.Marshal(token)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%s:%d", key, v[token])
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}

// MarshalJSON writes "a b", the form that every version of
// the tokenizers library reads.
func (m merges) MarshalJSON() ([]byte, error) {
	lines := make([]string, len(m))
	for i, p := range m {
		lines[i] = p[0] + " " + p[1]
	}
	return json.Marshal(lines)
}

// JSON gives the tokenizer.json of t: the very bytes it was read from, or one
// that Hugging Face `tokenizers` loads and that gives the same ids.
func (t *Tokenizer) JSON() ([]byte, error) {
	if t.file != nil {
		return t.file, nil
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(t.cfg); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return out.Bytes(), nil
}

// Save writes JSON to path, whole or not at all.
func (t *Tokenizer) Save(path string) error {
	data, err := t.JSON()
	if err != nil {
		return err
	}
	if err := durable.ReplaceBytes(path, data); err != nil {
		return fmt.Errorf("tokenizer: %w", err)
	}
	return nil
}
