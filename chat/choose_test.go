package chat

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"ballast/chat/bpe"
	"ballast/chat/jinja"
)

// turns is a template of plain messages, as many models have it.
const turns = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
	"{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

// says is a template's statement for conversations without a system message.
func says(system string) string {
	return "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\n" + system + "<|im_end|>\\n' }}{% endif %}" + turns
}

// TestChoose: the renderer that writes what the model's template writes, with its system
// text; all else is refused with the first difference.
func TestChoose(t *testing.T) {
	listed := func(head string) string {
		return head + "{% if tools %}{% for t in tools %}{{ t|tojson }}{% endfor %}{{ '</tools><|im_end|>\\n' }}{% endif %}" + turns
	}
	for _, c := range []struct{ name, jinja, want, system, fault string }{
		{"plain ChatML", turns, "chatml", "", ""},
		{"Qwen2", says("You are a helpful assistant."), "chatml", "You are a helpful assistant.", ""},
		{"another identity", says("You are a helpful assistant. You are made by Acme."), "chatml", "You are a helpful assistant. You are made by Acme.", ""},
		{"SmolLM2", says(smollmSystem), "smollm2", smollmSystem, ""},
		{"no end of a line", strings.ReplaceAll(turns, "<|im_end|>\\n", "<|im_end|>"), "", "", `probe "a request": prompt 1, byte`},
		{"a beginning", "{{ '<s>' }}" + turns, "", "", `writes "<s><|im_start|>user\nHi there<|im_end|>`},
		{"a system text that is trimmed", strings.ReplaceAll(turns, "m.content", "m.content|trim"), "", "", `probe "white space"`},
		{"a date after the system text", "{% if messages[0].role == 'system' %}{{ '<|im_start|>system\\nDate: x\\n' + messages[0].content + '<|im_end|>\\n' }}" +
			"{% else %}{{ '<|im_start|>system\\nDate: x\\n<|im_end|>\\n' }}{% endif %}{% for m in messages if m.role != 'system' %}" +
			"{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}{{ '<|im_start|>assistant\\n' }}", "", "", `probe "a system text"`},
		{"thoughts dropped later", "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% if loop.length > 2 %}{{ ' ' }}{% endif %}" +
			"{% endfor %}{{ '<|im_start|>assistant\\n' }}", "", "", `probe "turns": prompt 2`},
		{"xLAM", listed("{{ '<|im_start|>system\\nMake calls in one JSON array.' }}"), "", "", `byte`},
		{"LFM2", listed("{% if tools %}{{ '<|im_start|>system\\nList of tools: <|tool_list_start|>[' }}{% endif %}"), "", "", `probe "a tool"`},
		{"Hermes 3", listed("{{ '<|im_start|>system\\nYou are a function calling AI model. <tools>' }}"), "", "", "byte"},
		{"other tokens", "[INST] {{ messages[0].content }} [/INST]", "", "", "[INST] Hi there [/INST]"},
		{"broken", "{% if %}", "", "", "cannot be rendered"},
		{"no Jinja of ours", "{{ messages|nosuch }}", "", "", "cannot be rendered"},
		{"none", "", "", "", "no chat template"},
	} {
		got, err := Choose(Source{From: "dir/file.jinja", Text: c.jinja}, testTok(), Hermes)
		switch {
		case err == nil && (got.Name != c.want || got.System != c.system):
			t.Errorf("%s: %s; want %s with %q", c.name, got, c.want, c.system)
		case err == nil && (got.Why == "" || got.From != "dir/file.jinja" || got.Template == nil):
			t.Errorf("%s: %+v", c.name, got)
		case (err == nil) != (c.want != ""):
			t.Errorf("%s: %v, %s", c.name, err, got)
		case err != nil && (!strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "chat.template")):
			t.Errorf("%s: %v; want one that says %q", c.name, err, c.fault)
		}
	}
}

// TestChooseEndless: a template that does not come to an end is refused in time.
func TestChooseEndless(t *testing.T) {
	defer func(was time.Duration) { jinja.DefaultLimits.Time = was }(jinja.DefaultLimits.Time)
	jinja.DefaultLimits.Time = time.Second / 2
	_, err := Choose(Source{Text: "{% for a in range(100000) %}{% for b in range(100000) %}{{ b }}{% endfor %}{% endfor %}"}, nil, Hermes)
	if err == nil || !strings.Contains(err.Error(), "limit") {
		t.Error(err)
	}
}

// TestChosenSystems: with tools a model may have another system text, and another template.
func TestChosenSystems(t *testing.T) {
	text := "You are Acme."
	src := Source{Text: says("You are a helpful assistant."), Tools: JinjaText(Renderer{testTok(), ChatML, Hermes}, &text)}
	c, err := Choose(src, testTok(), Hermes)
	if err != nil || c.Name != "chatml" || c.System != "You are a helpful assistant." || c.Tooled != text || c.Format != "hermes" {
		t.Fatalf("%s, %v", c, err)
	}
	d := newDialogue(testTok(), c.Template, Hermes, testTools, nil, "")
	if got := testTok().Decode(d.Tokens()); !strings.HasPrefix(got, "<|im_start|>system\nYou are Acme.\n\n# Tools") {
		t.Errorf("%q", got)
	}
	src.Tools = strings.Replace(acme, "<|a|>", "<|im_start|>", 1)
	if c, err := Choose(src, testTok(), Hermes); err == nil {
		t.Errorf("two templates that do not go together: %s", c)
	}
}

// TestChosenSystem: the default is written, a text that is given replaces it, an empty one too.
func TestChosenSystem(t *testing.T) {
	c, err := Choose(Source{Text: says("You are Acme.")}, testTok(), Hermes)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		system *string
		want   string
	}{{nil, "You are Acme."}, {system("Be brief."), "Be brief."}, {system(""), ""}} {
		d := newDialogue(testTok(), c.Template, Hermes, nil, x.system, "")
		if got, want := testTok().Decode(d.Tokens()), "<|im_start|>system\n"+x.want+"<|im_end|>\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if ChatML.plain == nil || *ChatML.plain != qwenSystem {
		t.Error("the known template was changed")
	}
}

// TestChooseBorder: a tokenizer that joins the line end before a reply with the reply's
// white space changes nothing.
func TestChooseBorder(t *testing.T) {
	tok, err := bpe.Train(func(yield func(string) bool) {
		for range 50 {
			yield("assistant\n  Yes. \n\nassistant\n  Yes. assistant\n \n I")
		}
	}, 300, []string{"<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>"}, bpe.GPT2)
	if err != nil {
		t.Fatal(err)
	}
	whole, parts := tok.Encode("assistant\n  Yes."), append(tok.Encode("assistant\n"), tok.Encode("  Yes.")...)
	if slices.Equal(whole, parts) {
		t.Fatal("the tokenizer joins nothing")
	}
	if c, err := Choose(Source{Text: says(smollmSystem)}, tok, Pythonic); err != nil || c.Name != "smollm2" {
		t.Errorf("%s, %v", c, err)
	}
	tools := strings.TrimPrefix(JinjaText(Renderer{tok, ChatML, Hermes}, nil), mark(ChatML))
	if c, err := Choose(Source{Text: tools}, tok, Hermes); err != nil || c.Name != "chatml" || c.Format != "hermes" {
		t.Errorf("%s, %v", c, err)
	}
}

// TestFramed: models that ballast made before carry a mark and a frame.
func TestFramed(t *testing.T) {
	for name, tmpl := range Templates {
		c, err := Choose(Source{Text: framed(tmpl)}, nil, Hermes)
		if err != nil || c.Template != tmpl || c.Name != name {
			t.Errorf("%s: %s, %v", name, c, err)
		}
	}
	c, err := Choose(Source{Text: framed(Compact) + " "}, testTok(), Hermes)
	if err == nil && c.Name == "compact" {
		t.Errorf("a frame that was changed: %s", c)
	}
}

// TestWritten: what ballast wrote into a checkpoint is found again with its system text.
func TestWritten(t *testing.T) {
	if testing.Short() {
		t.Skip("slow with a race detector, and nothing races")
	}
	systems := []*string{nil, system("You are Acme's \"bot\"."), system("")}
	for i, name := range slices.Sorted(maps.Keys(Templates)) {
		for k, form := range slices.Sorted(maps.Keys(Formats)) {
			tmpl, f, sys := Templates[name], Formats[form], systems[(i+k)%len(systems)]
			c, err := Choose(Source{Text: JinjaText(Renderer{testTok(), tmpl, f}, sys)}, testTok(), Hermes)
			if err != nil || c.Name != name || c.Format != form {
				t.Errorf("%s+%s: %s, %v", name, form, c, err)
				continue
			}
			a := newDialogue(testTok(), tmpl, f, testTools, sys, "").Tokens()
			if b := newDialogue(testTok(), c.Template, f, testTools, nil, "").Tokens(); !slices.Equal(a, b) {
				t.Errorf("%s+%s: %q, want %q", name, form, testTok().Decode(b), testTok().Decode(a))
			}
		}
	}
}

// TestSpecialTokens: null is none; what no file names is that of the tokenizer's class.
func TestSpecialTokens(t *testing.T) {
	for _, c := range []struct{ settings, want string }{
		{`{"tokenizer_class": "LlamaTokenizerFast"}`, "map[bos_token:<s> eos_token:</s> unk_token:<unk>]"},
		{`{"tokenizer_class": "LlamaTokenizer", "bos_token": null, "eos_token": {"content": "<e>"}}`, "map[eos_token:<e> unk_token:<unk>]"},
		{`{"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>"}`, "map[eos_token:<|im_end|> pad_token:<|endoftext|> unk_token:<|endoftext|>]"},
		{`{"tokenizer_class": "PreTrainedTokenizerFast"}`, "map[]"},
		{`{"tokenizer_class": 3}`, "map[]"},
	} {
		s, err := ReadSource(map[string][]byte{"tokenizer_config.json": []byte(c.settings)}, "dir")
		if got := fmt.Sprint(s.Special); err != nil || got != c.want {
			t.Errorf("%s: %s, %v; want %s", c.settings, got, err, c.want)
		}
	}
}

// FuzzSource: settings of any text are an error or give a template with the place that it
// was read from.
func FuzzSource(f *testing.F) {
	for _, s := range []string{`{"chat_template": "A", "eos_token": {"content": "x"}}`, `{"chat_template": [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]}`,
		`{"chat_template": {"rag": "C"}, "tokenizer_class": "Qwen2TokenizerFast", "eos_token": null}`, `{"chat_template": [{}], "bos_token": 1}`, `null`, `[]`} {
		f.Add([]byte(s), []byte(s), false)
	}
	f.Fuzz(func(t *testing.T, settings, special []byte, folder bool) {
		files := map[string][]byte{settingsFile: settings, specialFile: special}
		if folder {
			files[TemplateFolder+"/tool_use.jinja"] = special
		}
		s, err := ReadSource(files, "dir")
		if err == nil && ((s.Text == "") != (s.From == "") || s.Text == "" && s.Tools != "" || s.Text != "" && s.Text == s.Tools) {
			t.Errorf("%+v", s)
		}
	})
}

func TestReadSource(t *testing.T) {
	for _, c := range []struct {
		name, text, tools, fault string
		files                    map[string]string
	}{
		{"text", "A", "", "", map[string]string{"tokenizer_config.json": `{"chat_template": "A"}`}},
		{"list", "A", "B", "", map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "default", "template": "A"}, {"name": "tool_use", "template": "B"}]}`}},
		{"names", "A", "B", "", map[string]string{"tokenizer_config.json": `{"chat_template": {"default": "A", "tool_use": "B", "rag": "C"}}`}},
		{"only tool_use", "B", "", "", map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "tool_use", "template": "B"}]}`}},
		{"one of another name", "C", "", "", map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "rag", "template": "C"}]}`}},
		{"several of other names", "", "", "none is named default", map[string]string{"tokenizer_config.json": `{"chat_template": {"x": "A", "y": "B"}}`}},
		{"file", "F", "", "", map[string]string{"tokenizer_config.json": `{"chat_template": "A"}`, "chat_template.jinja": "F"}},
		{"folder", "F", "G", "", map[string]string{"chat_template.jinja": "F", "additional_chat_templates/tool_use.jinja": "G"}},
		{"twice the same", "F", "", "", map[string]string{"chat_template.jinja": "F", "additional_chat_templates/tool_use.jinja": "F"}},
		{"null", "", "", "", map[string]string{"tokenizer_config.json": `{"chat_template": null}`}},
		{"nothing", "", "", "", nil},
		{"a number", "", "", "neither a text nor a list", map[string]string{"tokenizer_config.json": `{"chat_template": 3}`}},
		{"cut", "", "", "tokenizer_config.json: not a JSON object", map[string]string{"tokenizer_config.json": `{"chat_`}},
	} {
		files := map[string][]byte{"special_tokens_map.json": []byte(`{"bos_token": "<s>", "eos_token": {"content": "</s>"}, "pad_token": null}`)}
		for name, text := range c.files {
			files[name] = []byte(text)
		}
		s, err := ReadSource(files, "dir")
		if s.Text != c.text && c.fault == "" || s.Tools != c.tools && c.fault == "" || (err == nil) != (c.fault == "") {
			t.Errorf("%s: %+v, %v", c.name, s, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "dir/")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if s.Special["bos_token"] != "<s>" || s.Special["eos_token"] != "</s>" || len(s.Special) != 2 {
			t.Errorf("%s: special tokens %v", c.name, s.Special)
		}
		if (s.Text == "") != (s.From == "") && c.fault == "" {
			t.Errorf("%s: from %q", c.name, s.From)
		}
	}
}

// llama is a template that writes what those of Llama 3.1 and 3.2 do, in few words: tools in
// the first user's message unless that is off, one call at a time, texts trimmed.
const llama = `{{ bos_token }}
{%- set system = messages[0].content|trim if messages[0].role == 'system' else '' %}
{%- set list = messages[1:] if messages[0].role == 'system' else messages %}
{%- set within = tools_in_user_message is not defined or tools_in_user_message %}
{{- '<|start_header_id|>system<|end_header_id|>\n\n' + ('Environment: ipython\n' if tools else '') + 'Cutting Knowledge Date: December 2023\nToday Date: ' + strftime_now('%d %b %Y') + '\n\n' }}
{%- macro documented() %}{% for t in tools %}{{ t|tojson(indent=4) + '\n\n' }}{% endfor %}{% endmacro %}
{%- if tools and not within %}
{{- 'You have access to the following functions. To call a function, please respond with JSON for a function call.' }}
{{- 'Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.Do not use variables.\n\n' + documented() }}
{%- endif %}
{{- system + '<|eot_id|>' }}
{%- for m in list %}
{%- if m.role == 'tool' %}{{ '<|start_header_id|>ipython<|end_header_id|>\n\n' + m.content|tojson + '<|eot_id|>' }}
{%- elif m.tool_calls %}
{%- if m.tool_calls|length > 1 %}{{ raise_exception('one call at a time') }}{% endif %}
{{- '<|start_header_id|>assistant<|end_header_id|>\n\n{"name": "' + m.tool_calls[0].function.name + '", "parameters": ' + m.tool_calls[0].function.arguments|tojson + '}<|eot_id|>' }}
{%- else %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\n\n' + (documented() if loop.first and tools and within else '') + m.content|trim + '<|eot_id|>' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`

// TestChooseLlama: the beginning stands once, and what the family's template cannot write does
// not decide.
func TestChooseLlama(t *testing.T) {
	src := Source{Text: llama, Special: map[string]string{"bos_token": "<|begin_of_text|>"}}
	c, err := Choose(src, testTok(), Hermes)
	if err != nil || c.Name != "llama3" || c.Format != "llama3" || !strings.Contains(c.Why, "tools_in_user_message off") {
		t.Fatalf("%s, %v", c, err)
	}
	d := newDialogue(testTok(), c.Template, Formats["llama3"], testTools, nil, "")
	d.User("Hi")
	begin, _ := testTok().ID("<|begin_of_text|>")
	if n := len(slices.DeleteFunc(slices.Clone(d.Tokens()), func(id int32) bool { return id != begin })); n != 1 || d.Tokens()[0] != begin {
		t.Errorf("%d beginnings", n)
	}
	src.Special["bos_token"] = "<s>"
	if c, err := Choose(src, testTok(), Hermes); err == nil {
		t.Errorf("another beginning: %s", c)
	}
}

// FuzzChoose: whatever the template is, it is refused or its renderer writes other
// conversations as the template does.
func FuzzChoose(f *testing.F) {
	for _, text := range []string{turns, says("You are Acme."), acme, llama, JinjaText(Renderer{nil, Compact, Pythonic}, nil), "{% raw %}", "{{ messages }}"} {
		f.Add(text)
	}
	other := probe{name: "another", messages: []said{{role: "user", text: "What is this?"}, {role: "assistant", text: "This is a fuzz target."},
		{role: "user", text: "And then?\nMore."}, {role: "assistant", text: "Then it ends"}, {role: "user", text: "."}}}
	f.Fuzz(func(t *testing.T, text string) {
		src := Source{Text: text, Special: map[string]string{"bos_token": "<s>", "eos_token": "<|z|>"}}
		c, err := Choose(src, nil, Hermes)
		if err != nil || strings.Contains(c.Why, "frame") {
			return
		}
		spell := newSpelling(c.Template)
		prompts, err := other.play(spell, c.Template, Hermes)
		if err != nil {
			return // said at run time
		}
		for i, vars := range other.variables(&src) {
			vars.Set("tools_in_user_message", false)
			if got, err := jinja.Render(text, vars); err == nil && got != spell.Decode(prompts[i]) {
				t.Errorf("%s: %q, the template writes %q", c, spell.Decode(prompts[i]), got)
			}
		}
	})
}
