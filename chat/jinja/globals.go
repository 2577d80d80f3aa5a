package jinja

import (
	"fmt"
	"strings"
	"time"

	"ballast/value"
)

func globalTable() map[string]any {
	t := map[string]any{}
	for name, do := range map[string]func(r *run, a args) (any, error){
		"raise_exception": globalRaise, "strftime_now": globalDate, "range": globalRange, "namespace": globalNamespace, "dict": globalDict,
		"cycler": globalCycler, "joiner": globalJoiner,
		"lipsum": func(*run, args) (any, error) { return nil, unsupported("the function lipsum") },
	} {
		t[name] = &function{name, do}
	}
	return t
}

func globalRaise(r *run, a args) (any, error) {
	p, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	text, err := r.str(p[0])
	if err != nil {
		return nil, err
	}
	return nil, &Error{Raised, 0, text}
}

func globalRange(r *run, a args) (any, error) {
	if len(a.names) > 0 || len(a.pos) < 1 || len(a.pos) > 3 {
		return nil, failed("range takes 1 to 3 arguments")
	}
	n := []int{0, 0, 1}
	for i, v := range a.pos {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
		x, err := number("range", v, 0)
		if err != nil {
			return nil, err
		}
		if x > 1<<40 || x < -1<<40 {
			return nil, unsupported("a range of such large numbers")
		}
		n[i] = x
	}
	if len(a.pos) == 1 {
		n[0], n[1] = 0, n[0]
	}
	s := &span{n[0], n[1], n[2]}
	const most = 100_000 // the sandbox's own
	if s.step == 0 || s.len() > most {
		return nil, failed("a range has the step 0 or more than %d items", most)
	}
	return s, nil
}

// dictOf is dict(*args, **kwargs).
func (r *run) dictOf(of string, a args) (*value.Dict, error) {
	if len(a.pos) > 1 {
		return nil, failed("%s takes at most one argument without a name", of)
	}
	d := value.NewDict()
	if len(a.pos) == 1 {
		if u, ok := a.pos[0].(*undefined); ok {
			return nil, u.fail()
		}
		from, ok := a.pos[0].(*value.Dict)
		if ok {
			d = from.Copy()
			if err := r.visit(from, 0, false); err != nil {
				return nil, err
			}
		} else {
			items, err := r.iterate(a.pos[0])
			if err != nil {
				return nil, err
			}
			for _, x := range items {
				kv, err := r.iterate(x)
				if err != nil {
					return nil, err
				}
				if len(kv) != 2 || !value.Hashable(kv[0]) {
					return nil, failed("%s takes pairs of a key and a value", of)
				}
				d.Set(kv[0], kv[1])
			}
			if err := r.times(len(items), 40); err != nil {
				return nil, err
			}
		}
	}
	for i, name := range a.names {
		d.Set(name, a.named[i])
	}
	return d, nil
}

func globalDict(r *run, a args) (any, error) { return r.dictOf("dict", a) }

func globalNamespace(r *run, a args) (any, error) {
	d, err := r.dictOf("namespace", a)
	if err != nil {
		return nil, err
	}
	for _, k := range d.Keys() {
		if s, ok := k.(string); ok && strings.HasPrefix(s, "_") {
			return nil, failed("the namespace's attribute '%s' starts with an underscore", s)
		}
	}
	return &namespace{d, &r.writes, &r.reads}, nil
}

func globalCycler(r *run, a args) (any, error) {
	if len(a.names) > 0 || len(a.pos) == 0 {
		return nil, failed("cycler takes items")
	}
	return &counter{items: a.pos}, nil
}

func globalJoiner(r *run, a args) (any, error) {
	p, err := a.bind("joiner", "sep?")
	if err != nil {
		return nil, err
	}
	sep := p[0]
	switch sep.(type) {
	case missing:
		sep = ", "
	case nil:
		return nil, unsupported("a joiner of None")
	}
	return &counter{sep: sep}, nil
}

func globalDate(r *run, a args) (any, error) {
	p, err := a.bind("strftime_now", "format")
	if err != nil {
		return nil, err
	}
	format, err := text("strftime_now", p[0])
	if err != nil {
		return nil, err
	}
	return strftime(r.now, format)
}

// strftime is Python's, in the C locale.
func strftime(t time.Time, format string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		bare := i+2 < len(format) && format[i+1] == '-'
		if i++; bare {
			i++
		}
		if i >= len(format) {
			return "", unsupported("a date whose format ends with %%")
		}
		text, ok := dateField(t, format[i])
		if !ok || bare && !strings.ContainsRune("dmyHIMSje", rune(format[i])) {
			return "", unsupported("the field %%%c of a date", format[i])
		}
		if bare {
			if text = strings.TrimLeft(text, "0 "); text == "" {
				text = "0"
			}
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

var dateLayouts = map[byte]string{'d': "02", 'm': "01", 'Y': "2006", 'y': "06", 'B': "January", 'b': "Jan", 'h': "Jan",
	'A': "Monday", 'a': "Mon", 'H': "15",
	'I': "03", 'M': "04", 'S': "05", 'p': "PM", 'e': "_2", 'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06"}

func dateField(t time.Time, field byte) (string, bool) {
	switch field {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'j':
		return fmt.Sprintf("%03d", t.YearDay()), true
	case 'f':
		return "000000", true
	case 'w':
		return fmt.Sprint(int(t.Weekday())), true
	}
	layout, ok := dateLayouts[field]
	return t.Format(layout), ok
}
