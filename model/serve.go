package model

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"

	"ballast/chat"
)

// serve is what the files of a saved model tell a server, so that it asks the model as
// it was trained.
type serve struct {
	template string  // the Jinja text of chat_template.jinja
	stops    []int32 // tokens that end a reply; the first is the one the template writes
	end      string  // eos_token of the tokenizer; "" leaves it
}

// ServeAs makes Save write for servers how conversations with the model were trained:
// chat_template.jinja renders them in the renderer s, with system as the text where a
// conversation has no system message (nil for the template's own); config.json,
// generation_config.json and the tokenizer's settings name the renderer's end tokens,
// before those that the model had. A chat template that the model came with is replaced.
//
// The template is checked here, once, and not at every Save: it is rendered for a set of
// conversations and compared with what is trained. A difference is an error that names
// the first, and so is what could not be written.
func (m *Model) ServeAs(s chat.Renderer, system *string) error {
	if len(s.Stops()) == 0 {
		return fmt.Errorf("model: %s: its tokenizer has no end token of chat template %s", m.Origin, s.Template.Name)
	}
	if system != nil && m.Tokenizer.Spells(*system) {
		return fmt.Errorf("model: %s: the system text spells a control token: it is trained as text, and servers would read it as the "+
			"token; take it out of chat.system", m.Origin)
	}
	text := chat.JinjaText(s, system)
	if err := chat.CheckJinja(text, s, system); err != nil {
		return fmt.Errorf("model: %s: %w", m.Origin, err)
	}
	was := m.serve
	m.serve = &serve{template: text, stops: s.Stops()}
	if !s.Template.NamesEnd() {
		m.serve.end = m.Tokenizer.Token(m.serve.stops[0])
	}
	if _, err := m.files(F32); err != nil {
		m.serve = was
		return fmt.Errorf("model: %s: %w", m.Origin, err)
	}
	return nil
}

// settings are the files of Extra as Save writes them, and the end tokens. One chat
// template is written: beside chat_template.jinja none stands in tokenizer_config.json.
// Servers read the former first, other readers the latter.
func (m *Model) settings() (files map[string][]byte, ends []int32, err error) {
	files, ends = maps.Clone(m.Extra), m.Config.EOS
	if files == nil {
		files = map[string][]byte{}
	}
	edit := func(name string, set map[string]any, drop ...string) {
		if data := files[name]; data != nil && err == nil {
			files[name], err = edited(data, name, set, drop...)
		}
	}
	if s := m.serve; s != nil {
		maps.DeleteFunc(files, func(name string, _ []byte) bool { return path.Dir(name) == chat.TemplateFolder })
		files[templateFile] = []byte(s.template)
		ends = slices.Clone(s.stops)
		for _, id := range m.Config.EOS {
			if !slices.Contains(ends, id) {
				ends = append(ends, id)
			}
		}
		edit(generationFile, map[string]any{"eos_token_id": oneOrMany(ends)})
		if s.end != "" {
			edit(tokenizerConfigFile, map[string]any{"eos_token": s.end})
			edit(specialTokensFile, map[string]any{"eos_token": s.end})
		}
	}
	if files[templateFile] != nil {
		edit(tokenizerConfigFile, nil, "chat_template")
	}
	return files, ends, err
}

// edited is the JSON object data with some keys set and others dropped. A file that says
// so already stays as it is, to the byte.
func edited(data []byte, name string, set map[string]any, drop ...string) ([]byte, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil {
		return nil, fmt.Errorf("%s: not a JSON object: %w", name, err)
	}
	if object == nil {
		return nil, fmt.Errorf("%s: not a JSON object but null", name)
	}
	changed := false
	for key, v := range set {
		if text := indented(v); !says(object[key], text) {
			object[key], changed = text, true
		}
	}
	for _, key := range drop {
		if _, ok := object[key]; ok {
			delete(object, key)
			changed = true
		}
	}
	if !changed {
		return data, nil
	}
	return indented(object), nil
}

// says reports whether a value is want, or a token's description with want as its text.
func says(value, want json.RawMessage) bool {
	var token struct{ Content any }
	if json.Unmarshal(value, &token) == nil && token.Content != nil {
		value, _ = json.Marshal(token.Content)
	}
	var a, b any
	return json.Unmarshal(value, &a) == nil && json.Unmarshal(want, &b) == nil && fmt.Sprint(a) == fmt.Sprint(b)
}
