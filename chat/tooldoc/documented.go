package tooldoc

import (
	"cmp"
	"math/big"
	"slices"
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
//	# set the weight of a brolt; zup: the brolt; tal: the new weight; info.size: in cm
//	mavel_tor(zup, tal: integer from 1 to 9 = 2, info?: {name, size: integer|null, mood?: calm|wild})
//
// White space in documentation becomes single spaces. What is inside of a parameter is documented
// under its path: info.size is a field, rows[] an item. The signature is Signature's, and
// opens what Signature names by its type: an object with properties is {its fields}, an
// array with items is [their type]. Choices, several types and the alternatives of anyOf and oneOf
// stand with bars between them; an alternative that says nothing is any. Bounds follow the type, and the
// default an equals sign. Choices and defaults that are no text, and choices that could be taken for
// something else (see plain), are JSON. Types that Python names otherwise (dict, float) have
// JSON's names. All is read from Doc, as it is sent to servers: where a tool has a Schema,
// its Doc and Params do not count. References ($ref) are not followed.
func Documented(t ballast.Tool) string {
	doc := Function(t)
	schema := doc.Object("parameters")
	var words []string
	if text := collapsed(doc); text != "" {
		words = append(words, text)
	}
	words = append(words, described(schema, "", maxDepth)...)
	line := ""
	if len(words) > 0 {
		line = "# " + strings.Join(words, "; ") + "\n"
	}
	return line + t.Name + "(" + fields(schema, maxDepth) + ")"
}

// described lists what is documented of the properties of an object, those inside of each after it.
func described(schema *value.Dict, path string, depth int) (words []string) {
	props := schema.Object("properties")
	if props == nil || depth == 0 {
		return nil
	}
	for i := range props.Len() {
		k, v := props.At(i)
		name, _ := k.(string)
		about, _ := v.(*value.Dict)
		at := path + name
		words = append(words, documented(about, at)...)
		words = append(words, described(about, at+".", depth-1)...)
		if item := about.Object("items"); item != nil {
			words = append(words, documented(item, at+"[]")...)
			words = append(words, described(item, at+"[].", depth-1)...)
		}
	}
	return words
}

// documented is what a schema says of itself, none or one text.
func documented(about *value.Dict, path string) []string {
	if text := collapsed(about); text != "" {
		return []string{path + ": " + text}
	}
	return nil
}

// Space reports whether a character is white space, as Python's str.split and str.strip
// have it.
func Space(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

// collapsed is the description in a schema, its white space made single spaces.
func collapsed(about *value.Dict) string {
	text, _ := about.Member("description").(string)
	return strings.Join(strings.FieldsFunc(text, Space), " ")
}

// fields are the properties of an object's schema, as they stand in brackets.
func fields(schema *value.Dict, depth int) string {
	props := schema.Object("properties")
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
		says := kind(about, depth)
		if says == "string" {
			says = ""
		}
		if says += bounds(about); says != "" {
			b.WriteString(": " + strings.TrimPrefix(says, " "))
		}
		if about != nil {
			if v, ok := about.Get("default"); ok {
				b.WriteString(" = " + JSON(v))
			}
		}
	}
	return b.String()
}

// kind is the type in a schema, without its bounds; "" where it says nothing.
func kind(about *value.Dict, depth int) string {
	if choices, ok := about.Member("enum").(*value.List); ok && len(choices.Items) > 0 {
		return joined(choices.Items, choice)
	}
	if depth > 0 {
		for _, key := range []string{"anyOf", "oneOf"} {
			if list, ok := about.Member(key).(*value.List); ok && len(list.Items) > 0 {
				return joined(list.Items, func(x any) string {
					inner, _ := x.(*value.Dict)
					return cmp.Or(kind(inner, depth-1)+bounds(inner), "any")
				})
			}
		}
	}
	switch typ := about.Member("type").(type) {
	case string:
		return opened(typ, about, depth)
	case *value.List:
		return joined(typ.Items, func(x any) string {
			name, _ := x.(string)
			return cmp.Or(opened(name, about, depth), "any")
		})
	}
	return ""
}

// opened is a type by its name, with what a schema says of its inside.
func opened(typ string, about *value.Dict, depth int) string {
	typ = cmp.Or(jsonTypes[typ], typ)
	switch {
	case depth == 0:
	case typ == "object":
		if inner := fields(about, depth-1); inner != "" {
			return "{" + inner + "}"
		}
	case typ == "array":
		inner := about.Object("items")
		if item := kind(inner, depth-1) + bounds(inner); item != "" {
			return "[" + strings.TrimPrefix(item, " ") + "]"
		}
	}
	return typ
}

// joined writes things with bars between them.
func joined(items []any, write func(any) string) string {
	parts := make([]string, len(items))
	for i, x := range items {
		parts[i] = write(x)
	}
	return strings.Join(parts, "|")
}

// choice is one value of those that a parameter may have.
func choice(v any) string {
	if s, ok := v.(string); ok && plain(s) {
		return s
	}
	return JSON(v)
}

// digits are the characters of numbers.
const digits = "0123456789+-.eE"

// plain reports whether a text among choices is taken for itself: it does not end a choice, and is no other
// value of JSON.
func plain(s string) bool {
	return strings.Trim(s, digits) != "" && !strings.ContainsAny(s, "|,\"\n") &&
		!slices.Contains([]string{"null", "true", "false", "string"}, s)
}

// bounds are those of a number, behind a space.
func bounds(about *value.Dict) (text string) {
	for _, b := range [...]struct{ key, word string }{
		{"minimum", " from "}, {"exclusiveMinimum", " above "}, {"maximum", " to "}, {"exclusiveMaximum", " below "},
	} {
		switch n := about.Member(b.key).(type) {
		case int64, float64, *big.Int:
			text += b.word + JSON(n)
		}
	}
	return text
}

// texts are the strings in a list.
func texts(d *value.Dict, key string) (out []string) {
	for _, x := range d.Array(key) {
		if s, ok := x.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// DocumentedMacro is Documented as a Jinja macro, in the place of SignatureMacro and by
// the same name.
var DocumentedMacro = strings.ReplaceAll(documentedMacro, "@DEPTH", strconv.Itoa(maxDepth))

const documentedMacro = `{%- macro choice(v) -%}
{#- One value of those that a parameter may have. -#}
{%- if v is string and v.strip('0123456789+-.eE') != '' and v not in ['null', 'true', 'false', 'string'] and '|' not in v and ',' not in v
    and '"' not in v and '\n' not in v -%}
  {{- v -}}
{%- else -%}
  {{- v|tojson -}}
{%- endif -%}
{%- endmacro -%}
{%- macro bounds(about) -%}
{#- Those of a number, behind a space. -#}
{%- for key, word in [['minimum', ' from '], ['exclusiveMinimum', ' above '], ['maximum', ' to '], ['exclusiveMaximum', ' below ']] -%}
  {%- if about is mapping and about[key] is number and about[key] is not boolean -%}{{- word + about[key]|tojson -}}{%- endif -%}
{%- endfor -%}
{%- endmacro -%}
{%- macro opened(name, about, depth) -%}
{#- A type by its name, with what a schema says of its inside. -#}
{%- set names = {'dict': 'object', 'float': 'number', 'list': 'array', 'tuple': 'array'} -%}
{%- set type = names[name] if name in names else name -%}
{%- set found = namespace(inner='') -%}
{%- if depth > 0 and type == 'object' -%}
  {%- set found.inner = fields(about, depth - 1) -%}
  {%- if found.inner != '' -%}{%- set found.inner = '{' + found.inner + '}' -%}{%- endif -%}
{%- elif depth > 0 and type == 'array' -%}
  {%- set says = kind(about['items'], depth - 1) -%}
  {%- set found.inner = says + bounds(about['items']) if says != '' else bounds(about['items'])[1:] -%}
  {%- if found.inner != '' -%}{%- set found.inner = '[' + found.inner + ']' -%}{%- endif -%}
{%- endif -%}
{{- found.inner if found.inner != '' else type -}}
{%- endmacro -%}
{%- macro kind(about, depth) -%}
{#- The type in a schema, without its bounds. -#}
{%- if about is mapping -%}
{%- set found = namespace(list=[], of='') -%}
{%- if about['enum'] is sequence and about['enum'] is not string and about['enum'] is not mapping and about['enum'] -%}
  {%- set found.list = about['enum'] -%}
  {%- set found.of = 'enum' -%}
{%- elif depth > 0 and about['anyOf'] is sequence and about['anyOf'] is not string and about['anyOf'] is not mapping
    and about['anyOf'] -%}
  {%- set found.list = about['anyOf'] -%}
{%- elif depth > 0 and about['oneOf'] is sequence and about['oneOf'] is not string and about['oneOf'] is not mapping
    and about['oneOf'] -%}
  {%- set found.list = about['oneOf'] -%}
{%- elif about['type'] is string -%}
  {%- set found.list = [about['type']] -%}
  {%- set found.of = 'type' -%}
{%- elif about['type'] is sequence and about['type'] is not mapping -%}
  {%- set found.list = about['type'] -%}
  {%- set found.of = 'types' -%}
{%- endif -%}
{%- for one in found.list -%}
  {{- '|' if not loop.first else '' -}}
  {%- if found.of == 'enum' -%}
    {{- choice(one) -}}
  {%- elif found.of == 'type' -%}
    {{- opened(one, about, depth) -}}
  {%- elif found.of == 'types' -%}
    {{- (opened(one, about, depth) if one is string else '') or 'any' -}}
  {%- else -%}
    {{- (kind(one, depth - 1) + bounds(one)) or 'any' -}}
  {%- endif -%}
{%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- macro fields(schema, depth) -%}
{#- The properties of an object, as they stand in brackets. -#}
{%- set properties = schema['properties'] if schema['properties'] is mapping else {} -%}
{%- set required = schema['required'] if schema['required'] is sequence and schema['required'] is not string
    and schema['required'] is not mapping else [] -%}
{%- for name, about in properties|items -%}
  {{- (', ' if not loop.first else '') + name + ('' if name in required else '?') -}}
  {%- set says = kind(about, depth) -%}
  {%- if says != '' and says != 'string' -%}
    {{- ': ' + says + bounds(about) -}}
  {%- elif bounds(about) != '' -%}
    {{- ':' + bounds(about) -}}
  {%- endif -%}
  {%- if about is mapping and 'default' in about -%}{{- ' = ' + about['default']|tojson -}}{%- endif -%}
{%- endfor -%}
{%- endmacro -%}
{%- macro documented(about, path) -%}
{#- What a schema says of itself, behind a semicolon. -#}
{%- if about is mapping and about['description'] is string and about['description'].split() -%}
  {{- '; ' + path + about['description'].split()|join(' ') -}}
{%- endif -%}
{%- endmacro -%}
{%- macro described(schema, path, depth) -%}
{#- What is documented of the properties of an object, those inside of each after it. -#}
{%- if depth > 0 and schema is mapping and schema['properties'] is mapping -%}
  {%- for name, about in schema['properties']|items -%}
    {{- documented(about, path + name + ': ') + described(about, path + name + '.', depth - 1) -}}
    {%- if about is mapping and about['items'] is mapping -%}
      {{- documented(about['items'], path + name + '[]: ') + described(about['items'], path + name + '[].', depth - 1) -}}
    {%- endif -%}
  {%- endfor -%}
{%- endif -%}
{%- endmacro -%}
{%- macro signature(tool) -%}
{#- A line of documentation, where there is some, and the signature. -#}
{%- set doc = tool['function'] if tool['function'] is mapping else tool -%}
{%- set schema = doc['parameters'] if doc['parameters'] is mapping else {} -%}
{%- set words = documented(doc, '') + described(schema, '', @DEPTH) -%}
{{- '# ' + words[2:] + '\n' if words != '' else '' -}}
{{- doc['name'] + '(' + fields(schema, @DEPTH) + ')' -}}
{%- endmacro -%}
`
