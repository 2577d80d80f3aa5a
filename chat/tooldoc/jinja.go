package tooldoc

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
