package jinja

import (
	"slices"
	"strings"
	"unicode"

	"ballast/value"
)

type stringMethod func(r *run, s string, a args) (any, error)

func plainMethod(name string, f func(string) any) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
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

func stripMethod(name string, left, right bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "chars?", "/")
		if err != nil {
			return nil, err
		}
		return strip(name, s, v[0], left, right)
	}
}

// strip is str.strip and its like.
func strip(name, s string, set any, left, right bool) (any, error) {
	cut := isSpace
	switch set := set.(type) {
	case missing, nil:
	case string:
		if !isASCII(set) && strings.ToValidUTF8(set, "") != set {
			return nil, unsupported("%s of half of a surrogate pair", name)
		}
		cut = func(r rune) bool { return strings.ContainsRune(set, r) }
	case *undefined:
		return nil, set.fail()
	default:
		return nil, failed("%s takes a text, not a value of type %s", name, value.TypeName(set))
	}
	if left {
		s = strings.TrimLeftFunc(s, cut)
	}
	if right {
		s = strings.TrimRightFunc(s, cut)
	}
	return s, nil
}

// text is an argument that must be a text.
func text(of string, v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case *markup:
		return "", unsupported("%s with text that was marked as safe", of)
	}
	return "", failed("%s takes a text, not a value of type %s", of, typeOf(v))
}

func typeOf(v any) string {
	if _, ok := v.(missing); ok {
		return "nothing"
	}
	return value.TypeName(v)
}

// number is an argument that must be an integer.
func number(of string, v any, otherwise int) (int, error) {
	if _, ok := v.(missing); ok {
		return otherwise, nil
	}
	n, ok := index(v)
	if !ok {
		return 0, failed("%s takes an integer, not a value of type %s", of, value.TypeName(v))
	}
	return n, nil
}

func list(parts []string) *value.List {
	l := value.MakeList(len(parts))
	for _, p := range parts {
		l.Items = append(l.Items, p)
	}
	return l
}

func splitMethod(name string, right bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "sep?", "maxsplit?")
		if err != nil {
			return nil, err
		}
		most, err := number(name, v[1], -1)
		if err != nil {
			return nil, err
		}
		if err := r.charge(17 * len(s)); err != nil {
			return nil, err
		}
		if v[0] == nil || v[0] == (missing{}) {
			if right {
				return list(rsplitSpace(s, most)), nil
			}
			return list(splitSpace(s, most)), nil
		}
		sep, err := text(name, v[0])
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, failed("%s has an empty separator", name)
		}
		if most < 0 {
			most = len(s)
		}
		if !right {
			return list(strings.SplitN(s, sep, most+1)), nil
		}
		var out []string
		for len(out) < most {
			at := strings.LastIndex(s, sep)
			if at < 0 {
				break
			}
			out = append(out, s[at+len(sep):])
			s = s[:at]
		}
		out = append(out, s)
		slices.Reverse(out)
		return list(out), nil
	}
}

// within cuts s at the optional bounds of find, count, startswith and so on; ok is false where the
// start lies behind the end. at is the number of characters before the cut.
func within(name, s string, start, stop any) (cut string, at int, ok bool, err error) {
	if start == nil {
		start = missing{}
	}
	if stop == nil {
		stop = missing{}
	}
	if start == (missing{}) && stop == (missing{}) {
		return s, 0, true, nil
	}
	n := runeLen(s)
	from, err := number(name, start, 0)
	if err != nil {
		return "", 0, false, err
	}
	to, err := number(name, stop, n)
	if err != nil {
		return "", 0, false, err
	}
	if from < 0 {
		from = max(from+n, 0)
	}
	if to < 0 {
		to = max(to+n, 0)
	}
	if to = min(to, n); from > to {
		return "", 0, false, nil
	}
	rest := s[offset(s, from):]
	return rest[:offset(rest, to-from)], from, true, nil
}

func findMethod(name string, find func(s, sub string) int, must bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "sub", "start?", "end?", "/")
		if err != nil {
			return nil, err
		}
		sub, err := text(name, v[0])
		if err != nil {
			return nil, err
		}
		cut, at, ok, err := within(name, s, v[1], v[2])
		if err != nil {
			return nil, err
		}
		if ok {
			if i := find(cut, sub); i >= 0 {
				return int64(at + runeLen(cut[:i])), nil
			}
		}
		if must {
			return nil, failed("a text is not found in another")
		}
		return int64(-1), nil
	}
}

func fixMethod(name string, has func(s, fix string) bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "fix", "start?", "end?", "/")
		if err != nil {
			return nil, err
		}
		fixes := []any{v[0]}
		if t, ok := v[0].(*value.Tuple); ok {
			fixes = t.Items
		}
		cut, _, ok, err := within(name, s, v[1], v[2])
		if err != nil {
			return nil, err
		}
		for _, f := range fixes {
			fix, err := text(name, f)
			if err != nil {
				return nil, err
			}
			if ok && has(cut, fix) {
				return true, nil
			}
		}
		return false, nil
	}
}

func isMethod(name string, each func(rune) bool, ascii bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		if ascii && !isASCII(s) {
			return nil, unsupported("%s of a text that is not ASCII", name)
		}
		for _, c := range s {
			if !each(c) {
				return false, nil
			}
		}
		return s != "", nil
	}
}

// caseMethod is islower and isupper: all cased characters are as asked, and there is one.
func caseMethod(name string, is func(rune) bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return cased(s, is), nil
	}
}

func cased(s string, is func(rune) bool) bool {
	some := false
	for _, c := range s {
		if isCased(c) {
			if !is(c) {
				return false
			}
			some = true
		}
	}
	return some
}

func padMethod(name string, left func(pad, width int) int) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "width", "fill?", "/")
		if err != nil {
			return nil, err
		}
		width, err := number(name, v[0], 0)
		if err != nil {
			return nil, err
		}
		fill := " "
		if v[1] != (missing{}) {
			if fill, err = text(name, v[1]); err != nil {
				return nil, err
			}
			if runeLen(fill) != 1 {
				return nil, failed("%s fills with one character", name)
			}
		}
		return r.pad(s, width, fill, left)
	}
}

func (r *run) pad(s string, width int, fill string, left func(pad, width int) int) (any, error) {
	n := max(width-runeLen(s), 0)
	if err := r.times(n, len(fill)); err != nil {
		return nil, err
	}
	before := left(n, width)
	return strings.Repeat(fill, before) + s + strings.Repeat(fill, n-before), r.charge(len(s))
}

func centered(pad, width int) int { return pad/2 + pad&width&1 }

func partMethod(name string, find func(s, sep string) int, right bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "sep", "/")
		if err != nil {
			return nil, err
		}
		sep, err := text(name, v[0])
		if err != nil {
			return nil, err
		}
		if sep == "" {
			return nil, failed("%s has an empty separator", name)
		}
		at := find(s, sep)
		switch {
		case at >= 0:
			return &value.Tuple{Items: []any{s[:at], sep, s[at+len(sep):]}}, nil
		case right:
			return &value.Tuple{Items: []any{"", "", s}}, nil
		}
		return &value.Tuple{Items: []any{s, "", ""}}, nil
	}
}

func trimMethod(name string, trim func(s, fix string) string) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		v, err := a.bind(name, "fix", "/")
		if err != nil {
			return nil, err
		}
		fix, err := text(name, v[0])
		return trim(s, fix), err
	}
}

// replace is str.replace.
func (r *run) replace(s, old, with string, most int) (any, error) {
	n := strings.Count(s, old)
	if old == "" {
		n = runeLen(s) + 1
	}
	if most >= 0 {
		n = min(n, most)
	}
	if err := r.times(n, len(with)); err != nil {
		return nil, err
	}
	if old != "" || isASCII(s) {
		return strings.Replace(s, old, with, n), r.charge(len(s))
	}
	var b strings.Builder
	for i, c := range append(chars(s), "") {
		if i < n {
			b.WriteString(with)
		}
		b.WriteString(c)
	}
	return b.String(), r.charge(len(s))
}

// joinAll is sep.join(items) of texts.
func (r *run) joinAll(sep string, items []string) (any, error) {
	size := 0
	for _, s := range items {
		if size += len(s) + len(sep); size > 8*r.limits.Output {
			break
		}
	}
	if err := r.charge(size); err != nil {
		return nil, err
	}
	return strings.Join(items, sep), nil
}

func methodJoin(r *run, s string, a args) (any, error) {
	v, err := a.bind("join", "iterable", "/")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v[0])
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(items))
	for i, x := range items {
		if parts[i], err = text("join", x); err != nil {
			return nil, err
		}
	}
	return r.joinAll(s, parts)
}

func methodReplace(r *run, s string, a args) (any, error) {
	v, err := a.bind("replace", "old", "new", "count?", "/")
	if err != nil {
		return nil, err
	}
	old, err := text("replace", v[0])
	if err != nil {
		return nil, err
	}
	with, err := text("replace", v[1])
	if err != nil {
		return nil, err
	}
	most, err := number("replace", v[2], -1)
	if err != nil {
		return nil, err
	}
	return r.replace(s, old, with, most)
}

func methodSplitlines(r *run, s string, a args) (any, error) {
	v, err := a.bind("splitlines", "keepends?")
	if err != nil {
		return nil, err
	}
	keep, err := number("splitlines", v[0], 0)
	if err != nil {
		return nil, err
	}
	return list(splitLines(s, keep != 0)), r.charge(17 * len(s))
}

func methodZfill(r *run, s string, a args) (any, error) {
	v, err := a.bind("zfill", "width", "/")
	if err != nil {
		return nil, err
	}
	width, err := number("zfill", v[0], 0)
	if err != nil {
		return nil, err
	}
	sign := ""
	if s != "" && (s[0] == '+' || s[0] == '-') {
		sign, s = s[:1], s[1:]
	}
	padded, err := r.pad(s, width-len(sign), "0", func(pad, _ int) int { return pad })
	if err != nil {
		return nil, err
	}
	return sign + padded.(string), nil
}

func stringTable() map[string]stringMethod {
	return map[string]stringMethod{
		"lower":      plainMethod("lower", func(s string) any { return lower(s) }),
		"upper":      plainMethod("upper", func(s string) any { return upper(s) }),
		"capitalize": plainMethod("capitalize", func(s string) any { return capitalize(s) }),
		"title":      plainMethod("title", func(s string) any { return title(s) }),
		"isascii":    plainMethod("isascii", func(s string) any { return isASCII(s) }),
		"strip":      stripMethod("strip", true, true),
		"lstrip":     stripMethod("lstrip", true, false), "rstrip": stripMethod("rstrip", false, true),
		"split": splitMethod("split", false), "rsplit": splitMethod("rsplit", true), "splitlines": methodSplitlines,
		"find": findMethod("find", strings.Index, false), "rfind": findMethod("rfind", strings.LastIndex, false),
		"index": findMethod("index", strings.Index, true), "rindex": findMethod("rindex", strings.LastIndex, true),
		"startswith": fixMethod("startswith", strings.HasPrefix), "endswith": fixMethod("endswith", strings.HasSuffix),
		"removeprefix": trimMethod("removeprefix", strings.TrimPrefix), "removesuffix": trimMethod("removesuffix", strings.TrimSuffix),
		"partition": partMethod("partition", strings.Index, false), "rpartition": partMethod("rpartition", strings.LastIndex, true),
		"replace": methodReplace, "join": methodJoin, "zfill": methodZfill, "format": methodFormat,
		"count": func(r *run, s string, a args) (any, error) {
			v, err := a.bind("count", "sub", "start?", "end?", "/")
			if err != nil {
				return nil, err
			}
			sub, err := text("count", v[0])
			if err != nil {
				return nil, err
			}
			cut, _, ok, err := within("count", s, v[1], v[2])
			if err != nil || !ok {
				return int64(0), err
			}
			if sub == "" {
				return int64(runeLen(cut) + 1), nil
			}
			return int64(strings.Count(cut, sub)), nil
		},
		"ljust": padMethod("ljust", func(int, int) int { return 0 }), "rjust": padMethod("rjust", func(pad, _ int) int { return pad }),
		"center":  padMethod("center", centered),
		"isspace": isMethod("isspace", isSpace, false), "isalpha": isMethod("isalpha", unicode.IsLetter, false),
		"isdecimal": isMethod("isdecimal", unicode.IsDigit, false), "isdigit": isMethod("isdigit", unicode.IsDigit, true),
		"isnumeric": isMethod("isnumeric", unicode.IsDigit, true),
		"isalnum":   isMethod("isalnum", func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }, true),
		"islower":   caseMethod("islower", isLower), "isupper": caseMethod("isupper", isUpper),
	}
}
