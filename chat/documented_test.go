package chat_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/jinja"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// unseen are tools whose documentation has all that the template documented shows.
var unseen = []ballast.Tool{
	documented(`{"type": "function", "function": {"name": "mavel_tor", "description": "set the weight\n of a brolt", "parameters": {"type": "object", "properties": {
		"zup": {"type": "string", "description": "the\u00a0brolt"}, "tal": {"type": "integer", "description": " the new\r\n\tweight "},
		"info": {"type": "object", "description": "", "properties": {"name": {"type": "string", "description": "of whom"}, "size": {"type": "integer"},
			"mood": {"type": "string", "enum": ["calm", "wild", null]}}, "required": ["name", "size"]}}, "required": ["zup", "tal"]}}}`),
	documented(`{"name": "quib", "parameters": {"type": "dict", "properties": {"names": {"type": "array", "items": {"type": "string"}},
		"rows": {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}, "size": {"type": "float"}}, "required": ["name"]}},
		"where": {"type": "object", "properties": {"in": {"type": "object", "properties": {"items": {"type": "tuple"}}}}}}, "required": ["names"]}}`),
	documented(`{"name": "hule", "description": "no {{ x }} {% y %} {# z #} 'q' \"r\" \\ ü 🙂"}`),
}

const (
	unseenMavel = "# set the weight of a brolt; zup: the brolt; tal: the new weight; info.name: of whom\nmavel_tor(zup, tal: integer, info?: {name, size: integer, mood?: calm|wild|null})\n"
	unseenQuib  = "quib(names: [string], rows?: [{name, size?: number}], where?: {in?: {items?: array}})\n"
	unseenHule  = "# no {{ x }} {% y %} {# z #} 'q' \"r\" \\ ü 🙂\nhule()"
)

// TestDocumentedDialogue is one whole dialogue, in which a tool is revealed.
func TestDocumentedDialogue(t *testing.T) {
	call := ballast.Call{Name: "mavel_tor", Args: []ballast.Arg{{Name: "zup", Value: "ib"}, {Name: "info", Value: value.NewDict("name", "o", "size", int64(3))}}}
	for _, c := range []struct{ format, call, result string }{
		{"pythonic", "[mavel_tor(zup='ib', info={'name': 'o', 'size': 3})]", "Result:\ndone"},
		{"hermes", "<tool_call>\n{\"name\": \"mavel_tor\", \"arguments\": {\"zup\": \"ib\", \"info\": {\"name\": \"o\", \"size\": 3}}}\n</tool_call>",
			"<tool_response>\ndone\n</tool_response>"},
	} {
		f := chat.Formats[c.format]
		system := "Be brief."
		d := chat.NewDialogue(chat.Renderer{Tokenizer: tiny(), Template: chat.Documented, Format: f}, unseen[:2], &system)
		d.User("Weigh ib.")
		d.Open()
		d.Reply(d.Gold(f.Render([]ballast.Call{call}, nil)), ballast.OwnerGold)
		d.Results([]string{"done"})
		d.Open()
		d.Reply(d.Gold("It is."), ballast.OwnerGold)
		d.Reveal(unseen[:1], "And now?")
		d.Reveal(unseen[2:], "")
		d.Open()
		want := "<|im_start|>system\nBe brief.\n" + f.Hint() + "\n" + unseenMavel + strings.TrimSuffix(unseenQuib, "\n") + "<|im_end|>\n" +
			"<|im_start|>user\nWeigh ib.<|im_end|>\n<|im_start|>assistant\n" + c.call + "<|im_end|>\n<|im_start|>tool\n" + c.result + "<|im_end|>\n" +
			"<|im_start|>assistant\nIt is.<|im_end|>\n<|im_start|>user\n" + unseenMavel + "And now?<|im_end|>\n" +
			"<|im_start|>user\n" + unseenHule + "\n" + chat.RevealText + "<|im_end|>\n<|im_start|>assistant\n"
		if got := tiny().Decode(d.Tokens()); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", c.format, got, want)
		}
		if ids := tiny().EncodePlain(nil, want, nil); !slices.Equal(ids, d.Tokens()) {
			t.Errorf("%s: other tokens than those of the whole text", c.format)
		}
	}
}

// randomSchema is a schema of any depth, of which parts may be of other kinds than they
// should be.
func randomSchema(r *rand.Rand, depth int) any {
	pick := func(list ...any) any { return list[r.IntN(len(list))] }
	if r.IntN(25) == 0 {
		return pick(nil, true, int64(3), "object", value.NewList("a"))
	}
	d := value.NewDict()
	if r.IntN(8) > 0 {
		d.Set("type", pick("string", "string", "integer", "object", "object", "array", "array", "dict", "list", "float", "", "other", nil, value.NewList("object", "null"), value.NewList("array", int64(1), ""), value.NewList()))
	}
	if r.IntN(2) == 0 {
		d.Set("description", pick("", " ", "one", "\n two\r\n\u2028 words\t", "\x1f; a: b", "\u0085x\x1c", int64(1), nil, value.NewList("x")))
	}
	if r.IntN(6) == 0 {
		d.Set("enum", pick(value.NewList("a", "b"), value.NewList(), value.NewList(int64(1), "x", nil), value.NewList(""), value.NewList("string"), value.NewList("1e5", "a|b", "true", "x, y", "\"", "\n", 1.5, value.NewDict("k", "v")), "ab", value.NewDict("a", "b"), nil))
	}
	if r.IntN(6) == 0 {
		d.Set("default", pick(nil, "", "x \"y\"", int64(3), 0.5, true, value.NewList(int64(1), nil), value.NewDict("é", "<b>")))
	}
	for _, key := range []string{"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"} {
		if r.IntN(10) == 0 {
			d.Set(key, pick(int64(-3), 1.5, 1e300, "1", true, nil, value.NewList()))
		}
	}
	if r.IntN(12) == 0 {
		d.Set("required", pick("a", nil, value.NewDict("a", true), int64(1)))
	} else if r.IntN(2) == 0 {
		d.Set("required", pick(value.NewList("a"), value.NewList("items", "keys", int64(1)), value.NewList()))
	}
	if depth == 0 {
		return d
	}
	if key := pick("anyOf", "oneOf"); r.IntN(5) == 0 {
		d.Set(key, pick(value.NewList(randomSchema(r, depth-1), randomSchema(r, depth-1)), value.NewList(randomSchema(r, depth-1)), value.NewList(), "x", value.NewDict("a", nil)))
	}
	if r.IntN(4) > 0 {
		props := value.NewDict()
		for range r.IntN(4) {
			props.Set(pick("a", "items", "keys", "type", "properties", "ü"), randomSchema(r, depth-1))
		}
		d.Set("properties", props)
	}
	if r.IntN(4) > 0 {
		d.Set("items", randomSchema(r, depth-1))
	}
	return d
}

// TestDocumentedMacro: the Jinja macro writes what Documented writes, for any schema.
func TestDocumentedMacro(t *testing.T) {
	tools := slices.Clone(unseen)
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		f := value.NewDict("name", "f", "parameters", randomSchema(r, 5))
		if text, ok := randomSchema(r, 0).(*value.Dict); ok {
			f.Merge(text)
		}
		if r.IntN(2) == 0 {
			f = value.NewDict("type", "function", "function", f)
		}
		tools = append(tools, ballast.Tool{Name: "f", Schema: f})
	}
	for _, open := range []string{"object", "array"} {
		schema := value.NewDict("type", "integer")
		for range 12 {
			schema = value.NewDict("type", open, "items", schema, "properties", value.NewDict("a", schema))
		}
		tools = append(tools, ballast.Tool{Name: "f", Schema: value.NewDict("name", "f", "parameters", schema)})
	}
	tools = append(tools, ballast.Tool{Name: "g", Schema: tooldoc.Doc(ballast.Tool{Name: "g", Doc: "G\nG", Params: []ballast.Param{{Name: "a", Doc: "b  c", Enum: []string{"x"}}}})})
	var data []*value.Dict
	for _, one := range tools {
		data = append(data, value.NewDict("tool", one.Schema))
	}
	for i, got := range jinja.All(tooldoc.DocumentedMacro+"{{- signature(tool) -}}", data) {
		if want := tooldoc.Documented(tools[i]); got.Err != nil || got.Text != want {
			t.Errorf("%s:\n%q, %v, want\n%q", value.Repr(tools[i].Schema), got.Text, got.Err, want)
		}
	}
}

// TestDocumentedJinja: in every format a server renders what is trained.
func TestDocumentedJinja(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	call := ballast.Call{Name: "quib", Args: []ballast.Arg{{Name: "names", Value: value.NewList("a")}, {Name: "where", Value: value.NewDict("in", value.NewDict())}}}
	usual := "Be brief."
	for _, name := range slices.Sorted(maps.Keys(chat.Formats)) {
		s := chat.Renderer{Tokenizer: tiny(), Template: chat.Documented, Format: chat.Formats[name]}
		if err := chat.CheckJinja(chat.JinjaText(s, &usual), s, &usual); err != nil {
			t.Error(err)
		}
		text := chat.JinjaText(s, nil)
		for i, c := range []conversation{
			{tools: unseen, messages: []message{{role: "user", text: "Hi"}}},
			{tools: unseen[1:2], system: usual, messages: []message{{role: "user", text: "Hi"}, {role: "assistant", calls: []ballast.Call{call}},
				{role: "tool", results: []string{"done"}}, {role: "assistant", text: "It is."}, {role: "user", text: "Again"}}},
			{tools: slices.Concat(wrapped, bare[1:], unseen), given: true, messages: []message{{role: "user", text: "Hi"}}},
		} {
			for k, p := range c.prompts(s) {
				got, err := jinja.Render(text, p.variables)
				if ids := s.Tokenizer.EncodePlain(nil, got, nil); err != nil || got != p.text || !slices.Equal(ids, p.ids) {
					t.Errorf("%s, conversation %d, prompt %d: %v\n%q\n, trained is\n%q", name, i, k, err, got, p.text)
				}
			}
		}
	}
}

// TestDocumentedControl: control tokens in documentation stay text, at the edges of it too,
// and a server refuses them.
func TestDocumentedControl(t *testing.T) {
	tok := tiny()
	special := func(d *chat.Dialogue) (n int) {
		for _, id := range d.Tokens() {
			if tok.Special(id) {
				n++
			}
		}
		return n
	}
	for _, name := range slices.Sorted(maps.Keys(chat.Formats)) {
		s := chat.Renderer{Tokenizer: tok, Template: chat.Documented, Format: chat.Formats[name]}
		build := func(word string) (*chat.Dialogue, ballast.Tool) {
			about := func(typ string, more ...any) *value.Dict {
				return value.NewDict(append([]any{"type", typ, "description", "\x1c" + word + " \n x " + word + "\x1f"}, more...)...)
			}
			row := about("object", "properties", value.NewDict("n"+word, about("string", "enum", value.NewList("a", word))), "required", value.NewList("n"+word))
			tool := ballast.Tool{Name: "f", Schema: value.NewDict("name", "f", "description", "\n"+word+"  x", "parameters",
				value.NewDict("type", "object", "properties", value.NewDict("k", about("array", "items", row), "m", about("other "+word))))}
			d := chat.NewDialogue(s, []ballast.Tool{tool}, nil)
			d.Reveal([]ballast.Tool{tool}, "")
			return d, tool
		}
		plain, _ := build("@@")
		shown := "# @@ x; k: @@ x @@; k[]: @@ x @@; k[].n@@: @@ x @@; m: @@ x @@\nf(k?: [{n@@: a|@@}], m?: other @@)"
		if n := strings.Count(tok.Decode(plain.Tokens()), shown); n != 2 {
			t.Errorf("%s: the tool stands there %d times: %q", name, n, tok.Decode(plain.Tokens()))
		}
		for _, word := range []string{"<|im_end|>", "<tool_call>", "</think>", "<|im_start|>"} {
			d, tool := build(word)
			choice := word
			if strings.Contains(word, "|") {
				choice = `"` + word + `"`
			}
			like := strings.ReplaceAll(tok.Decode(plain.Tokens()), "a|@@", "a|"+choice)
			if got, want := tok.Decode(d.Tokens()), strings.ReplaceAll(like, "@@", word); got != want || special(d) != special(plain) {
				t.Errorf("%s, %s: %d control tokens, want %d\n%q\nwant\n%q", name, word, special(d), special(plain), got, want)
			}
			_, err := jinja.Render(chat.JinjaText(s, nil), value.NewDict("messages", value.NewList(), "tools", value.NewList(tool.Schema)))
			if err == nil || !strings.Contains(fmt.Sprint(err), "spells a control token") {
				t.Errorf("%s, %s: %v", name, word, err)
			}
		}
	}
}
