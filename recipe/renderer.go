package recipe

import (
	"fmt"
	"maps"
	"strings"

	"ballast/bounded"
	"ballast/chat"
	"ballast/chat/bpe"
)

// Jinja is the path of the Jinja chat template that the recipe names, "" where it names
// none: a chat.template that ends in .jinja.
func (r *Recipe) Jinja() string {
	if strings.HasSuffix(r.Chat.Template, ".jinja") {
		return r.Chat.Template
	}
	return ""
}

// Renderer chooses how conversations are written: by the template that chat.template
// names, a known one or a Jinja file; else by the one a model was made here for; else by
// the model's own, see chat.Choose. tok may be nil.
func (r *Recipe) Renderer(source chat.Source, made string, tok *bpe.Tokenizer, f chat.Format) (c chat.Choice, err error) {
	if c, err = r.renderer(source, made, tok, f); err != nil {
		return c, err
	}
	if c.Format != "" && c.Format != f.Name() {
		c.Why += ", where chat.format is " + f.Name()
	}
	return c, nil
}

func (r *Recipe) renderer(source chat.Source, made string, tok *bpe.Tokenizer, f chat.Format) (chat.Choice, error) {
	switch {
	case r.Jinja() != "":
		text, err := bounded.ReadFile(r.Jinja(), bounded.MiB)
		if err != nil {
			return chat.Choice{}, fmt.Errorf("chat.template: %w", err)
		}
		c, err := chat.Choose(chat.Source{From: r.Jinja(), Text: string(text), Special: maps.Clone(source.Special), Ends: source.Ends}, tok, f)
		if err != nil {
			return c, fmt.Errorf("chat.template: %w", err)
		}
		return c, nil
	case r.Chat.Template != "":
		return chat.ByName(r.Chat.Template, "chat.template names it")
	case source.Text == "" && made != "":
		return chat.ByName(made, "the model was made here for it")
	}
	return chat.Choose(source, tok, f)
}
