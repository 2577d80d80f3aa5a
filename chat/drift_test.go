package chat

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"

	"ballast"
	"ballast/chat/bpe"
)

// TestOneBegin: a tokenizer whose post-processor puts a begin token before every text adds
// none to a conversation, whose template writes it.
func TestOneBegin(t *testing.T) {
	text, err := testTok().JSON()
	if err != nil {
		t.Fatal(err)
	}
	begin, ok := testTok().ID("<|begin_of_text|>")
	if !ok {
		t.Fatal("the test's tokenizer lacks <|begin_of_text|>")
	}
	var file map[string]any
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	file["post_processor"] = map[string]any{"type": "TemplateProcessing",
		"single":         []any{map[string]any{"SpecialToken": map[string]any{"id": "<|begin_of_text|>", "type_id": 0}}, map[string]any{"Sequence": map[string]any{"id": "A", "type_id": 0}}},
		"pair":           []any{},
		"special_tokens": map[string]any{"<|begin_of_text|>": map[string]any{"id": "<|begin_of_text|>", "ids": []any{begin}, "tokens": []any{"<|begin_of_text|>"}}}}
	if text, err = json.Marshal(file); err != nil {
		t.Fatal(err)
	}
	tok, err := bpe.Parse(text, "tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	d := newDialogue(tok, Llama3, Formats["llama3"], testTools, given("Be brief."), "")
	d.User("Hi")
	d.Open()
	d.Reply(d.Gold("Hello."), ballast.OwnerGold)
	d.User("More")
	d.Open()
	n := 0
	for _, id := range d.Tokens() {
		if id == begin {
			n++
		}
	}
	if n != 1 || d.Tokens()[0] != begin {
		t.Errorf("%d begin tokens, the first token is %d", n, d.Tokens()[0])
	}
}

// TestReplyBorder: a reply that begins or ends with line ends keeps its ids, and no token
// crosses its borders, though the tokenizer has tokens of several line ends.
func TestReplyBorder(t *testing.T) {
	tok := testTok()
	for name, tmpl := range Templates {
		for _, text := range []string{"\nHi", "\n\nHi\n", "\n", "  \n\n Hi \n\n"} {
			d := newDialogue(tok, tmpl, Hermes, nil, nil, "")
			d.User("Hello\n")
			d.Open()
			before := slices.Clone(d.Tokens())
			reply := tok.Encode(text)
			d.Reply(reply, ballast.OwnerPolicy)
			after := len(d.Tokens())
			d.User("\nMore")
			all := d.Tokens()
			if !slices.Equal(all[:len(before)], before) || !slices.Equal(all[len(before):len(before)+len(reply)], reply) {
				t.Errorf("%s, %q: the prompt or the reply has other ids", name, text)
			}
			for i, o := range d.Owners()[:after] {
				if in := i >= len(before) && i < len(before)+len(reply); in != (o == ballast.OwnerPolicy) {
					t.Errorf("%s, %q: token %d has owner %s", name, text, i, o)
				}
			}
			if whole := tok.Bytes(nil, all[:after]); !bytes.HasPrefix(whole, append(tok.Bytes(nil, before), text...)) {
				t.Errorf("%s, %q: the conversation reads %q", name, text, whole)
			}
		}
	}
}
