package scripted

import (
	"ballast/chat/format"
	"ballast/monitor"
)

// The tokens of the scripted policy.
const (
	open = iota
	shut
	end
	name
	body
	user
	word // and all that follow are words
)

var vocabulary = words{"<tool_call>", "</tool_call>", "<|im_end|>", `{"name": "ls", `, `"arguments": {}}`, "hello",
	"the ", "file ", "is ", "moved ", "now ", "and ", "three ", "reports ", "remain ", "in ", "your ", "folder "}

type words []string

// Vocabulary gives the texts of the policy's tokens.
var Vocabulary monitor.Tokens = vocabulary

// Bytes implements monitor.Tokens.
func (w words) Bytes(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		dst = append(dst, w[id]...)
	}
	return dst
}

// Watched are the control tokens whose probabilities the policy records.
var Watched = []int32{open, shut, end}

// Lens is what monitor.Inspect needs for scripted episodes.
func Lens() *monitor.Lens {
	return &monitor.Lens{Format: format.Hermes, Tokens: Vocabulary, Watched: Watched}
}

func watchedTexts() []string {
	var out []string
	for _, id := range Watched {
		out = append(out, vocabulary[id])
	}
	return out
}
