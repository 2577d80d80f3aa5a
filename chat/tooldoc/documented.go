package tooldoc

import (
	"cmp"
	"strconv"
	"strings"
	"unicode"

	"ballast"
	"ballast/value"
)

// maxDepth is how many objects and lists inside each other a documented signature opens.
// Deeper ones stand there by their type alone.
const maxDepth = 8

// jsonTypes are JSON's names of types that schemas name as Python does.
var jsonTypes = map[string]string{"dict": "object", "float": "number", "list": "array", "tuple": "array"}

// Documented is a tool for readers that have never seen it: a line of its documentation,
// where it has some, and its signature.
//
//	# set the weight of a brolt; zup: the brolt; tal: the new weight
//	mavel_tor(zup, tal: integer, info?: {name, size: integer, mood?: calm|wild})
//
// White space in documentation becomes single spaces. The signature is Signature's, and
// opens what Signature names by its type: an object with properties is {its fields}, an
// array with items is [their type]. Types that Python names otherwise (dict, float) have
// JSON's names. All is read from Doc, as it is sent to servers: where a tool has a Schema,
// its Doc and Params do not count.
func Documented(t ballast.Tool) string {
	doc, ok := Doc(t).(*value.Dict)
	if !ok {
		t.Schema = nil
		doc, _ = Doc(t).(*value.Dict)
	}
	if inner := dict(doc, "function"); inner != nil { // OpenAI's wrapping
		doc = inner
	}
	schema := dict(doc, "parameters")
	var words []string
	if text := collapsed(doc); text != "" {
		words = append(words, text)
	}
	if props := dict(schema, "properties"); props != nil {
		for i := range props.Len() {
			k, v := props.At(i)
			name, _ := k.(string)
			about, _ := v.(*value.Dict)
			if text := collapsed(about); text != "" {
				words = append(words, name+": "+text)
			}
		}
	}
	line := ""
	if len(words) > 0 {
		line = "# " + strings.Join(words, "; ") + "\n"
	}
	return line + t.Name + "(" + fields(schema, maxDepth) + ")"
}

// Space reports whether a character is white space, as Python's str.split and str.strip
// have it.
func Space(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// collapsed is the description in a schema, its white space made single spaces.
func collapsed(about *value.Dict) string {
	text, _ := get(about, "description").(string)
	return strings.Join(strings.FieldsFunc(text, Space), " ")
}

// fields are the properties of an object's schema, as they stand in brackets.
func fields(schema *value.Dict, depth int) string {
	props := dict(schema, "properties")
	if props == nil {
		return ""
	}
	required := map[string]bool{}
	for _, name := range texts(schema, "required") {
		required[name] = true
	}
	var b strings.Builder
	for i := range props.Len() {
		if i > 0 {
			b.WriteString(", ")
		}
		k, v := props.At(i)
		name, _ := k.(string)
		about, _ := v.(*value.Dict)
		b.WriteString(name)
		if !required[name] {
			b.WriteByte('?')
		}
		b.WriteString(kind(about, depth, ": "))
	}
	return b.String()
}

// kind is the type in a schema behind lead. Where there is a lead, strings are left out;
// what has no type always is.
func kind(about *value.Dict, depth int, lead string) string {
	typ, _ := get(about, "type").(string)
	typ = cmp.Or(jsonTypes[typ], typ)
	if choices := texts(about, "enum"); len(choices) > 0 {
		return lead + strings.Join(choices, "|")
	}
	switch {
	case typ == "" || typ == "string" && lead != "":
		return ""
	case depth == 0:
	case typ == "object":
		if inner := fields(about, depth-1); inner != "" {
			return lead + "{" + inner + "}"
		}
	case typ == "array":
		if item := kind(dict(about, "items"), depth-1, ""); item != "" {
			return lead + "[" + item + "]"
		}
	}
	return lead + typ
}

// texts are the strings in a list.
func texts(d *value.Dict, key string) (out []string) {
	list, _ := get(d, key).(*value.List)
	if list == nil {
		return nil
	}
	for _, x := range list.Items {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// DocumentedMacro is Documented as a Jinja macro, in the place of SignatureMacro and by
// the same name.
var DocumentedMacro = strings.ReplaceAll(documentedMacro, "@DEPTH", strconv.Itoa(maxDepth))

const documentedMacro = `{%- macro kind(about, depth, lead) -%}
{#- The type in a schema behind lead. Where there is a lead, strings are left out. -#}
{%- if about is mapping -%}
{%- set type = about['type'] if about['type'] is string else '' -%}
{%- set names = {'dict': 'object', 'float': 'number', 'list': 'array', 'tuple': 'array'} -%}
{%- set type = names[type] if type in names else type -%}
{%- set found = namespace(choices=[], inner='') -%}
{%- if about['enum'] is sequence and about['enum'] is not string and about['enum'] is not mapping -%}
  {%- for choice in about['enum'] -%}
    {%- if choice is string -%}{%- set found.choices = found.choices + [choice] -%}{%- endif -%}
  {%- endfor -%}
{%- endif -%}
{%- if found.choices -%}
  {{- lead + found.choices|join('|') -}}
{%- elif type != '' and not (type == 'string' and lead != '') -%}
  {%- if depth > 0 and type == 'object' -%}
    {%- set found.inner = fields(about, depth - 1) -%}
    {%- if found.inner != '' -%}{%- set found.inner = '{' + found.inner + '}' -%}{%- endif -%}
  {%- elif depth > 0 and type == 'array' -%}
    {%- set found.inner = kind(about['items'], depth - 1, '') -%}
    {%- if found.inner != '' -%}{%- set found.inner = '[' + found.inner + ']' -%}{%- endif -%}
  {%- endif -%}
  {{- lead + (found.inner if found.inner != '' else type) -}}
{%- endif -%}
{%- endif -%}
{%- endmacro -%}
{%- macro fields(schema, depth) -%}
{#- The properties of an object, as they stand in brackets. -#}
{%- set properties = schema['properties'] if schema['properties'] is mapping else {} -%}
{%- set required = schema['required'] if schema['required'] is sequence and schema['required'] is not string
    and schema['required'] is not mapping else [] -%}
{%- for name, about in properties|items -%}
  {{- (', ' if not loop.first else '') + name + ('' if name in required else '?') + kind(about, depth, ': ') -}}
{%- endfor -%}
{%- endmacro -%}
{%- macro signature(tool) -%}
{#- A line of documentation, where there is some, and the signature. -#}
{%- set doc = tool['function'] if tool['function'] is mapping else tool -%}
{%- set schema = doc['parameters'] if doc['parameters'] is mapping else {} -%}
{%- set properties = schema['properties'] if schema['properties'] is mapping else {} -%}
{%- set found = namespace(words=[]) -%}
{%- if doc['description'] is string and doc['description'].split() -%}
  {%- set found.words = [doc['description'].split()|join(' ')] -%}
{%- endif -%}
{%- for name, about in properties|items -%}
  {%- if about is mapping and about['description'] is string and about['description'].split() -%}
    {%- set found.words = found.words + [name + ': ' + about['description'].split()|join(' ')] -%}
  {%- endif -%}
{%- endfor -%}
{{- '# ' + found.words|join('; ') + '\n' if found.words else '' -}}
{{- doc['name'] + '(' + fields(schema, @DEPTH) + ')' -}}
{%- endmacro -%}
`
