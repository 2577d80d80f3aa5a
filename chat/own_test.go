package chat

import (
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/jinja"
	"ballast/chat/pretoken"
	"ballast/value"
)

// acme is a template that no known renderer writes: other tokens, a beginning, tools in
// a message of their own, calls as Hermes writes them, results side by side.
const acme = `{{ bos_token }}{% if messages[0].role == 'system' %}{{ '<|a|>system: ' + messages[0].content + '<|z|>\n' }}{% set messages = messages[1:] %}{% endif %}
{%- if tools %}{{ '<|a|>tools: ' }}{% for t in tools %}{{ t|tojson + '\n' }}{% endfor %}{{ 'Use <tool_call>.<|z|>\n' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '<|a|>user: ' + m.content|trim + '<|z|>\n' }}
{%- elif m.role == 'assistant' %}{{ '<|a|>acme: ' + (m.content if m.content else '') }}
{%- for c in m.tool_calls or [] %}{{ ('\n' if m.content or not loop.first else '') + '<tool_call>\n{"name": "' + c.function.name + '", "arguments": ' + c.function.arguments|tojson + '}\n</tool_call>' }}{% endfor %}{{ '<|z|>\n' }}
{%- else %}{{ ('<|a|>results: ' if loop.previtem.role != 'tool' else ' & ') + m.content|tojson }}{% if loop.last or loop.nextitem.role != 'tool' %}{{ '<|z|>\n' }}{% endif %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|a|>acme: ' }}{% endif %}`

var acmeTok = sync.OnceValue(func() *bpe.Tokenizer {
	tok, err := bpe.Train(func(yield func(string) bool) { yield("some text of acme: user: results: , some text") }, 300,
		[]string{"<s>", "<|a|>", "<|z|>", "<tool_call>", "</tool_call>", "<think>", "</think>"}, bpe.Qwen2)
	if err != nil {
		panic(err)
	}
	return tok
})

func acmeSource(jinja string) Source {
	return Source{From: "acme.jinja", Text: jinja, Special: map[string]string{"bos_token": "<s>", "eos_token": "<|z|>"}}
}

// TestOwn: a renderer is made of a template that no known one writes, and writes the same
// tokens, message by message, as the template does.
func TestOwn(t *testing.T) {
	for _, tok := range []*bpe.Tokenizer{acmeTok(), nil} {
		c, err := Choose(acmeSource(acme), tok, Pythonic)
		if err != nil {
			t.Fatal(err)
		}
		if c.Name != Own || c.Format != "hermes" || c.Template.end != "<|z|>" || c.Template.gap != "\n" {
			t.Fatalf("%s: %+v", c, c)
		}
	}
	c, _ := Choose(acmeSource(acme), acmeTok(), Hermes)
	s := Renderer{acmeTok(), c.Template, Hermes}
	if err := Check(s); err != nil || !slices.Equal(s.Stops(), ids(acmeTok(), []string{"<|z|>"})) {
		t.Errorf("%v, stops %v", err, s.Stops())
	}
	if err := Check(Renderer{acmeTok(), c.Template, Pythonic}); err == nil || !strings.Contains(err.Error(), "chat.format=hermes") {
		t.Errorf("another format: %v", err)
	}
	// The known frame writes what is asked of it, also other tools than those of the probes.
	tools := []ballast.Tool{{Name: "x", Doc: "usage: <|z|> | <tool_call>"}, placeTool}
	d := NewHinted(s, tools, system("Say <|z|>"), "hint <|z|>")
	d.User(" Hi <|a|> ")
	d.Open()
	d.Reply(d.Gold("Yes."), ballast.OwnerGold)
	d.User("More")
	text := acmeTok().Decode(d.Tokens())
	for _, want := range []string{"<s><|a|>system: Say <|z|><|z|>\n<|a|>tools: {\"type\": \"function\", \"function\": {\"name\": \"x\"", "\n\nhint <|z|><|z|>\n<|a|>user: Hi <|a|><|z|>\n<|a|>acme: Yes.<|z|>\n<|a|>user: More<|z|>\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	count := func(token string) (n int) {
		id, _ := acmeTok().ID(token)
		for _, x := range d.Tokens() {
			if x == id {
				n++
			}
		}
		return n
	}
	if count("<|z|>") != 5 || count("<|a|>") != 5 || count("<tool_call>") != 1 {
		t.Errorf("%d ends, %d beginnings, %d calls in %q", count("<|z|>"), count("<|a|>"), count("<tool_call>"), text)
	}
}

// TestOwnRefused: what cannot be cut into messages is refused with what differs.
func TestOwnRefused(t *testing.T) {
	for _, c := range []struct{ name, old, new, fault string }{
		{"another end of a reply", "{% endfor %}{{ '<|z|>\\n' }}", "{% endfor %}{{ '<s>\\n' }}", "between two results"},
		{"no end of a reply", "{% endfor %}{{ '<|z|>\\n' }}", "{% endfor %}{{ '\\n' }}", "no control token ends a reply"},
		{"calls in another way", `"arguments": `, `"args": `, "a syntax that no format here has: it writes"},
		{"later another text", "m.content|trim +", "m.content|trim + ('' if loop.last else '!') +", "not the beginning of the next"},
		{"names of results", "+ m.content|tojson", "+ m.name + m.content|tojson", "differs from the whole: in probe"},
		{"ids of results", "+ m.content|tojson", "+ m.tool_call_id + m.content|tojson", "differs from the whole: in probe"},
		{"results in upper case", "+ m.content|tojson", "+ m.content|upper|tojson", "between a call and its result"},
		{"how many messages", "'<|a|>acme: ' }}{% endif %}", "'<|a|>acme: ' ~ ('' if messages|length < 2 else messages|length) }}{% endif %}", "behind a result stands"},
		{"another name of a tool", "t|tojson +", "t|tojson|replace('list_all', 'list') +", ""}, // the template's own way: nothing differs
	} {
		text := strings.Replace(acme, c.old, c.new, 1)
		if text == acme {
			t.Fatalf("%s: nothing is replaced", c.name)
		}
		got, err := Choose(acmeSource(text), acmeTok(), Hermes)
		if c.fault == "" && (err != nil || got.Name != Own) {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("%s: %s, %v; want %q", c.name, got, err, c.fault)
		}
	}
}

// TestOwnLater: what a template refuses only in a run is an error then, not another prompt.
func TestOwnLater(t *testing.T) {
	for _, c := range []struct{ name, old, new, fault string }{
		{"a refusal", "{{ bos_token }}", "{{ bos_token }}{% if tools and tools|length == 5 %}{{ raise_exception('five') }}{% endif %}", "five"},
		{"a look at a text", "t|tojson + '\\n'", "(t|tojson) + ('!' if t.function.description == '<|z|>' else '') + '\\n'", "changes a text"},
		{"another header", "'<|a|>user: ' +", "('<|a|>person: ' if tools and tools|length == 5 else '<|a|>user: ') +", "in another conversation"},
	} {
		if !strings.Contains(acme, c.old) {
			t.Fatalf("%s: nothing is replaced", c.name)
		}
		chosen, err := Choose(acmeSource(strings.Replace(acme, c.old, c.new, 1)), acmeTok(), Hermes)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		s := Renderer{acmeTok(), chosen.Template, Hermes}
		err = func() (err error) {
			defer pretoken.Recover(&err)
			tools := make([]ballast.Tool, 5)
			tools[0].Doc = "<|z|>"
			NewDialogue(s, tools, nil)
			return nil
		}()
		if err == nil || !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestPassing: a busy machine refuses no conversation.
func TestPassing(t *testing.T) {
	for err, want := range map[error]bool{&jinja.Error{Kind: jinja.Raised}: false, &jinja.LimitError{Limit: "steps"}: false,
		&jinja.LimitError{Limit: "time"}: true, &jinja.LimitError{Limit: "memory"}: true, errors.New("starting a child process"): true} {
		if passing(err) != want {
			t.Errorf("%v: %v", err, !want)
		}
	}
	if failed(&jinja.LimitError{Limit: "time"}) {
		t.Error("a probe that took too long is one that cannot be rendered")
	}
}

// TestOwnServed: what is saved for servers renders what was trained.
func TestOwnServed(t *testing.T) {
	c, err := Choose(acmeSource(acme), acmeTok(), Hermes)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []*string{nil, system("It's Acme.\n")} {
		if err := CheckJinja(JinjaText(Renderer{acmeTok(), c.Template, Hermes}, text), Renderer{acmeTok(), c.Template, Hermes}, text); err != nil {
			t.Error(err)
		}
		p := probes()[0]
		vars := p.variables(&c.Template.own.source)[0]
		got, err := jinja.Render(JinjaText(Renderer{acmeTok(), c.Template, Hermes}, text), vars)
		d := newDialogue(acmeTok(), c.Template, Hermes, nil, text, "")
		d.User(p.messages[0].text)
		d.Open()
		if err != nil || got != acmeTok().Decode(d.Tokens()) {
			t.Errorf("%q, %v; trained is %q", got, err, acmeTok().Decode(d.Tokens()))
		}
	}
	both := Source{Text: "A{% if tools %}B{% endif %}\n", Tools: "  C\n"}
	for _, c := range []struct {
		tools any
		want  string
	}{{nil, "A"}, {value.NewList("x"), "  C"}} {
		if got, err := jinja.Render(both.Jinja(), value.NewDict("tools", c.tools)); err != nil || got != c.want {
			t.Errorf("%q, %v; want %q", got, err, c.want)
		}
	}
}

// TestDocumentedTemplate: the template that docs/models.md shows is taken.
func TestDocumentedTemplate(t *testing.T) {
	page, err := os.ReadFile("../docs/models.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```jinja\n")
	text, _, _ = strings.Cut(text, "```")
	bare, err := bpe.Train(func(yield func(string) bool) { yield("some text, some text") }, 300, []string{"<|im_start|>", "<|im_end|>"}, bpe.GPT2)
	if err != nil {
		t.Fatal(err)
	}
	for _, tok := range []*bpe.Tokenizer{nil, bare} { // bare has no tokens for the tags of calls: they are spelled
		c, err := Choose(Source{From: "my.jinja", Text: text}, tok, Hermes)
		if err != nil || c.Name != Own || c.Format != "hermes" || c.System != "" {
			t.Errorf("%+v, %v", c, err)
		}
		if tok == nil {
			continue
		}
		if err := Check(Renderer{tok, c.Template, Hermes}); err != nil {
			t.Error(err)
		}
	}
}

// brackets is a template of Mistral's kind: a token ends what a user says and the reply stands
// behind it at once, calls have no identity and results no header of their own.
const brackets = `{{ bos_token }}{% if messages[0].role == 'system' %}{{ '[SYS]' + messages[0].content + '[/SYS]' }}{% set messages = messages[1:] %}{% endif %}
{%- if tools %}{{ '[AVAILABLE_TOOLS]' + tools|tojson + '[/AVAILABLE_TOOLS]' }}{% endif %}
{%- for m in messages %}
{%- if m.role == 'user' %}{{ '[INST]' + m.content + '[/INST]' }}
{%- elif m.role == 'assistant' %}{{ m.content or '' }}
{%- for c in m.tool_calls or [] %}{{ '[TOOL_CALLS]' + c.function.name + '[ARGS]' + c.function.arguments|tojson }}{% endfor %}{{ eos_token }}
{%- else %}{{ '[TOOL_RESULTS]' + m.content + '[/TOOL_RESULTS]' }}
{%- endif %}
{%- endfor %}`

// TestOwnAsked: such a renderer is made, and its replies hold the tokens of the family.
func TestOwnAsked(t *testing.T) {
	tokens := []string{"<s>", "</s>", "[INST]", "[/INST]", "[SYS]", "[/SYS]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
		"[TOOL_CALLS]", "[CALL_ID]", "[ARGS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "<think>", "</think>"}
	tok, err := bpe.Train(func(yield func(string) bool) { yield("some text of a model, some text") }, 300, tokens, bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	src := Source{From: "brackets.jinja", Text: brackets, Special: map[string]string{"bos_token": "<s>", "eos_token": "</s>"}}
	c, err := Choose(src, tok, Hermes)
	if err != nil {
		t.Fatal(err)
	}
	if c.Name != Own || c.Format != "mistral-v11" || deref(c.Template.asked) != "[/INST]" || c.Template.reply != "" {
		t.Fatalf("%s: %+v", c, c.Template)
	}
	f := Formats[c.Format]
	s := Renderer{tok, c.Template, f}
	if err := Check(s); err != nil {
		t.Fatal(err)
	}
	system := "Be brief."
	d := NewHinted(s, testTools, &system, "Call ls [/SYS].")
	d.User("Go [/INST] on.")
	d.Open()
	reply := d.Gold("I look." + f.Render([]ballast.Call{{Name: "ls"}, {Name: "ls"}}, nil))
	d.Reply(reply, ballast.OwnerPolicy)
	d.Results([]string{"a </s>", "b"})
	d.Open()
	text := tok.Decode(d.Tokens())
	if want := "Call ls [/SYS].[/SYS][AVAILABLE_TOOLS]"; !strings.Contains(text, want) {
		t.Errorf("no %q in %q", want, text)
	}
	if want := "[INST]Go [/INST] on.[/INST]I look.[TOOL_CALLS]ls[ARGS]{}[TOOL_CALLS]ls[ARGS]{}</s>[TOOL_RESULTS]a </s>[/TOOL_RESULTS][TOOL_RESULTS]b[/TOOL_RESULTS]"; !strings.HasSuffix(text, want) {
		t.Errorf("%q does not end in %q", text, want)
	}
	count := func(ids []int32, token string) (n int) {
		want, _ := tok.ID(token)
		for _, id := range ids {
			if id == want {
				n++
			}
		}
		return n
	}
	for token, want := range map[string]int{"[/SYS]": 1, "[INST]": 1, "[/INST]": 1, "[TOOL_CALLS]": 2, "[ARGS]": 2, "</s>": 1, "[TOOL_RESULTS]": 2} {
		if got := count(d.Tokens(), token); got != want {
			t.Errorf("%d tokens %s, want %d: texts of a user or a tool are no tokens", got, token, want)
		}
	}
	if got := count(reply, "</s>"); got != 1 {
		t.Errorf("%d end tokens in a reply", got)
	}
}
