package format

import (
	"strings"

	"ballast"
	"ballast/value"
)

// xlam is the format of Salesforce's xLAM 2 models: the reply is a JSON list of
// {"name": "f", "arguments": {...}}. It has no control tokens. The list begins a line, the
// reply or a later one, and ends the reply.
type xlam struct{ bare }

// XLAM is the format `xlam`.
var XLAM Format = xlam{bare{char: xlamChar, body: xlamBody, json: true, opener: '['}}

// Name returns "xlam".
func (xlam) Name() string { return "xlam" }

// Instructions asks for calls as xLAM's chat template does, and has its layout of tools.
func (xlam) Instructions(tools []ballast.Tool) string {
	text := "You have access to a set of tools. When using tools, make calls in a single JSON array: \n\n" +
		`[{"name": "tool_call_name", "arguments": {"arg1": "value1", "arg2": "value2"}}, ` +
		"... (additional parallel tool calls as needed)]\n\nThe available tools are:"
	for _, t := range tools {
		text += "\n\n" + indented(docJSON(t))
	}
	return text
}

// Hint shows the syntax in one line.
func (xlam) Hint() string { return `[{"name": ..., "arguments": {...}}]` }

// Docs is a JSON list of the tools' documentation.
func (xlam) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Render is Write for calls that can be written.
func (f xlam) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes the calls as one list.
func (f xlam) Write(calls []ballast.Call, offered Offered) (string, error) {
	text, err := f.listJSON(calls)
	if err != nil {
		return "", err
	}
	return checked(f, text, calls, offered)
}

// Result is the answer as it is.
func (xlam) Result(text string) (before, body, after string) { return "", text, "" }

// Jinja writes JSON objects in a list.
func (xlam) Jinja() Jinja {
	j := jsonPieces()
	j.Doc = "tool|tojson(indent=4)"
	j.Before, j.Between, j.After, j.Call = "[", ", ", "]", jsonObject("arguments")
	return j
}

// listJSON writes calls as a JSON list.
func (l lexicon) listJSON(calls []ballast.Call) (string, error) {
	parts := make([]string, len(calls))
	for i, c := range calls {
		var err error
		if parts[i], err = l.callJSON(c, "arguments"); err != nil {
			return "", err
		}
	}
	return "[" + strings.Join(parts, ", ") + "]", nil
}

// xlamChar moves on by one byte: calls begin where a line begins with a bracket, white
// space and a brace.
func xlamChar(s State, c byte) State {
	switch s.Place {
	case PlaceCall:
		if s = bodyByte(s, c, `"`); s.depth == 0 {
			return State{Place: PlaceAfter}
		}
		return s
	case PlaceStart, PlaceMark, PlaceThought, PlaceProse:
		s = proseByte(s, c)
		switch {
		case c == '\n' && (s.line == lineBracket || s.line == lineOpen):
			s.line = lineOpen
		case c == '\n':
			s.line = lineBlank
		case isBlank(c):
		case c == '[' && (s.line == lineBlank || s.line == lineOpen):
			s.line = lineBracket
		case c == '{' && (s.line == lineBracket || s.line == lineOpen): // now it is a list of calls
			return State{Place: PlaceCall, depth: 2}
		default:
			s.line = lineText
		}
		return s
	}
	return proseByte(s, c)
}

// xlamBody reads a list of calls.
func xlamBody(text string) (calls []ballast.Call, first Reason, detail string) {
	v, err := value.ParseJSON([]byte(text))
	if err != nil {
		return nil, ReasonBadJSON, err.Error()
	}
	list, ok := v.(*value.List)
	if !ok {
		return nil, ReasonBadCall, shown(text) + " is no list of calls"
	}
	for _, x := range list.Items {
		call, fault := jsonCall(x, "arguments")
		switch {
		case fault == "":
			calls = append(calls, call)
		case first == "":
			first = fault
		}
	}
	return calls, first, ""
}
