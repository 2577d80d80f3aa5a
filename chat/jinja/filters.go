package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"

	"ballast/value"
)

// filter is a filter of v.
type filter func(r *run, v any, a args) (any, error)

// otherFilters are those that Jinja has and this package lacks.
const otherFilters = " attr filesizeformat groupby pprint random slice striptags truncate urlencode urlize wordcount wordwrap xmlattr "

func filterTable() map[string]filter {
	t := map[string]filter{
		"tojson": toJSON, "default": filterDefault, "d": filterDefault, "format": filterFormat, "indent": filterIndent,
		"join": filterJoin, "replace": filterReplace, "trim": filterTrim, "center": filterCenter,
		"int": filterInt, "float": filterFloat, "round": filterRound, "abs": filterAbs,
		"safe": filterSafe, "string": textFilter("string", func(s string) string { return s }),
		"upper": textFilter("upper", upper), "lower": textFilter("lower", lower), "capitalize": textFilter("capitalize", capitalize),
		"title":  textFilter("title", titleFilter),
		"escape": filterEscape, "e": filterEscape, "forceescape": filterEscape,
	}
	for name, f := range sequenceFilters() {
		t[name] = f
	}
	return t
}

func (r *run) evalFilter(e *filterExpr, s *scope) (any, error) {
	v, err := r.eval(e.of, s)
	if err != nil {
		return nil, err
	}
	a, err := r.args(e.args, s)
	if err != nil {
		return nil, err
	}
	return r.filter(e.name, v, a)
}

func (r *run) filter(name string, v any, a args) (any, error) {
	f := r.tables.filters[name]
	switch {
	case f != nil:
	case strings.Contains(otherFilters, " "+name+" "):
		return nil, unsupported("the filter '%s'", name)
	default:
		return nil, failed("no filter named '%s'", name)
	}
	if _, ok := v.(*markup); ok && name != "safe" {
		return nil, unsupported("the filter '%s' of text that was marked as safe", name)
	}
	return f(r, v, a)
}

func textFilter(name string, f func(string) string) filter {
	return func(r *run, v any, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		if err := sigma(name, s); err != nil {
			return nil, err
		}
		if err := r.charge(20 * len(s)); err != nil {
			return nil, err
		}
		return f(s), nil
	}
}

// titleFilter is the filter, whose words begin after spaces, dashes and opening brackets.
func titleFilter(s string) string {
	var b strings.Builder
	between := func(c rune) bool { return strings.ContainsRune("-({[<", c) || isSpace(c) }
	for s != "" {
		end := strings.IndexFunc(s, between)
		if end < 0 {
			end = len(s)
		}
		b.WriteString(capitalWord(s[:end]))
		s = s[end:]
		next := strings.TrimLeftFunc(s, between)
		b.WriteString(s[:len(s)-len(next)])
		s = next
	}
	return b.String()
}

func capitalWord(s string) string {
	if s == "" {
		return ""
	}
	n := offset(s, 1)
	return upper(s[:n]) + lower(s[n:])
}

func filterSafe(r *run, v any, a args) (any, error) {
	if _, err := a.bind("safe"); err != nil {
		return nil, err
	}
	if m, ok := v.(*markup); ok {
		return m, nil
	}
	s, err := r.str(v)
	return &markup{s}, err
}

func filterEscape(r *run, v any, a args) (any, error) {
	if _, err := a.bind("escape"); err != nil {
		return nil, err
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	return &markup{htmlEscapes.Replace(s)}, r.charge(6 * len(s))
}

func filterDefault(r *run, v any, a args) (any, error) {
	p, err := a.bind("default", "default_value?", "boolean?")
	if err != nil {
		return nil, err
	}
	_, use := v.(*undefined)
	if !use && p[1] != (missing{}) {
		boolean, err := truth(p[1])
		if err != nil {
			return nil, err
		}
		if boolean {
			yes, err := truth(v)
			if err != nil {
				return nil, err
			}
			use = !yes
		}
	}
	switch {
	case !use:
		return v, nil
	case p[0] == (missing{}):
		return "", nil
	}
	return p[0], nil
}

func filterFormat(r *run, v any, a args) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	if len(a.names) == 0 {
		return r.percent(s, &value.Tuple{Items: a.pos})
	}
	if len(a.pos) > 0 {
		return nil, failed("format takes arguments with names or without, not both")
	}
	d := value.NewDict()
	for i, name := range a.names {
		d.Set(name, a.named[i])
	}
	return r.percent(s, d)
}

func filterIndent(r *run, v any, a args) (any, error) {
	p, err := a.bind("indent", "width?", "first?", "blank?")
	if err != nil {
		return nil, err
	}
	s, err := text("indent", v)
	if err != nil {
		return nil, err
	}
	var flags [2]bool
	for i := range flags {
		if p[i+1] != (missing{}) {
			if flags[i], err = truth(p[i+1]); err != nil {
				return nil, err
			}
		}
	}
	by, ok := p[0].(string)
	if !ok {
		n, err := number("indent", p[0], 4)
		if err != nil {
			return nil, err
		}
		if err := r.times(n, 1); err != nil {
			return nil, err
		}
		by = strings.Repeat(" ", max(n, 0))
	}
	lines := splitLines(s+"\n", false)
	if err := r.times(len(lines)+1, len(by)+1); err != nil {
		return nil, err
	}
	for i, line := range lines {
		if i > 0 && (line != "" || flags[1]) || i == 0 && flags[0] {
			lines[i] = by + line
		}
	}
	return strings.Join(lines, "\n"), r.charge(len(s))
}

func filterReplace(r *run, v any, a args) (any, error) {
	p, err := a.bind("replace", "old", "new", "count?")
	if err != nil {
		return nil, err
	}
	var texts [3]string
	for i, x := range []any{v, p[0], p[1]} {
		if texts[i], err = r.str(x); err != nil {
			return nil, err
		}
	}
	most := -1
	if p[2] != nil {
		if most, err = number("replace", p[2], -1); err != nil {
			return nil, err
		}
	}
	return r.replace(texts[0], texts[1], texts[2], most)
}

func filterTrim(r *run, v any, a args) (any, error) {
	p, err := a.bind("trim", "chars?")
	if err != nil {
		return nil, err
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	return strip("trim", s, p[0], true, true)
}

func filterCenter(r *run, v any, a args) (any, error) {
	p, err := a.bind("center", "width?")
	if err != nil {
		return nil, err
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	width, err := number("center", p[0], 80)
	if err != nil {
		return nil, err
	}
	return r.pad(s, width, " ", centered)
}

// foreignDigit is a digit that Python reads as one of 0 to 9.
func foreignDigit(c rune) bool { return c > 0x7f && unicode.IsDigit(c) }

// readInt is int(text, base) where Python reads one.
func readInt(s string, base int) (any, bool, error) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsFunc(s, foreignDigit) {
		return nil, false, unsupported("digits that are not ASCII")
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || strings.HasPrefix(digits, "_") || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") {
		return nil, false, nil
	}
	if base == 0 || base != 10 && strings.ContainsAny(digits, "_xXoObB") {
		return nil, false, unsupported("int with the base %d of a text with a prefix", base)
	}
	if len(s) > maxDigits {
		return nil, false, nil
	}
	b, ok := new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), base)
	if !ok {
		return nil, false, nil
	}
	return small(b), true, nil
}

var floatText = map[string]bool{"inf": true, "infinity": true, "nan": true}

// readFloat is float(text) where Python reads one.
func readFloat(s string) (float64, bool, error) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsFunc(s, foreignDigit) {
		return 0, false, unsupported("digits that are not ASCII")
	}
	bare := strings.TrimLeft(s, "+-")
	if len(s)-len(bare) > 1 {
		return 0, false, nil
	}
	if !floatText[strings.ToLower(bare)] {
		bare = strings.ReplaceAll(bare, "_", "")
		if strings.ContainsFunc(bare, func(c rune) bool { return !strings.ContainsRune("0123456789.eE+-", c) }) {
			return 0, false, nil
		}
		if bare != s && strings.Contains(s, "_") {
			return 0, false, unsupported("float of a text with an underscore")
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false, nil
	}
	return f, true, nil
}

func truncated(f float64) (any, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, false
	}
	b, _ := big.NewFloat(math.Trunc(f)).Int(nil)
	return small(b), true
}

func filterInt(r *run, v any, a args) (any, error) {
	p, err := a.bind("int", "default?", "base?")
	if err != nil {
		return nil, err
	}
	base, err := number("int", p[1], 10)
	if err != nil {
		return nil, err
	}
	if base < 0 || base == 1 || base > 36 {
		return nil, unsupported("int with the base %d", base)
	}
	otherwise := p[0]
	if otherwise == (missing{}) {
		otherwise = int64(0)
	}
	switch v := v.(type) {
	case *undefined:
		return nil, v.fail()
	case string:
		n, ok, err := readInt(v, base)
		if ok || err != nil {
			return n, err
		}
		f, ok, err := readFloat(v)
		if err != nil {
			return nil, err
		}
		if ok {
			if n, ok := truncated(f); ok {
				return n, nil
			}
		}
		return otherwise, nil
	case float64:
		if math.IsInf(v, 0) {
			return nil, failed("infinity is no integer")
		}
		if n, ok := truncated(v); ok {
			return n, nil
		}
		return otherwise, nil
	}
	if b, ok := whole(v); ok {
		return small(b), nil
	}
	return otherwise, nil
}

func filterFloat(r *run, v any, a args) (any, error) {
	p, err := a.bind("float", "default?")
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *undefined:
		return nil, v.fail()
	case string:
		f, ok, err := readFloat(v)
		if ok || err != nil {
			return f, err
		}
	default:
		if f, ok := float(v); ok {
			return f, nil
		}
		if _, ok := v.(*big.Int); ok {
			return nil, failed("an integer is too large for a float")
		}
	}
	if p[0] == (missing{}) {
		return 0.0, nil
	}
	return p[0], nil
}

func filterRound(r *run, v any, a args) (any, error) {
	p, err := a.bind("round", "precision?", "method?")
	if err != nil {
		return nil, err
	}
	places, err := number("round", p[0], 0)
	if err != nil {
		return nil, err
	}
	method := "common"
	if p[1] != (missing{}) {
		if method, err = text("round", p[1]); err != nil {
			return nil, err
		}
	}
	f, isFloat := v.(float64)
	if !isFloat || places < 0 || places > 300 {
		if _, ok := whole(v); !ok {
			if u, ok := v.(*undefined); ok {
				return nil, u.fail()
			}
			return nil, failed("a value of type %s is not rounded", value.TypeName(v))
		}
		if method != "common" || places < 0 {
			return nil, unsupported("round of integers with another method or a negative precision")
		}
		b, _ := whole(v)
		return small(b), nil
	}
	scale := math.Pow10(places)
	switch method {
	case "common":
		out, err := strconv.ParseFloat(strconv.FormatFloat(f, 'f', places, 64), 64)
		return out, err
	case "ceil":
		f = math.Ceil(f*scale) / scale
	case "floor":
		f = math.Floor(f*scale) / scale
	default:
		return nil, failed("round knows the methods common, ceil and floor")
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, failed("infinity and NaN are not rounded")
	}
	return f, nil
}

func filterAbs(r *run, v any, a args) (any, error) {
	if _, err := a.bind("abs"); err != nil {
		return nil, err
	}
	if f, ok := v.(float64); ok {
		return math.Abs(f), nil
	}
	b, ok := whole(v)
	if !ok {
		if u, ok := v.(*undefined); ok {
			return nil, u.fail()
		}
		return nil, failed("a value of type %s has no absolute value", value.TypeName(v))
	}
	return small(new(big.Int).Abs(b)), nil
}
