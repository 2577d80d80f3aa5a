// Package chat turns a conversation into tokens and a reply into calls.
//
// A Template is how a model family frames messages, a Format (package format) is
// how tool calls are written in replies and read from them; every template goes
// with every format. Renderer joins both with a tokenizer, Dialogue is one
// conversation.
//
// # Tokens are made once
//
// A Dialogue is one growing list of token ids with an owner for each. Only new
// messages are rendered; what was appended never changes. The ids of a reply are
// appended as they were sampled and never decoded and encoded again. A reply
// that was cut has no end token: the template writes one, as its own, when the
// next message comes. Text between two control tokens is encoded as one run, so
// the ids are those of the whole conversation encoded at once; only the
// beginning of a reply is a border that no token crosses. Text of users and
// tools, system texts and the documentation of tools are plain: a control token spelled
// there stays text.
//
// # Templates and the models' own
//
// The renderings are those of the models' Jinja templates (golden files in
// testdata) with these differences, most of them so that a message, once
// rendered, never changes:
//
//   - qwen3 keeps thoughts in the conversation, where Qwen3's template drops
//     those before the last user message, and puts no empty thought into a last
//     reply that has none.
//   - qwen3-nothink keeps the empty thought of every reply, owned by the
//     template; Qwen3's template drops it from all but the last.
//   - llama3 puts tools into the system prompt (tools_in_user_message off), has
//     the template's fixed default date, allows several calls and results, and
//     does not trim replies.
//   - A reply's end token, where it lacks one, and the line end after it are
//     written when the next message is.
//   - smollm2 has a tool section (the format's); its own template knows no tools.
//   - Tools are documented as they come (in the paper without the
//     wrapping {"type": "function"}).
//
// # Failure
//
// Check and Choose answer a tokenizer or a model that does not fit with an error that
// says what to choose. Messages in an impossible order are slips of the caller and panic.
// A conversation that the template cannot write is a panic that pretoken.Recover makes
// an error.
package chat

import (
	"maps"
	"slices"

	"ballast/chat/format"
	"ballast/chat/tooldoc"
)

// The words of the packages below that every user of a dialogue needs.
type (
	// Format is a way to write tool calls in a reply.
	Format = format.Format
	// Parsed is what a reply says.
	Parsed = format.Parsed
	// Reason says why a reply has its form.
	Reason = format.Reason
)

// The formats and their table.
var (
	Hermes       = format.Hermes
	Pythonic     = format.Pythonic
	Formats      = format.All
	FormatByName = format.ByName
	Named        = tooldoc.Named
)

// ControlTokens lists the control tokens that a vocabulary needs for the
// templates with any format, in a fixed order, for training a tokenizer. The tokens of a
// format that belong to the models of one family are left out: other models spell them.
func ControlTokens(ts ...*Template) []string {
	var out []string
	add := func(tokens []string) {
		for _, t := range tokens {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	for _, t := range ts {
		add(t.control)
		add(t.stops)
	}
	for _, name := range slices.Sorted(maps.Keys(Formats)) {
		add(slices.DeleteFunc(Formats[name].Control(), func(token string) bool { return !format.IsTag(token) }))
	}
	return out
}
