package bpe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// BenchmarkEncode encodes the text that BALLAST_BENCH_TEXT names, one string a
// line, with each tokenizer of BALLAST_TOKENIZERS in turn, on one thread.
func BenchmarkEncode(b *testing.B) {
	dir := tokenizers(b)
	data, err := os.ReadFile(os.Getenv("BALLAST_BENCH_TEXT"))
	if err != nil {
		b.Skip("BALLAST_BENCH_TEXT names no text: ", err)
	}
	for _, name := range []string{"qwen3", "llama3", "smollm2"} {
		tok := must(Load(filepath.Join(dir, name+".json")))
		for _, by := range []string{"lines", "whole"} {
			b.Run(name+"/"+by, func(b *testing.B) {
				texts := []string{string(data)}
				if by == "lines" {
					texts = strings.SplitAfter(string(data), "\n")
				}
				b.SetBytes(int64(len(data)))
				var ids []int32
				for b.Loop() {
					for _, text := range texts {
						ids = tok.EncodePlain(ids[:0], text, nil)
					}
				}
			})
		}
	}
}
