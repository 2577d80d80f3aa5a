package bpe

import (
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"ballast/chat/pretoken"
)

var update = flag.Bool("update", false, "write the small tokenizers in testdata anew (their .ids.gz come from Hugging Face)")

// golden is a text with what Hugging Face `tokenizers` makes of it.
type golden struct {
	text    string
	IDs     []int32 `json:"ids"`
	Decoded *string `json:"text"` // nil: the text itself, with U+FFFD for broken parts
}

// readLines reads a gzipped file of one JSON value a line.
func readLines[T any](t *testing.T, path string) (all []T) {
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
	for dec := json.NewDecoder(z); ; {
		var v T
		if err := dec.Decode(&v); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, v)
	}
}

// readGolden joins DIR/texts.gz (base64 of the bytes, one a line) with
// DIR/NAME.ids.gz; nil if there is no such file.
func readGolden(t *testing.T, dir, name string) []golden {
	t.Helper()
	path := filepath.Join(dir, name+".ids.gz")
	if _, err := os.Stat(path); err != nil {
		return nil
	}
	texts := readLines[[]byte](t, filepath.Join(dir, "texts.gz"))
	all := readLines[golden](t, path)
	if len(texts) != len(all) || len(all) < 500 {
		t.Fatalf("%s: %d results for %d texts", path, len(all), len(texts))
	}
	for i := range all {
		all[i].text = string(texts[i])
	}
	return all
}

// checkGolden compares ids and decoded text.
func checkGolden(t *testing.T, tok *Tokenizer, all []golden) {
	t.Helper()
	bad := 0
	for _, g := range all {
		if ids := tok.Encode(g.text); !slices.Equal(ids, g.IDs) {
			t.Errorf("%.200q:\n got %q\nwant %q", g.text, show(tok, ids), show(tok, g.IDs))
			bad++
		}
		want := pretoken.Lossy(g.text)
		if g.Decoded != nil {
			want = *g.Decoded
		}
		if got := tok.Decode(g.IDs); got != want {
			t.Errorf("decode %q:\n got %.300q\nwant %.300q", show(tok, g.IDs), got, want)
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
