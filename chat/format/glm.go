package format

import (
	"errors"
	"fmt"
	"strings"

	"ballast"
)

// The control tokens inside of GLM's calls.
const (
	glmKey, glmKeyEnd     = "<arg_key>", "</arg_key>"
	glmValue, glmValueEnd = "<arg_value>", "</arg_value>"
)

// glm is the format of GLM 4.5 and 4.6: between the tags of a call stand the name and its
// arguments, each with its key and its value between tags.
//
//	<tool_call>f
//	<arg_key>a</arg_key>
//	<arg_value>1</arg_value>
//	</tool_call>
//
// A string stands as it is, every other value as JSON. The type that the tool declares says how a
// value is read, as in xml, but Python's True, False and None are text where a string may stand.
// Line ends between the tags are free: GLM 4.7 writes none. They belong to a value that they stand in.
//
// There are no escapes in a string: Write refuses one with a control token in it, and a
// value that would be read as another one under its declared type.
type glm struct{ marked }

// GLM is the format `glm`. A name that is not offered holds no white space, and none
// begins with a bracket.
var GLM Format = glm{marked{
	lexicon: newLexicon([]string{glmKey, glmKeyEnd, glmValue, glmValueEnd}, []string{"<|user|>", "<|observation|>"}),
	arrows: []arrow{{partNone, openCall, partName, false}, {partName, closeCall, partNone, true}, {partName, glmKey, partKey, false},
		{partKey, glmKeyEnd, partGap, false}, {partGap, glmValue, partValue, false}, {partValue, glmValueEnd, partBetween, false},
		{partBetween, glmKey, partKey, false}, {partBetween, closeCall, partNone, true}},
	read:  glmRead,
	again: true,
	loose: ReasonBadCall,
}}

// Name returns "glm".
func (glm) Name() string { return "glm" }

// Instructions is the section of tools of GLM's chat template.
func (glm) Instructions(tools []ballast.Tool) string {
	var b strings.Builder
	b.WriteString("# Tools\n\nYou may call one or more functions to assist with the user query.\n\n" +
		"You are provided with function signatures within <tools></tools> XML tags:\n<tools>")
	for _, t := range tools {
		b.WriteString("\n" + docJSON(t))
	}
	b.WriteString("\n</tools>\n\nFor each function call, output the function name and arguments within the following XML format:\n" +
		openCall + "{function-name}\n")
	for _, k := range []string{"1", "2"} {
		b.WriteString(glmKey + "{arg-key-" + k + "}" + glmKeyEnd + "\n" + glmValue + "{arg-value-" + k + "}" + glmValueEnd + "\n")
	}
	b.WriteString("...\n" + closeCall)
	return b.String()
}

// Hint shows the syntax in one line.
func (glm) Hint() string {
	return openCall + "name" + glmKey + "param" + glmKeyEnd + glmValue + "value" + glmValueEnd + closeCall
}

// Docs is a JSON list of the tools' documentation.
func (glm) Docs(tools []ballast.Tool) string { return docsJSON(tools) }

// Result puts a tool's answer into a tool_response block.
func (glm) Result(text string) (before, body, after string) { return Hermes.Result(text) }

// Render is Write for calls that can be written.
func (f glm) Render(calls []ballast.Call, offered Offered) string {
	return must(f.Write(calls, offered))
}

// Write writes one block for each call.
func (f glm) Write(calls []ballast.Call, offered Offered) (string, error) {
	var b strings.Builder
	for i, c := range calls {
		if i > 0 {
			b.WriteByte('\n')
		}
		if _, err := jsonArgs(c); err != nil {
			return "", err
		}
		b.WriteString(openCall + c.Name + "\n")
		tool := toolOf(offered, c.Name)
		for _, a := range c.Args {
			text, err := f.value(declared(tool, a.Name), a.Value)
			if err != nil {
				return "", fmt.Errorf("%s cannot be written in the format %s: argument %s %w", brief(c), f.Name(), a.Name, err)
			}
			b.WriteString(glmKey + a.Name + glmKeyEnd + "\n" + glmValue + text + glmValueEnd + "\n")
		}
		b.WriteString(closeCall)
	}
	return checked(f, b.String(), calls, offered)
}

// value is the text of a value that is declared to be of kinds k, if it is read back.
func (f glm) value(k kinds, v any) (string, error) {
	text, isText := v.(string)
	if !isText {
		text = f.quoteJSON(v)
	}
	for _, p := range f.pieces(nil, text) {
		if p.Control {
			return "", errors.New("holds a control token, and a string of this format has no escapes")
		}
	}
	return text, readsBack(k, v, text, false)
}

// Jinja writes a text as it is, and raises where that text would end the value.
func (f glm) Jinja() Jinja {
	j := jsonPieces()
	j.Own, j.Between = f.words, "\n"
	var held []string
	for _, tag := range f.words {
		held = append(held, Quote(tag)+" in arg['text']")
	}
	j.Call = `{{- ` + Quote(openCall) + ` + name + '\n' -}}
{%- for arg in args -%}
  {%- if arg['text'] is string and (escaped(arg['text'], '') != arg['text'] or ` + strings.Join(held, " or ") + `) -%}
    {{- raise_exception('the argument ' ~ arg['name'] ~ ' of a call of ' ~ name ~ ' holds a tag, which this model has no way to write') -}}
  {%- endif -%}
  {{- ` + Quote(glmKey) + ` + arg['name'] + ` + Quote(glmKeyEnd+"\n"+glmValue) + ` -}}
  {{- arg['text'] if arg['text'] is string else arg['literal'] -}}
  {{- ` + Quote(glmValueEnd+"\n") + ` -}}
{%- endfor -%}
{{- ` + Quote(closeCall) + ` -}}`
	return j
}

// glmRead reads one call.
func glmRead(parts []field, offered Offered) (calls []ballast.Call, fault Reason, detail string) {
	name := trim(parts[0].text)
	switch {
	case name == "" && len(parts) == 1:
		return nil, ReasonBadCall, "nothing between " + openCall + " and " + closeCall
	case name == "":
		return nil, ReasonMissingName, ""
	case !has(offered, name) && (strings.ContainsAny(name, blanks) || strings.IndexByte("{[<\"'(", name[0]) >= 0):
		if found := foreignCall(name, offered); found != "" {
			return nil, ReasonOtherSyntax, found
		}
		return nil, ReasonBadCall, shown(name) + " is no name of a function"
	}
	c := ballast.Call{Name: name}
	tool := toolOf(offered, name)
	seen := map[string]bool{}
	key := ""
	for _, p := range parts[1:] {
		switch p.part {
		case partKey:
			switch key = trim(p.text); {
			case key == "":
				return nil, ReasonBadArguments, "an argument without a name"
			case seen[key]:
				return nil, ReasonBadArguments, fmt.Sprintf("two arguments %.40s", key)
			}
			seen[key] = true
		case partValue:
			k := declared(tool, key)
			v, ok := readAs(k, p.text, false)
			if !ok {
				return nil, ReasonBadCall, fmt.Sprintf("the argument %.40s is %.40q, declared as %s", key, trim(p.text), k)
			}
			c.Args = append(c.Args, ballast.Arg{Name: key, Value: v})
		}
	}
	return []ballast.Call{c}, "", ""
}
