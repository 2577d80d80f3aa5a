package models

import (
	"fmt"

	"ballast/chat"
	"ballast/model"
	"ballast/recipe"
)

// renderer chooses how conversations with the model are written: as the recipe says, or as
// the model's own template does.
func renderer(r *recipe.Recipe, m *model.Model) (chat.Choice, error) {
	f, err := chat.FormatByName(r.Chat.Format)
	if err != nil {
		return chat.Choice{}, err
	}
	return r.Renderer(m.Source, m.Template, m.Tokenizer, f)
}

// Renderer is how conversations with the model are written under the recipe, with the choice of
// the renderer.
func Renderer(r *recipe.Recipe, m *model.Model) (chat.Renderer, chat.Choice, error) {
	c, err := renderer(r, m)
	if err != nil {
		return chat.Renderer{}, c, err
	}
	s, err := checked(r, m, c)
	return s, c, err
}

// OtherFormat tells that the model's own template writes calls in another format than the
// recipe, which costs success and shows nowhere else; nothing where it does not.
func OtherFormat(r *recipe.Recipe, c chat.Choice) (warnings []string) {
	if c.Format != "" && c.Format != r.Chat.Format {
		warnings = append(warnings, fmt.Sprintf("its own template writes calls in format %s, and chat.format is %s; --set chat.format=%s is "+
			"the model's way",
			c.Format, r.Chat.Format, c.Format))
	}
	return warnings
}

// checked checks that the model's tokenizer can write the recipe's formats in a renderer.
func checked(r *recipe.Recipe, m *model.Model, c chat.Choice) (chat.Renderer, error) {
	f, err := chat.FormatByName(r.Chat.Format)
	if err != nil {
		return chat.Renderer{}, err
	}
	s := chat.Renderer{Tokenizer: m.Tokenizer, Template: c.Template, Format: f}
	for _, name := range r.Formats() {
		one := s
		if one.Format, err = chat.FormatByName(name); err != nil {
			return s, err
		}
		if err := chat.Check(one); err != nil {
			return s, fmt.Errorf("%s: format %s: %w", m.Origin, name, err)
		}
	}
	return s, nil
}
