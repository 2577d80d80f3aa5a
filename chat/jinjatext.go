package chat

import (
	"cmp"
	"strings"

	"ballast"
	"ballast/chat/bpe"
	"ballast/chat/format"
	"ballast/chat/tooldoc"
)

// JinjaText is a Jinja chat template that renders, with transformers' apply_chat_template,
// what Dialogue trains: the template's rule for the system message, the documentation of
// tools as they come (bare or in OpenAI's wrapping), messages of users, replies with their
// thoughts and calls, tool results, the generation prompt. system is the text of
// conversations without a system message, nil for the template's own.
//
// The arguments of a call may be an object or, as OpenAI's clients send them, its JSON
// text, which is read and written again. What the template has no place for is raised
// with a sentence: other roles, a system message that is not the first, content that is
// no text, thoughts where the template writes none, calls that the format cannot write,
// documentation of tools that spells a control token of format's or of the tokenizer's,
// where one is given.
//
// Two things are transformers' own. A message of the system, a user or a tool that spells
// a control token holds that token, where ballast trains it as text. The last reply of a conversation is
// followed by its line end, which ballast writes with the message after it.
func JinjaText(s Renderer, system *string) string {
	t, f := s.Template, s.Format
	if t.own != nil { // the model's own template is what is trained
		return t.own.jinja(system)
	}
	thought := "{{- raise_exception('a message has reasoning_content, but this model was trained without thoughts') -}}"
	if text, ok := t.Thought("\x00"); ok {
		open, shut, _ := strings.Cut(text, "\x00")
		thought = "{{- " + format.Quote(open) + " + reasoning.strip('\\n') + " + format.Quote(shut) + " -}}"
	}
	return mark(t) + "\n" + cmp.Or(t.macro, tooldoc.SignatureMacro) + format.JinjaMacros(f) + strings.NewReplacer(
		"@INSTRUCTIONS", format.JinjaInstructions(f), "@SYSTEM", jinjaSystem(t, f, system), "@THOUGHT", thought,
		"@CONTROL", jinjaControl(s.Tokenizer),
		"@BEGIN", format.Quote(t.begin), "@USER", format.Quote(t.user), "@TEXT", t.jinjaTrimmed("content"),
		"@TOOL", format.Quote(t.tool), "@BETWEEN", format.Quote(t.apart()), "@RESULT", jinjaResult(f),
		"@REPLY", format.Quote(t.reply), "@END", format.Quote(t.end+t.gap),
	).Replace(jinjaText)
}

// jinjaControl lists the control tokens of a tokenizer that the macro escaped does not know.
// Added tokens that are neither special nor in brackets, such as runs of blanks, are text.
func jinjaControl(tok *bpe.Tokenizer) string {
	if tok == nil {
		return ""
	}
	var out []string
	for _, a := range tok.Added() {
		if text := a.Content; (a.Special || strings.HasPrefix(text, "<")) && strings.TrimSpace(text) != "" &&
			format.EscapeControl(text, "") == text {
			out = append(out, format.Quote(text))
		}
	}
	return strings.Join(out, ", ")
}

// jinjaTrimmed is an expression of a text as the template writes it.
func (t *Template) jinjaTrimmed(text string) string {
	if t.trim {
		return text + ".strip()"
	}
	return text
}

// apart is what stands between two tool results.
func (t *Template) apart() string {
	if t.separate {
		return t.end + t.gap + t.tool
	}
	return cmp.Or(t.between, "\n")
}

// jinjaResult is an expression of `content` that writes a tool's answer.
func jinjaResult(f Format) string {
	const probe = "\"é\n"
	before, body, after := f.Result(probe)
	text := "content"
	switch body {
	case probe:
	case tooldoc.JSON(probe):
		text = "content|tojson"
	default:
		panic("chat: format " + f.Name() + " writes results in a way that has no place in a Jinja template")
	}
	return format.Quote(before) + " + (" + text + ") + " + format.Quote(after)
}

// jinjaSystem is statements that write the system message for `system`, a text or none, and
// `offered`, a list of tools. They are made of what the template's rule answers in each case;
// usual is the text where there is none.
func jinjaSystem(t *Template, f Format, usual *string) string {
	tools := []ballast.Tool{{Name: "first"}, {Name: "second"}} // without documentation, which a template may show or not
	const word = "\x01"
	spaced, empty := " "+word+" ", ""
	var b strings.Builder
	for _, c := range []struct {
		when   string
		system *string
	}{{"system is none", usual}, {"system == ''", &empty}, {"true", &spaced}} {
		for _, with := range []struct {
			when  string
			tools []ballast.Tool
		}{{"offered", tools}, {"not offered", nil}} {
			text, there := t.section(f, with.tools, c.system)
			b.WriteString("{%- " + map[bool]string{true: "if", false: "elif"}[b.Len() == 0] + " " + c.when + " and " + with.when + " -%}")
			if !there {
				b.WriteString("\n")
				continue
			}
			b.WriteString("{{- ")
			for i, slot := range jinjaSlots(t.system+text+t.end+t.gap, [][2]string{
				{f.Instructions(tools), "instructions(offered)"}, {lines(tools, tooldoc.Signature), "signatures(offered)"},
				{spaced, "system"}, {word, "system.strip()"},
			}) {
				if i > 0 {
					b.WriteString(" + ")
				}
				b.WriteString(slot)
			}
			b.WriteString(" -}}\n")
		}
	}
	return strings.ReplaceAll(b.String(), "true and ", "") + "{%- endif -%}"
}

// jinjaSlots cuts a text at what stands for an expression: the first that is found counts.
func jinjaSlots(text string, slots [][2]string) []string {
	if text == "" {
		return nil
	}
	for _, s := range slots {
		if before, after, ok := strings.Cut(text, s[0]); ok {
			return append(append(jinjaSlots(before, slots), s[1]), jinjaSlots(after, slots)...)
		}
	}
	return []string{format.Quote(text)}
}

const jinjaText = `{%- macro instructions(tools) -%}
@INSTRUCTIONS
{%- endmacro -%}
{%- macro signatures(tools) -%}
{%- for tool in tools -%}{{- ('\n' if not loop.first else '') + signature(tool) -}}{%- endfor -%}
{%- endmacro -%}
{%- macro said(message) -%}
{%- if message['content'] is not string -%}
  {{- raise_exception('the content of a message must be a text: one with role ' ~ message['role'] ~ ' has another') -}}
{%- endif -%}
{{- message['content'] -}}
{%- endmacro -%}
{%- set offered = tools if tools is defined and tools else [] -%}
{%- for tool in offered -%}
  {%- if tool is not mapping -%}{{- raise_exception('tools must be a list of objects that document functions') -}}{%- endif -%}
  {%- if escaped(tool|tojson, '') != tool|tojson -%}{{- raise_exception('the documentation of a tool spells a control token') -}}{%- endif -%}
  {%- for token in [@CONTROL] -%}
    {%- if token in tool|tojson -%}{{- raise_exception('the documentation of a tool spells the control token ' ~ token) -}}{%- endif -%}
  {%- endfor -%}
{%- endfor -%}
{%- if documents is defined and documents -%}{{- raise_exception('this template has no place for documents: put them into a message') -}}{%- endif -%}
{%- set first = messages[0] if messages else {} -%}
{%- set system = said(first) if first['role'] == 'system' else none -%}
{{- @BEGIN -}}
@SYSTEM
{%- set s = namespace(last='') -%}
{%- for message in messages[(0 if system is none else 1):] -%}
  {%- set role = message['role'] -%}
  {%- if s.last == 'tool' and role != 'tool' -%}{{- @END -}}{%- endif -%}
  {%- if role == 'user' -%}
    {%- set content = said(message) -%}
    {{- @USER + @TEXT + @END -}}
  {%- elif role == 'assistant' -%}
    {%- if message['function_call'] -%}{{- raise_exception('function_call has no place here: use tool_calls') -}}{%- endif -%}
    {{- @REPLY -}}
    {%- set reasoning = message['reasoning_content'] if message['reasoning_content'] else message['reasoning'] -%}
    {%- if reasoning -%}
      {%- if reasoning is not string -%}{{- raise_exception('reasoning_content must be a text') -}}{%- endif -%}
      @THOUGHT
    {%- endif -%}
    {%- set list = message['tool_calls'] if message['tool_calls'] else [] -%}
    {%- set content = '' if list and not message['content'] else said(message) -%}
    {{- content -}}
    {%- if list -%}{{- ('\n' if content else '') + calls(list, offered) -}}{%- endif -%}
    {{- @END -}}
  {%- elif role == 'tool' -%}
    {%- set content = said(message) -%}
    {%- if s.last == 'assistant' -%}{{- @TOOL -}}
    {%- elif s.last == 'tool' -%}{{- @BETWEEN -}}
    {%- else -%}{{- raise_exception('a tool message must follow the assistant message with its call') -}}
    {%- endif -%}
    {{- @RESULT -}}
  {%- elif role == 'system' -%}
    {{- raise_exception('a system message can only be the first message') -}}
  {%- else -%}
    {{- raise_exception('messages have the roles system, user, assistant and tool, not ' ~ role) -}}
  {%- endif -%}
  {%- set s.last = role -%}
{%- endfor -%}
{%- if s.last == 'tool' -%}{{- @END -}}{%- endif -%}
{%- if add_generation_prompt -%}{{- @REPLY -}}{%- endif -%}
`
