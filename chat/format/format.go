// Package format holds the ways to write tool calls in replies: each renders
// calls, reads replies, and knows where its control tokens may stand.
//
// Format.Parse gives each reply one of the paper's four kinds (section 2) and
// the precise reason. The rules, for all formats:
//
//   - White space is ASCII. One end token at the end is taken off, so a reply
//     parses alike with and without it; any other is a misplaced control token.
//   - Collapsed: no letter, digit or character outside ASCII is left when the
//     control tokens are taken out.
//   - Call: one or more well-formed calls, which end the reply. Prose before the
//     first call is healthy (Qwen often says what it will do), also a <think>
//     block at the very start; text between or after calls is pollution.
//   - Response: prose without any residue of calls: no tag, no control token, no
//     call in another syntax (foreignCall says what counts as one). JSON that names
//     no offered tool is an answer.
//   - Polluted: everything else.
//
// A tag is what is spelled like one, whether it is one token or several. In the
// literals of JSON and Python, Write escapes such spellings. Where values are text
// without escapes (xml, glm) it refuses them: what Write answers always parses as the same
// calls. Calls of functions that are not offered keep the form of a
// call, with ReasonUnknownTool: the format is healthy.
//
// The automaton (State, Format.Next, Format.Legal) is the same theory token by
// token: in a healthy reply every control token was legal where it stood.
//
// Adding a format is one file and one line in All; most are a body for tagged
// (calls between tags), bare (calls without) or marked (calls of several control tokens).
//
// The model's behaviour is never an error: Parse answers every reply, hostile
// ones in linear time. Calls that a format cannot write are an error of Write, which
// names call and argument, and panic in Render, which is for calls that were checked.
//
// Some formats have control tokens of one family of models ([TOOL_CALLS] of Mistral). Other
// formats do not know them as tokens: there they are the mark of a foreign call.
//
// In xml and glm a value has the type that the tool declares for its argument (declared, readAs):
// a string is written raw, every other value as JSON. In xml both stand between "\n" and
// "\n". The text of a declared string is that text ("12", "true" and "3.10" too); of a
// declared integer, number, boolean, null, array or object it is read as JSON, or as
// Python's True, False and None, and is ReasonBadCall if it is of another kind. Of a
// union with a string it is the other kind where it can be, else the string. Where
// nothing is declared it is JSON, if it is JSON of any kind but a string, else the text.
// In glm, whose models write JSON alone, Python's words are text where a string may stand.
package format

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// Format is a way to write tool calls in a reply. Formats hold no state.
type Format interface {
	// Name is the format's name in All.
	Name() string
	// Instructions is the section of the system prompt that documents the tools
	// and the syntax of calls.
	Instructions(tools []ballast.Tool) string
	// Hint shows the syntax in one short line, for compact prompts.
	Hint() string
	// Docs documents tools alone, for a message that reveals more of them.
	Docs(tools []ballast.Tool) string
	// Write writes calls as the text of a reply, without an end token. Parse
	// reads the same calls back, given the same tools; a call that the format
	// cannot write so is an error that names it.
	Write(calls []ballast.Call, offered Offered) (string, error)
	// Render is Write for calls of our own making: an error is a broken
	// invariant and panics.
	Render(calls []ballast.Call, offered Offered) string
	// Result is how a tool's answer stands in a message: the format's text
	// before it, the answer, the format's text after it.
	Result(text string) (before, body, after string)
	// Jinja is how Instructions and Render stand in a Jinja chat template.
	Jinja() Jinja
	// Parse reads a reply: its text with control tokens visible, with or
	// without its end token. offered are the tools that may be called (nil: names
	// are not checked). It never panics, in time and memory linear in the reply.
	Parse(reply string, offered Offered) Parsed
	// Control lists the control tokens that calls are made of.
	Control() []string
	// Split cuts a text into text and control tokens, those of the format too, in linear
	// time.
	Split(text string) []Piece
	// Next moves the automaton on by text, which may be one token, a part of a
	// control token, or many tokens.
	Next(s State, text string) State
	// Legal says whether a control token may come next: one of Control, a
	// thought's tag, an end token. It is false for all that the format has no
	// place for.
	Legal(s State, token string) bool
}

// Offered are the tools that a reply may call. Formats whose values are text take
// the types of values from it. A nil Offered means that nothing is known of the
// tools: no name is checked and no value has a declared type.
type Offered interface {
	// Tool finds a tool by its name.
	Tool(name string) (ballast.Tool, bool)
}

// Tools offers the tools of a list. Of two with one name the first counts.
func Tools(list []ballast.Tool) Offered {
	t := make(toolTable, len(list))
	for _, tool := range list {
		if _, twice := t[tool.Name]; !twice {
			t[tool.Name] = tool
		}
	}
	return t
}

type toolTable map[string]ballast.Tool

func (t toolTable) Tool(name string) (ballast.Tool, bool) {
	tool, ok := t[name]
	return tool, ok
}

// has reports whether a tool is offered by name; false where names are not checked.
func has(offered Offered, name string) bool {
	if offered == nil {
		return false
	}
	_, ok := offered.Tool(name)
	return ok
}

// unknown reports whether names are checked and this one is not offered.
func unknown(offered Offered, name string) bool { return offered != nil && !has(offered, name) }

// toolOf is the tool that is offered by name, an empty one where there is none.
func toolOf(offered Offered, name string) ballast.Tool {
	if offered == nil {
		return ballast.Tool{}
	}
	t, _ := offered.Tool(name)
	return t
}

// All is the table of formats by name.
var All = map[string]Format{
	"hermes":        Hermes,
	"pythonic":      Pythonic,
	"llama3":        LlamaJSON,
	"xml":           XML,
	"xlam":          XLAM,
	"mistral":       Mistral,
	"mistral-v11":   MistralV11,
	"deepseek-v3":   DeepSeekV3,
	"deepseek-v3.1": DeepSeekV31,
	"glm":           GLM,
	"harmony":       Harmony,
}

// aliases are the names of model families whose format has another name.
var aliases = map[string]string{
	"qwen3-coder": "xml", "gpt-oss": "harmony", "deepseek-r1": "deepseek-v3",
}

// Named is the name in All that a name of a format or of a family stands for.
func Named(name string) string { return cmp.Or(aliases[name], name) }

// ByName finds a format, by its name or that of a family; its error lists the names.
func ByName(name string) (Format, error) {
	if f, ok := All[Named(name)]; ok {
		return f, nil
	}
	return nil, fmt.Errorf("chat: no tool-call format %q; choose one of %s", name, names())
}

func names() string { return strings.Join(slices.Sorted(maps.Keys(All)), ", ") }

func docJSON(t ballast.Tool) string { return tooldoc.JSON(tooldoc.Doc(t)) }

func docsJSON(tools []ballast.Tool) string {
	list := value.NewList()
	for _, t := range tools {
		list.Items = append(list.Items, tooldoc.Doc(t))
	}
	return tooldoc.JSON(list)
}
