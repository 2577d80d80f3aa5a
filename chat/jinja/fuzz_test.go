package jinja

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"ballast/value"
)

// picker makes choices out of a fuzzer's bytes.
type picker struct {
	b     []byte
	depth int
}

func (p *picker) n(most int) int {
	if len(p.b) == 0 {
		return 0
	}
	c := int(p.b[0])
	p.b = p.b[1:]
	return c % most
}

func (p *picker) of(words string) string {
	list := strings.Split(words, "¦")
	return list[p.n(len(list))]
}

const (
	fuzzAtoms = "s¦n¦l¦d¦m¦none¦true¦1¦-2¦2.5¦''¦'%s{}'¦'a b'¦[]¦{}¦()¦x¦y¦ns.a¦loop.index¦undef¦range(5)¦'a'*9¦" +
		"m[0].role¦ns¦f¦loop¦caller()"
	fuzzSuffixes = ".strip()¦.split()¦.items()¦|length¦|tojson¦|tojson(indent=2)¦|list¦|first¦|last¦|join(',')¦|upper¦" +
		"|trim¦|default('q')¦|reverse¦|sort¦|unique¦|map('string')¦|map(attribute='role')¦|select¦" +
		"|selectattr('role')¦|dictsort¦|items¦|int¦|float¦|round(1)¦|string¦|safe¦|e¦|replace('a','bb')¦" +
		"|indent(3)¦|format(1)¦|batch(2)¦|sum¦|max¦|title¦[0]¦[-1]¦[::-1]¦[1:]¦['a']¦.a¦.get('a')¦.format(1)¦" +
		".replace('','-')¦.title()¦ is defined¦ is string¦ is mapping¦ is odd¦ is none¦ is in l¦(1)¦()¦" +
		".append(1)¦.__class__¦|nosuch¦ is nosuch¦.rsplit(' ', 1)¦.splitlines()¦.center(9)¦|center¦|count¦" +
		"|d(1, true)"
	fuzzInfix = " + ¦ - ¦ * ¦ / ¦ // ¦ % ¦ ** ¦ ~ ¦ == ¦ != ¦ < ¦ >= ¦ in ¦ not in ¦ and ¦ or ¦ if ¦, "
)

func (p *picker) expr() string {
	p.depth++
	defer func() { p.depth-- }()
	k := p.n(8)
	switch {
	case p.depth > 5 || k < 2:
		return p.of(fuzzAtoms)
	case k < 5:
		return "(" + p.expr() + ")" + p.of(fuzzSuffixes)
	case k < 7:
		return "(" + p.expr() + p.of(fuzzInfix) + p.expr() + ")"
	}
	return p.of("[¦{'k': ¦(1, ") + p.expr() + p.of("]¦}¦)")
}

func (p *picker) body() string {
	p.depth++
	defer func() { p.depth-- }()
	var b strings.Builder
	for range 1 + p.n(3) {
		b.WriteString(p.of("¦ ¦\n  ¦text¦{¦é\n"))
		if p.depth > 4 {
			break
		}
		open, shut := "{%"+p.of("¦-¦+")+" ", " "+p.of("¦-¦+")+"%}"
		tag := func(s string) { b.WriteString(open + s + shut) }
		end := func(s string) { b.WriteString(p.body()); tag(s) }
		switch p.n(11) {
		case 0, 1, 2:
			b.WriteString("{{" + p.of("¦-") + " " + p.expr() + " }}")
		case 3:
			tag("if " + p.expr())
			end(p.of("endif¦elif 1¦else"))
			if p.n(2) == 0 {
				end("endif")
			}
		case 4, 5:
			tag("for " + p.of("x¦x, y¦(x, y)") + " in " + p.expr() + p.of("¦ if x¦ recursive"))
			b.WriteString(p.of("¦{% break %}¦{% continue %}¦{{ loop(x) }}¦{% if x %}{% continue %}{% endif %}"))
			end("endfor")
		case 6:
			tag("set " + p.of("x¦y¦x, y¦ns.a") + " = " + p.expr())
		case 7:
			tag("set ns = namespace(a=" + p.expr() + ")")
		case 8:
			tag("macro f(" + p.of("¦x¦x, y=1") + ")")
			end("endmacro")
			b.WriteString("{{ f(" + p.of("¦1¦y=2¦*l") + ") }}")
		case 9:
			word := p.of("set x¦filter upper¦generation¦with x = 1¦call f()¦raw")
			tag(word)
			end("end" + strings.Fields(word)[0])
		case 10:
			b.WriteString(p.of("{# c #}¦{#- c -#}¦{{ f() }}¦{{ x }}"))
		}
	}
	return b.String()
}

var fuzzData = value.NewDict("s", " Hé\nb ", "n", int64(7), "l", value.NewList(int64(3), "a", nil, 2.5), "d", value.NewDict("a", int64(1), "b", "x"),
	"m", value.NewList(value.NewDict("role", "user", "content", "hi"), value.NewDict("role", "tool", "content", nil)))

var fuzzLimits = Limits{Source: 1 << 14, Output: 1 << 18, Steps: 100_000, Depth: 40, Time: 5 * time.Second, Memory: 1 << 30}

// fuzzed renders within limits: a text, an Error with a line, or a LimitError.
func fuzzed(t *testing.T, source string) string {
	start := time.Now()
	p, err := compile(source, fuzzLimits)
	text := ""
	if err == nil {
		text, err = p.render(fuzzData, fuzzLimits)
	}
	if took := time.Since(start); took > 3*time.Second {
		t.Errorf("%q took %v", source, took)
	}
	if len(text) > fuzzLimits.Output {
		t.Errorf("%q: %d bytes", source, len(text))
	}
	var e *Error
	if err != nil && limitOf(err) == "" && (!errors.As(err, &e) || e.Line == 0) {
		t.Errorf("%q: an error without a line: %v", source, err)
	}
	if err != nil && text != "" {
		t.Errorf("%q: a text and an error", source)
	}
	return fmt.Sprint(text, err)
}

// FuzzRender: any template of a grammar ends within its limits, without a panic.
func FuzzRender(f *testing.F) {
	for i := range 60 {
		seed := make([]byte, 300)
		x := uint32(i + 1)
		for k := range seed {
			x = x*1664525 + 1013904223
			seed[k] = byte(x >> 24)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) { fuzzed(t, (&picker{b: b}).body()) })
}

// FuzzParse: any text at all.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"{{ 'a' ~ x[1:] }}", "{%- for a, b in d.items() recursive if a -%}{% else %}{% endfor %}", "{% raw %}{{{% endraw %}", "{#- -#}\r\n", "{{ \"\\u00e9\\x\" }}",
		"{% set x %}{% endset %}{{ 0x1f + 1_0.5e3 }}", "{% macro f(a, b=1) %}{% endmacro %}{{ f(*a, **b) }}", "{{ '%(a)5.2f' % d }}", "{{ '{0}{a}{'.format(1) }}", "{% if a %}{% elif b %}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { fuzzed(t, s) })
}
