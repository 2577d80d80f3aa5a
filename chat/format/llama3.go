package format

import (
	"bytes"
	"encoding/json"
	"strings"

	"ballast"
	"ballast/chat/tooldoc"
	"ballast/value"
)

// llama3 is the JSON format of Llama 3.1 and 3.2 Instruct: the reply is
// {"name": "f", "parameters": {...}}, several calls are joined by semicolons.
// A <|python_tag|> at the start is allowed.
type llama3 struct{ bare }

// LlamaJSON is the format `llama3`.
var LlamaJSON Format = llama3{bare{char: llamaChar, body: llamaBody, json: true, opener: '{', tag: pythonTag}}

// Name returns "llama3".
func (llama3) Name() string { return "llama3" }

// Instructions is the text of Llama 3.2's chat template with tools in the system
// prompt, missing spaces included.
func (llama3) Instructions(tools []ballast.Tool) string {
	text := "You have access to the following functions. To call a function, please respond with JSON for a function call." +
		`Respond in the format {"name": function name, "parameters": dictionary of argument name and its value}.` +
		"Do not use variables."
	for _, t := range tools {
		text += "\n\n" + indented(docJSON(t))
	}
	return text
}

// indented is JSON over several lines.
func indented(doc string) string {
	var b bytes.Buffer
	if json.Indent(&b, []byte(doc), "", "    ") != nil { // NaN is no JSON: left on one line
		return doc
	}
	return b.String()
}

// Hint shows the syntax in one line.
func (llama3) Hint() string { return `{"name": ..., "parameters": {...}}` }

// Docs is a JSON list of the tools' documentation.
func (llama3) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Render is Write for calls that can be written.
func (f llama3) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes the calls as JSON objects.
func (f llama3) Write(calls []ballast.Call, offered Offered) (string, error) {
	parts := make([]string, len(calls))
	for i, c := range calls {
		var err error
		if parts[i], err = f.callJSON(c, "parameters"); err != nil {
			return "", err
		}
	}
	return checked(f, strings.Join(parts, "; "), calls, offered)
}

// Result is the answer as a JSON string, as the model's template writes it.
func (llama3) Result(text string) (before, body, after string) { return "", tooldoc.JSON(text), "" }

// llamaChar moves on by one byte: calls begin where a line begins with a brace
// and a quote.
func llamaChar(s State, c byte) State {
	switch s.Place {
	case PlaceCall:
		if s = bodyByte(s, c, `"`); s.depth == 0 {
			return State{Place: PlaceAfter}
		}
		return s
	case PlaceAfter:
		switch {
		case c == ';' && s.line == lineBlank:
			s.line = lineGap // one more call may follow
			return s
		case c == '{' && s.line == lineGap:
			return State{Place: PlaceCall, depth: 1}
		}
	case PlaceStart, PlaceMark, PlaceThought, PlaceProse:
		s = proseByte(s, c)
		switch {
		case c == '\n' && s.line != lineBracket:
			s.line = lineBlank
		case isBlank(c):
		case c == '{' && s.line == lineBlank:
			s.line = lineBracket
		case c == '"' && s.line == lineBracket:
			return State{Place: PlaceCall, depth: 1, quote: '"'}
		default:
			s.line = lineText
		}
		return s
	}
	return proseByte(s, c)
}

// llamaBody reads objects separated by semicolons.
func llamaBody(text string) (calls []ballast.Call, first Reason, detail string) {
	for text != "" {
		var s State
		n := 0
		for n < len(text) {
			s = bodyByte(s, text[n], `"`)
			if n++; s.depth == 0 {
				break
			}
		}
		v, err := value.ParseJSON([]byte(text[:n]))
		call, fault := ballast.Call{}, ReasonBadJSON
		if err == nil {
			call, fault = jsonCall(v, "parameters")
		}
		_, both := member(asDict(v), "arguments").(*value.Dict)
		if both && fault == "" { // serving engines disagree which of them counts
			fault = ReasonBadArguments
		}
		if fault == "" {
			calls = append(calls, call)
		} else if first == "" {
			switch first = fault; {
			case err != nil:
				detail = err.Error()
			case both && fault == ReasonBadArguments:
				detail = `both "parameters" and "arguments"`
			}
		}
		text = strings.TrimLeft(text[n:], blanks+";")
	}
	return calls, first, detail
}
