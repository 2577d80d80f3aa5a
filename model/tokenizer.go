package model

import (
	"encoding/json"

	"ballast/chat"
)

// template names the chat template that the model's files describe, "" if they
// describe none that is known: then whoever needs one has to be told.
func (a *archive) template() string {
	name := "" // with an error from either, it stays so
	if text := jinja(a.extra); text != "" {
		name, _ = chat.DetectText(text)
	} else if a.dir != "" {
		name, _ = chat.Detect(a.dir) // tells by the configuration
	}
	return name
}

// jinja returns the chat template among the files, the one for tools where
// there are several, "" if there is none.
func jinja(files map[string][]byte) string {
	if t := files[templateFile]; t != nil {
		return string(t)
	}
	var c struct {
		Template json.RawMessage `json:"chat_template"`
	}
	if json.Unmarshal(files[tokenizerConfigFile], &c) != nil {
		return ""
	}
	var text string
	if json.Unmarshal(c.Template, &text) == nil {
		return text
	}
	var list []struct{ Name, Template string }
	json.Unmarshal(c.Template, &list) // another shape is no template
	for _, want := range []string{"tool_use", "default"} {
		for _, t := range list {
			if t.Name == want {
				return t.Template
			}
		}
	}
	return ""
}
