package acebench

import (
	"math"
	"strings"
	"unicode"
	"unicode/utf8"

	"ballast"
	"ballast/value"
	"ballast/value/pyexpr"
	"ballast/world/python"
)

// Format is how the agent writes its calls.
type Format int

// The formats.
const (
	AST  Format = iota // [name(argument='value')]
	Tool               // <tool_call>{"name": ..., "arguments": {...}}</tool_call>
)

// String is the format's name.
func (f Format) String() string { return [...]string{"ast", "tool"}[f] }

// readAgent reads the calls of a message of the agent. skip leaves elements out that are no calls.
func readAgent(f Format, message string, skip bool) (*value.List, error) {
	if f == Tool {
		return ReadTool(message)
	}
	return reading(func() *value.List {
		n := parsed(inner(message))
		calls := value.NewList()
		r := reader{agent: true}
		switch n.Kind {
		case pyexpr.Call:
			calls.Items = append(calls.Items, r.call(n))
		case pyexpr.List, pyexpr.Tuple:
			for _, x := range n.List {
				if x.Kind == pyexpr.Call {
					calls.Items = append(calls.Items, r.call(x))
				} else if !skip {
					python.Raise("AssertionError", "")
				}
			}
		}
		return calls
	})
}

// inner is what the original reads of a message of format ast: without one blank before it, and without brackets and quotes around it.
func inner(message string) string { return strings.Trim(strings.TrimPrefix(message, " "), "[]'") }

// writtenCalls are the calls of a message, written down. skip leaves elements out that are no calls.
func writtenCalls(f Format, message string, skip bool) (calls []written, err error) {
	if f == AST {
		if calls, ok := plainly(inner(message)); ok {
			return calls, nil
		}
	}
	list, err := readAgent(f, message, skip)
	if err != nil {
		return nil, err
	}
	if raised := python.Try(func() { calls = writeCalls(list) }); raised != nil {
		return nil, raised
	}
	return calls, nil
}

// written is a call as the original writes it down before it runs it.
type written struct {
	call  ballast.Call
	plain bool         // the call is known to be what its text says
	text  string       // otherwise
	outer *pyexpr.Node // the call of what the call gives, where the text has one
}

// writeCalls writes calls down. It raises where one cannot be written.
func writeCalls(calls *value.List) []written {
	out := make([]written, 0, len(calls.Items))
	for _, c := range calls.Items {
		d := c.(*value.Dict)
		for i := range d.Len() {
			out = append(out, writeCall(d.At(i)))
		}
	}
	return out
}

func writeCall(name, arguments any) written {
	args, ok := arguments.(*value.Dict)
	if !ok {
		python.Attribute(arguments, "items")
	}
	if w, ok := plainCall(name, args); ok {
		return w
	}
	return written{text: string(appendCall(str(nil, name), args, 0))}
}

// plainCall is a call whose text would be read as what it is: plain names, and values that are literals.
func plainCall(name any, args *value.Dict) (w written, ok bool) {
	if w.call.Name, ok = name.(string); !ok || !plainName(w.call.Name) {
		return w, false
	}
	w.plain = true
	w.call.Args = make([]ballast.Arg, args.Len())
	for i := range args.Len() {
		k, v := args.At(i)
		key, isText := k.(string)
		if !isText || !plainName(key) || pyexpr.IsKeyword(key) || !literal(v, 0) {
			return w, false
		}
		if _, dict := v.(*value.Dict); dict {
			return w, false
		}
		w.call.Args[i] = ballast.Arg{Name: key, Value: v}
	}
	return w, true
}

func plainName(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; !(c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// literal reports whether the repr of a value is read as the value.
func literal(v any, depth int) bool {
	all := func(items []any) bool {
		for _, x := range items {
			if !literal(x, depth+1) {
				return false
			}
		}
		return true
	}
	switch v := v.(type) {
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case string:
		return utf8.ValidString(v)
	case *value.List:
		return depth < value.MaxDepth-1 && all(v.Items)
	case *value.Tuple:
		return depth < value.MaxDepth-1 && all(v.Items)
	case *value.Dict:
		for i := range v.Len() {
			if k, x := v.At(i); !literal(k, depth+1) || !literal(x, depth+1) {
				return false
			}
		}
		return depth < value.MaxDepth-1
	case nil, bool, int64, value.Bytes:
		return true
	}
	return false
}

// appendCall writes the arguments of a call behind its name: an argument that is a dict becomes a call of its first key.
func appendCall(b []byte, args *value.Dict, depth int) []byte {
	if depth > value.MaxDepth {
		python.Raise("RecursionError", "maximum recursion depth exceeded")
	}
	b = append(b, '(')
	for i := range args.Len() {
		if i > 0 {
			b = append(b, ", "...)
		}
		k, v := args.At(i)
		b = append(str(b, k), '=')
		d, ok := v.(*value.Dict)
		if !ok {
			b = value.AppendRepr(b, v)
			continue
		}
		if d.Len() == 0 {
			python.Raise("IndexError", "list index out of range")
		}
		name, inner := d.At(0)
		of, ok := inner.(*value.Dict)
		if !ok {
			python.Attribute(inner, "items")
		}
		b = appendCall(str(b, name), of, depth+1)
	}
	return append(b, ')')
}

// word is the first name of the text that stands before a parenthesis, with blanks between them or not: the
// function that is looked up.
func (w *written) word() string {
	if w.plain {
		return w.call.Name
	}
	start, end, _ := w.head()
	return w.text[start:end]
}

// head is where that name stands, and where its parenthesis opens.
func (w *written) head() (start, end, open int) {
	start, end = -1, -1
	for i, r := range w.text {
		switch {
		case r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			if start < 0 || end >= 0 {
				start, end = i, -1
			}
		case r == '(' && start >= 0 && (w.text[start] == '_' || w.text[start]|0x20 >= 'a' && w.text[start]|0x20 <= 'z'):
			if end < 0 {
				end = i
			}
			return start, end, i
		case python.IsSpace(r) && start >= 0:
			if end < 0 {
				end = i
			}
		default:
			start, end = -1, -1
		}
	}
	return 0, 0, 0
}

// parse reads the text of a call that is to run. It raises what the interpreter would: about the text, about a
// name that is not defined.
func (w *written) parse() {
	if w.plain {
		return
	}
	_, end, open := w.head() // the original puts its object there, and loses the blanks
	n, err := pyexpr.Parse(strings.TrimLeft(w.text[:end]+w.text[open:], " \t"))
	if err != nil {
		raiseSyntax(err, "<string>")
	}
	if n.Kind == pyexpr.Await {
		python.Raise("SyntaxError", "'await' outside function (<string>, line 1)")
	}
	for n.Kind == pyexpr.Call && n.X.Kind == pyexpr.Call { // what the call gives is called
		w.outer, n = n, n.X
	}
	if n.Kind != pyexpr.Call || n.X.Kind != pyexpr.Name {
		head := n
		for head.X != nil && (head.Kind == pyexpr.Call || head.Kind == pyexpr.Attribute || head.Kind == pyexpr.Subscript) {
			head = head.X
		}
		if head.Kind == pyexpr.Name && head != n {
			python.Raise("NameError", "name '%s' is not defined", head.Text)
		}
		refuse(string(n.Kind))
	}
	if w.outer != nil {
		once(w.outer)
	}
	once(n)
	w.call = ballast.Call{Name: n.X.Text, Args: arguments(n)}
	w.plain = true
}

// once raises where a call has two arguments of one name.
func once(n *pyexpr.Node) {
	seen := make(map[string]bool, len(n.Keywords))
	for _, k := range n.Keywords {
		if k.Name != "" && seen[k.Name] {
			python.Raise("SyntaxError", "keyword argument repeated: %s (<string>, line 1)", k.Name)
		}
		seen[k.Name] = true
	}
}

// arguments are the arguments of a call.
func arguments(n *pyexpr.Node) (args []ballast.Arg) {
	r := reader{}
	for _, x := range n.List {
		args = append(args, ballast.Arg{Value: r.evaluate(x)})
	}
	for _, k := range n.Keywords {
		if k.Name == "" {
			refuse("** in a call")
		}
		args = append(args, ballast.Arg{Name: k.Name, Value: r.evaluate(k.Value)})
	}
	return args
}

// ended raises where the text calls what its call has given, which nothing of here allows.
func (w *written) ended(result string) {
	if w.outer == nil {
		return
	}
	arguments(w.outer)
	of := "str"
	if v, err := value.ParseLiteral(result); err == nil {
		of = value.TypeName(v)
	} else if strings.HasPrefix(result, "{") { // JSON has other words than Python
		of = "dict"
	}
	python.Raise(python.TypeError, "'%s' object is not callable", of)
}

// Called reports whether a message of the agent is one for the execution. In multi_step that is only told: every
// message is executed.
func (s *Scene) Called(message string) bool {
	switch {
	case s.format == Tool:
		return oneLine(message)
	case s.role == Step:
		line, _, _ := strings.Cut(message, "\n")
		return strings.HasPrefix(line, "[") && strings.Contains(line, "]")
	}
	if !bracketLine(message) {
		return false
	}
	_, err := writtenCalls(AST, message, false)
	return err == nil
}

// bracketLine reports whether some line has a closing bracket behind an opening one.
func bracketLine(text string) bool {
	for line := range strings.SplitSeq(text, "\n") {
		if i := strings.IndexByte(line, '['); i >= 0 && strings.IndexByte(line[i:], ']') > 0 {
			return true
		}
	}
	return false
}
