package acebench

import (
	"strings"

	"ballast/value"
	"ballast/value/pyexpr"
	"ballast/world/python"
)

// ReadAST reads the calls of a reply of format ast as the evaluator of the single-turn categories
// does: one Python expression with elements, each a call; the calls come as Python has
// them, {name: {argument: value}}. The key of the arguments of "**" is None. The error is
// a *python.Exception with the kind and the text of the original's.
func ReadAST(text string) (*value.List, error) {
	return reading(func() *value.List {
		n := parsed(text)
		switch n.Kind {
		case pyexpr.List, pyexpr.Tuple, pyexpr.Set:
		default:
			python.Raise("AttributeError", "'%s' object has no attribute 'elts'", n.Kind)
		}
		calls := value.NewList()
		r := reader{}
		for _, x := range n.List {
			if x.Kind != pyexpr.Call {
				python.Raise("AssertionError", "")
			}
			calls.Items = append(calls.Items, r.call(x))
		}
		return calls
	})
}

// Bracketed is the text from the first bracket to the one that closes it, as the single-turn
// categories find their calls. Brackets inside of strings count.
func Bracketed(text string) (string, bool) {
	depth, start := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '[':
			if depth == 0 {
				start = i
			}
			depth++
		case ']':
			if depth--; depth == 0 {
				return text[start : i+1], true
			}
		}
	}
	return "", false
}

// ReadTool reads the calls of a reply of format tool: the JSON in each <tool_call>. The
// arguments are what the JSON has, an object or not. The error is as that of ReadAST.
func ReadTool(text string) (*value.List, error) {
	return reading(func() *value.List {
		calls := value.NewList()
		for body := range toolCalls(text) {
			calls.Items = append(calls.Items, toolCall(body))
		}
		return calls
	})
}

const toolOpen, toolClose = "<tool_call>", "</tool_call>"

// toolCalls are the bodies of the blocks of format tool.
func toolCalls(text string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for {
			_, rest, ok := strings.Cut(text, toolOpen)
			if !ok {
				return
			}
			body, after, ok := strings.Cut(rest, toolClose)
			if !ok || !yield(python.Strip(body)) {
				return
			}
			text = after
		}
	}
}

// oneLine reports whether a block stands on one line, which is where the agents look for a call.
func oneLine(text string) bool {
	for {
		_, rest, ok := strings.Cut(text, toolOpen)
		if !ok {
			return false
		}
		body, _, ok := strings.Cut(rest, toolClose)
		if !ok {
			return false
		}
		if !strings.Contains(python.Strip(body), "\n") {
			return true
		}
		text = rest
	}
}

func toolCall(body string) *value.Dict {
	v, err := value.ParseJSON([]byte(body))
	if err != nil {
		python.Raise(python.ValueError, "Invalid tool_call JSON: %s", body)
	}
	name := item(v, "name")
	args, ok := v.(*value.Dict).Get("arguments")
	if !ok {
		args = &value.Dict{}
	}
	python.MustHash(name)
	return value.NewDict(name, args)
}

// reading returns what f reads, or the exception that it raises.
func reading(f func() *value.List) (l *value.List, err error) {
	if e := python.Try(func() { l = f() }); e != nil {
		return nil, e
	}
	return l, nil
}

// parsed reads an expression, or raises what Python does.
func parsed(text string) *pyexpr.Node {
	n, err := pyexpr.Parse(text)
	if err != nil {
		raiseSyntax(err, "<unknown>")
	}
	return n
}

func raiseSyntax(err error, file string) {
	e := err.(*pyexpr.SyntaxError)
	switch {
	case e.Text == "unexpected indent":
		python.Raise("IndentationError", "%s", e.In(file))
	case e.Line < 0:
		python.Raise(python.ValueError, "%s", e.Text)
	}
	python.Raise("SyntaxError", "%s", e.In(file))
}

// reader makes values of expressions. An agent's reader takes a call without named arguments for its source text.
type reader struct {
	agent bool
	made  int64 // items, characters and words that operators made
}

func (r *reader) call(n *pyexpr.Node) *value.Dict {
	name := ""
	f := n.X
	for ; f.Kind == pyexpr.Attribute; f = f.X {
		name = "." + f.Text + name
	}
	if f.Kind == pyexpr.Name {
		name = f.Text + name
	} else {
		name = strings.TrimPrefix(name, ".")
	}
	args := value.MakeDict(len(n.Keywords))
	for _, k := range n.Keywords {
		v := r.value(k.Value)
		if k.Name == "" {
			args.Set(nil, v)
		} else {
			args.Set(k.Name, v)
		}
	}
	return value.NewDict(name, args)
}

func (r *reader) value(n *pyexpr.Node) any {
	if n == nil {
		python.Raise(python.OtherError, "Unsupported AST type: <class 'NoneType'>")
	}
	switch n.Kind {
	case pyexpr.Constant:
		if _, ok := n.Value.(pyexpr.Ellipsis); ok {
			return "..."
		}
		return n.Value
	case pyexpr.Name:
		return n.Text
	case pyexpr.UnaryOp:
		return r.minus(n.X)
	case pyexpr.BinOp:
		return r.evaluate(n)
	case pyexpr.List:
		return &value.List{Items: r.values(n.List)}
	case pyexpr.Tuple:
		return &value.Tuple{Items: r.values(n.List)}
	case pyexpr.Dict:
		d := value.MakeDict(len(n.List))
		for i, x := range n.List {
			key := r.value(n.Keys[i])
			v := r.value(x)
			python.MustHash(key)
			d.Set(key, v)
		}
		return d
	case pyexpr.Call:
		if r.agent && len(n.Keywords) == 0 {
			return pyexpr.Unparse(n)
		}
		return r.call(n)
	case pyexpr.Subscript:
		return pyexpr.Unparse(n.X) + "[" + pyexpr.Unparse(n.Y) + "]"
	case pyexpr.Lambda:
		python.Raise(python.TypeError, "'%s' object is not subscriptable", n.X.Kind)
	}
	python.Raise(python.OtherError, "Unsupported AST type: <class 'ast.%s'>", n.Kind)
	return nil
}

func (r *reader) values(list []*pyexpr.Node) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = r.value(x)
	}
	return out
}

// minus is what becomes of every operator with one operand: -operand.value.
func (r *reader) minus(x *pyexpr.Node) any {
	switch x.Kind {
	case pyexpr.Constant:
		return negative(x.Value)
	case pyexpr.Attribute, pyexpr.Subscript, pyexpr.Starred, pyexpr.NamedExpr, pyexpr.Await: // they have a value, which is a node
		python.Raise(python.TypeError, "bad operand type for unary -: '%s'", x.X.Kind)
	}
	python.Raise("AttributeError", "'%s' object has no attribute 'value'", x.Kind)
	return nil
}

func negative(v any) any {
	if c, ok := v.(pyexpr.Complex); ok {
		return -c
	}
	if f, ok := v.(float64); ok {
		return -f
	}
	if !python.IsInt(v) {
		python.Raise(python.TypeError, "bad operand type for unary -: '%s'", value.TypeName(v))
	}
	return python.Sub("-", int64(0), v)
}
