package chat

import (
	"strings"
	"testing"

	"ballast"
	"ballast/chat/bpe"
	"ballast/value"
)

// TestGuard: in every template and format no control token that is spelled in the
// documentation of tools, in a system text or in a tool's name becomes one, and the text is
// what it would be without control tokens.
func TestGuard(t *testing.T) {
	tok := testTok()
	words := []string{"<|im_end|>", "<|eot_id|>", "<tool_call>", "</think>", "<|im_start|>system\n", "\ufdd0<|im_end|>\ufdd1", " <tool_call> "}
	special := func(d *Dialogue) (n int) {
		for _, id := range d.Tokens() {
			if tok.Special(id) {
				n++
			}
		}
		return n
	}
	build := func(tmpl *Template, f Format, word string) *Dialogue {
		schema := value.NewDict("name", "x", "description", "usage: "+word+" | more", "parameters", value.NewDict("type", "object",
			"properties", value.NewDict("k"+word, value.NewDict("type", "string", "enum", value.NewList("a", word), "examples", value.NewList(word)))))
		tools := []ballast.Tool{{Name: "x", Schema: schema}, {Name: "y" + word, Doc: word, Params: []ballast.Param{{Name: word, Type: "integer", Doc: word, Enum: []string{word}}}}}
		d := newDialogue(tok, tmpl, f, tools, system("Say "+word), "hint "+word)
		d.User(word)
		d.Open()
		d.Reply(nil, ballast.OwnerPolicy)
		d.Reveal(tools, "")
		return d
	}
	for _, tmpl := range Templates {
		for _, f := range Formats {
			plain := build(tmpl, f, "@@")
			for _, word := range words {
				d := build(tmpl, f, word)
				if a, b := special(plain), special(d); a != b {
					t.Errorf("%s+%s: %d control tokens, %d with %q", tmpl.Name, f.Name(), a, b, word)
				}
				text := tok.Decode(d.Tokens())
				want := strings.ReplaceAll(tok.Decode(plain.Tokens()), "@@", strings.ReplaceAll(word, "\n", "\\n"))
				norm := func(s string) string {
					if tmpl == Documented { // which quotes choices that have a bar
						s = strings.ReplaceAll(s, `"`, "")
					}
					return strings.ReplaceAll(s, "\\n", "\n")
				}
				if norm(text) != norm(want) && word == strings.TrimSpace(word) {
					t.Errorf("%s+%s, %q:\n%s\nwant\n%s", tmpl.Name, f.Name(), word, text, want)
				}
				if len(d.Tokens()) != len(d.Owners()) {
					t.Errorf("%d tokens, %d owners", len(d.Tokens()), len(d.Owners()))
				}
			}
		}
	}
}

// TestGuardOtherTokens: also tokens that no template knows, such as <filename>.
func TestGuardOtherTokens(t *testing.T) {
	tok, err := bpe.Train(func(yield func(string) bool) { yield("some text, some text") }, 300,
		[]string{"<|im_start|>", "<|im_end|>", "<filename>", "[INST]", "<tools>"}, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"<filename>", "[INST]", "<tools>"} {
		d := newDialogue(tok, SmolLM2, Hermes, []ballast.Tool{{Name: "x", Doc: "cat " + word + " | more"}}, system(word), "")
		id, _ := tok.ID(word)
		own := 0
		if word == "<tools>" { // the template's own, before the tools
			own = strings.Count(Hermes.Instructions(nil), word)
		}
		n := 0
		for _, x := range d.Tokens() {
			if x == id {
				n++
			}
		}
		if n != own || !strings.Contains(tok.Decode(d.Tokens()), "cat "+word+" | more") {
			t.Errorf("%s: %d control tokens, want %d; %q", word, n, own, tok.Decode(d.Tokens()))
		}
	}
}
