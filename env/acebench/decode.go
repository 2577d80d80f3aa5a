package acebench

import (
	"strings"

	"ballast/value"
	api "ballast/world/acebench"
	"ballast/world/python"
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
		inside, found := api.Bracketed(reply)
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

// read makes calls of what the benchmark's readers give: objects of one key.
func read(list *value.List, err error) (calls []call, f *fault) {
	if err != nil {
		return nil, &fault{err.(*python.Exception).Text}
	}
	for _, x := range list.Items {
		name, args := x.(*value.Dict).At(0)
		calls = append(calls, call{name: name, args: args})
	}
	return calls, nil
}

func toolCalls(reply string) (calls []call, f *fault) { return read(api.ReadTool(reply)) }

func astCalls(text string) (calls []call, f *fault) {
	if plain, ok := api.PlainCalls(text); ok && text[0] == '[' {
		for _, p := range plain {
			args := value.MakeDict(len(p.Args))
			for _, a := range p.Args {
				args.Set(a.Name, a.Value)
			}
			calls = append(calls, call{name: p.Name, args: args})
		}
		return calls, nil
	}
	return read(api.ReadAST(text))
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
