package doctor

import (
	"ballast"
	"ballast/chat/format"
	"ballast/credit"
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

var vocabulary = lexicon{"<tool_call>", "</tool_call>", "<|im_end|>", `{"name": "ls", `, `"arguments": {}}`, "hello",
	"the ", "file ", "is ", "moved ", "now ", "and ", "three ", "reports ", "remain ", "in ", "your ", "folder "}

type lexicon []string

// Vocabulary gives the texts of the policy's tokens.
var Vocabulary monitor.Tokens = vocabulary

// Bytes returns the bytes of a token.
func (w lexicon) Bytes(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		dst = append(dst, w[id]...)
	}
	return dst
}

// watched are the control tokens whose probabilities the policy records.
var watched = []int32{open, shut, end}

// lens is what monitor.Inspect needs for an update of scripted episodes.
func lens(eps []ballast.Episode) *monitor.Lens {
	l := &monitor.Lens{Format: format.Hermes, Tokens: Vocabulary, Watched: watched}
	for g := 0; g < len(eps); g += samples {
		var rewards []float64
		for i := range eps[g : g+samples] {
			rewards = append(rewards, eps[g+i].Score.Reward)
		}
		advantages, _, err := credit.Advantages("grpo", rewards)
		if err != nil {
			panic(err) // the estimator is in the table
		}
		l.Advantages = append(l.Advantages, advantages...)
	}
	return l
}

func watchedTexts() []string {
	var out []string
	for _, id := range watched {
		out = append(out, vocabulary[id])
	}
	return out
}
