package bpe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// corpus is a few thousand made-up lines, the same at every run, in which words,
// calls, numbers and other scripts come up often enough to be merged.
func corpus() iter.Seq[string] {
	words := strings.Fields(`the file a message user it's don't open close move list send calendar
		meeting city price 2024 17 365 get_user_id(name="x") {"id": 12} [1, 2, 3] -> == // caf` + "\u00e9" + ` na` + "\u00ef" + `ve
		` + "\u4f60\u597d \u4e16\u754c \u3053\u3093\u306b\u3061\u306f \u043f\u0440\u0438\u0432\u0435\u0442 \U0001f600 \u00fcber" + ` I'LL we've THE error: None True`)
	joins := []string{" ", " ", " ", " ", "  ", "\n", ", ", ". ", "\n\n", "\t", "    "}
	return func(yield func(string) bool) {
		r := rand.New(rand.NewPCG(1, 2))
		for range 3000 {
			var b strings.Builder
			for range 1 + r.IntN(20) {
				b.WriteString(words[r.IntN(len(words))])
				b.WriteString(joins[r.IntN(len(joins))])
			}
			if !yield(b.String()) {
				return
			}
		}
	}
}

var control = []string{"<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"}

// trained is the small tokenizer of a pattern.
func trained(t testing.TB, p Pattern) *Tokenizer {
	t.Helper()
	tok, err := Train(corpus(), 384, control, p)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// variant changes keys of the GPT2 tokenizer.
type variant struct {
	name   string
	change map[string]string // key of tokenizer.json -> JSON
}

// split is a pre_tokenizer with one Split before the bytes.
func split(pattern, behavior string, invert bool) string {
	return fmt.Sprintf(`{"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": %s, "behavior": %q, "invert": %t},
		{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]}`, pattern, behavior, invert)
}

// token is an entry of added_tokens; flags are letters of lstrip, rstrip,
// single_word, normalized and special.
func token(id int, content, flags string) string {
	has := func(f string) bool { return strings.Contains(flags, f) }
	data, err := json.Marshal(AddedToken{ID: int32(id), Content: content, LStrip: has("l"), RStrip: has("r"),
		SingleWord: has("w"), Normalized: has("n"), Special: has("s")})
	if err != nil {
		panic(err)
	}
	return string(data)
}

var variants = []variant{
	{"split-isolated", map[string]string{"pre_tokenizer": split(`{"Regex": "\\d+|[aeiou]"}`, "Isolated", false)}},
	{"split-removed", map[string]string{"pre_tokenizer": split(`{"Regex": "\\s+(?=[a-z])"}`, "Removed", false)}},
	{"split-kept", map[string]string{"pre_tokenizer": split(`{"Regex": "\\p{L}+|\\p{N}"}`, "Removed", true)}},
	{"split-previous", map[string]string{"pre_tokenizer": split(`{"Regex": "[ e]"}`, "MergedWithPrevious", false)}},
	{"split-next", map[string]string{"pre_tokenizer": split(`{"Regex": "[ e]"}`, "MergedWithNext", false)}},
	{"split-contiguous", map[string]string{"pre_tokenizer": split(`{"String": "  "}`, "Contiguous", false)}},
	{"prefix", map[string]string{
		"pre_tokenizer": `{"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": false}, {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true}]}`,
		"normalizer":    `{"type": "Sequence", "normalizers": []}`,
	}},
	{"flags", map[string]string{
		"normalizer": `{"type": "Sequence", "normalizers": [{"type": "NFC"}]}`,
		"added_tokens": "[" + strings.Join([]string{
			token(380, "[L]", "l"), token(381, "[R]", "r"), token(382, "[LR]", "lrs"), token(383, "word", "w"), token(384, "[W]", "wlr"),
			token(385, "caf\u1eb9!", "n"), token(386, "e\u0323e\u0323", "n"), token(387, "<e\u0323>", ""), token(388, "[A", ""), token(389, "[AB]", "s"),
			token(390, " sp ", ""), token(391, "NN", "nw"), token(392, "\u4f60", "nl"), token(393, "]x", "n"),
		}, ",") + "]",
	}},
}

// small lists the committed tokenizers: testdata/NAME.json.
func small(t testing.TB) map[string]*Tokenizer {
	t.Helper()
	all := map[string]*Tokenizer{}
	for _, p := range patterns {
		all[string(p)] = trained(t, p)
	}
	for _, v := range variants {
		data, err := all[string(GPT2)].JSON()
		if err != nil {
			t.Fatal(err)
		}
		all[v.name] = must(Parse(edit(t, data, v.change), v.name))
	}
	return all
}

// edit replaces top-level keys of a tokenizer.json.
func edit(t testing.TB, data []byte, change map[string]string) []byte {
	t.Helper()
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for k, v := range change {
		keys[k] = json.RawMessage(v)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(keys); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func must(tok *Tokenizer, err error) *Tokenizer {
	if err != nil {
		panic(err)
	}
	return tok
}

// TestSmall: training gives the committed files byte by byte, and these the ids
// that Hugging Face gets from them.
func TestSmall(t *testing.T) {
	for name, tok := range small(t) {
		t.Run(name, func(t *testing.T) {
			data, err := tok.JSON()
			if err != nil {
				t.Fatal(err)
			}
			path := "testdata/" + name + ".json"
			if *update {
				if err := tok.Save(path); err != nil {
					t.Fatal(err)
				}
			}
			if kept, err := os.ReadFile(path); err != nil || !bytes.Equal(kept, data) {
				t.Fatalf("%s differs from what Train gives (%v); -update, and ask Hugging Face for new ids", path, err)
			}
			all := readGolden(t, "testdata", name)
			if all == nil {
				t.Fatalf("no testdata/%s.ids.gz", name)
			}
			checkGolden(t, must(Load(path)), all)
			checkGolden(t, tok, slices.Concat(all, all)) // from the cache, too
		})
	}
}
