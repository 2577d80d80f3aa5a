package remote

import (
	"cmp"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/chat/format"
	"ballast/endpoint"
	"ballast/value"
)

// begin writes what comes before the user's first message: a system message, and the tools apart; or the
// messages that the task brings, which document the tools in words.
func (d *dialogue) begin() {
	if prompt := d.Task().Prompt; prompt != nil { // where a world listens, what it says stands for it
		d.messages = written(prompt)
		return
	}
	if d.cfg.System != nil {
		d.messages = append(d.messages, endpoint.System(*d.cfg.System))
	}
	d.offer(d.Tools())
}

// written is a prompt as the endpoint gets it.
func written(prompt []ballast.Message) (out []endpoint.Message) {
	for i := range prompt {
		out = append(out, endpoint.Message{Role: prompt[i].Role, Content: &prompt[i].Text})
	}
	return out
}

// read records a reply.
func (d *dialogue) read(m endpoint.Reply, cut bool) {
	if d.Task().Prompt == nil {
		d.Reply(parse(m, d.Env), ballast.Step{Text: text(m), Cut: cut})
		return
	}
	all := whole(m)
	d.Reply(parseText(all, d.Task().Format, d.Env), ballast.Step{Text: all, Cut: cut})
}

// whole is the reply to a prompt that documents tools in words. A server that reads the calls out of the
// text gives them apart: they are put back as they stand in it.
func whole(m endpoint.Reply) string {
	var b strings.Builder
	b.WriteString(m.Content)
	for _, c := range m.Calls {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		name, _ := value.JSON(c.Name)
		b.WriteString("<tool_call>\n{\"name\": " + name + ", \"arguments\": " + cmp.Or(c.Arguments, "{}") + "}\n</tool_call>")
	}
	return b.String()
}

// parseText reads a reply that has its calls as text, in the format of that name.
func parseText(text, name string, offered format.Offered) chat.Parsed {
	f, err := chat.FormatByName(name)
	if err != nil {
		f = chat.Hermes
	}
	return f.Parse(format.Opened(text), offered)
}
