package jinja

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"ballast/value"
)

var tight = Limits{Source: 1 << 16, Output: 1 << 16, Steps: 200_000, Depth: 50, Time: 2 * time.Second, Memory: 1 << 30}

// endless runs for hours.
const endless = "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}{% endfor %}{% endfor %}{% endfor %}"

// hostile are templates that would run, grow or nest without end, and the limit that they meet.
var hostile = []struct{ name, source, limit string }{
	{"a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "depth"},
	{"two macros that call each other", "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}", "depth"},
	{"brackets", "{{ " + strings.Repeat("(", 5000) + "1" + strings.Repeat(")", 5000) + " }}", "depth"},
	{"lists", "{{ " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + " }}", "depth"},
	{"minus", "{{ " + strings.Repeat("-", 5000) + "1 }}", "depth"},
	{"not", "{{ " + strings.Repeat("not ", 5000) + "1 }}", "depth"},
	{"else", "{{ " + strings.Repeat("1 if 0 else ", 4000) + "1 }}", "depth"},
	{"a sum", "{{ 1" + strings.Repeat("+1", 5000) + " }}", "depth"},
	{"attributes", "{{ x" + strings.Repeat(".a", 5000) + " }}", "depth"},
	{"filters", "{{ x" + strings.Repeat("|e", 5000) + " }}", "depth"},
	{"blocks", strings.Repeat("{% if 1 %}", 2000) + strings.Repeat("{% endif %}", 2000), "depth"},
	{"an assignment's brackets", "{% set " + strings.Repeat("(", 5000) + "a" + strings.Repeat(")", 5000) + " = 1 %}", "depth"},
	{"a long loop", endless, ""},
	{"many operations", "{% for a in range(9000) %}" + strings.Repeat("{% if 0 %}{% endif %}", 30) + "{% endfor %}", "steps"},
	{"a list of lists", "{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}", ""},
	{"JSON of a list of lists", "{% set ns = namespace(l=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}", ""},
	{"lists that are equal", "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(40) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}", ""},
	{"a text times a number", "{{ 'a' * 10**9 }}", "output"},
	{"a list times a number", "{{ [1] * 10**12 }}", "output"},
	{"an empty list times a number", "{{ [] * 10**18 }}", "output"},
	{"a text that doubles", "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "output"},
	{"a text that doubles with ~", "{% set ns = namespace(s='ab') %}{% for i in range(99) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}", "output"},
	{"a list that doubles", "{% set ns = namespace(s=[1]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}", "output"},
	{"replacing", "{% set a = 'a' * 9000 %}{{ a.replace('a', a) }}", "output"},
	{"replacing nothing", "{% set a = 'a' * 9000 %}{{ a|replace('', a) }}", "output"},
	{"joining", "{% set a = 'a' * 9000 %}{{ a.join(a) }}", "output"},
	{"the filter join", "{% set a = 'a' * 9000 %}{{ a|join(a) }}", "output"},
	{"indenting", "{{ ('a\\n' * 9000)|indent(99999) }}", "output"},
	{"JSON's separators", "{{ ([1] * 9000)|tojson(separators=('a' * 9000, '')) }}", "output"},
	{"formats", "{% set a = 'a' * 9000 %}{{ ('%s' * 900) % ((a,) * 900) }}{{ ('{}' * 90).format(a) }}", "output"},
	{"splitting", "{% set a = 'a' * 30000 %}{% for i in range(9) %}{% set b = a.split('a') %}{% endfor %}", "output"},
	{"slices", "{% set a = [1] * 9000 %}{% for i in range(99) %}{% set b = a[1:] %}{% endfor %}", "output"},
	{"pairs", "{% set ns = namespace(l=[]) %}{% for i in range(99) %}{% set ns.l = ns.l + ([1] * 999)|map('string')|list %}{% endfor %}", "output"},
	{"JSON's indent", "{{ [1]|tojson(indent=10**9) }}", "output"},
	{"an output", "{% for i in range(90000) %}aaaaaaaaaaaaaaaaaaaa{% endfor %}", "output"},
	{"a block", "{% set x %}{% for i in range(90000) %}aaaaaaaaaaaaaaaaaaaa{% endfor %}{% endset %}", "output"},
	{"a source", strings.Repeat("a", 1<<16+1), "source"},
}

func limitOf(err error) string {
	var l *LimitError
	if errors.As(err, &l) {
		return l.Limit
	}
	return ""
}

func TestLimits(t *testing.T) {
	for _, h := range hostile {
		start := time.Now()
		p, err := compile(h.source, tight)
		if err == nil {
			_, err = p.render(value.NewDict(), tight)
		}
		if err == nil || h.limit != "" && limitOf(err) != h.limit || h.limit == "" && limitOf(err) == "" {
			t.Errorf("%s: %v, the limit is on %q", h.name, err, h.limit)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("%s took %v", h.name, took)
		}
	}
}

// TestDeepValues: what nests too deep for Python's own recursion is an error.
func TestDeepValues(t *testing.T) {
	for _, what := range []string{"{{ ns.l }}", "{{ ns.l|tojson }}", "{{ ns.l == ns.m }}", "{{ ns.l in [ns.m] }}"} {
		source := "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(5000) %}{% set ns.l = [ns.l] %}{% set ns.m = [ns.m] %}{% endfor %}" + what
		var e *Error
		if _, err := Render(source, value.NewDict()); !errors.As(err, &e) || e.Kind != Failed {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestHugeNumbers: what Python itself refuses or would compute for minutes.
func TestHugeNumbers(t *testing.T) {
	for _, s := range []string{"10**(10**10)", "0**-1", "2**100000", "(10**4000)**100", "10**5000", "range(10**9)", "1/0", "0**-1", "1.5//0"} {
		var e *Error
		if text, err := Render("{{ "+s+" }}", value.NewDict()); !errors.As(err, &e) {
			t.Errorf("%s: %.40q, %v", s, text, err)
		}
	}
}

// TestApartLimits: the errors of a child are those of this process, kinds included.
func TestApartLimits(t *testing.T) {
	for _, h := range hostile {
		got, err := apart(context.Background(), h.source, []*value.Dict{value.NewDict(), value.NewDict()}, tight)
		if err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
		for _, r := range got {
			if limitOf(r.Err) == "" || h.limit != "" && limitOf(r.Err) != h.limit {
				t.Errorf("%s: %v", h.name, r.Err)
			}
		}
	}
	for source, want := range map[string]Error{
		"\n{{ raise_exception('no, \x01 é') }}": {Raised, 2, "no, \x01 é"},
		"{{ 1 + 'a' }}":                         {Failed, 1, "'+' does not go with values of types int and str"},
		"{{ [1]|pprint }}":                      {Unsupported, 1, "the filter 'pprint'"},
		"{% if %}":                              {Failed, 1, "an expression is missing before '%}'"},
	} {
		got, err := Apart(context.Background(), source, []*value.Dict{value.NewDict()})
		var e *Error
		if err != nil || !errors.As(got[0].Err, &e) || *e != want {
			t.Errorf("%s: %v, %v", source, got, err)
		}
	}
}

// TestApartMemory: a child that needs more memory than it may have ends, and says so.
func TestApartMemory(t *testing.T) {
	wide := Limits{Source: 1 << 16, Output: 1 << 30, Steps: 1 << 30, Depth: 50, Time: 20 * time.Second, Memory: 96 << 20}
	source := "{% set ns = namespace(l=[]) %}{% for i in range(90000) %}{% set ns.l = [ns.l, 'a' * 60000 ~ i] %}{% endfor %}"
	got, err := apart(context.Background(), source, []*value.Dict{value.NewDict(), value.NewDict()}, wide)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range got {
		if limitOf(r.Err) != "memory" {
			t.Errorf("%v", r.Err)
		}
	}
}

// TestApartTime: a child that does not answer is ended.
func TestApartTime(t *testing.T) {
	quick := tight
	quick.Output, quick.Steps, quick.Time = 1<<30, 1<<40, 50*time.Millisecond
	got, err := apart(context.Background(), endless, []*value.Dict{value.NewDict()}, quick)
	if err != nil || limitOf(got[0].Err) != "time" {
		t.Fatalf("%v, %v", got, err)
	}
}

// TestApartCancelled: the context ends the child and the call.
func TestApartCancelled(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	slow := tight
	slow.Output, slow.Steps, slow.Time = 1<<30, 1<<40, time.Minute
	if _, err := apart(ctx, endless, []*value.Dict{value.NewDict()}, slow); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("%v", err)
	}
}
