package bpe

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// golden is a text with what Hugging Face `tokenizers` makes of it, written as
// [base64 of the bytes, ids, decoded text], one a line.
type golden struct {
	text    []byte
	ids     []int32
	decoded string
}

// UnmarshalJSON implements json.Unmarshaler.
func (g *golden) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&g.text, &g.ids, &g.decoded})
}

// readGolden reads a file of them, gzipped.
func readGolden(t *testing.T, path string) (all []golden) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		var g golden
		if err := json.Unmarshal(lines.Bytes(), &g); err != nil {
			t.Fatal(err)
		}
		all = append(all, g)
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%s: %d texts, %v", path, len(all), err)
	}
	return all
}

// checkGolden compares ids and decoded text.
func checkGolden(t *testing.T, tok *Tokenizer, all []golden) {
	t.Helper()
	bad := 0
	for _, g := range all {
		ids := tok.Encode(string(g.text))
		if !slices.Equal(ids, g.ids) {
			t.Errorf("%.200q:\n got %v\nwant %v", g.text, show(tok, ids), show(tok, g.ids))
			bad++
		}
		if got := tok.Decode(g.ids); got != g.decoded {
			t.Errorf("decode %v:\n got %.300q\nwant %.300q", g.ids[:min(len(g.ids), 50)], got, g.decoded)
			bad++
		}
		if bad > 8 {
			t.Fatal("and more")
		}
	}
	t.Logf("%d texts", len(all))
}

// show spells the first ids out.
func show(tok *Tokenizer, ids []int32) (out []string) {
	for _, id := range ids[:min(len(ids), 40)] {
		out = append(out, tok.Token(id))
	}
	return out
}

// tokenizers is the directory that BALLAST_TOKENIZERS names, with files
// NAME.json (a Hugging Face tokenizer.json).
func tokenizers(t testing.TB) string {
	dir := os.Getenv("BALLAST_TOKENIZERS")
	if dir == "" {
		t.Skip("BALLAST_TOKENIZERS names no directory with qwen3.json, llama3.json and smollm2.json; the small tokenizers are tested all the same")
	}
	return dir
}

// TestHuggingFaceFiles checks real tokenizers on the committed sample, and on
// NAME.golden.gz where that lies beside NAME.json.
func TestHuggingFaceFiles(t *testing.T) {
	dir := tokenizers(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no *.json in %s", dir)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		t.Run(name, func(t *testing.T) {
			tok, err := Load(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{"testdata/" + name + ".golden.gz", filepath.Join(dir, name+".golden.gz")} {
				if _, err := os.Stat(path); err == nil {
					checkGolden(t, tok, readGolden(t, path))
				}
			}
		})
	}
}
