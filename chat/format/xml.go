package format

import (
	"errors"
	"fmt"
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
// A string stands as it is, JSON's constants as Python's words (True, False, None), every
// other value as JSON: so does Qwen3-Coder's template. The type that the tool declares
// for an argument says how its value is read (see declared and readAs): the text of a
// string stays that text, whatever it looks like. One line end after the opening tag
// and one before the closing tag belong to the tags.
//
// There are no escapes in a string: Write refuses one with a control token or one of
// the tags above in it, and a value that would be read as another one under its
// declared type.
type xml struct{ tagged }

// XML is the format `xml`. Names of functions and parameters hold no ">" and no
// line end.
var XML Format = xml{tagged{body: xmlBody, opener: "<"}}

const (
	xmlFunction, xmlFunctionEnd   = "<function=", "</function>"
	xmlParameter, xmlParameterEnd = "<parameter=", "</parameter>"
)

// xmlTags do not stand in a value.
var xmlTags = [...]string{xmlFunction, xmlFunctionEnd, xmlParameter, xmlParameterEnd}

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
		tool := toolOf(offered, c.Name)
		for _, a := range c.Args {
			text, err := xmlValue(declared(tool, a.Name), a.Value)
			if err != nil {
				return "", fmt.Errorf("%s cannot be written in the format %s: argument %s %w", brief(c), f.Name(), a.Name, err)
			}
			b.WriteString(xmlParameter + a.Name + ">\n" + text + "\n" + xmlParameterEnd + "\n")
		}
		b.WriteString(xmlFunctionEnd + "\n" + closeCall)
	}
	return checked(f, b.String(), calls, offered)
}

// xmlValue is the text of a value that is declared to be of kinds k, if it is read back.
func xmlValue(k kinds, v any) (string, error) {
	text, isText := v.(string)
	if !isText {
		text = xmlJSON(v)
	}
	if EscapeControl(text, "") != text {
		return "", errors.New("holds a control token, and a string of this format has no escapes")
	}
	for _, tag := range xmlTags {
		if strings.Contains(text, tag) {
			return "", fmt.Errorf("holds %s, and a string of this format has no escapes", tag)
		}
	}
	return text, readsBack(k, v, xmlText("\n"+text+"\n"), true)
}

// readsBack is an error where a text does not read as the value v of kinds k; see readAs.
func readsBack(k kinds, v any, text string, python bool) error {
	back, ok := readAs(k, text, python)
	switch {
	case !ok:
		return fmt.Errorf("is %.80s, declared as %s", value.Repr(v), k)
	case sameValue(v, back):
		return nil
	case k == 0:
		return fmt.Errorf("reads as %.80s: nothing declares its type", value.Repr(back))
	}
	return fmt.Errorf("reads as %.80s, declared as %s", value.Repr(back), k)
}

// xmlJSON is the text of a value that is no string. In it a bracket can only stand in a
// string, which has escapes.
func xmlJSON(v any) string {
	for word, is := range pythonWords {
		if v == is {
			return word
		}
	}
	text := lexicon{}.quoteJSON(v)
	for _, tag := range xmlTags {
		text = strings.ReplaceAll(text, tag, `\u003c`+tag[1:])
	}
	return text
}

// xmlText takes the line ends of the tags off what stands between them. Who writes
// "\r\n" there writes it on both sides; Write does not.
func xmlText(raw string) string {
	if rest, ok := strings.CutPrefix(raw, "\r\n"); ok {
		rest = strings.TrimSuffix(rest, "\n")
		return strings.TrimSuffix(rest, "\r")
	}
	return strings.TrimSuffix(strings.TrimPrefix(raw, "\n"), "\n")
}

// xmlBody is the inverse of what Render writes between the tags. White space
// between the elements is free.
func xmlBody(text string, offered Offered) (ballast.Call, Reason, string) {
	var none ballast.Call
	name, rest, ok := xmlOpen(text, xmlFunction)
	name = trim(name)
	switch {
	case !ok:
		return none, ReasonBadCall, "no " + xmlFunction + "name> at the start"
	case name == "":
		return none, ReasonMissingName, ""
	}
	c := ballast.Call{Name: name}
	tool := toolOf(offered, name)
	seen := map[string]bool{}
	for {
		rest = strings.TrimLeft(rest, blanks)
		if rest == xmlFunctionEnd { // and nothing behind it
			return c, "", ""
		}
		key, value, ok := xmlOpen(rest, xmlParameter)
		if !ok {
			return none, ReasonBadCall, fmt.Sprintf("%.40q instead of %sname> or the last %s", rest, xmlParameter, xmlFunctionEnd)
		}
		raw, after, ok := strings.Cut(value, xmlParameterEnd)
		for _, tag := range xmlTags {
			ok = ok && !strings.Contains(raw, tag) // the next tag begins inside the value
		}
		switch {
		case !ok:
			return none, ReasonBadCall, fmt.Sprintf("%s is missing after the argument %.40s", xmlParameterEnd, key)
		case trim(key) == "": // other blanks are part of the name: for servers they are
			return none, ReasonBadArguments, "an argument without a name"
		case seen[key]:
			return none, ReasonBadArguments, fmt.Sprintf("two arguments %.40s", key)
		}
		seen[key], rest = true, after
		k := declared(tool, key)
		v, ok := readAs(k, xmlText(raw), true)
		if !ok {
			return none, ReasonBadCall, fmt.Sprintf("the argument %.40s is %.40q, declared as %s", key, trim(raw), k)
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
	return name, rest, ok && !strings.ContainsAny(name, "<\n")
}
