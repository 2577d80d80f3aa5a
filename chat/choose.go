package chat

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/jinja"
	"ballast/safetext"
)

// Choice is the renderer of a model, with the reason.
type Choice struct {
	Template *Template `json:"-"`
	Name     string    `json:"template"`         // in Templates, or "own"
	Why      string    `json:"why"`              // one sentence
	System   string    `json:"system,omitempty"` // text of conversations that bring no system message
	// Tooled is that of conversations with tools, where it is another one.
	Tooled string `json:"system_with_tools,omitempty"`
	// Format is the format that the model's own template writes calls in, "" where it
	// writes none.
	Format string `json:"format,omitempty"`
	From   string `json:"from,omitempty"` // where the model's template stands
}

// String is the choice with its reason, in one line.
func (c Choice) String() string {
	text := safetext.Line(c.Name) + ": " + safetext.Line(c.Why)
	if c.System != "" {
		text += fmt.Sprintf("; its system text is \"%s\"", safetext.Line(clip(c.System, 0)))
	}
	if c.Tooled != "" {
		text += fmt.Sprintf("; with tools \"%s\"", safetext.Line(clip(c.Tooled, 0)))
	}
	return text
}

// candidate is a renderer that may be that of a model.
type candidate struct {
	template *Template
	// off is a variable that is false where the model's template is compared.
	off string
	// but are probes in which the renderer differs from the family's own template, with
	// the reason.
	but    map[string]string
	strict bool // only with its own system text
}

// candidates are the known renderers in the order in which they are tried.
func candidates() []candidate {
	return []candidate{
		{template: SmolLM2, strict: true}, {template: ChatML}, {template: Qwen3}, {template: Qwen3NoThink},
		{template: Compact}, {template: Documented},
		{template: Llama3, off: "tools_in_user_message",
			but: map[string]string{textAndCall: "the family's own template drops it", spacedCall: "likewise", thoughtAndCall: "likewise"}},
	}
}

// named is the choice of a known template.
func named(t *Template, why string) Choice {
	c := Choice{Template: t, Name: t.Name, Why: why, System: deref(t.plain)}
	if text := deref(t.tooled); text != c.System {
		c.Tooled = text
	}
	return c
}

// ByName is the choice of a known template by its name, with the reason.
func ByName(name, why string) (Choice, error) {
	t, err := templateByName(name)
	if err != nil {
		return Choice{}, err
	}
	return named(t, why), nil
}

// Choose finds the renderer of a model from its own chat template: the known one that
// writes the same prompts, tokens and all, for a fixed set of conversations. The model's
// template runs in a child process, see package jinja. tok may be nil: then texts are
// compared. f is the format that is wanted; the template's own is tried if it is another.
//
// A template that no known renderer writes is an error that names the first difference.
func Choose(src Source, tok *bpe.Tokenizer, f Format) (Choice, error) {
	if src.Text == "" {
		return Choice{}, fmt.Errorf("chat: the model has no chat template; set chat.jinja to the file of the one it was trained with, "+
			"or chat.template to one of %s", names(Templates))
	}
	marked := marked(src.Text)
	if marked != nil && src.Text == framed(marked) {
		c := named(marked, "the model's template is the frame that ballast wrote for it")
		c.From = src.From
		return c, nil
	}
	c, err := choose(&src, tok, f)
	if r := new(refusal); errors.As(err, &r) {
		return c, r
	}
	if err != nil {
		return c, fmt.Errorf("chat: %s: %w; mend it, %s", safetext.Line(src.From), err, remedy)
	}
	c.From = src.From
	return c, nil
}

func choose(src *Source, tok *bpe.Tokenizer, f Format) (Choice, error) {
	ctx := context.Background()
	least, err := jinja.Apart(ctx, src.Text, probes()[0].variables(src))
	if err != nil {
		return Choice{}, err
	}
	if err := least[0].Err; err != nil {
		return Choice{}, fmt.Errorf("the chat template cannot be rendered: %s", safetext.Line(clip(err.Error(), 0)))
	}
	if c, ok := written(src.Text, least[0], tok, f); ok {
		return c, nil
	}
	own, err := render(ctx, src)
	if err != nil {
		return Choice{}, err
	}
	var nearest *difference
	who := ""
	for _, c := range candidates() {
		r := own
		if c.off != "" && strings.Contains(src.Text+src.Tools, c.off) {
			if r, err = render(ctx, src, c.off, false); err != nil {
				return Choice{}, err
			}
		}
		for _, f := range own.formats(f) {
			t, diff := r.defaults(c.template, f)
			if c.strict && diff == nil && deref(t.plain) != deref(c.template.plain) {
				break
			}
			if diff == nil {
				if diff = r.compare(tok, t, f, c.but); diff == nil {
					return r.choice(c, t, f), nil
				}
			}
			if diff.further(nearest) {
				nearest, who = diff, c.template.Name+" with format "+f.Name()
			}
			if r.toolless {
				break // one format is as good as another
			}
		}
	}
	var made error
	var best *difference
	for _, f := range own.formats(f) {
		t, diff, err := own.ownRenderer(src, tok, f)
		if err == nil {
			return own.choice(candidate{}, t, f), nil
		}
		if made == nil || diff != nil && diff.further(best) {
			made, best = err, diff
		}
	}
	why := &unmade{kind: kindFails, more: made.Error()}
	errors.As(made, &why)
	return Choice{}, &refusal{From: src.From, Nearest: who, Difference: nearest.String(), Kind: why.kind, More: why.more,
		Format: own.recognised()}
}

// written is the choice of a template that JinjaText wrote, to the byte: its mark names
// the renderer, and its rendering of a request the system text.
func written(text string, request jinja.Result, tok *bpe.Tokenizer, f Format) (Choice, bool) {
	t := marked(text)
	if t == nil {
		return Choice{}, false
	}
	r := &renderings{probes: probes()[:1], got: [][]jinja.Result{{request}}, toolless: true}
	usual, diff := r.defaults(t, f)
	if diff != nil {
		return Choice{}, false
	}
	for _, f := range formatsFor(f) {
		for _, system := range []*string{nil, usual.plain, new(string)} {
			if text != JinjaText(Renderer{tok, t, f}, system) {
				continue
			}
			c := named(t, "ballast wrote the model's template for it and format "+f.Name())
			if system != nil {
				c.Template, c.System = usual, *system
			}
			c.Format = f.Name()
			return c, true
		}
	}
	return Choice{}, false
}

// choice is that of a renderer that writes the same.
func (r *renderings) choice(c candidate, t *Template, f Format) Choice {
	out := named(t, "")
	prompts := 0
	for i := range r.probes {
		if p := &r.probes[i]; !(r.toolless && p.tooled() || p.skips(t)) {
			prompts += len(r.got[i])
		}
	}
	var why strings.Builder
	if t.own != nil {
		fmt.Fprintf(&why, "made of the model's own template, which no known one writes; cut into messages it writes the same %d prompts", prompts)
	} else {
		fmt.Fprintf(&why, "the model's own template writes the same %d prompts", prompts)
	}
	if c.off != "" {
		why.WriteString(", with " + c.off + " off")
	}
	if r.toolless {
		why.WriteString("; it knows no tools: these are documented, called and answered in the way of this renderer")
	} else {
		out.Format = f.Name()
		why.WriteString(", and calls in format " + f.Name())
	}
	out.Why = why.String()
	return out
}

// mark is a Jinja comment that names a template. Directories that ballast writes carry it.
func mark(t *Template) string { return "{#- ballast template: " + t.Name + " -#}" }

// marked is the template that a source's mark names, nil without one.
func marked(text string) *Template {
	for _, t := range Templates {
		if strings.HasPrefix(text, mark(t)) {
			return t
		}
	}
	return nil
}

// framed is the chat template that early versions wrote into a model of the template: a
// frame for plain messages. Only this package rendered tools for it.
func framed(t *Template) string {
	begin := ""
	if t.begin != "" {
		begin = "{{ " + format.Quote(t.begin) + " }}"
	}
	open, shut, _ := strings.Cut(t.system, "system")
	esc := strings.NewReplacer("\n", `\n`).Replace
	return fmt.Sprintf("%s%s{%% for m in messages %%}{{ '%s' + m.role + '%s' + m.content + '%s' }}{%% endfor %%}"+
		"{%% if add_generation_prompt %%}{{ '%sassistant%s' }}{%% endif %%}", mark(t), begin, open, esc(shut), esc(t.end+t.gap), open, esc(shut))
}
