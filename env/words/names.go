package words

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast"
)

// maxName is the longest name that servers take.
const maxName = 64

// rename gives the tools of a task and their parameters other names. Each map is its own inverse: the name that
// a world has leads to one that it does not have, so that a policy which calls a tool by it is told that there is none.
func rename(w *ballast.Words, d draw, functions []ballast.Tool) {
	taken := map[string]bool{}
	for _, t := range append(slices.Clone(functions), w.Own.Tools...) {
		taken[t.Name] = true
	}
	for i := range w.Own.Tools {
		t := &w.Own.Tools[i]
		names, mine := map[string]string{}, map[string]bool{}
		all := params(t)
		pair(w.Tools, d, t.Name, "do", entry(tools, t.Name, all), taken)
		for _, p := range all {
			mine[p] = true
		}
		for _, p := range all {
			pair(names, d, p, "given", entry(fields, p, all), mine)
		}
		w.Params[t.Name] = names
	}
}

// entry is what takes the place of a whole name beside these parameters, nil where a table does not have it.
func entry(table map[string][]string, name string, params []string) []string {
	if list := table[name+"("+strings.Join(params, ", ")+")"]; list != nil {
		return list
	}
	return table[name]
}

// pair adds a name and its replacement, each leading to the other. whole is what may take its place as it stands.
func pair(names map[string]string, d draw, name, before string, whole []string, taken map[string]bool) {
	if name == "" {
		return
	}
	shown := ""
	for try := 0; shown == "" || taken[shown] || len(shown) > maxName; try++ {
		if shown = replaced(name, d, whole, try); shown == name {
			shown = glue(name, before, name)
		}
		if try >= 4 {
			shown = fmt.Sprintf("%s_%d", strings.ToValidUTF8(shown[:min(len(shown), maxName-4)], ""), try-2)
		}
	}
	taken[shown] = true
	names[name], names[shown] = shown, name
}

// replaced is a name whose words have their replacements, or what takes its place as it stands.
func replaced(name string, d draw, whole []string, try int) string {
	if by := d.of(name, whole, try); by != "" {
		return by
	}
	out := ""
	rest := name
	for rest != "" {
		word, separator := split(rest)
		rest = rest[len(word)+len(separator):]
		if by := d.of(strings.ToLower(word), parts[strings.ToLower(word)], try); by != "" {
			word = like(name, word, by)
		}
		out += word + separator
	}
	return out
}

// split is the first word of a name, and what stands before the next: in small letters, or with a capital at its
// beginning.
func split(name string) (word, separator string) {
	letter := func(i int) bool { return i < len(name) && name[i]|0x20 >= 'a' && name[i]|0x20 <= 'z' }
	n := 0
	for letter(n) && (n == 0 || name[n] >= 'a') {
		n++
	}
	end := n
	for end < len(name) && !letter(end) {
		end++
	}
	return name[:n], name[n:end]
}

// like writes the replacement of a word as the name is written: in capitals inside of words, or with _ between them.
func like(name, word, by string) string {
	if !camel(name) {
		return by
	}
	out := ""
	for i, w := range strings.Split(by, "_") {
		if i > 0 || word[0] < 'a' {
			w = capital(w)
		}
		out += w
	}
	return out
}

// camel says that a name has a capital inside and no _.
func camel(name string) bool {
	return !strings.Contains(name, "_") && strings.IndexFunc(name[min(1, len(name)):], unicode.IsUpper) >= 0
}

// glue puts a word before a name.
func glue(name, word, by string) string {
	if camel(name) {
		return word + capital(by)
	}
	return word + "_" + by
}

// capital is a word with a capital at its beginning.
func capital(word string) string {
	r, n := utf8.DecodeRuneInString(word)
	return string(unicode.ToUpper(r)) + word[n:]
}

// Back is a call under the world's own names.
func Back(w *ballast.Words, c ballast.Call) ballast.Call { return named(w, c, other(w.Tools, c.Name)) }

// Own is a task as its world knows it, and a call of its policy under the world's names.
func Own(t *ballast.Task) (own *ballast.Task, back func(ballast.Call) ballast.Call) {
	if t.Words == nil {
		return t, func(c ballast.Call) ballast.Call { return c }
	}
	return t.Words.Own, func(c ballast.Call) ballast.Call { return Back(t.Words, c) }
}

// named is a call with its names replaced. own is the tool's name in the world.
func named(w *ballast.Words, c ballast.Call, own string) ballast.Call {
	names := w.Params[own]
	c.Name = other(w.Tools, c.Name)
	if len(names) == 0 {
		return c
	}
	c.Args = slices.Clone(c.Args)
	for i := range c.Args {
		c.Args[i].Name = other(names, c.Args[i].Name)
	}
	return c
}
