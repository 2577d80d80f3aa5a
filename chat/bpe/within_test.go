package bpe

import (
	"slices"
	"strings"
	"testing"
)

// TestWithin: tokens past the rows are text, all others as they were.
func TestWithin(t *testing.T) {
	for _, pattern := range patterns {
		tok, err := Train(slices.Values([]string{"hello world, hello there"}), 262, []string{"<|end|>", "[PAD]"}, pattern)
		if err != nil {
			t.Fatal(err)
		}
		pad, _ := tok.ID("[PAD]")
		end, _ := tok.ID("<|end|>")
		n := int(max(pad, end))
		last := tok.Token(int32(n))
		if tok.Size() != n+1 {
			t.Fatalf("%s: the last added token %d is not the last of %d", pattern, n, tok.Size())
		}
		if same, dropped, err := tok.Within(n + 1); same != tok || dropped != nil || err != nil {
			t.Errorf("%s: %v, %v", pattern, dropped, err)
		}
		in, dropped, err := tok.Within(n)
		if err != nil || !slices.Equal(dropped, []string{last}) {
			t.Fatalf("%s: %q, %v", pattern, dropped, err)
		}
		text := "hello <|end|> [PAD] world"
		for _, id := range in.Encode(text) {
			if int(id) >= n {
				t.Errorf("%s: id %d", pattern, id)
			}
		}
		if got := in.Decode(in.Encode(text)); got != text {
			t.Errorf("%s: %q", pattern, got)
		}
		if plain := "hello there"; !slices.Equal(in.Encode(plain), tok.Encode(plain)) {
			t.Errorf("%s: other ids of %q", pattern, plain)
		}
		if _, _, err := tok.Within(200); err == nil || !strings.Contains(err.Error(), "token 200") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}

// TestAliases: other names of a pattern split as it does.
func TestAliases(t *testing.T) {
	for alias, of := range aliases {
		a, err := alias.config()
		if err != nil {
			t.Fatal(err)
		}
		b, err := of.config()
		if err != nil {
			t.Fatal(err)
		}
		if a.Model.IgnoreMerges != b.Model.IgnoreMerges || (a.Normalizer == nil) != (b.Normalizer == nil) || len(a.PreTokenizer.Pretokenizers) != len(b.PreTokenizer.Pretokenizers) {
			t.Errorf("%s is not %s", alias, of)
		}
	}
	for _, other := range []Pattern{"", "default", "dbrx", "smaug-bpe", "tekken", "qwen35"} {
		if _, err := other.config(); err == nil {
			t.Errorf("%q is read", other)
		}
	}
}
