package acebench

import (
	"slices"
	"strings"

	"ballast/value"
	api "ballast/world/acebench"
)

// The words by which the original knows that a reply declines.
const (
	sayMissing = "Missing necessary parameters"
	sayWrong   = "There is incorrect value"
	sayNone    = "the limitations of the function"
)

// The kinds of errors of special items.
const (
	detection  = "error_detection"
	correction = "error_correction"
)

// declined judges a reply to a special item. The original looks for words in it, and for nothing else.
func declined(it *Item, format, reply string, m Mend) result {
	if m.has(MendCalls) && calls(reply) {
		return wrong(detection, func() any { return one("The model calls a function") })
	}
	gold, _ := it.Gold.(*value.Dict)
	switch {
	case it.Category == incomplete:
		return each(gold, func(function string, params []any) result {
			say := func() any { return missing(value.Repr(value.NewList(params...)), function) }
			if !strings.Contains(reply, sayMissing) {
				return wrong(detection, say)
			}
			if !named(reply, function, m) {
				return wrong(correction, say)
			}
			for _, p := range slices.Backward(params) { // the original tells the last one
				if !named(reply, p.(string), m) {
					return wrong(correction, func() any { return missing(pyStr(p), function) })
				}
			}
			if m.has(MendNamed) && others(it, reply, function, params) {
				return wrong(correction, say)
			}
			return right
		})
	case it.Category == errorParam:
		return each(gold, func(param string, values []any) result {
			say := func() any {
				return one("The user's instruction contains incorrect values (%s) of the parameters (%s), but the model failed to correctly "+
					"point it out", value.Repr(value.NewList(values...)), param)
			}
			if !strings.Contains(reply, sayWrong) {
				return wrong(detection, say)
			}
			for _, v := range values {
				if !named(reply, v.(string), m) {
					return wrong(correction, say)
				}
			}
			if m.has(MendNamed) && !named(reply, param, m) {
				return wrong(correction, say)
			}
			return right
		})
	}
	if !strings.Contains(reply, sayNone) {
		return wrong(detection, func() any { return one("The model cannot solve this problem, due to the limitations of the function") })
	}
	return right
}

func missing(params, function string) any {
	return one("The user's instruction is missing necessary parameters (%s) for the (%s), but the model failed to correctly point it out",
		params, function)
}

// each tests the entries of gold; the last that fails is the result.
func each(gold *value.Dict, test func(name string, wanted []any) result) result {
	last := right
	for i := range gold.Len() {
		k, v := gold.At(i)
		if r := test(k.(string), v.(*value.List).Items); !r.ok {
			last = r
		}
	}
	return last
}

// named says that a reply names something: anywhere, or as a whole word.
func named(reply, what string, m Mend) bool {
	if !m.has(MendNamed) {
		return strings.Contains(reply, what)
	}
	for at := 0; ; {
		i := strings.Index(reply[at:], what)
		if i < 0 {
			return false
		}
		from, to := at+i, at+i+len(what)
		before := from > 0 && wordByte(reply[from-1]) && wordByte(what[0])
		after := to < len(reply) && wordByte(reply[to]) && wordByte(what[len(what)-1])
		if !before && !after {
			return true
		}
		at = from + 1
	}
}

func wordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// others says that a reply names, in the brackets behind the words, a parameter of the function that is
// not missing.
func others(it *Item, reply, function string, missing []any) bool {
	_, text, _ := strings.Cut(reply, sayMissing)
	if _, inside, open := strings.Cut(text, "("); open {
		text, _, _ = strings.Cut(inside, ")")
	}
	for i := range it.Functions {
		if it.Functions[i].Name != function {
			continue
		}
		properties := it.Functions[i].Doc.Object("parameters").Object("properties")
		if properties == nil {
			continue
		}
		for _, p := range properties.Keys() {
			if !contains(value.NewList(missing...), p) && p != "" && named(text, p.(string), MendNamed) {
				return true
			}
		}
	}
	return false
}

// calls says that a reply holds a call that can be read, in either format.
func calls(reply string) bool {
	if list, f := toolCalls(reply); f == nil && len(list) > 0 {
		return true
	}
	inside, found := api.Bracketed(reply)
	if !found {
		return false
	}
	list, f := astCalls(inside)
	return f == nil && len(list) > 0
}
