package format

import (
	"fmt"
	"strings"

	"ballast"
)

// Jinja is how a format stands in a Jinja chat template: what Instructions and Render
// write, in Jinja. Package chat puts a template's frame around it.
//
// The pieces are statements and expressions without text between them, and are at home in
// the sandbox of transformers' apply_chat_template. They may use the macros of JinjaMacros.
type Jinja struct {
	// Doc is an expression of `tool`: its documentation, as Instructions has it.
	Doc string
	// Literal is an expression of `value`: how a value stands in a call.
	Literal string
	// Escape is what stands for the "<" of a control token in a literal.
	Escape string
	// Own are the format's control tokens in other spellings. In a literal JSON escapes
	// their first byte.
	Own []string
	// Before, Between and After are the texts around the calls of one reply.
	Before, Between, After string
	// Call is statements that write one call of the function `name` with the arguments
	// `args`: a list of {name, literal, text}; text is the value where that is a text,
	// and none for others. `tools` are the tools that are offered.
	Call string
}

// jsonPieces are the pieces of a format whose values and documentation are JSON.
func jsonPieces() Jinja {
	return Jinja{Doc: "tool|tojson", Literal: "value|tojson", Escape: `\u003c`}
}

// jsonMembers is statements that write the arguments of a call as a JSON object.
func jsonMembers() string {
	return `{{- '{' -}}
{%- for arg in args -%}{{- (', ' if not loop.first else '') + written(arg['name']) + ': ' + arg['literal'] -}}{%- endfor -%}
{{- '}' -}}`
}

// jsonObject is statements that write one call as a JSON object with the arguments under key.
func jsonObject(key string) string {
	return `{{- '{"name": ' + written(name) + ', "` + key + `": {' -}}
{%- for arg in args -%}{{- (', ' if not loop.first else '') + written(arg['name']) + ': ' + arg['literal'] -}}{%- endfor -%}
{{- '}' + '}' -}}`
}

// Jinja is the form of Qwen2.5's template.
func (hermes) Jinja() Jinja {
	j := jsonPieces()
	j.Between = "\n"
	j.Call = "{{- " + Quote(openCall+"\n") + " -}}\n" + jsonObject("arguments") + "\n{{- " + Quote("\n"+closeCall) + " -}}"
	return j
}

// Jinja is the form of Llama 3's template, which documents tools over several
// lines.
func (llama3) Jinja() Jinja {
	j := jsonPieces()
	j.Doc = "tool|tojson(indent=4)"
	j.Between, j.Call = "; ", jsonObject("parameters")
	return j
}

// Jinja writes values as Python does: in a list, where a text has its quotes.
func (pythonic) Jinja() Jinja {
	j := jsonPieces()
	j.Literal, j.Escape = "([value]|string)[1:-1]", `\x3c`
	j.Before, j.Between, j.After = "[", ", ", "]"
	j.Call = `{{- name + '(' -}}
{%- for arg in args -%}{{- (', ' if not loop.first else '') + arg['name'] + '=' + arg['literal'] -}}{%- endfor -%}
{{- ')' -}}`
	return j
}

// Jinja writes a text as it is, and raises where that text would end the value.
func (xml) Jinja() Jinja {
	j := jsonPieces()
	j.Between = "\n"
	var held []string
	apart := ""
	for _, tag := range xmlTags {
		held = append(held, Quote(tag)+" in arg['text']")
		apart += ".replace(" + Quote(tag) + ", " + Quote(`\u003c`+tag[1:]) + ")"
	}
	j.Call = `{%- set words = {'true': 'True', 'false': 'False', 'null': 'None'} -%}
{{- ` + Quote(openCall+"\n"+xmlFunction) + ` + name + '>\n' -}}
{%- for arg in args -%}
  {%- if arg['text'] is string and (escaped(arg['text'], '') != arg['text'] or ` + strings.Join(held, " or ") + `) -%}
    {{- raise_exception('the argument ' ~ arg['name'] ~ ' of a call of ' ~ name ~ ' holds a tag, which this model has no way to write') -}}
  {%- endif -%}
  {{- ` + Quote(xmlParameter) + ` + arg['name'] + '>\n' -}}
  {{- arg['text'] if arg['text'] is string else words[arg['literal']] if arg['literal'] in words else arg['literal']` + apart + ` -}}
  {{- ` + Quote("\n"+xmlParameterEnd+"\n") + ` -}}
{%- endfor -%}
{{- ` + Quote(xmlFunctionEnd+"\n"+closeCall) + ` -}}`
	return j
}

// Quote writes a text as a literal of Jinja. The marks of Jinja's tags do not stand in it
// as they are, for readers that look for them first.
func Quote(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(s)
	for _, mark := range []string{"{{", "}}", "{%", "%}", "{#", "#}"} {
		s = strings.ReplaceAll(s, mark, mark[:1]+"' + '"+mark[1:])
	}
	if strings.Contains(s, "' + '") {
		return "('" + s + "')"
	}
	return "'" + s + "'"
}

// JinjaInstructions is statements that write what Instructions writes for `tools`.
func JinjaInstructions(f Format) string {
	doc := func(k int) ballast.Tool { return ballast.Tool{Name: "f", Schema: fmt.Sprintf("tool %d", k)} }
	mark := func(k int) string { return docJSON(doc(k)) }
	text := f.Instructions([]ballast.Tool{doc(1), doc(2), doc(3)})
	head, text, _ := strings.Cut(text, mark(1))
	between, text, _ := strings.Cut(text, mark(2))
	_, tail, found := strings.Cut(text, mark(3))
	if !found {
		panic("format: " + f.Name() + " documents tools in another way than one after the other")
	}
	return "{{- " + Quote(head) + " -}}\n" +
		"{%- for tool in tools -%}{{- (" + Quote(between) + " if not loop.first else '') + " + f.Jinja().Doc + " -}}{%- endfor -%}\n" +
		"{{- " + Quote(tail) + " -}}"
}
