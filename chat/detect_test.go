package chat

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The features of the models' chat templates that Detect goes by, quoted as they
// stand in them.
func TestDetectText(t *testing.T) {
	for _, c := range []struct{ jinja, want string }{
		{`{{- '<|im_start|>system\n' }} {{- 'You are Qwen, created by Alibaba Cloud. You are a helpful assistant.' }} <tools> {{ '<|im_start|>assistant\n' }}`, "chatml"},
		{`{% for m in messages %}{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endfor %}`, "chatml"},
		{`{{ '<|im_start|>' + message['role'] }}`, "chatml"},
		{`{{- '<|im_start|>system\n' }}<tools> reasoning_content '\n<think>\n' + reasoning_content {%- if enable_thinking is false %}{{- '<think>\n\n</think>\n\n' }}`, "qwen3"},
		{`{{- '<|im_start|>system\n' }}<tools></tools>`, "qwen3"},
		{`<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>`, "smollm2"},
		{`{{ bos_token }}<|start_header_id|>system<|end_header_id|> <|eot_id|> <|python_tag|>`, "llama3"},
		{Mark(Compact) + `{{ '<|im_start|>' }}`, "compact"},
		{Mark(Qwen3NoThink), "qwen3-nothink"},
		{`<|im_start|>assistant\n<think>\n' }} <tools>`, ""}, // always thinks
		{`<|im_start|> <tools> <function=name>`, ""},         // Qwen3-Coder
		{`[INST] {{ message }} [/INST]`, ""},
		{``, ""},
	} {
		got, err := DetectText(c.jinja)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%q: %q, %v; want %q", c.jinja, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), "choose one of chatml, compact, llama3, qwen3, qwen3-nothink, smollm2") {
			t.Errorf("the error does not list the choices: %v", err)
		}
	}
}

func TestDetect(t *testing.T) {
	quote := func(s string) string { b, _ := json.Marshal(s); return string(b) }
	llama := quote("<|start_header_id|><|eot_id|>")
	for _, c := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"text", map[string]string{"tokenizer_config.json": `{"chat_template": ` + llama + `}`}, "llama3"},
		{"list", map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "default", "template": "x"}, {"name": "tool_use", "template": ` + llama + `}]}`}, "llama3"},
		{"file", map[string]string{"tokenizer_config.json": `{}`, "chat_template.jinja": Mark(Compact)}, "compact"},
		{"config", map[string]string{"tokenizer_config.json": `{"chat_template": null}`, "config.json": `{"model_type": "qwen3"}`}, "qwen3"},
		{"qwen2", map[string]string{"config.json": `{"model_type": "qwen2"}`}, "chatml"},
		{"llama", map[string]string{"config.json": `{"model_type": "llama", "vocab_size": 128256}`}, "llama3"},
		{"smol", map[string]string{"config.json": `{"model_type": "llama", "vocab_size": 49152}`}, "smollm2"},
		{"unknown", map[string]string{"config.json": `{"model_type": "mamba"}`}, ""},
		{"other", map[string]string{"tokenizer_config.json": `{"chat_template": "[INST]"}`}, ""},
		{"broken", map[string]string{"tokenizer_config.json": `{"chat_template": 3}`}, ""},
		{"cut", map[string]string{"tokenizer_config.json": `{"chat_`}, ""},
		{"empty", nil, ""},
	} {
		dir := t.TempDir()
		for name, text := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Detect(dir)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: %q, %v; want %q", c.name, got, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: the error does not name the file: %v", c.name, err)
		}
	}
}
