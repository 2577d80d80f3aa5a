package chat

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"ballast/value"
)

// The files of a Hugging Face directory that hold a chat template and the special tokens
// it may write. Further templates, each named by its file, stand in the folder.
const (
	templateFile   = "chat_template.jinja"
	TemplateFolder = "additional_chat_templates"
	settingsFile   = "tokenizer_config.json"
	specialFile    = "special_tokens_map.json"
)

// Source is the Jinja chat template that a model came with. The zero Source says that
// it has none.
type Source struct {
	From string // where it stands, for messages
	Text string
	// Tools is the template of conversations with tools where the model has one of its
	// own for them, "" where it has not.
	Tools string
	// Special are the tokens that a template may write by name: bos_token and so on.
	Special map[string]string
	// Ends are further tokens with which the model's files say that a reply ends.
	Ends []string
}

// specialNames are the variables that transformers gives to templates.
var specialNames = []string{"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}

// classTokens are the special tokens of transformers' tokenizer classes, which hold where
// the files do not name one.
var classTokens = map[string]map[string]string{
	"LlamaTokenizer": {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
	"Qwen2Tokenizer": {"eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"},
}

// ReadSource finds the chat template among the files of a model by their names, where a
// name may have the folder TemplateFolder before it. As in transformers a file goes
// before the setting chat_template, and the template named tool_use is that of
// conversations with tools. origin is the directory, for messages.
func ReadSource(files map[string][]byte, origin string) (Source, error) {
	s := Source{Special: map[string]string{}}
	named, told := map[string]string{}, map[string]bool{}
	for _, name := range []string{specialFile, settingsFile} {
		data := files[name]
		if data == nil {
			continue
		}
		var settings map[string]json.RawMessage
		if err := json.Unmarshal(data, &settings); err != nil {
			return s, fmt.Errorf("%s: not a JSON object: %w", path.Join(origin, name), err)
		}
		for _, key := range specialNames {
			_, there := settings[key]
			told[key] = told[key] || there
			if text, ok := tokenText(settings[key]); ok {
				s.Special[key] = text
			}
		}
		class, _ := tokenText(settings["tokenizer_class"])
		for key, text := range classTokens[strings.TrimSuffix(class, "Fast")] {
			if !told[key] {
				s.Special[key] = text
			}
		}
		if name == settingsFile && files[templateFile] == nil {
			if err := templates(settings["chat_template"], named); err != nil {
				return s, fmt.Errorf("%s: %w", path.Join(origin, name), err)
			}
			s.From = path.Join(origin, name) + ": chat_template"
		}
	}
	if data := files[templateFile]; data != nil {
		named["default"], s.From = string(data), path.Join(origin, templateFile)
	}
	for name, data := range files {
		if dir, file := path.Split(name); strings.TrimSuffix(dir, "/") == TemplateFolder && strings.HasSuffix(file, ".jinja") {
			named[strings.TrimSuffix(file, ".jinja")] = string(data)
			if s.From == "" {
				s.From = path.Join(origin, TemplateFolder)
			}
		}
	}
	s.Text, s.Tools = named["default"], named["tool_use"]
	switch {
	case s.Text == "" && len(named) == 1: // whatever its name is
		for _, s.Text = range named {
			s.Tools = ""
		}
	case s.Text == "" && s.Tools != "":
		s.Text, s.Tools = s.Tools, ""
	case s.Text == "" && len(named) > 1:
		return s, fmt.Errorf("%s: %d templates, and none is named default or tool_use", s.From, len(named))
	case s.Tools == s.Text:
		s.Tools = ""
	}
	if s.Text == "" {
		s.From = ""
	}
	return s, nil
}

// templates reads the setting chat_template: a text, or a list of named texts.
func templates(raw json.RawMessage, named map[string]string) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		named["default"] = text
		return nil
	}
	var list []struct{ Name, Template string }
	if json.Unmarshal(raw, &list) == nil {
		for _, t := range list {
			named[t.Name] = t.Template
		}
		return nil
	}
	if json.Unmarshal(raw, &named) == nil { // as some servers write it
		return nil
	}
	return fmt.Errorf("chat_template is neither a text nor a list of named texts")
}

// tokenText is a special token: a text, or an object with the text as content.
func tokenText(raw json.RawMessage) (string, bool) {
	var text *string
	if json.Unmarshal(raw, &text) == nil {
		return deref(text), text != nil
	}
	var token struct{ Content *string }
	if json.Unmarshal(raw, &token) != nil {
		return "", false
	}
	return deref(token.Content), token.Content != nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// text is the template of a conversation.
func (s *Source) text(tools bool) string {
	if tools && s.Tools != "" {
		return s.Tools
	}
	return s.Text
}

// variables adds the special tokens to those of a render.
func (s *Source) variables(d *value.Dict) {
	for _, name := range specialNames {
		if text, ok := s.Special[name]; ok {
			d.Set(name, text)
		}
	}
}

// Jinja is the source as one template, which tells by itself whether there are tools.
func (s *Source) Jinja() string {
	if s.Tools == "" {
		return s.Text
	}
	// The empty texts keep the blocks from taking white space of the templates.
	const empty = "{{ '' }}"
	return "{% if tools %}" + empty + strings.TrimSuffix(s.Tools, "\n") + empty + "{% else %}" + empty +
		strings.TrimSuffix(s.Text, "\n") + empty + "{% endif %}"
}
