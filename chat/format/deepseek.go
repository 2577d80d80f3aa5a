package format

import (
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// The control tokens of DeepSeek's calls and results, and its end of a reply. The bars are
// U+FF5C, the blanks U+2581.
const (
	deepBegin, deepEnd      = "<\uff5ctool\u2581calls\u2581begin\uff5c>", "<\uff5ctool\u2581calls\u2581end\uff5c>"
	deepCall, deepCut       = "<\uff5ctool\u2581call\u2581begin\uff5c>", "<\uff5ctool\u2581call\u2581end\uff5c>"
	deepSep                 = "<\uff5ctool\u2581sep\uff5c>"
	deepReply, deepShut     = "<\uff5ctool\u2581output\u2581begin\uff5c>", "<\uff5ctool\u2581output\u2581end\uff5c>"
	deepReplies, deepShuts  = "<\uff5ctool\u2581outputs\u2581begin\uff5c>", "<\uff5ctool\u2581outputs\u2581end\uff5c>"
	deepStop                = "<\uff5cend\u2581of\u2581sentence\uff5c>"
	deepFence, deepFenceEnd = "```json\n", "\n```"
)

// deepLexicon is that of all DeepSeek models since V3.
var deepLexicon = newLexicon(
	[]string{deepBegin, deepEnd, deepCall, deepSep, deepCut, deepReply, deepShut, deepReplies, deepShuts}, []string{deepStop})

// deepseekV31 is the format of DeepSeek V3.1: the name, a separator and the arguments as JSON,
// between tokens. Calls follow each other without anything between them.
type deepseekV31 struct{ marked }

// DeepSeekV31 is the format `deepseek-v3.1`.
var DeepSeekV31 Format = deepseekV31{marked{
	lexicon: deepLexicon,
	arrows: []arrow{{partNone, deepBegin, partBetween, false}, {partBetween, deepCall, partName, false}, {partName, deepSep, partArgs, false},
		{partArgs, deepCut, partBetween, true}, {partBetween, deepEnd, partNone, false}},
	read:  deepV31Read,
	loose: ReasonTextAroundCall,
}}

// deepseekV3 is the format of DeepSeek V3 and R1: the word function, a separator, the name
// on a line of its own, and the arguments as JSON in a fence. A line end stands between
// calls.
type deepseekV3 struct{ marked }

// DeepSeekV3 is the format `deepseek-v3`.
var DeepSeekV3 Format = deepseekV3{marked{
	lexicon: deepLexicon,
	arrows: []arrow{{partNone, deepBegin, partBetween, false}, {partBetween, deepCall, partName, false}, {partName, deepSep, partTool, false},
		{partTool, deepCut, partBetween, true}, {partArgs, deepCut, partBetween, true}, {partBetween, deepEnd, partNone, false}},
	read:  deepV3Read,
	loose: ReasonTextAroundCall,
}}

// Name returns "deepseek-v3.1".
func (deepseekV31) Name() string { return "deepseek-v3.1" }

// Name returns "deepseek-v3".
func (deepseekV3) Name() string { return "deepseek-v3" }

// Instructions is the section of tools of DeepSeek V3.1's chat template.
func (deepseekV31) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("## Tools\nYou have access to the following tools:\n")
	for _, t := range tools {
		b.WriteString("\n" + deepDoc(t) + "\n")
	}
	b.WriteString("\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n" +
		deepBegin + deepCall + "tool_call_name" + deepSep + "tool_call_arguments" + deepCut + "{{additional_tool_calls}}" + deepEnd +
		"\n\nWhere:\n\n- `tool_call_name` must be an exact match to one of the available tools\n" +
		"- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n" +
		"- For multiple tool calls, chain them directly without separators or spaces\n")
	return b.String()
}

// deepDoc documents a tool as V3.1's template does, or as JSON where it is documented in
// another way than OpenAI's clients do.
func deepDoc(t ballast.Tool) string {
	doc := asDict(tooldoc.Doc(t))
	if inner := asDict(member(doc, "function")); inner != nil {
		doc = inner
	}
	name, ok := member(doc, "name").(string)
	if !ok {
		return docJSON(t)
	}
	about, _ := member(doc, "description").(string)
	params := member(doc, "parameters")
	if params == nil {
		params = value.NewDict()
	}
	return "### " + name + "\nDescription: " + about + "\n\nParameters: " + tooldoc.JSON(params)
}

// Instructions is the section of tools that serving engines write for DeepSeek V3, whose
// own template has none.
func (f deepseekV3) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to assist with the user query.\n<tools>")
	for _, t := range tools {
		b.WriteString("\n" + docJSON(t))
	}
	b.WriteString("\n</tools>\n\nFor function calls, end your reply with:\n" + f.Hint())
	return b.String()
}

// Hint shows the syntax in one line.
func (deepseekV31) Hint() string {
	return deepBegin + deepCall + "name" + deepSep + "{...}" + deepCut + deepEnd
}

// Hint shows the syntax.
func (deepseekV3) Hint() string {
	return deepBegin + deepCall + "function" + deepSep + "name\n" + deepFence + "{...}" + deepFenceEnd + deepCut + deepEnd
}

// Docs documents the tools one after the other.
func (deepseekV31) Docs(tools []ballast.Tool) string {
	docs := make([]string, len(tools))
	for i, t := range tools {
		docs[i] = deepDoc(t)
	}
	return strings.Join(docs, "\n\n")
}

// Docs is a JSON list of the tools' documentation.
func (deepseekV3) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Render is Write for calls that can be written.
func (f deepseekV31) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Render is Write for calls that can be written.
func (f deepseekV3) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes the calls between their tokens.
func (f deepseekV31) Write(calls []ballast.Call, offered Offered) (string, error) {
	var b strings.Builder
	for _, c := range calls {
		args, err := f.argsJSON(c)
		if err != nil {
			return "", err
		}
		b.WriteString(deepCall + c.Name + deepSep + args + deepCut)
	}
	return checked(f, deepBegin+b.String()+deepEnd, calls, offered)
}

// Write writes the calls between their tokens.
func (f deepseekV3) Write(calls []ballast.Call, offered Offered) (string, error) {
	parts := make([]string, len(calls))
	for i, c := range calls {
		args, err := f.argsJSON(c)
		if err != nil {
			return "", err
		}
		parts[i] = deepCall + "function" + deepSep + c.Name + "\n" + deepFence + args + deepFenceEnd + deepCut
	}
	return checked(f, deepBegin+strings.Join(parts, "\n")+deepEnd, calls, offered)
}

// Result puts a tool's answer between the tokens of results.
func (deepseekV31) Result(text string) (before, body, after string) { return deepReply, text, deepShut }

// Result puts a tool's answer between the tokens of results. The template has further ones
// around the results of one reply, which are not written.
func (deepseekV3) Result(text string) (before, body, after string) { return deepReply, text, deepShut }

// Jinja is the form of V3.1's template.
func (f deepseekV31) Jinja() Jinja {
	j := jsonPieces()
	const tool = "(tool['function'] if tool['function'] is mapping else tool)"
	j.Doc = "('### ' + " + tool + "['name'] + '\\nDescription: ' + (" + tool + "['description'] or '') + '\\n\\nParameters: ' + (" +
		tool + "['parameters'] or {})|tojson)"
	j.Own, j.Before, j.After = f.words, deepBegin, deepEnd
	j.Call = "{{- " + Quote(deepCall) + " + name + " + Quote(deepSep) + " -}}\n" + jsonMembers() + "\n{{- " + Quote(deepCut) + " -}}"
	return j
}

// Jinja is the form of V3's template.
func (f deepseekV3) Jinja() Jinja {
	j := jsonPieces()
	j.Own, j.Before, j.Between, j.After = f.words, deepBegin, "\n", deepEnd
	j.Call = "{{- " + Quote(deepCall+"function"+deepSep) + " + name + " + Quote("\n"+deepFence) + " -}}\n" + jsonMembers() +
		"\n{{- " + Quote(deepFenceEnd+deepCut) + " -}}"
	return j
}

func deepV31Read(parts []field, _ Offered) (calls []ballast.Call, fault Reason, detail string) {
	name, args := textOf(parts, partName), trim(textOf(parts, partArgs))
	if trim(name) == "function" && strings.Contains(args, strings.TrimSpace(deepFence)) { // V3's way
		return nil, ReasonOtherSyntax, shown(deepCall + name + deepSep + args)
	}
	if strings.Contains(name, "\n") { // blanks are part of the name: for serving engines they are
		return nil, ReasonBadCall, "a line end in the name"
	}
	return argsCall(name, args)
}

func deepV3Read(parts []field, _ Offered) (calls []ballast.Call, fault Reason, detail string) {
	kind, body := textOf(parts, partName), textOf(parts, partTool)
	if kind != "function" { // V3.1's way, or no way at all
		return nil, ReasonOtherSyntax, shown(deepCall + kind + deepSep + body)
	}
	name, rest, ok := strings.Cut(body, "\n")
	args, fenced := strings.CutPrefix(rest, deepFence)
	args, shut := strings.CutSuffix(args, deepFenceEnd)
	if !ok || !fenced || !shut { // serving engines find no call with other line ends, and take blanks for part of the name
		return nil, ReasonBadCall, "no name on a line, and JSON on lines of its own in a fence below it"
	}
	return argsCall(name, args)
}
