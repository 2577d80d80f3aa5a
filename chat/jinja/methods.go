package jinja

import (
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"ballast/value"
)

// attributes are what Python's types have. Names that this package lacks are refused, since
// Jinja finds them before an item of that name.
var attributes = map[string]string{
	"str": " capitalize casefold center count encode endswith expandtabs find format format_map index isalnum isalpha isascii " +
		"isdecimal isdigit isidentifier islower isnumeric isprintable isspace istitle isupper join ljust lower lstrip maketrans " +
		"partition removeprefix removesuffix replace rfind rindex rjust rpartition " +
		"rsplit rstrip split splitlines startswith strip swapcase title translate upper zfill ",
	"list":        " append clear copy count extend index insert pop remove reverse sort ",
	"tuple":       " count index ",
	"dict":        " clear copy fromkeys get items keys pop popitem setdefault update values ",
	"int":         " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes ",
	"bool":        " as_integer_ratio bit_count bit_length conjugate denominator from_bytes imag is_integer numerator real to_bytes ",
	"float":       " as_integer_ratio conjugate fromhex hex imag is_integer real ",
	"range":       " count index start step stop ",
	"dict_keys":   " isdisjoint mapping ",
	"dict_values": " mapping ",
	"dict_items":  " isdisjoint mapping ",
	"generator":   " close gi_code gi_frame gi_running gi_suspended gi_yieldfrom send throw ",
	"Macro":       " arguments caller catch_kwargs catch_varargs explicit_caller name ",
	"LoopContext": " changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0 ",
}

// frozen are the methods of lists and dicts that the sandbox refuses, since they change them.
const frozen = " append clear extend insert pop popitem remove reverse setdefault sort update "

// attribute is what Python's getattr finds.
func (r *run) attribute(of any, name string) (any, bool) {
	if strings.HasPrefix(name, "__") {
		panic(unsupported("the attribute '%s'", name))
	}
	if n, ok := of.(*namespace); ok {
		r.reads++
		return n.vars.Get(name)
	}
	kind := value.TypeName(of)
	if kind == "Markup" || kind == "function" {
		panic(unsupported("an attribute of a value of type %s", kind))
	}
	if !strings.Contains(attributes[kind], " "+name+" ") {
		return nil, false
	}
	bound := func(do func(r *run, a args) any) (any, bool) { return &function{name, do}, true }
	switch of := of.(type) {
	case string:
		if do := stringMethods[name]; do != nil {
			return bound(func(r *run, a args) any { return do(r, of, a) })
		}
	case *value.Dict:
		if do := dictMethods[name]; do != nil {
			return bound(func(r *run, a args) any { return do(r, of, a) })
		}
	case *loopState:
		if v, ok := of.attribute(name); ok {
			return v, true
		}
	}
	if (kind == "list" || kind == "dict") && strings.Contains(frozen, " "+name+" ") {
		return bound(func(*run, args) any {
			panic(failed("the sandbox allows no %s.%s, which changes the %s", kind, name, kind))
		})
	}
	panic(unsupported("the attribute '%s' of a value of type %s", name, kind))
}

// attribute is loop.name.
func (l *loopState) attribute(name string) (any, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return int64(l.at + 1), true
	case "index0":
		return int64(l.at), true
	case "revindex":
		return int64(n - l.at), true
	case "revindex0":
		return int64(n - l.at - 1), true
	case "first":
		return l.at == 0, true
	case "last":
		return l.at == n-1, true
	case "length":
		return int64(n), true
	case "previtem":
		if l.at == 0 {
			return &undefined{"there is no previous item"}, true
		}
		return l.items[l.at-1], true
	case "nextitem":
		if l.at == n-1 {
			return &undefined{"there is no next item"}, true
		}
		return l.items[l.at+1], true
	}
	return nil, false
}

var dictMethods = map[string]func(r *run, d *value.Dict, a args) any{
	"get": func(_ *run, d *value.Dict, a args) any {
		p := a.bind("get", "key", "default?", "/")
		if !isUndefined(p[0]) {
			hashable(p[0])
			if x, ok := d.Get(p[0]); ok {
				return x
			}
		}
		if p[1] == (missing{}) {
			return nil
		}
		return p[1]
	},
	"items": func(r *run, d *value.Dict, a args) any {
		a.bind("items")
		return &view{"dict_items", r.pairs(d)}
	},
	"keys": func(r *run, d *value.Dict, a args) any {
		a.bind("keys")
		return &view{"dict_keys", r.iterate(d)}
	},
	"values": func(r *run, d *value.Dict, a args) any {
		a.bind("values")
		r.times(d.Len(), 16)
		out := make([]any, d.Len())
		for i := range out {
			_, out[i] = d.At(i)
		}
		return &view{"dict_values", out}
	},
}

func (r *run) pairs(d *value.Dict) []any {
	r.times(d.Len(), 64)
	out := make([]any, d.Len())
	for i := range out {
		k, v := d.At(i)
		out[i] = &value.Tuple{Items: []any{k, v}}
	}
	return out
}

type stringMethod func(r *run, s string, a args) any

var stringMethods = map[string]stringMethod{
	"lower":      plainMethod("lower", lower),
	"upper":      plainMethod("upper", upper),
	"capitalize": plainMethod("capitalize", capitalize),
	"strip":      stripMethod("strip", true, true), "lstrip": stripMethod("lstrip", true, false), "rstrip": stripMethod("rstrip", false, true),
	"split":      splitMethod("split", strings.SplitN),
	"rsplit":     splitMethod("rsplit", splitRight),
	"startswith": fixMethod("startswith", strings.HasPrefix), "endswith": fixMethod("endswith", strings.HasSuffix),
	"removeprefix": func(_ *run, s string, a args) any {
		return strings.TrimPrefix(s, text("removeprefix", a.bind("removeprefix", "prefix", "/")[0]))
	},
	"removesuffix": func(_ *run, s string, a args) any {
		return strings.TrimSuffix(s, text("removesuffix", a.bind("removesuffix", "suffix", "/")[0]))
	},
	"find": func(_ *run, s string, a args) any {
		at := strings.Index(s, text("find", a.bind("find", "sub", "start-", "end-", "/")[0]))
		if at < 0 {
			return int64(-1)
		}
		return int64(runeLen(s[:at]))
	},
	"count": func(_ *run, s string, a args) any {
		sub := text("count", a.bind("count", "sub", "start-", "end-", "/")[0])
		if sub == "" {
			return int64(runeLen(s) + 1)
		}
		return int64(strings.Count(s, sub))
	},
	"join": func(r *run, s string, a args) any {
		var parts []string
		for _, x := range r.iterate(a.bind("join", "iterable", "/")[0]) {
			parts = append(parts, text("join", x))
		}
		return r.joinAll(s, parts)
	},
	"replace": func(r *run, s string, a args) any {
		p := a.bind("replace", "old", "new", "count?", "/")
		return r.replace(s, text("replace", p[0]), text("replace", p[1]), number("replace", p[2], -1))
	},
	"splitlines": func(r *run, s string, a args) any {
		a.bind("splitlines", "keepends-")
		r.charge(17 * len(s))
		return list(splitLines(s))
	},
	"format": func(r *run, s string, a args) any {
		parts := strings.Split(s, "{}")
		if len(a.names) > 0 || strings.ContainsAny(strings.Join(parts, ""), "{}") {
			panic(unsupported("format with other fields than {}"))
		}
		if len(parts)-1 > len(a.pos) {
			panic(failed("format has %d fields and %d values", len(parts)-1, len(a.pos)))
		}
		out := parts[0]
		for i, part := range parts[1:] {
			out += r.str(a.pos[i]) + part
			r.charge(len(out))
		}
		return out
	},
}

func plainMethod(name string, f func(string) string) stringMethod {
	return func(r *run, s string, a args) any {
		a.bind(name)
		r.charge(20 * len(s))
		return f(s)
	}
}

func stripMethod(name string, left, right bool) stringMethod {
	return func(_ *run, s string, a args) any {
		return strip(name, s, a.bind(name, "chars?", "/")[0], left, right)
	}
}

// strip is str.strip and its like.
func strip(name, s string, set any, left, right bool) string {
	cut := isSpace
	if set != nil && set != (missing{}) {
		if u, ok := set.(*undefined); ok {
			u.fail()
		}
		of := text(name, set)
		if strings.ToValidUTF8(of, "") != of {
			panic(unsupported("%s of half of a surrogate pair", name))
		}
		cut = func(r rune) bool { return strings.ContainsRune(of, r) }
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return s
}

func list(parts []string) *value.List {
	l := value.MakeList(len(parts))
	for _, p := range parts {
		l.Items = append(l.Items, p)
	}
	return l
}

func splitMethod(name string, split func(s, sep string, n int) []string) stringMethod {
	return func(r *run, s string, a args) any {
		p := a.bind(name, "sep?", "maxsplit?")
		most := number(name, p[1], -1)
		r.charge(17 * len(s))
		if p[0] == nil || p[0] == (missing{}) {
			if most >= 0 {
				panic(unsupported("%s at white space with a limit", name))
			}
			return list(strings.FieldsFunc(s, isSpace))
		}
		sep := text(name, p[0])
		if sep == "" {
			panic(failed("%s has an empty separator", name))
		}
		if most < 0 {
			most = len(s)
		}
		return list(split(s, sep, most+1))
	}
}

// splitRight is strings.SplitN from the right.
func splitRight(s, sep string, n int) []string {
	var out []string
	for len(out) < n-1 {
		at := strings.LastIndex(s, sep)
		if at < 0 {
			break
		}
		out = append(out, s[at+len(sep):])
		s = s[:at]
	}
	out = append(out, s)
	slices.Reverse(out)
	return out
}

func fixMethod(name string, has func(s, fix string) bool) stringMethod {
	return func(_ *run, s string, a args) any {
		p := a.bind(name, "fix", "start-", "end-", "/")
		fixes := []any{p[0]}
		if t, ok := p[0].(*value.Tuple); ok {
			fixes = t.Items
		}
		return slices.ContainsFunc(fixes, func(fix any) bool { return has(s, text(name, fix)) })
	}
}

// replace is str.replace.
func (r *run) replace(s, old, with string, most int) string {
	if old == "" && !isASCII(s) {
		panic(unsupported("replace of an empty text in one that is not ASCII"))
	}
	n := strings.Count(s, old)
	if most >= 0 {
		n = min(n, most)
	}
	r.times(n, len(with))
	r.charge(len(s))
	return strings.Replace(s, old, with, n)
}

// joinAll is sep.join(items) of texts.
func (r *run) joinAll(sep string, items []string) string {
	for _, s := range items {
		r.charge(len(s) + len(sep))
	}
	return strings.Join(items, sep)
}

// percent is format % v, with the specifications %s, %d, %c and %%.
func (r *run) percent(format string, v any) string {
	items := []any{v}
	if t, ok := v.(*value.Tuple); ok {
		items = t.Items
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(format, "%")
		r.charge(len(before))
		b.WriteString(before)
		if !found {
			break
		}
		if rest == "" {
			panic(failed("a format ends within a specification"))
		}
		verb := rest[0]
		format = rest[1:]
		switch {
		case verb == '%':
			b.WriteByte('%')
			continue
		case verb == 'c' && len(items) > 0:
			n, ok := items[0].(int64)
			if !ok || !utf8.ValidRune(rune(n)) || n != int64(rune(n)) {
				panic(unsupported("the specification %%c of anything but the number of a character"))
			}
			items = append([]any{string(rune(n))}, items[1:]...)
		case verb != 's' && verb != 'd':
			panic(unsupported("the specification %%%.9q of a format", rest))
		case len(items) == 0:
			panic(failed("a format has too few values"))
		case verb == 'd' && isFloat(items[0]):
			panic(unsupported("the specification %%d of a float"))
		case verb == 'd' && !isInteger(items[0]):
			n, ok := whole(items[0])
			if !ok {
				panic(failed("%%d takes a number, not a value of type %s", value.TypeName(items[0])))
			}
			items = append([]any{n}, items[1:]...)
		}
		text := r.str(items[0])
		r.charge(len(text))
		b.WriteString(text)
		items = items[1:]
	}
	if len(items) > 0 {
		switch v.(type) {
		case nil, bool, int64, *big.Int, float64, string, *value.Tuple:
			panic(failed("a format has too many values"))
		}
		panic(unsupported("a format without a place for its value"))
	}
	return b.String()
}
