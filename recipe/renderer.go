package recipe

import (
	"fmt"
	"maps"

	"ballast/bounded"
	"ballast/chat"
	"ballast/chat/bpe"
)

// Renderer chooses how conversations are written: by the template that chat.template
// names; by the Jinja file of chat.jinja; else by the one a model was made here for; else by
// the model's own, see chat.Choose. tok may be nil.
//
// A renderer that is made of the model's own template writes calls in one format. It becomes
// chat.format where that is the default.
func (r *Recipe) Renderer(source chat.Source, made string, tok *bpe.Tokenizer, f chat.Format) (c chat.Choice, err error) {
	if c, err = r.choose(source, made, tok, f); err != nil {
		return c, err
	}
	switch {
	case c.Format == "" || c.Format == f.Name():
	case c.Name == chat.Own && f.Name() == defaultFormat && r.Chat.Format == defaultFormat:
		r.Chat.Format = c.Format
		c.Why += ", which is chat.format therefore"
	default:
		c.Why += ", where chat.format is " + f.Name()
	}
	return c, nil
}

func (r *Recipe) choose(source chat.Source, made string, tok *bpe.Tokenizer, f chat.Format) (chat.Choice, error) {
	switch {
	case r.Chat.Jinja != "":
		text, err := bounded.ReadFile(r.Chat.Jinja, bounded.MiB)
		if err != nil {
			return chat.Choice{}, fmt.Errorf("chat.jinja: %w", err)
		}
		c, err := chat.Choose(chat.Source{From: r.Chat.Jinja, Text: string(text), Special: maps.Clone(source.Special), Ends: source.Ends}, tok, f)
		if err != nil {
			return c, fmt.Errorf("chat.jinja: %w", err)
		}
		return c, nil
	case r.Chat.Template != "":
		return chat.ByName(r.Chat.Template, "chat.template names it")
	case source.Text == "" && made != "":
		return chat.ByName(made, "the model was made here for it")
	}
	return chat.Choose(source, tok, f)
}
