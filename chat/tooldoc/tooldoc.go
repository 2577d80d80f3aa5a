// Package tooldoc reads and writes the documentation of tools: as the JSON value
// that prompts show, as parameters, as a signature on one line, alone or below a line
// of words. Documentation comes from data: a schema in another layout than JSON
// schema's gives no parameters, never an error.
package tooldoc

import (
	"fmt"
	"strings"

	"ballast"
	"ballast/value"
)

// Doc is the documentation of a tool as prompts show it: its Schema, or one in
// the same layout (name, description, parameters) built from its fields.
func Doc(t ballast.Tool) any {
	if t.Schema != nil {
		return t.Schema
	}
	return value.ToolSchema(t.Name, t.Doc, value.ObjectSchema(t.Params, nil))
}

// Function is Doc without OpenAI's wrapping. A Schema that is no object does not count.
func Function(t ballast.Tool) *value.Dict {
	doc, ok := Doc(t).(*value.Dict)
	if !ok {
		t.Schema = nil
		doc, _ = Doc(t).(*value.Dict)
	}
	if inner := doc.Object("function"); inner != nil {
		return inner
	}
	return doc
}

// Parameters is the JSON Schema of a tool's arguments, nil where it has none.
func Parameters(t ballast.Tool) *value.Dict { return Function(t).Object("parameters") }

// Served is a tool as an MCP server lists it, in the layout that prompts show: its inputSchema without
// $schema, the type first.
func Served(name, doc string, input *value.Dict) ballast.Tool {
	clean := value.NewDict("type", "object")
	for i := range input.Len() {
		if k, v := input.At(i); k != "$schema" && k != "type" {
			clean.Set(k, v)
		}
	}
	if clean.Member("properties") == nil {
		clean.Set("properties", &value.Dict{})
	}
	t := ballast.Tool{Name: name, Doc: doc, Schema: value.ToolSchema(name, doc, clean)}
	t.Params = Params(t)
	return t
}

// Params lists a tool's parameters: its Params, or what its Schema says.
func Params(t ballast.Tool) []ballast.Param {
	if len(t.Params) > 0 || t.Schema == nil {
		return t.Params
	}
	return shown(t)
}

// shown lists the parameters that the documentation of a tool shows.
func shown(t ballast.Tool) (out []ballast.Param) {
	schema := Parameters(t)
	props := schema.Object("properties")
	if props == nil {
		return nil
	}
	required := map[any]bool{}
	if l, ok := schema.Member("required").(*value.List); ok {
		for _, x := range l.Items {
			if s, ok := x.(string); ok {
				required[s] = true
			}
		}
	}
	for i := range props.Len() {
		k, v := props.At(i)
		name, _ := k.(string)
		d, _ := v.(*value.Dict)
		p := ballast.Param{Name: name, Required: required[name]}
		p.Type, _ = d.Member("type").(string)
		p.Doc, _ = d.Member("description").(string)
		if l, ok := d.Member("enum").(*value.List); ok {
			for _, x := range l.Items {
				if s, ok := x.(string); ok {
					p.Enum = append(p.Enum, s)
				}
			}
		}
		out = append(out, p)
	}
	return out
}

// Signature is a tool on one line: move(file, folder), add_event(title, day:
// integer, alarm?: boolean). Types of strings are left out, a question mark
// stands after optional parameters, choices are joined by bars. All is read from Doc, as it is
// sent to servers, whose SignatureMacro has nothing else: types have the names that a Schema has.
func Signature(t ballast.Tool) string {
	var b strings.Builder
	b.WriteString(t.Name + "(")
	for i, p := range shown(t) {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(p.Name)
		if !p.Required {
			b.WriteByte('?')
		}
		switch {
		case len(p.Enum) > 0:
			b.WriteString(": " + strings.Join(p.Enum, "|"))
		case p.Type != "" && p.Type != "string":
			b.WriteString(": " + p.Type)
		}
	}
	return b.String() + ")"
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
			return out, fmt.Errorf("%s: argument %d has no name and the documentation has no parameter for it",
				value.FormatCall(c), i+1)
		}
		out.Args[i].Name = params[i].Name
	}
	return out, nil
}

// JSON is json.dumps(v, ensure_ascii=False), as chat templates write values. A
// value that JSON cannot write is a slip of the caller and panics.
func JSON(v any) string {
	s, err := value.JSON(v)
	if err != nil {
		panic("tooldoc: " + err.Error())
	}
	return unescape(s)
}

// unescape turns the \u escapes of characters outside ASCII back into the
// characters; lone surrogates, which UTF-8 cannot write, stay escaped.
func unescape(s string) string {
	if !strings.Contains(s, `\u`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		n := 1
		if s[i] == '\\' {
			n = 2
			if r, width := escapedRune(s[i:]); r >= 0x7f {
				b.WriteRune(r)
				i += width
				continue
			}
		}
		b.WriteString(s[i : i+n])
		i += n
	}
	return b.String()
}

// escapedRune reads one \uXXXX, or a surrogate pair of them, at the start of s;
// 0 for anything else.
func escapedRune(s string) (r rune, width int) {
	unit := func(s string) (u rune) {
		if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
			return -1
		}
		for _, c := range []byte(s[2:6]) {
			u = u<<4 | rune(strings.IndexByte("0123456789abcdef", c))
		}
		return u
	}
	switch high := unit(s); {
	case high < 0 || high >= 0xDC00 && high < 0xE000:
		return 0, 0
	case high < 0xD800 || high >= 0xE000:
		return high, 6
	default:
		if low := unit(s[6:]); low >= 0xDC00 && low < 0xE000 {
			return 0x10000 + (high-0xD800)<<10 + (low - 0xDC00), 12
		}
		return 0, 0
	}
}

// SignatureMacro is Signature as a Jinja macro: signature(tool) for documentation as Doc
// has it, bare or wrapped in {"type": "function", "function": …}.
const SignatureMacro = `{%- macro signature(tool) -%}
{%- set doc = tool['function'] if tool['function'] is mapping else tool -%}
{%- set schema = doc['parameters'] if doc['parameters'] is mapping else {} -%}
{%- set properties = schema['properties'] if schema['properties'] is mapping else {} -%}
{%- set required = schema['required'] if schema['required'] is sequence and schema['required'] is not string else [] -%}
{{- doc['name'] + '(' -}}
{%- for name, about in properties|items -%}
  {{- (', ' if not loop.first else '') + name + ('' if name in required else '?') -}}
  {%- set found = namespace(choices=[]) -%}
  {%- if about is mapping and about['enum'] is sequence and about['enum'] is not string -%}
    {%- for choice in about['enum'] -%}
      {%- if choice is string -%}{%- set found.choices = found.choices + [choice] -%}{%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {%- if found.choices -%}
    {{- ': ' + found.choices|join('|') -}}
  {%- elif about is mapping and about['type'] is string and about['type'] not in ['', 'string'] -%}
    {{- ': ' + about['type'] -}}
  {%- endif -%}
{%- endfor -%}
{{- ')' -}}
{%- endmacro -%}
`
