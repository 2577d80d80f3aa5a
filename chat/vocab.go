package chat

import "slices"

// ControlTokens lists the control tokens that a vocabulary needs for the
// templates with any format, in a fixed order, for training a tokenizer.
func ControlTokens(ts ...*Template) []string {
	var out []string
	add := func(tokens []string) {
		for _, t := range tokens {
			if !slices.Contains(out, t) {
				out = append(out, t)
			}
		}
	}
	for _, t := range ts {
		add(t.control)
		add(t.stops)
	}
	var names []string
	for name := range Formats {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		add(Formats[name].Control())
	}
	return out
}
