package model

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast/chat"
)

// style is how a model talks under a template and a format.
func style(m *Model, template, format string) chat.Renderer {
	return chat.Renderer{Tokenizer: m.Tokenizer, Template: chat.Templates[template], Format: chat.Formats[format]}
}

// written saves a model and returns its files.
func written(t *testing.T, m *Model) (dir string, files map[string]string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "m")
	ok(t, m.Save(dir, F32))
	files = map[string]string{}
	for _, name := range list(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, name))
		ok(t, err)
		files[name] = string(data)
	}
	return dir, files
}

// key is the value of a key in a JSON file, as text.
func key(t *testing.T, file, name string) string {
	t.Helper()
	var object map[string]json.RawMessage
	ok(t, json.Unmarshal([]byte(file), &object))
	var out any
	if len(object[name]) == 0 {
		return "none"
	}
	ok(t, json.Unmarshal(object[name], &out))
	return strings.Join(strings.Fields(string(indented(out))), "")
}

// TestServeAs: what came with the model and contradicts what is trained is replaced, the
// rest stays.
func TestServeAs(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	end, brief := "<|im_end|>", "Be brief."
	endID, _ := m.Tokenizer.ID(end)
	other := (endID + 1) % int32(m.Tokenizer.Size()) // what the base model stopped at
	ends := string(indented([]int32{endID, other}))
	ends = strings.Join(strings.Fields(ends), "")
	for _, c := range []struct {
		name   string
		extra  map[string]string
		tokens string // eos_token of tokenizer_config.json
	}{
		{"made here", nil, `"<|im_end|>"`},
		{"its own template", map[string]string{
			tokenizerConfigFile: `{"chat_template": "own", "eos_token": "<|endoftext|>", "model_max_length": 1000000000000000019884624838656, "pad_token": "<pad>"}`,
			generationFile:      `{"eos_token_id": 7, "temperature": 0.7}`,
		}, `"<|im_end|>"`},
		{"several templates", map[string]string{
			tokenizerConfigFile: `{"chat_template": [{"name": "default", "template": "own"}, {"name": "tool_use", "template": "own"}], "eos_token": {"content": "<|im_end|>", "special": true}}`,
		}, `{"content":"<|im_end|>","special":true}`},
		{"a folder of templates", map[string]string{
			"additional_chat_templates/tool_use.jinja": "own", templateFile: "own", tokenizerConfigFile: `{"chat_template": null, "eos_token": "<|im_end|>"}`,
		}, `"<|im_end|>"`},
		{"a template in two places", map[string]string{
			templateFile: "own", tokenizerConfigFile: `{"chat_template": "own too", "eos_token": null}`,
			specialTokensFile: `{"eos_token": {"content": "<|endoftext|>"}, "bos_token": "<s>"}`,
		}, `"<|im_end|>"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			m.Extra, m.Config.EOS = map[string][]byte{}, []int32{other}
			for name, data := range c.extra {
				m.Extra[name] = []byte(data)
			}
			s := style(m, "chatml", "hermes")
			ok(t, m.ServeAs(s, &brief))
			dir, files := written(t, m)
			if files[templateFile] != chat.JinjaText(s, &brief) || !strings.Contains(files[templateFile], brief) {
				t.Errorf("chat template:\n%s", files[templateFile])
			}
			if _, err := os.Stat(filepath.Join(dir, chat.TemplateFolder)); err == nil {
				t.Error("a folder of other chat templates is left")
			}
			if got := key(t, files[tokenizerConfigFile], "chat_template"); got != "none" {
				t.Errorf("a second chat template: %s", got)
			}
			if got := key(t, files[tokenizerConfigFile], "eos_token"); got != c.tokens {
				t.Errorf("eos_token %s", got)
			}
			for _, name := range []string{"config.json", generationFile} {
				if got := key(t, files[name], "eos_token_id"); got != ends {
					t.Errorf("%s: end tokens %s, want %s", name, got, ends)
				}
			}
			if special, there := files[specialTokensFile]; there && (key(t, special, "eos_token") != `"<|im_end|>"` || key(t, special, "bos_token") != `"<s>"`) {
				t.Errorf("special tokens %s", special)
			}
			if was := c.extra[tokenizerConfigFile]; strings.Contains(was, "pad") && (!strings.Contains(files[tokenizerConfigFile], "1000000000000000019884624838656") ||
				!strings.Contains(files[tokenizerConfigFile], "<pad>") || key(t, files[generationFile], "temperature") != "0.7") {
				t.Errorf("settings are lost:\n%s%s", files[tokenizerConfigFile], files[generationFile])
			}
			back, err := Load(dir)
			ok(t, err)
			chosen, err := chat.Choose(back.Source, back.Tokenizer, chat.Hermes)
			if err != nil || chosen.Name != "chatml" || !slices.Equal(back.Config.EOS, []int32{endID, other}) {
				t.Errorf("read back: template %s, %v, end tokens %v", chosen, err, back.Config.EOS)
			}
		})
	}
}

// TestFiles: templates in the folder are among the files of a model, whose hashes tell
// whether it has changed.
func TestFiles(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	dir, files := written(t, m)
	folder := filepath.Join(dir, chat.TemplateFolder)
	ok(t, os.Mkdir(folder, 0o777))
	ok(t, os.WriteFile(filepath.Join(folder, "tool_use.jinja"), []byte("x"), 0o666))
	list, err := Files(dir)
	ok(t, err)
	if len(list) != len(files)+1 || !slices.Contains(list, filepath.Join(folder, "tool_use.jinja")) {
		t.Errorf("%v of %d files and a template", list, len(files))
	}
}

// TestOneTemplate: also without a run, no model is written with two chat templates.
func TestOneTemplate(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	const own = `{"chat_template": "own", "eos_token": "x"}`
	m.Extra = map[string][]byte{tokenizerConfigFile: []byte(own)}
	if _, files := written(t, m); files[tokenizerConfigFile] != own || files[templateFile] != "" {
		t.Errorf("%q", files)
	}
	m.Extra[templateFile] = []byte("newer")
	_, files := written(t, m)
	if files[templateFile] != "newer" || key(t, files[tokenizerConfigFile], "chat_template") != "none" || key(t, files[tokenizerConfigFile], "eos_token") != `"x"` {
		t.Errorf("%q", files)
	}
}

// TestServeAsRefuses: what could not be written is said before anything is trained.
func TestServeAsRefuses(t *testing.T) {
	m, err := Load("testdata/qwen2.gguf")
	ok(t, err)
	fails(t, m.ServeAs(style(m, "llama3", "hermes"), nil), "qwen2.gguf", "no end token", "llama3")
	spelled := "End with <|im_end|>."
	fails(t, m.ServeAs(style(m, "chatml", "hermes"), &spelled), "qwen2.gguf", "control token", "chat.system")
	for name, text := range map[string]string{generationFile: "null", tokenizerConfigFile: "[1]", specialTokensFile: "{"} {
		m.Extra = map[string][]byte{name: []byte(text)}
		fails(t, m.ServeAs(style(m, "chatml", "hermes"), nil), "qwen2.gguf", name, "not a JSON object")
	}
	m.Extra = nil
	_, files := written(t, m)
	if files[templateFile] != "" {
		t.Error("a refused style is written")
	}
}

// TestCheckJinja: a template that renders something else is not written, whatever differs.
func TestCheckJinja(t *testing.T) {
	m := peerModels(t)["qwen2"]
	usual := "Be brief."
	for _, c := range []struct {
		template, format string
		system           *string
		old, new         string
		says             []string
	}{
		{"chatml", "hermes", nil, "", "", nil},
		{"chatml", "hermes", &usual, "", "", nil},
		{"qwen3", "hermes", nil, "<|im_start|>user", "<|im_start|>human", []string{`probe "a request"`, "prompt 1, byte", "human"}},
		{"qwen3", "xml", nil, "</parameter>", "</param>", []string{`probe "a tool"`, "</param>"}},
		{"qwen3", "hermes", nil, "reasoning.strip('\\n')", "reasoning.strip('A')", []string{`probe "a thought"`}},
		{"llama3", "pythonic", nil, "ipython", "tool", []string{"llama3 with format pythonic"}},
		{"chatml", "hermes", nil, "You are Qwen", "You are Kimi", []string{"Kimi"}},
		{"chatml", "hermes", &usual, usual, "Be long.", []string{"Be long."}},
		{"compact", "hermes", nil, "{%- elif role == 'tool' -%}", "{%- elif role == 'ipython' -%}", []string{"ends with an error"}},
		{"documented", "pythonic", nil, "", "", nil},
		{"documented", "hermes", nil, "'# '", "'## '", []string{`probe "a tool"`, "## Finds"}},
		{"documented", "xml", nil, "'{' + found.inner", "'<' + found.inner", []string{`probe "a tool"`, "near?: <"}},
		{"documented", "llama3", nil, "'[' + found.inner", "'(' + found.inner", []string{`probe "a tool"`, "(number"}},
		{"smollm2", "llama3", nil, "{%- endfor -%}", "", []string{`probe "a request"`, "ends with an error"}},
	} {
		s := style(m, c.template, c.format)
		text := chat.JinjaText(s, c.system)
		if c.old == "" {
			ok(t, chat.CheckJinja(text, s, c.system))
			continue
		}
		if !strings.Contains(text, c.old) {
			t.Fatalf("%s: %q is not there", c.template, c.old)
		}
		fails(t, chat.CheckJinja(strings.ReplaceAll(text, c.old, c.new), s, c.system), c.says...)
	}
}
