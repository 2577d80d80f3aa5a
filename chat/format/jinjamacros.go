package format

import (
	"fmt"
	"strconv"
	"strings"
)

// JinjaMacros are the macros that a format's pieces use:
//
//   - escaped(text, by): EscapeControl.
//   - literal(value), written(value): the value in a call, the latter with control
//     tokens escaped.
//   - read(text, out): reads a JSON text of any kind. out.valid says whether it is one;
//     out.args has the members of an object.
//   - arguments(call, out): the arguments of a call in out.args, from an object or its
//     JSON text. Anything else raises.
//   - calls(list, tools): Render.
func JinjaMacros(f Format) string {
	j := f.Jinja()
	var quoted []string
	for _, t := range tags {
		quoted = append(quoted, Quote(t[1:]))
	}
	own := ""
	for _, w := range j.Own {
		own += fmt.Sprintf(".replace(%s, %s)", Quote(w), Quote(fmt.Sprintf(`\u%04x`, w[0])+w[1:]))
	}
	return strings.NewReplacer(
		"@OWN", own,
		"@TAGS", strings.Join(quoted, ", "), "@LONGEST", strconv.Itoa(maxControl-3),
		"@LITERAL", j.Literal, "@ESCAPE", Quote(j.Escape),
		"@BEFORE", Quote(j.Before), "@BETWEEN", Quote(j.Between), "@AFTER", Quote(j.After),
		"@CALL", j.Call,
	).Replace(jinjaMacros)
}

const jinjaMacros = `{%- macro escaped(text, by) -%}
{#- Text that spells a control token is text: its bracket is escaped. -#}
{%- for part in text.split('<') -%}
  {%- set found = namespace(control=false) -%}
  {%- for tag in [@TAGS] -%}
    {%- if part.startswith(tag) -%}{%- set found.control = true -%}{%- endif -%}
  {%- endfor -%}
  {%- set bars = part.split('|') -%}
  {%- if bars|length > 2 and bars[0] == '' and bars[1] != '' and bars[1]|length <= @LONGEST and bars[2].startswith('>') -%}
    {%- if bars[1].strip('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_') == '' -%}
      {%- set found.control = true -%}
    {%- endif -%}
  {%- endif -%}
  {{- ('' if loop.first else by if found.control else '<') + part -}}
{%- endfor -%}
{%- endmacro -%}
{%- macro literal(value) -%}{{- @LITERAL -}}{%- endmacro -%}
{%- macro written(value) -%}{{- escaped(literal(value), @ESCAPE)@OWN -}}{%- endmacro -%}
{%- macro number(word, out) -%}
{#- A word of a JSON text that is a number. -#}
{%- if word in ['NaN', 'Infinity', '-Infinity'] -%}
  {{- literal(word|float) -}}
{%- else -%}
{%- set bare = word[1:] if word.startswith('-') else word -%}
{%- set halves = bare.replace('E', 'e').split('e') -%}
{%- set parts = halves[0].split('.') -%}
{%- set power = halves[1] if halves|length > 1 else '0' -%}
{%- set power = power[1:] if power.startswith('+') or power.startswith('-') else power -%}
{%- set fraction = parts[1] if parts|length > 1 else '0' -%}
{%- if halves|length > 2 or parts|length > 2 or parts[0] == '' or fraction == '' or power == ''
    or (parts[0] + fraction + power).strip('0123456789') != '' or (parts[0] != '0' and parts[0].startswith('0')) -%}
  {%- set out.valid = false -%}
{%- elif halves|length > 1 or parts|length > 1 -%}
  {{- literal(word|float) -}}
{%- else -%}
  {{- '0' if word == '-0' else word -}}
{%- endif -%}
{%- endif -%}
{%- endmacro -%}
{%- macro read(text, out) -%}
{#- A JSON text: out.valid says whether it is one, out.args are the members of an object. -#}
{%- set words = {'true': true, 'false': false, 'null': none} -%}
{%- set escapes = {'n': '\n', 't': '\t', 'r': '\r', 'b': '\x08', 'f': '\x0c', '"': '"', '\\': '\\', '/': '/'} -%}
{%- set out.valid = true -%}
{%- set out.args = [] -%}
{%- set s = namespace(stack='', want='value', mode='', first=false, literal='', mark=0, name='', member=none,
    text='', start=0, code=0, digits=0, high=0) -%}
{%- for c in text ~ ' ' -%}
{%- if not out.valid -%}
{%- elif s.mode == 'string' and c == '"' -%}
  {%- set s.text = s.text ~ text[s.start:loop.index0] -%}
  {%- if s.stack == '{' and s.want == 'key' -%}{%- set s.name = s.text -%}{%- endif -%}
  {%- if s.stack == '{' and s.want == 'value' -%}{%- set s.member = s.text -%}{%- endif -%}
  {%- set s.literal = s.literal ~ literal(s.text) -%}
  {%- set s.want = 'colon' if s.want == 'key' else 'more' -%}
  {%- set s.mode = '' -%}
{%- elif s.mode == 'string' and c == '\\' -%}
  {%- set s.text = s.text ~ text[s.start:loop.index0] -%}
  {%- set s.mode = 'escape' -%}
{%- elif s.mode == 'string' -%}
  {%- set out.valid = c >= ' ' -%}
{%- elif s.mode == 'escape' and c == 'u' -%}
  {%- set s.mode = 'unicode' -%}
  {%- set s.code = 0 -%}
  {%- set s.digits = 0 -%}
{%- elif s.mode == 'escape' -%}
  {%- set out.valid = c in escapes -%}
  {%- set s.text = s.text ~ (escapes[c] if c in escapes else '') -%}
  {%- set s.start = loop.index -%}
  {%- set s.mode = 'string' -%}
{%- elif s.mode == 'unicode' -%}
  {%- set out.valid = c in '0123456789abcdefABCDEF' -%}
  {%- set s.code = s.code * 16 + '0123456789abcdef'.find(c|lower) -%}
  {%- set s.digits = s.digits + 1 -%}
  {%- if s.digits == 4 -%}
    {%- set s.mode = 'string' -%}
    {%- set s.start = loop.index -%}
    {%- if s.code >= 55296 and s.code < 56320 and text[loop.index:loop.index + 2] == '\\u' -%}
      {%- set s.high = s.code -%}
    {%- elif s.code >= 56320 and s.code < 57344 and s.high -%}
      {%- set s.text = s.text ~ '%c'|format(65536 + (s.high - 55296) * 1024 + s.code - 56320) -%}
      {%- set s.high = 0 -%}
    {%- elif s.high or (s.code >= 55296 and s.code < 57344) -%}
      {{- raise_exception('the arguments of a call hold half of a surrogate pair, which is no character') -}}
    {%- else -%}
      {%- set s.text = s.text ~ '%c'|format(s.code) -%}
    {%- endif -%}
  {%- endif -%}
{%- else -%}
  {%- if s.mode == 'word' and c in ' \t\n\r,:]}[{"' -%}
    {%- set word = text[s.start:loop.index0] -%}
    {%- set s.literal = s.literal ~ (literal(words[word]) if word in words else number(word, out)) -%}
    {%- set s.want = 'more' -%}
    {%- set s.mode = '' -%}
  {%- endif -%}
  {%- if s.mode == 'word' or c in ' \t\n\r' -%}
  {%- elif c == '"' -%}
    {%- set out.valid = s.want in ['value', 'key'] -%}
    {%- set s.mode = 'string' -%}
    {%- set s.text = '' -%}
    {%- set s.start = loop.index -%}
    {%- set s.first = false -%}
  {%- elif c in '{[' -%}
    {%- set out.valid = out.valid and s.want == 'value' -%}
    {%- set s.stack = s.stack ~ c -%}
    {%- set s.want = 'key' if c == '{' else 'value' -%}
    {%- set s.first = true -%}
    {%- set s.literal = s.literal ~ c -%}
  {%- elif c in '}]' -%}
    {%- set out.valid = out.valid and s.stack != '' and s.stack[-1:] == ('{' if c == '}' else '[') and (s.want == 'more' or s.first) -%}
    {%- if s.stack == '{' and s.want == 'more' -%}
      {%- set out.args = out.args + [{'name': s.name, 'literal': s.literal[s.mark:], 'text': s.member}] -%}
    {%- endif -%}
    {%- set s.stack = s.stack[:-1] -%}
    {%- set s.want = 'more' -%}
    {%- set s.first = false -%}
    {%- set s.literal = s.literal ~ c -%}
  {%- elif c == ',' -%}
    {%- set out.valid = out.valid and s.want == 'more' and s.stack != '' -%}
    {%- if s.stack == '{' -%}
      {%- set out.args = out.args + [{'name': s.name, 'literal': s.literal[s.mark:], 'text': s.member}] -%}
    {%- endif -%}
    {%- set s.want = 'key' if s.stack[-1:] == '{' else 'value' -%}
    {%- set s.literal = s.literal ~ ', ' -%}
  {%- elif c == ':' -%}
    {%- set out.valid = out.valid and s.want == 'colon' -%}
    {%- set s.want = 'value' -%}
    {%- set s.literal = s.literal ~ ': ' -%}
    {%- if s.stack == '{' -%}{%- set s.mark = s.literal|length -%}{%- set s.member = none -%}{%- endif -%}
  {%- else -%}
    {%- set out.valid = out.valid and s.want == 'value' -%}
    {%- set s.mode = 'word' -%}
    {%- set s.start = loop.index0 -%}
    {%- set s.first = false -%}
  {%- endif -%}
{%- endif -%}
{%- endfor -%}
{%- set out.valid = out.valid and s.stack == '' and s.want == 'more' and s.mode == '' -%}
{%- endmacro -%}
{%- macro arguments(call, out) -%}
{%- set given = call['arguments'] -%}
{%- if given is mapping -%}
  {%- set out.args = [] -%}
  {%- for key, value in given|items -%}
    {%- set out.args = out.args + [{'name': key, 'literal': literal(value), 'text': value if value is string else none}] -%}
  {%- endfor -%}
{%- elif given is string -%}
  {{- read(given, out) -}}
  {%- if not out.valid or given.strip()[:1] != '{' -%}
    {{- raise_exception('the arguments of a call are a text that is no JSON object: ' ~ given) -}}
  {%- endif -%}
{%- else -%}
  {{- raise_exception('the arguments of a call must be an object, or its JSON text') -}}
{%- endif -%}
{%- set seen = namespace(names=[]) -%}
{%- set list = out.args -%}
{%- set out.args = [] -%}
{%- for arg in list -%}
  {%- if arg['name'] is not string or arg['name'] == '' or arg['name'] in seen.names -%}
    {{- raise_exception('an argument of a call has no name, or the name of another one') -}}
  {%- endif -%}
  {%- set seen.names = seen.names + [arg['name']] -%}
  {%- set out.args = out.args + [{'name': arg['name'], 'literal': escaped(arg['literal'], @ESCAPE)@OWN, 'text': arg['text']}] -%}
{%- endfor -%}
{%- endmacro -%}
{%- macro calls(list, tools) -%}
{{- @BEFORE -}}
{%- for item in list -%}
  {%- set call = item['function'] if item['function'] is mapping else item -%}
  {%- set name = call['name'] -%}
  {%- if name is not string or name == '' -%}{{- raise_exception('a call names no function') -}}{%- endif -%}
  {%- set out = namespace(valid=true, args=[]) -%}
  {{- arguments(call, out) -}}
  {%- set args = out.args -%}
  {{- @BETWEEN if not loop.first else '' -}}
  @CALL
{%- endfor -%}
{{- @AFTER -}}
{%- endmacro -%}
`
