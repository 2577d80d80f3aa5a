package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"ballast/bounded"
)

// Bounds on a chat template, and on a tokenizer_config.json, which lists added tokens.
const maxTemplate, maxSettings = bounded.MiB, 64 * bounded.MiB

// Detect names the template that the model in a Hugging Face directory was
// trained with, from its Jinja chat template (chat_template.jinja, or in
// tokenizer_config.json) or, where there is none, from config.json. An error
// lists the names to choose from.
func Detect(dir string) (string, error) {
	text, err := jinja(dir)
	if err != nil {
		return "", err
	}
	if text != "" {
		name, err := DetectText(text)
		if err != nil {
			return "", fmt.Errorf("%s: %w", dir, err)
		}
		return name, nil
	}
	var config struct {
		ModelType string `json:"model_type"`
		VocabSize int    `json:"vocab_size"`
	}
	if err := readJSON(filepath.Join(dir, "config.json"), &config); err != nil {
		return "", err
	}
	switch {
	case config.ModelType == "qwen2":
		return "chatml", nil
	case config.ModelType == "qwen3":
		return "qwen3", nil
	case config.ModelType == "llama" && config.VocabSize == 128256:
		return "llama3", nil
	case config.ModelType == "llama" && config.VocabSize == 49152:
		return "smollm2", nil
	}
	return "", fmt.Errorf("%s: no chat template, and model_type %q does not tell one; choose one of %s",
		dir, config.ModelType, names(Templates))
}

// jinja returns the directory's chat template, "" if it has none.
func jinja(dir string) (string, error) {
	data, err := bounded.ReadFile(filepath.Join(dir, "chat_template.jinja"), maxTemplate)
	if err == nil {
		return string(data), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("chat: %w", err)
	}
	var config struct {
		Template json.RawMessage `json:"chat_template"`
	}
	path := filepath.Join(dir, "tokenizer_config.json")
	if err := readJSON(path, &config); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	} else if err != nil {
		return "", err
	}
	if len(config.Template) == 0 || string(config.Template) == "null" {
		return "", nil
	}
	var text string
	if json.Unmarshal(config.Template, &text) == nil {
		return text, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(config.Template, &list); err != nil {
		return "", fmt.Errorf("chat: %s: chat_template is neither a text nor a list of named texts", path)
	}
	// A model with several templates keeps the one with tools under "tool_use".
	for _, want := range []string{"tool_use", "default"} {
		for _, t := range list {
			if t.Name == want {
				return t.Template, nil
			}
		}
	}
	return "", nil
}

func readJSON(path string, into any) error {
	data, err := bounded.ReadFile(path, maxSettings)
	if err != nil {
		return fmt.Errorf("chat: %w", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("chat: %s: %w", path, err)
	}
	return nil
}

// Mark is a Jinja comment that names a template; a chat template with it is
// detected as that one. Directories that ballast writes carry it.
func Mark(t *Template) string { return "{#- ballast template: " + t.Name + " -#}" }

// DetectText names the template that a Jinja chat template stands for, by the
// features that decide the rendering: its control tokens, its default system
// prompt, whether it knows thoughts. A prompt that ends inside a thought, or
// calls in another syntax than JSON, is not one of ours.
func DetectText(jinja string) (string, error) {
	has := func(s string) bool { return strings.Contains(jinja, s) }
	for name, t := range Templates {
		if has(Mark(t)) {
			return name, nil
		}
	}
	switch {
	case has("<|start_header_id|>") && has("<|eot_id|>"):
		return "llama3", nil
	case !has("<|im_start|>"):
	case has(`assistant\n<think>\n' }}`), has(`assistant\n<think>\n'}}`), has("<function="), has("reasoning_mode"):
		// Qwen3-Thinking and QwQ, Qwen3-Coder, SmolLM3.
	case has("named SmolLM"):
		return "smollm2", nil
	case has(qwenSystem), has("You are a helpful assistant"):
		return "chatml", nil
	case has("<tools>"), has("enable_thinking"):
		return "qwen3", nil
	case !has("<think>"):
		return "chatml", nil
	}
	return "", fmt.Errorf("chat: the model's chat template is none that is known here; choose one of %s", names(Templates))
}
