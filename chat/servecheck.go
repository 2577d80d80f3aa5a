package chat

import (
	"fmt"

	"ballast/chat/jinja"
)

// CheckJinja reports whether text, the template that JinjaText wrote for a style and a
// system text, renders what Dialogue trains, tokens and all, for the conversations that
// Choose compares models' templates on. The error names the first difference. It runs in
// this process and takes some 50 milliseconds.
func CheckJinja(text string, s Style, system *string) error {
	for _, p := range probes() {
		var got []jinja.Result
		for _, v := range p.variables(&Source{}) {
			out, err := jinja.Render(text, v)
			got = append(got, jinja.Result{Text: out, Err: err})
		}
		// Only thoughts may be refused, where the template writes none.
		_, thinks := s.Template.Thought("x")
		p.may = p.thoughts() && !thinks
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

// thoughts says whether a reply of the probe has a thought.
func (p *probe) thoughts() bool {
	for _, m := range p.messages {
		if m.thought != "" {
			return true
		}
	}
	return false
}
