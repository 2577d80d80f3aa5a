package jinja

import (
	"errors"
	"testing"

	"ballast/value"
)

// TestSyntax: corners of the syntax that no template of a model needs but Python has. The texts are
// Jinja's own.
func TestSyntax(t *testing.T) {
	for _, c := range [][2]string{
		{"{% if false: %}a{% else: %}b{% endif %}", "b"},
		{"{% for x in [1, 2]: %}{{ x }}{% endfor %}", "12"},
		{"{{ 'a' \"b\" 'c' }}", "abc"},
		{"{{ '\\x41\\u00e9\\q\\\\' }}", "Aé\\q\\"},
		{"{{ 1e3 }} {{ 2.50 }} {{ 10.5E-1 }}", "1000.0 2.5 1.05"},
		{"a \n  {%- if 1 -%} \n b \n {%- endif %}\n c", "ab c"},
		{"  {%+ if 1 +%}\n x{% endif %}\n\n", "  \n x"},
		{"a\r\nb\rc\n", "a\nb\nc"},
		{"{% raw %}{{ x }}{% endraw %}|{%- raw -%} {% if %} {%- endraw -%} ", "{{ x }}|{% if %}"},
		{"{# {{ #}{{ '}}' }}{{ {'a': {'b': 1}}['a']['b'] }}", "}}1"},
		{"{% set x = 1 %}{% for i in [1, 2] %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}{{ x }}", "15151"},
		{"{% for i in [1] %}{% for j in [1] %}{{ tools is defined }}{% endfor %}{% set tools = 1 %}{% endfor %}", "False"},
		{"{% set ns = namespace(n=0) %}{% for i in [1, 2] %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}", "3"},
		{"{% for i in [1, 2] %}{% continue %}{% else %}none{% endfor %}", "none"},
		{"{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "123"},
		{"{% macro f(a, b=a) %}{{ a }}{{ b }}{% endmacro %}{{ f(1) }}{{ f(b=2, a=3) }}", "1132"},
		{"{% set x | upper %}a{{ 1 }}b{% endset %}{{ x }}{% filter trim | upper %} q {% endfilter %}", "A1BQ"},
		{"{% generation %}{% set y = 1 %}x{% endgeneration %}{{ y }}", "x"},
		{"{{ none }}{{ true }}{{ 1.0 }}{{ 1e22 }}{{ undef }}" +
			"{{ [none, 1.0, 'a\\'b', undef] }}", "NoneTrue1.01e+22[None, 1.0, \"a'b\", Undefined]"},
		{"{{ '<b>&é\\u2028' | tojson }}" +
			"{{ {'b': 1.0, 'a': [none, true]} | tojson }}", "\"<b>&é\u2028\"{\"b\": 1.0, \"a\": [null, true]}"},
		{"{{ '%s-%d%%' | format(none, 3) }}{{ '<{}>'.format(1) }}", "None-3%<1>"},
		{"{{ strftime_now('%d %b %Y, %-d %B %H:%M') }}", "26 Jul 2024, 26 July 00:00"},
		{"{{ {'bc': 1}['abc'[1:]] }}{{ [4, 5, 6]['ab'[:1]|length:][0] }}", "15"},
		{"{{ ['<a>'|safe]|tojson }}{{ '<b>'|safe + '<' }}{{ '<b>'|safe ~ '<' }}", "[\"<a>\"]<b>&lt;<b><"},
		{"{{ 'x' if false }}|{{ (1, 2)[::-1] }}|{{ 'añb'[::-1] }}|{{ 1 < 2 < 3 }}|" +
			"{{ not 1 in [2] }}", "|(2, 1)|bña|True|True"},
	} {
		if got, err := Render(c[0], value.NewDict("tools", nil)); err != nil || got != c[1] {
			t.Errorf("%s: %q, %v, Python %q", c[0], got, err, c[1])
		}
	}
}

// TestErrors: where Python raises there is an error of the kind that is asked for.
func TestErrors(t *testing.T) {
	data := value.NewDict("messages", value.NewList(value.NewDict("role", "user", "content", nil)))
	for source, kind := range map[string]string{
		"{{ messages[0].content + 'x' }}": Failed, "{{ messages[0].nosuch.more }}": Failed, "{{ messages|nosuch }}": Failed, "{{ 1 is nosuch }}": Failed,
		"{{ 'a' + 1 }}": Failed, "{{ messages.append(1) }}": Failed, "{{ nosuch() }}": Failed, "{% for x in none %}{% endfor %}": Failed,
		"{% set a.b = 1 %}": Failed, "{{ undef|tojson }}": Failed, "{{ range(100001) }}": Failed, "{{ namespace(_a=1) }}": Failed,
		"{% nosuch %}": Failed, "{% if 1 %}": Failed, "{{ 1": Failed, "{{ 'a }}": Failed, "{# a": Failed, "{% break %}": Failed, "{{ 1 2 }}": Failed,
		"{% if false %}{{ 1|nosuch }}{% endif %}{{ messages|length|nosuch }}": Failed, "{% for x in [] %}{{ 1|nosuch }}{% endfor %}": Failed,
		"{{ raise_exception('no') }}": Raised, "{% if messages %}{{ raise_exception('no ' ~ messages[0].role) }}{% endif %}": Raised,
		"{% include 'x' %}": Unsupported, "{{ messages|groupby('role') }}": Unsupported, "{{ ''.__class__ }}": Unsupported, "{{ messages.append }}": Unsupported,
		"{{ 'a'.encode() }}": Unsupported, "{{ messages|map('upper') }}": Unsupported, "{{ lipsum() }}": Unsupported, "{{ 2.0 ** 0.5 }}": Unsupported,
		"{% with a = 1 %}{% endwith %}": Unsupported, "{% call f() %}{% endcall %}": Unsupported, "{% for x in [] recursive %}{% endfor %}": Unsupported,
		"{{ f(*[1]) }}": Unsupported, "{{ f(**{}) }}": Unsupported, "{% macro f() %}{{ varargs }}{% endmacro %}": Unsupported,
		"{{ [1][] }}": Unsupported, "{{ {}[1, 2] }}": Unsupported, "{{ 0x1F }}": Unsupported, "{{ 1_0 }}": Unsupported, "{{ 07 }}": Unsupported,
		"{{ '\\é' }}": Unsupported, "{{ '\\101' }}": Unsupported, "{{ '\\ud83d' }}": Unsupported, "{{ ñ }}": Unsupported,
		"{{ '%05d' % 1 }}": Unsupported, "{{ '{0}'.format(1) }}": Unsupported, "{{ '{{'.format() }}": Unsupported, "{{ 9223372036854775807 + 1 + 1 }}": Unsupported,
		"{{ 'a'.find('a', 1) }}": Unsupported, "{{ 'a'.startswith('a', 1) }}": Unsupported, "{{ {}|dictsort(reverse=true) }}": Unsupported, "{{ 'a'.zfill(3) }}": Unsupported,
		"{{ [1] < [2] }}": Unsupported, "{{ 1.5 // 1 }}": Unsupported, "{{ '1_0'|int }}": Unsupported, "{{ range(2) }}": Unsupported, "{{ range(9)[1:] }}": Unsupported, "{{ (0)[1:] }}": Unsupported, "{{ messages[0].content[1:] }}": Failed,
		"{{ 1 is callable }}": Unsupported, "{{ [1]|sum }}": Unsupported, "{{ strftime_now('%Q') }}": Unsupported, "{{ 'a b'.split(none, 1) }}": Unsupported,
	} {
		var e *Error
		if got, err := Render(source, data); !errors.As(err, &e) || e.Kind != kind || e.Line != 1 {
			t.Errorf("%s: %q, %v, not %s", source, got, err, kind)
		}
	}
	if got, err := Render("{% if false %}{{ 1|nosuch }}{% endif %}ok", data); got != "ok" || err != nil {
		t.Errorf("what is not reached: %q, %v", got, err)
	}
}

// TestData: the variables of Go programs, which are not changed.
func TestData(t *testing.T) {
	data := value.NewDict("n", 1, "l", value.NewList(1, value.NewList(2, 3)), "d", value.NewDict("a", value.NewDict("b", 4)), dateKey, "2025-03-09 07:05:00")
	got, err := Render("{{ n + 1 }}{{ l }}{{ d.a.b * 2 }}{{ strftime_now('%e %y %I %p') }}{{ strftime_now is defined }}{{ tools }}{{ add_generation_prompt }}", data)
	if want := "2[1, [2, 3]]8 9 25 07 AMTrueNoneFalse"; err != nil || got != want {
		t.Errorf("%q, %v, not %q", got, err, want)
	}
	if v, _ := data.Get("n"); v != 1 {
		t.Errorf("the data are changed: %v", v)
	}
	for _, bad := range []any{struct{}{}, []string{"a"}, value.NewList(value.Bytes("a")), value.NewDict("a", uint(1))} {
		if _, err := Render("", value.NewDict("x", bad)); err == nil {
			t.Errorf("%T is taken", bad)
		}
	}
	if _, err := Render("", value.NewDict(dateKey, "yesterday")); err == nil {
		t.Error("a date that is none")
	}
}
