package acebench

import (
	"strings"

	"ballast/value"
)

// call is a decoded call. In format tool the name may be any value that Python can hash, and the
// arguments any value; in format ast they are text and an object, whose key is nil for **x.
type call struct {
	name any
	args any
	// loose says that arguments without a name were left out (format ast).
	loose bool
}

// dict is the call as the original holds it: an object of one key.
func (c call) dict() *value.Dict { return value.NewDict(c.name, c.args) }

// fault is an exception of the original: the text of one that it catches, or one that ends it.
type fault struct{ text string }

// decoded reads the calls of a reply as the original does for a category and a format; f is what it
// raises and catches.
func decoded(category, format, reply string, m Mend) (calls []call, f *fault) {
	if spaceless(category) && !m.has(MendSpaces) {
		reply = noSpace(reply)
	}
	if format == Tool {
		return toolCalls(reply)
	}
	if !spaceless(category) {
		inside, found := bracketed(reply)
		if !found {
			return nil, &fault{"compile() arg 1 must be a string, bytes or AST object"}
		}
		reply = inside
	}
	if m.has(MendLiterals) {
		if calls, ok := literalCalls(reply); ok {
			return calls, nil
		}
	}
	return astCalls(reply)
}

// bracketed is the first text of balanced square brackets; those inside strings count, and a stray
// closing one hides those after it.
func bracketed(text string) (inside string, found bool) {
	depth, start := 0, -1
	for i := range len(text) {
		switch text[i] {
		case '[':
			if depth == 0 {
				start = i
			}
			depth++
		case ']':
			if depth--; depth == 0 && start >= 0 {
				return text[start : i+1], true
			}
		}
	}
	return "", false
}

// toolCalls reads the JSON between <tool_call> tags; without any there are no calls.
func toolCalls(reply string) (calls []call, f *fault) {
	for {
		_, rest, open := strings.Cut(reply, openCall)
		body, rest, closed := strings.Cut(rest, closeCall)
		if !open || !closed {
			return calls, nil
		}
		reply = rest
		body = strip(body)
		v, err := value.ParseJSON([]byte(body))
		if err != nil {
			return nil, &fault{"Invalid tool_call JSON: " + body}
		}
		c, f := toolCall(v)
		if f != nil {
			return nil, f
		}
		calls = append(calls, c)
	}
}

// toolCall is a call of a JSON value: its member name, and arguments, by default none.
func toolCall(v any) (c call, f *fault) {
	d, ok := v.(*value.Dict)
	if !ok {
		switch v.(type) {
		case *value.List:
			return c, &fault{"list indices must be integers or slices, not str"}
		case string:
			return c, &fault{"string indices must be integers"}
		}
		return c, &fault{"'" + value.TypeName(v) + "' object is not subscriptable"}
	}
	if !d.Has("name") {
		return c, &fault{"'name'"}
	}
	if c.name = d.Member("name"); !value.Hashable(c.name) {
		return c, &fault{"unhashable type: '" + value.TypeName(c.name) + "'"}
	}
	if c.args = d.Member("arguments"); !d.Has("arguments") {
		c.args = &value.Dict{}
	}
	return c, nil
}

// literalCalls reads a list of calls whose arguments are Python literals, with their signs. It is
// what strict verdicts begin with; ok is false for anything else.
func literalCalls(text string) (calls []call, ok bool) {
	read, err := value.ParseCalls(text)
	if err != nil || !strings.HasPrefix(strip(text), "[") {
		return nil, false
	}
	for _, r := range read {
		args, c := value.MakeDict(len(r.Args)), call{name: r.Name}
		for _, a := range r.Args {
			if a.Name == "" {
				c.loose = true
				continue
			}
			args.Set(a.Name, a.Value)
		}
		c.args = args
		calls = append(calls, c)
	}
	return calls, true
}

// Decoded is what the original reads a reply of a category as, in Python's words: a list of objects of one
// key, or raises.
func Decoded(category, format, reply string) string {
	calls, f := decoded(category, format, reply, Official)
	return written(calls, f)
}

// DecodedList is Decoded of the text of a list of format AST.
func DecodedList(text string) string {
	calls, f := astCalls(text)
	return written(calls, f)
}

func written(calls []call, f *fault) string {
	if f != nil {
		return "raises"
	}
	return reprCalls(calls)
}
