//go:build large

package bpe

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tokenizers is the directory that BALLAST_TOKENIZERS names, with files
// NAME.json (a Hugging Face tokenizer.json).
func tokenizers(t testing.TB) string {
	dir := os.Getenv("BALLAST_TOKENIZERS")
	if dir == "" {
		t.Fatal("BALLAST_TOKENIZERS names no directory with qwen3.json, llama3.json and smollm2.json")
	}
	return dir
}

// TestHuggingFaceFiles checks real tokenizers on the committed sample, and on
// NAME.ids.gz and texts.gz where they lie beside NAME.json.
func TestHuggingFaceFiles(t *testing.T) {
	dir := tokenizers(t)
	for _, name := range []string{"qwen3", "llama3", "smollm2"} {
		t.Run(name, func(t *testing.T) {
			tok, err := Load(filepath.Join(dir, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			checkGolden(t, tok, readGolden(t, "testdata", name))
			checkGolden(t, tok, readGolden(t, dir, name))
		})
	}
}

// BenchmarkEncode encodes the text that BALLAST_BENCH_TEXT names, one string a
// line, with each tokenizer of BALLAST_TOKENIZERS in turn, on one thread.
func BenchmarkEncode(b *testing.B) {
	dir := tokenizers(b)
	data, err := os.ReadFile(os.Getenv("BALLAST_BENCH_TEXT"))
	if err != nil {
		b.Fatal("BALLAST_BENCH_TEXT names no text: ", err)
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
