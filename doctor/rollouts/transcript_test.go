package rollouts

import (
	"slices"
	"testing"
)

func TestReplies(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"one", []string{"one"}},
		{"a<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\nb<|im_end|>", []string{"a<|im_end|>", "b<|im_end|>"}},
		{"<|im_start|>assistant\nb<|im_end|>", []string{"b<|im_end|>"}},
		{"a\nuser\nx\nassistant\nb", []string{"a", "b"}},
		{"a\ntool\nx\nassistant\nb\nuser\ny\nassistant\nc", []string{"a", "b", "c"}},
		{"a<|eot_id|><|start_header_id|>ipython<|end_header_id|>\n\nr<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nb", []string{"a<|eot_id|>", "b"}},
		{"<|im_start|>assistant\n<|im_start|>x<|im_start|>x", []string{"<|im_start|>x<|im_start|>x"}},
		{"a<|im_end|>\n<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\nb <|im_start|> c", []string{"a<|im_end|>", "b <|im_start|> c"}},
		{"<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n", []string{""}},
		{"made up <|im_start|> here", []string{"made up <|im_start|> here"}},
	} {
		if got := replies(c.in); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}
