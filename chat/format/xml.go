package format

import (
	"strings"

	"ballast"
	"ballast/value"
)

// xml is the format of Qwen3-Coder: between the tags of a call stands
//
//	<function=name>
//	<parameter=key>
//	value
//	</parameter>
//	</function>
//
// A value that is JSON is that value, any other text is a string. Strings that
// JSON would read as something else are therefore rendered in quotes.
type xml struct{ tagged }

// XML is the format `xml`. Names of functions and parameters hold no ">" and no
// line end.
var XML Format = xml{tagged{body: xmlBody}}

const (
	xmlFunction, xmlFunctionEnd   = "<function=", "</function>"
	xmlParameter, xmlParameterEnd = "<parameter=", "</parameter>"
)

// Name returns "xml".
func (xml) Name() string { return "xml" }

// Instructions lists the tools as JSON, one a line, and shows the call syntax.
func (xml) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call these functions:\n<tools>")
	for _, t := range tools {
		b.WriteString("\n" + docJSON(t))
	}
	b.WriteString("\n</tools>\n\nEnd your reply with one block like this for each call:\n<tool_call>\n" +
		"<function=function_name>\n<parameter=parameter_name>\nvalue\n</parameter>\n</function>\n</tool_call>")
	return b.String()
}

// Hint shows the syntax in one line.
func (xml) Hint() string {
	return "<tool_call><function=name><parameter=param>value</parameter></function></tool_call>"
}

// Docs is a JSON list of the tools' documentation.
func (xml) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Result puts a tool's answer into a tool_response block.
func (xml) Result(text string) (before, body, after string) { return Hermes.Result(text) }

// Render is Write for calls that can be written.
func (f xml) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes one block for each call.
func (f xml) Write(calls []ballast.Call, offered Offered) (string, error) {
	var b strings.Builder
	for i, c := range calls {
		if i > 0 {
			b.WriteByte('\n')
		}
		if _, err := jsonArgs(c); err != nil {
			return "", err
		}
		b.WriteString(openCall + "\n" + xmlFunction + c.Name + ">\n")
		for _, a := range c.Args {
			b.WriteString(xmlParameter + a.Name + ">\n" + xmlValue(a.Value) + "\n" + xmlParameterEnd + "\n")
		}
		b.WriteString(xmlFunctionEnd + "\n" + closeCall)
	}
	return checked(f, b.String(), calls, offered)
}

func xmlValue(v any) string {
	if s, ok := v.(string); ok && EscapeControl(s, "") == s && !strings.Contains(s, xmlParameterEnd) {
		if _, err := value.ParseJSON([]byte(s)); err != nil { // would be read as a string
			return s
		}
	}
	return strings.ReplaceAll(quoteJSON(v), "<", `\u003c`)
}

// xmlBody is the inverse of what Render writes between the tags. White space
// between the elements is free.
func xmlBody(text string) (ballast.Call, Reason) {
	name, rest, ok := xmlOpen(text, xmlFunction)
	switch {
	case !ok:
		return ballast.Call{}, ReasonBadCall
	case name == "":
		return ballast.Call{}, ReasonMissingName
	}
	c := ballast.Call{Name: name}
	seen := map[string]bool{}
	for {
		rest = strings.TrimLeft(rest, blanks)
		if rest == xmlFunctionEnd { // and nothing behind it
			return c, ""
		}
		var key string
		if key, rest, ok = xmlOpen(rest, xmlParameter); !ok {
			return ballast.Call{}, ReasonBadCall
		}
		raw, after, ok := strings.Cut(rest, xmlParameterEnd)
		if !ok {
			return ballast.Call{}, ReasonBadCall
		}
		if key == "" || seen[key] {
			return ballast.Call{}, ReasonBadArguments
		}
		seen[key] = true
		rest = after
		raw = strings.TrimSuffix(strings.TrimPrefix(raw, "\n"), "\n")
		v, err := value.ParseJSON([]byte(raw))
		if err != nil {
			v = raw
		}
		c.Args = append(c.Args, ballast.Arg{Name: key, Value: v})
	}
}

// xmlOpen reads "<function=name>" or "<parameter=name>" at the start of s.
func xmlOpen(s, tag string) (name, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, tag)
	if !ok {
		return "", "", false
	}
	name, rest, ok = strings.Cut(s, ">")
	return trim(name), rest, ok && !strings.ContainsAny(name, "<\n")
}
