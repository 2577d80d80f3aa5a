package jinja

import (
	"math"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"ballast/value"
)

// filter is a filter of v.
type filter func(r *run, v any, a args) any

// otherFilters are those that Jinja has and this package lacks.
const otherFilters = " abs attr batch center e escape filesizeformat forceescape groupby pprint random round slice striptags sum " +
	"title truncate urlencode urlize wordcount wordwrap xmlattr "

// filters are those by name. nil stands for those that name other filters or tests.
var filters = map[string]filter{
	"map": nil, "select": nil, "reject": nil, "selectattr": nil, "rejectattr": nil,
	"tojson": toJSON, "default": filterDefault, "d": filterDefault, "indent": filterIndent, "join": filterJoin, "replace": filterReplace,
	"trim": filterTrim, "int": filterInt, "float": filterFloat, "safe": filterSafe, "items": filterItems, "dictsort": filterDictsort,
	"first": filterFirst, "last": filterLast, "reverse": filterReverse, "sort": filterSort, "unique": filterUnique,
	"min": extreme("min", -1), "max": extreme("max", 1), "length": filterLength, "count": filterLength,
	"string": textFilter("string", func(s string) string { return s }), "upper": textFilter("upper", upper),
	"lower": textFilter("lower", lower), "capitalize": textFilter("capitalize", capitalize),
	"list": func(r *run, v any, a args) any {
		a.bind("list")
		return &value.List{Items: r.iterate(v)}
	},
	"format": func(r *run, v any, a args) any {
		if len(a.names) > 0 {
			panic(unsupported("the filter 'format' with names"))
		}
		return r.percent(r.str(v), &value.Tuple{Items: a.pos})
	},
}

func (r *run) filter(name string, v any, a args) any {
	f, ok := filters[name]
	switch {
	case strings.Contains(otherFilters, " "+name+" "):
		panic(unsupported("the filter '%s'", name))
	case !ok:
		panic(failed("no filter named '%s'", name))
	}
	if _, ok := v.(*markup); ok && name != "safe" {
		panic(unsupported("the filter '%s' of text that was marked as safe", name))
	}
	if f != nil {
		return f(r, v, a)
	}
	return lazily(func() []any {
		if !truth(v) { // which Jinja does not even look at
			return nil
		}
		if name == "map" {
			return r.mapped(v, a)
		}
		return r.selected(name, v, a)
	})
}

func (r *run) mapped(v any, a args) []any {
	items := r.iterate(v)
	out := make([]any, len(items))
	r.times(len(items), 16)
	if len(a.pos) == 0 {
		p := a.bind("map", "attribute", "default?")
		if p[1] == (missing{}) {
			p[1] = nil
		}
		for i, x := range items {
			out[i] = r.path(x, p[0], p[1])
		}
		return out
	}
	name := text("map", a.pos[0])
	for i, x := range items {
		r.step()
		out[i] = r.filter(name, x, args{a.pos[1:], a.names, a.named})
	}
	return out
}

// selected is select, reject, selectattr and rejectattr.
func (r *run) selected(name string, v any, a args) []any {
	items, rest := r.iterate(v), a.pos
	of := func(x any) any { return x }
	if strings.HasSuffix(name, "attr") {
		if len(rest) == 0 {
			panic(failed("%s lacks its attribute", name))
		}
		path := rest[0]
		of = func(x any) any { return r.path(x, path, nil) }
		rest = rest[1:]
	}
	check := truth
	if len(rest) > 0 {
		test := text(name, rest[0])
		check = func(x any) bool { return r.check(test, x, args{rest[1:], a.names, a.named}) }
	}
	var out []any
	for _, x := range items {
		r.step()
		if check(of(x)) == strings.HasPrefix(name, "select") {
			out = append(out, x)
		}
	}
	r.times(len(items), 16)
	return out
}

func textFilter(name string, f func(string) string) filter {
	return func(r *run, v any, a args) any {
		a.bind(name)
		s := r.str(v)
		r.charge(20 * len(s))
		return f(s)
	}
}

func filterSafe(r *run, v any, a args) any {
	a.bind("safe")
	return &markup{r.str(v)}
}

func filterDefault(_ *run, v any, a args) any {
	p := a.bind("default", "default_value?", "boolean?")
	switch {
	case !isUndefined(v) && !(flag(p[1]) && !truth(v)):
		return v
	case p[0] == (missing{}):
		return ""
	}
	return p[0]
}

func filterIndent(r *run, v any, a args) any {
	p := a.bind("indent", "width?", "first?", "blank?")
	s := text("indent", v)
	by, ok := p[0].(string)
	if !ok {
		n := number("indent", p[0], 4)
		r.times(n, 1)
		by = strings.Repeat(" ", max(n, 0))
	}
	lines := splitLines(s + "\n")
	r.times(len(lines)+1, len(by)+1)
	for i, line := range lines {
		if i > 0 && (line != "" || flag(p[2])) || i == 0 && flag(p[1]) {
			lines[i] = by + line
		}
	}
	r.charge(len(s))
	return strings.Join(lines, "\n")
}

func filterJoin(r *run, v any, a args) any {
	p := a.bind("join", "d?", "attribute?")
	sep := ""
	if p[0] != (missing{}) {
		sep = r.str(p[0])
	}
	var parts []string
	for _, x := range r.by(v, p[1], true) {
		parts = append(parts, r.str(x.key))
	}
	return r.joinAll(sep, parts)
}

func filterReplace(r *run, v any, a args) any {
	p := a.bind("replace", "old", "new", "count?")
	most := -1
	if p[2] != nil {
		most = number("replace", p[2], -1)
	}
	return r.replace(r.str(v), r.str(p[0]), r.str(p[1]), most)
}

func filterTrim(r *run, v any, a args) any {
	return strip("trim", r.str(v), a.bind("trim", "chars?")[0], true, true)
}

var (
	integerText = regexp.MustCompile(`^[-+]?[0-9]+$`)
	numberText  = regexp.MustCompile(`^[-+]?[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
)

// noNumber refuses a text that Python may still read as a number.
func noNumber(name, s string) {
	if l := strings.ToLower(s); strings.ContainsFunc(s, unicode.IsDigit) || strings.Contains(l, "inf") || strings.Contains(l, "nan") {
		panic(unsupported("the filter '%s' of the text %.40q", name, s))
	}
}

func filterInt(_ *run, v any, a args) any {
	p := a.bind("int", "default?", "base-")
	if p[0] == (missing{}) {
		p[0] = int64(0)
	}
	switch v := v.(type) {
	case *undefined:
		v.fail()
	case string:
		s := strings.TrimFunc(v, isSpace)
		if integerText.MatchString(s) && len(s) <= value.MaxDigits {
			n, _ := new(big.Int).SetString(s, 10)
			return value.Int(n)
		}
		noNumber("int", s)
	case float64:
		if math.Abs(v) < 1<<53 {
			return int64(v)
		}
		panic(unsupported("the filter 'int' of such a large number"))
	case *big.Int:
		return v
	}
	if n, ok := whole(v); ok {
		return n
	}
	return p[0]
}

func filterFloat(_ *run, v any, a args) any {
	p := a.bind("float", "default?")
	if p[0] == (missing{}) {
		p[0] = 0.0
	}
	switch v := v.(type) {
	case *undefined:
		v.fail()
	case string:
		s := strings.TrimFunc(v, isSpace)
		if numberText.MatchString(s) {
			// Beyond the range it is infinity, as in Python.
			f, _ := strconv.ParseFloat(s, 64)
			return f
		}
		noNumber("float", s)
	case *big.Int:
		panic(unsupported("the filter 'float' of such a large number"))
	}
	if f, ok := float(v); ok {
		return f
	}
	return p[0]
}

func filterLength(_ *run, v any, a args) any {
	a.bind("length")
	n, ok := length(v)
	if !ok {
		panic(failed("a value of type %s has no length", value.TypeName(v)))
	}
	return int64(n)
}

func filterItems(r *run, v any, a args) any {
	a.bind("items")
	return lazily(func() []any {
		switch v := v.(type) {
		case *undefined:
			return nil
		case *value.Dict:
			return r.pairs(v)
		}
		panic(failed("the filter items is for mappings, not for a value of type %s", value.TypeName(v)))
	})
}

func filterFirst(r *run, v any, a args) any {
	a.bind("first")
	items := r.iterate(v)
	if len(items) == 0 {
		return &undefined{"there is no first item, the sequence is empty"}
	}
	if g, ok := v.(*generator); ok {
		g.items = items[1:]
	}
	return items[0]
}

func filterLast(r *run, v any, a args) any {
	a.bind("last")
	if _, ok := v.(*generator); ok {
		panic(failed("a generator has no last item"))
	}
	items := r.iterate(v)
	if len(items) == 0 {
		return &undefined{"there is no last item, the sequence is empty"}
	}
	return items[len(items)-1]
}

func filterReverse(r *run, v any, a args) any {
	a.bind("reverse")
	items := slices.Clone(r.iterate(v))
	slices.Reverse(items)
	if _, ok := v.(string); ok {
		return joined(items)
	}
	return &generator{items: items}
}

// joined is the text of characters.
func joined(chars []any) string {
	var b strings.Builder
	for _, c := range chars {
		b.WriteString(c.(string))
	}
	return b.String()
}

// path follows an attribute like "a.0.b". What is undefined on the way becomes otherwise.
func (r *run) path(v, attribute, otherwise any) any {
	parts := []any{attribute}
	if s, ok := attribute.(string); ok {
		parts = nil
		for _, p := range strings.Split(s, ".") {
			if n, err := strconv.ParseUint(p, 10, 62); err == nil {
				parts = append(parts, int64(n))
			} else {
				parts = append(parts, p)
			}
		}
	}
	for _, p := range parts {
		r.step()
		if v = r.item(v, p); isUndefined(v) && otherwise != nil {
			v = otherwise
		}
	}
	return v
}

// keyed is an item with what it is sorted by.
type keyed struct{ item, key any }

// by lists items with their keys: themselves, or the attribute that is named. Texts lose their
// case, unless that counts.
func (r *run) by(v, attribute any, sensitive bool) []keyed {
	items := r.iterate(v)
	r.times(len(items), 48)
	out := make([]keyed, len(items))
	for i, x := range items {
		out[i] = keyed{x, x}
		if attribute != nil && attribute != (missing{}) {
			out[i].key = r.path(x, attribute, nil)
		}
		if s, ok := out[i].key.(string); ok && !sensitive {
			r.charge(20 * len(s))
			out[i].key = lower(s)
		}
	}
	return out
}

// sorted sorts by the keys or, as Python does where there could be several, by lists of one key:
// then keys that are equal need no order.
func (r *run) sorted(list []keyed, reverse, lists bool) *value.List {
	slices.SortStableFunc(list, func(a, b keyed) int {
		switch {
		case lists && r.equal(a.key, b.key):
			return 0
		case reverse:
			return r.three(b.key, a.key, "<")
		}
		return r.three(a.key, b.key, "<")
	})
	out := value.MakeList(len(list))
	for _, k := range list {
		out.Items = append(out.Items, k.item)
	}
	return out
}

func filterDictsort(r *run, v any, a args) any {
	a.bind("dictsort", "case_sensitive-", "by-", "reverse-")
	d, ok := v.(*value.Dict)
	if !ok {
		panic(failed("dictsort is for mappings, not for a value of type %s", value.TypeName(v)))
	}
	return r.sorted(r.by(value.NewList(r.pairs(d)...), int64(0), false), false, false)
}

func filterSort(r *run, v any, a args) any {
	p := a.bind("sort", "reverse?", "case_sensitive?", "attribute?")
	if s, ok := p[2].(string); ok && strings.Contains(s, ",") {
		panic(unsupported("the filter 'sort' by several attributes"))
	}
	return r.sorted(r.by(v, p[2], flag(p[1])), flag(p[0]), true)
}

func filterUnique(r *run, v any, a args) any {
	p := a.bind("unique", "case_sensitive?", "attribute?")
	return lazily(func() []any {
		seen := value.NewDict()
		var out []any
		for _, k := range r.by(v, p[1], flag(p[0])) {
			hashable(k.key)
			if _, ok := seen.Get(k.key); !ok {
				seen.Set(k.key, true)
				out = append(out, k.item)
			}
		}
		return out
	})
}

// extreme is min or max: the first item that compares as sign to all before.
func extreme(name string, sign int) filter {
	return func(r *run, v any, a args) any {
		p := a.bind(name, "case_sensitive?", "attribute?")
		list := r.by(v, p[1], flag(p[0]))
		if len(list) == 0 {
			return &undefined{"the sequence is empty"}
		}
		best := list[0]
		for _, k := range list[1:] {
			if r.three(k.key, best.key, "<")*sign > 0 {
				best = k
			}
		}
		return best.item
	}
}
