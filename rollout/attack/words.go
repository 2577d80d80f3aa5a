package attack

import (
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/value"
)

// maxCombinations bounds the calls of one tool.
const maxCombinations = 400

// combinations fills a tool's parameters with words of the texts in every way, longer
// names first, up to maxCombinations. A parameter that nothing fits leaves none.
func combinations(t ballast.Tool, texts ...string) [][]ballast.Arg {
	names, numbers := vocabulary(texts)
	out := [][]ballast.Arg{nil}
	for _, p := range t.Params {
		if !p.Required && len(t.Params) > 2 {
			continue
		}
		var next [][]ballast.Arg
		for _, args := range out {
			for _, x := range values(p, names, numbers) {
				if len(next) < maxCombinations && !slices.ContainsFunc(args, func(a ballast.Arg) bool { return a.Value == x }) {
					next = append(next, append(slices.Clone(args), ballast.Arg{Name: p.Name, Value: x}))
				}
			}
		}
		out = next
	}
	return out
}

// values returns what a parameter may be.
func values(p ballast.Param, names []string, numbers []any) []any {
	var out []any
	switch {
	case len(p.Enum) > 0:
		for _, s := range p.Enum {
			out = append(out, s)
		}
	case p.Type == "integer", p.Type == "number":
		return numbers
	case p.Type == "boolean":
		return []any{true, false}
	case p.Type == "array":
		for _, s := range names {
			out = append(out, value.NewList(s))
		}
	default:
		for _, s := range names {
			out = append(out, s)
		}
	}
	return out
}

// blank is the empty value of a parameter's type.
func blank(p ballast.Param) any {
	switch p.Type {
	case "integer", "number":
		return int64(0)
	case "boolean":
		return false
	case "array":
		return value.NewList()
	case "object", "dict":
		return &value.Dict{}
	}
	return ""
}

// vocabulary returns the names in texts, which are up to two words that stand side by
// side, and the numbers. Names of two words come first, later texts before earlier ones.
func vocabulary(texts []string) (names []string, numbers []any) {
	seen := make(map[string]bool)
	add := func(s string) {
		if s != "" && !seen[s] {
			seen[s] = true
			names = append(names, s)
			if n, err := strconv.ParseInt(s, 10, 64); err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	for _, size := range []int{2, 1} {
		for i := len(texts) - 1; i >= 0; i-- {
			words := strings.FieldsFunc(texts[i], func(r rune) bool { return strings.ContainsRune(" \t\n,;:()[]{}\"'!?", r) })
			for k := 0; k+size <= len(words); k++ {
				add(strings.Trim(strings.Join(words[k:k+size], " "), "."))
			}
		}
	}
	return names, numbers
}
