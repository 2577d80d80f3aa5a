package chat

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"ballast/chat/jinja"
	"ballast/value"
)

// CheckJinja reports whether text, the template that JinjaText wrote for a renderer and a
// system text, renders what Dialogue trains, tokens and all, for the conversations that
// Choose compares models' templates on. The error names the first difference.
//
// A text of ours is rendered in this process, which takes some 20 milliseconds; a model's
// own template in a child process, see jinja.Apart.
func CheckJinja(text string, s Renderer, system *string) error {
	source, ours := &Source{}, s.Template.own == nil
	if !ours {
		source = &s.Template.own.source
	}
	list := probes()
	var data []*value.Dict
	for i := range list {
		data = append(data, list[i].variables(source)...)
	}
	var got []jinja.Result
	var err error
	if ours {
		got = jinja.All(text, data)
	} else if got, err = jinja.Apart(context.Background(), text, data); err != nil {
		return err
	}
	_, thinks := s.Template.Thought("x")
	for _, p := range list {
		n := len(p.variables(source))
		if ours { // it refuses thoughts alone, where it writes none
			p.may = p.thoughts() && !thinks
		}
		if p.system == nil {
			p.system = system
		}
		if p.name == spacedReplies || p.name == spacedCall || p.skips(s.Template) { // trained as sampled, where texts of data may be trimmed
			got = got[n:]
			continue
		}
		if _, why := compareProbe(&p, got[:n], s.Tokenizer, s.Template, s.Format); why != "" {
			return fmt.Errorf("chat: the chat template for servers does not render what is trained in %s with format %s: probe %q: %s",
				s.Template.Name, s.Format.Name(), p.name, why)
		}
		got = got[n:]
	}
	return nil
}

// thoughts says whether a reply of the probe has a thought.
func (p *probe) thoughts() bool {
	return slices.ContainsFunc(p.messages, func(m said) bool { return m.thought != "" })
}

// NamesEnd says that the template is a model's own and writes eos_token by that name: its
// tokenizer has to go on calling the same token so.
func (t *Template) NamesEnd() bool {
	return t.own != nil && strings.Contains(t.own.source.Jinja(), "eos_token")
}
