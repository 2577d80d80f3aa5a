package bpe

import (
	"slices"
	"testing"
)

func TestTrainRoundTrip(t *testing.T) {
	for _, p := range Patterns {
		tok, err := Train(slices.Values([]string{"hello hello world 123 123", "<|im_start|>user"}), 300, []string{"<|im_start|>", "<tool_call>"}, p)
		if err != nil {
			t.Fatal(err)
		}
		in := "hello <|im_start|>world\n\n  12345 <tool_call> it's \u4f60\u597d"
		if got := tok.Decode(tok.Encode(in)); got != in {
			t.Errorf("%s: %q -> %q", p, in, got)
		}
	}
}
