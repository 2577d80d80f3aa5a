package format

import (
	"slices"
	"strings"

	"ballast"
	"ballast/value"
)

// The control tokens of Mistral's calls and results, and its end of a reply.
const (
	mistralCalls                   = "[TOOL_CALLS]"
	mistralID, mistralArgs         = "[CALL_ID]", "[ARGS]"
	mistralResults, mistralShut    = "[TOOL_RESULTS]", "[/TOOL_RESULTS]"
	mistralTools, mistralToolsShut = "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"
	mistralEnd                     = "</s>"
	mistralAsks, mistralName       = "\n\nTo call tools, end your reply with ", "function_name"
)

// mistral is the format of Mistral's models up to version 7 of their tokenizer (Mistral
// 7B v0.3, Nemo, Large, Small 3.0 and 3.1): a control token and a JSON list of calls.
//
//	[TOOL_CALLS][{"name": "f", "arguments": {"a": 1}}]
//
// White space behind the token is free. A call may have an "id", with which results
// name it: it is read and dropped, and Write writes none, as Mistral's own renderer does
// for calls that have none.
type mistral struct{ marked }

// Mistral is the format `mistral`.
var Mistral Format = mistral{marked{
	lexicon:   newLexicon([]string{mistralCalls, mistralResults, mistralShut}, []string{mistralEnd}),
	arrows:    []arrow{{partNone, mistralCalls, partArgs, false}},
	read:      mistralRead,
	bracketed: true,
}}

// mistralV11 is the format of Mistral's models from version 11 of their tokenizer on
// (Small 3.2, Devstral, Magistral, Ministral 3): each call has its own control token, and
// the arguments stand behind another one.
//
//	[TOOL_CALLS]f[ARGS]{"a": 1}[TOOL_CALLS]g[ARGS]{}
//
// Version 11 may put [CALL_ID] and an identity before the arguments: it is read and
// dropped, and Write writes none, as version 13 does. From that version on a thought stands
// between [THINK] and [/THINK].
type mistralV11 struct{ marked }

// MistralV11 is the format `mistral-v11`.
var MistralV11 Format = mistralV11{marked{
	lexicon: newLexicon([]string{mistralCalls, mistralID, mistralArgs, mistralResults, mistralShut}, []string{mistralEnd}).
		thinks(openThinkMistral, closeThinkMistral),
	arrows: []arrow{{partNone, mistralCalls, partName, false}, {partName, mistralID, partID, false},
		{partName, mistralArgs, partArgs, false}, {partID, mistralArgs, partArgs, false}},
	read:      mistralV11Read,
	bracketed: true, again: true,
}}

// Name returns "mistral".
func (mistral) Name() string { return "mistral" }

// Name returns "mistral-v11".
func (mistralV11) Name() string { return "mistral-v11" }

// Instructions lists the tools as Mistral's templates do. What a call looks like stands
// below: those say nothing of it.
func (f mistral) Instructions(tools []ballast.Tool) string {
	return mistralDocs(tools) + mistralAsks + mistralCalls + " and a JSON list of calls:\n" + f.Hint()
}

// Instructions lists the tools as Mistral's templates do. What a call looks like stands
// below: those say nothing of it.
func (f mistralV11) Instructions(tools []ballast.Tool) string {
	return mistralDocs(tools) + mistralAsks + "one of these for each call:\n" + f.Hint()
}

func mistralDocs(tools []ballast.Tool) string {
	docs := make([]string, len(tools))
	for i, t := range tools {
		docs[i] = docJSON(t)
	}
	return mistralTools + "[" + strings.Join(docs, ", ") + "]" + mistralToolsShut
}

// Hint shows the syntax in one line.
func (mistral) Hint() string { return mistralCalls + `[{"name": ..., "arguments": {...}}]` }

// Hint shows the syntax in one line.
func (mistralV11) Hint() string { return mistralCalls + mistralName + mistralArgs + `{...}` }

// Docs is a JSON list of the tools' documentation.
func (mistral) Docs(tools []ballast.Tool) string { return mistralDocs(tools) }

// Docs is a JSON list of the tools' documentation.
func (mistralV11) Docs(tools []ballast.Tool) string { return mistralDocs(tools) }

// Render is Write for calls that can be written.
func (f mistral) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Render is Write for calls that can be written.
func (f mistralV11) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes the calls as one list.
func (f mistral) Write(calls []ballast.Call, offered Offered) (string, error) {
	text, err := f.listJSON(calls)
	if err != nil {
		return "", err
	}
	return checked(f, mistralCalls+text, calls, offered)
}

// Write writes each call behind its own token.
func (f mistralV11) Write(calls []ballast.Call, offered Offered) (string, error) {
	var b strings.Builder
	for _, c := range calls {
		args, err := f.argsJSON(c)
		if err != nil {
			return "", err
		}
		b.WriteString(mistralCalls + c.Name + mistralArgs + args)
	}
	return checked(f, b.String(), calls, offered)
}

// Result puts a tool's answer between the tokens of results. The identity of its call, which
// the templates have behind it, is not written.
func (mistral) Result(text string) (before, body, after string) {
	return mistralResults + `{"content": `, text, "}" + mistralShut
}

// Result puts a tool's answer between the tokens of results.
func (mistralV11) Result(text string) (before, body, after string) {
	return mistralResults, text, mistralShut
}

// Jinja writes JSON objects in a list.
func (f mistral) Jinja() Jinja {
	j := jsonPieces()
	j.Own = f.words
	j.Before, j.Between, j.After, j.Call = mistralCalls+"[", ", ", "]", jsonObject("arguments")
	return j
}

// Jinja writes each call behind its own token.
func (f mistralV11) Jinja() Jinja {
	j := jsonPieces()
	j.Own = f.words
	j.Call = "{{- " + Quote(mistralCalls) + " + name + " + Quote(mistralArgs) + " -}}\n" + jsonMembers()
	return j
}

// mistralRead reads a list of calls.
func mistralRead(parts []field, _ Offered) (calls []ballast.Call, fault Reason, detail string) {
	text := trim(textOf(parts, partArgs))
	if !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		return nil, ReasonOtherSyntax, shown(mistralCalls + text)
	}
	if calls, fault, detail = xlamBody(text); fault == "" && len(calls) == 0 {
		return nil, ReasonBadCall, "a list of no calls"
	}
	return calls, fault, detail
}

// mistralV11Read reads one call.
func mistralV11Read(parts []field, offered Offered) (calls []ballast.Call, fault Reason, detail string) {
	name := trim(textOf(parts, partName))
	if strings.HasPrefix(name, "[") || strings.HasPrefix(name, "{") {
		return nil, ReasonOtherSyntax, shown(mistralCalls + name)
	}
	if !slices.ContainsFunc(parts, func(p field) bool { return p.part == partArgs }) { // the reply was cut
		return nil, ReasonUnclosedTag, ""
	}
	return argsCall(name, textOf(parts, partArgs))
}

// argsCall reads the arguments of a call, a JSON object.
func argsCall(name, args string) (calls []ballast.Call, fault Reason, detail string) {
	if trim(name) == "" {
		return nil, ReasonMissingName, ""
	}
	v, err := value.ParseJSON([]byte(trim(args)))
	if err != nil {
		return nil, ReasonBadJSON, err.Error()
	}
	call, fault := callOf(name, v)
	if fault != "" {
		return nil, fault, ""
	}
	return []ballast.Call{call}, "", ""
}
