package jinja

import (
	"strings"
	"time"

	"ballast/value"
)

// globals are the functions that every template has.
var globals = map[string]func(r *run, a args) any{
	"raise_exception": func(r *run, a args) any {
		panic(&Error{Raised, 0, r.str(a.bind("raise_exception", "message")[0])})
	},
	"strftime_now": func(r *run, a args) any {
		return strftime(r.now, text("strftime_now", a.bind("strftime_now", "format")[0]))
	},
	"range": globalRange, "namespace": globalNamespace,
	"cycler": otherGlobal("cycler"), "dict": otherGlobal("dict"), "joiner": otherGlobal("joiner"), "lipsum": otherGlobal("lipsum"),
}

// otherGlobal is a function that Jinja has and this package lacks.
func otherGlobal(name string) func(*run, args) any {
	return func(*run, args) any { panic(unsupported("the function %s", name)) }
}

func globalRange(r *run, a args) any {
	p := a.bind("range", "start", "stop?", "step?", "/")
	if u, ok := p[0].(*undefined); ok {
		u.fail()
	}
	from, to, step := 0, number("range", p[0], 0), number("range", p[2], 1)
	if p[1] != (missing{}) {
		from, to = to, number("range", p[1], 0)
	}
	const most = 100_000 // the sandbox's own
	switch {
	case from > 1<<40 || from < -1<<40 || to > 1<<40 || to < -1<<40 || step > 1<<40 || step < -1<<40:
		panic(unsupported("a range of such large numbers"))
	case step == 0:
		panic(failed("a range has the step 0"))
	case (to-from)/step > most:
		panic(failed("a range has more than %d items", most))
	}
	v := &view{kind: "range"}
	r.times(max((to-from)/step, 0), 24)
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		v.items = append(v.items, int64(i))
	}
	if len(v.items) > most {
		panic(failed("a range has more than %d items", most))
	}
	return v
}

func globalNamespace(r *run, a args) any {
	if len(a.pos) > 0 {
		panic(unsupported("a namespace made of a value"))
	}
	n := &namespace{value.NewDict(), &r.reads, &r.writes}
	for i, name := range a.names {
		n.set(name, a.named[i])
	}
	return n
}

// strftime is Python's, in the C locale.
func strftime(t time.Time, format string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(format, "%")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		n := min(len(rest), 1)
		if strings.HasPrefix(rest, "-") {
			n = min(len(rest), 2)
		}
		layout, ok := dateLayouts[rest[:n]]
		if !ok {
			panic(unsupported("the field %%%.4s of a date", rest))
		}
		b.WriteString(t.Format(layout))
		format = rest[n:]
	}
}

var dateLayouts = map[string]string{
	"d": "02", "-d": "2", "e": "_2", "m": "01", "-m": "1", "Y": "2006", "y": "06", "B": "January", "b": "Jan", "A": "Monday", "a": "Mon",
	"H": "15", "I": "03", "-I": "3", "M": "04", "-M": "4", "S": "05", "-S": "5", "p": "PM", "j": "002",
	"F": "2006-01-02", "T": "15:04:05", "%": "%",
}
