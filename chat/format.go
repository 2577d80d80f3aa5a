package chat

import (
	"fmt"
	"sort"
	"strings"

	"ballast"
	"ballast/value"
)

// Format is a way to write tool calls in a reply. Formats hold no state.
type Format interface {
	// Name is the format's name in Formats.
	Name() string
	// Instructions is the section of the system prompt that documents the tools
	// and the syntax of calls.
	Instructions(tools []ballast.Tool) string
	// Hint shows the syntax in one short line, for compact prompts.
	Hint() string
	// Docs documents tools alone, for a message that reveals more of them.
	Docs(tools []ballast.Tool) string
	// Render writes calls as the text of a reply, without an end token. Parse
	// reads the same calls back. A call that the format cannot express (see
	// Named) is a broken invariant and panics.
	Render(calls []ballast.Call) string
	// Result is how a tool's answer stands in a message: the format's text
	// before it, the answer, the format's text after it.
	Result(text string) (before, body, after string)
	// Parse reads a reply: its text with control tokens visible, with or
	// without its end token. known says which functions are offered (nil: not
	// checked). It never panics, in time and memory linear in the reply.
	Parse(reply string, known func(name string) bool) Parsed
	// Control lists the control tokens that calls are made of.
	Control() []string
	// Next moves the automaton on by text, which may be one token, a part of a
	// control token, or many tokens.
	Next(s State, text string) State
	// Legal says whether a control token may come next: one of Control, a
	// thought's tag, an end token. It is false for all that the format has no
	// place for.
	Legal(s State, token string) bool
}

// Formats is the table of formats by name.
var Formats = map[string]Format{
	"hermes":   Hermes,
	"pythonic": Pythonic,
	"llama3":   LlamaJSON,
	"xml":      XML,
}

// FormatByName finds a format; its error lists the names.
func FormatByName(name string) (Format, error) {
	if f, ok := Formats[name]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("chat: no tool-call format %q; choose one of %s", name, names(Formats))
}

// names lists the keys of a table for error messages.
func names[V any](table map[string]V) string {
	var out []string
	for k := range table {
		out = append(out, k)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

// Named returns the call with every positional argument named after the tool's
// parameter in its place, as formats in JSON need it. The tool is found in
// tools by name.
func Named(c ballast.Call, tools []ballast.Tool) (ballast.Call, error) {
	out := ballast.Call{Name: c.Name, Args: make([]ballast.Arg, len(c.Args))}
	copy(out.Args, c.Args)
	var params []ballast.Param
	for i, a := range c.Args {
		if a.Name != "" {
			continue
		}
		if params == nil {
			for _, t := range tools {
				if t.Name == c.Name {
					params = Params(t)
				}
			}
		}
		if i >= len(params) {
			return out, fmt.Errorf("chat: %s: argument %d has no name and the documentation has no parameter for it",
				value.FormatCall(c), i+1)
		}
		out.Args[i].Name = params[i].Name
	}
	return out, nil
}
