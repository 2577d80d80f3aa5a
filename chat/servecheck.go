package chat

import (
	"context"
	"fmt"

	"ballast/chat/jinja"
	"ballast/value"
)

// CheckJinja reports whether text, the template that JinjaText wrote for a style and a
// system text, renders what Dialogue trains, tokens and all, for the conversations that
// Choose compares models' templates on. The error names the first difference. It runs in
// this process and takes some 50 milliseconds; a model's own template runs in a child.
func CheckJinja(text string, s Style, system *string) error {
	src := &Source{}
	if own := s.Template.own; own != nil {
		if system == nil { // it is the model's own, to the byte
			return nil
		}
		src = &own.source
	}
	for _, p := range probes() {
		render := trusted
		if src.Text != "" {
			render = func(text string, data []*value.Dict) ([]jinja.Result, error) {
				return jinja.Apart(context.Background(), text, data)
			}
		}
		got, err := render(text, p.variables(src))
		if err != nil {
			return err
		}
		// Only thoughts may be refused, where the template writes none.
		_, thinks := s.Template.Thought("x")
		p.may = p.thoughts() && !thinks || p.may && s.Template.own != nil
		if p.system == nil {
			p.system = system
		}
		if _, why := compareProbe(&p, got, s.Tok, s.Template, s.Format); why != "" {
			return fmt.Errorf("chat: the chat template for servers does not render what is trained in %s with format %s: probe %q: %s",
				s.Template.Name, s.Format.Name(), p.name, why)
		}
	}
	return nil
}

// trusted renders a template of this package's own.
func trusted(text string, data []*value.Dict) (got []jinja.Result, err error) {
	for _, v := range data {
		out, err := jinja.Render(text, v)
		got = append(got, jinja.Result{Text: out, Err: err})
	}
	return got, nil
}

// thoughts says whether a reply of the probe has a thought.
func (p *probe) thoughts() bool {
	for _, m := range p.messages {
		if m.thought != "" {
			return true
		}
	}
	return false
}
