package pyexpr

import (
	"math"
	"math/big"

	"ballast/value"
)

// Strengths of binding, as CPython's unparser has them.
const (
	byTuple = iota
	byYield
	byTest
	byOr
	byAnd
	byNot
	byCompare
	byBitOr
	byBitXor
	byBitAnd
	byShift
	byArith
	byTerm
	byFactor
	byPower
	byAwait
	byAtom
)

var strengths = map[string]int{
	"|": byBitOr, "^": byBitXor, "&": byBitAnd, "<<": byShift, ">>": byShift, "+": byArith, "-": byArith,
	"*": byTerm, "/": byTerm, "//": byTerm, "%": byTerm, "@": byTerm, "**": byPower,
}

// Unparse writes the tree as ast.unparse of CPython 3.10 does. A whole number of more digits
// than Python writes is a panic with a value.DigitsError, as everywhere.
func Unparse(n *Node) string { return string(appendNode(nil, n, byTest)) }

// appendNode writes a node that stands where only what binds at least so strongly needs no parentheses.
func appendNode(b []byte, n *Node, at int) []byte {
	own := byAtom
	switch n.Kind {
	case BoolOp:
		return appendBool(b, n, at)
	case BinOp:
		own = strengths[n.Text]
	case UnaryOp:
		if own = byFactor; n.Text == "not" {
			own = byNot
		}
	case Compare:
		own = byCompare
	case IfExp, Lambda:
		own = byTest
	case Yield, YieldFrom:
		own = byYield
	case NamedExpr:
		own = byTuple
	case Await:
		own = byAwait
	}
	if at > own {
		return append(appendBare(append(b, '('), n), ')')
	}
	return appendBare(b, n)
}

// appendBool writes "a or b or c": each operand binds more strongly than the one before.
func appendBool(b []byte, n *Node, at int) []byte {
	own := byOr
	if n.Text == "and" {
		own = byAnd
	}
	open := at > own
	if open {
		b = append(b, '(')
	}
	for i, x := range n.List {
		if i > 0 {
			b = append(append(append(b, ' '), n.Text...), ' ')
		}
		own = min(own+1, byAtom)
		b = appendNode(b, x, own)
	}
	if open {
		b = append(b, ')')
	}
	return b
}

func appendBare(b []byte, n *Node) []byte {
	switch n.Kind {
	case Constant:
		return appendConstant(append(b, n.Text...), n.Value)
	case Name, JoinedStr:
		return append(b, n.Text...)
	case Attribute:
		b = appendNode(b, n.X, byAtom)
		switch n.X.Value.(type) {
		case int64, *big.Int, bool: // only a constant has a value
			b = append(b, ' ')
		}
		return append(append(b, '.'), n.Text...)
	case Subscript:
		b = append(appendNode(b, n.X, byAtom), '[')
		return append(appendIndex(b, n.Y), ']')
	case Slice:
		return appendSlice(b, n)
	case Call:
		return appendCall(b, n)
	case Starred:
		return appendNode(append(b, '*'), n.X, byBitOr)
	case Tuple:
		return append(appendList(append(b, '('), n.List, true), ')')
	case List:
		return append(appendList(append(b, '['), n.List, false), ']')
	case Set:
		return append(appendList(append(b, '{'), n.List, false), '}')
	case Dict:
		return appendDict(b, n)
	case ListComp, SetComp, GeneratorExp, DictComp:
		return appendComprehension(b, n)
	case Yield, YieldFrom, Await:
		return appendYield(b, n)
	case NamedExpr:
		return appendNode(append(append(b, n.Text...), " := "...), n.X, byAtom)
	case Lambda:
		b = append(append(b, "lambda "...), n.Text...)
		return appendNode(append(b, ": "...), n.X, byTest)
	}
	return appendOperation(b, n)
}

func appendOperation(b []byte, n *Node) []byte {
	switch n.Kind {
	case IfExp:
		b = append(appendNode(b, n.X, byTest+1), " if "...)
		b = append(appendNode(b, n.Y, byTest+1), " else "...)
		return appendNode(b, n.Z, byTest)
	case UnaryOp:
		if b = append(b, n.Text...); n.Text == "not" {
			return appendNode(append(b, ' '), n.X, byNot)
		}
		return appendNode(b, n.X, byFactor)
	case BinOp:
		left, right := strengths[n.Text], strengths[n.Text]+1
		if n.Text == "**" {
			left, right = right, left
		}
		b = append(appendNode(b, n.X, left), ' ')
		return appendNode(append(append(b, n.Text...), ' '), n.Y, right)
	case Compare:
		b = appendNode(b, n.X, byCompare+1)
		for i, x := range n.List {
			b = append(append(append(b, ' '), n.Ops[i]...), ' ')
			b = appendNode(b, x, byCompare+1)
		}
		return b
	}
	panic("pyexpr: a node of kind " + string(n.Kind))
}

func appendConstant(b []byte, v any) []byte {
	if _, ok := v.(Ellipsis); ok {
		return append(b, "..."...)
	}
	if f, ok := v.(float64); ok && math.IsInf(f, 0) {
		return append(b, "1e309"...)
	}
	if c, ok := v.(Complex); ok && math.IsInf(float64(c), 0) {
		return append(b, "1e309j"...)
	}
	return value.AppendRepr(b, v)
}

// appendList writes the items; a tuple of one has a comma behind it.
func appendList(b []byte, list []*Node, tuple bool) []byte {
	for i, x := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = appendNode(b, x, byTest)
	}
	if tuple && len(list) == 1 {
		b = append(b, ',')
	}
	return b
}

// appendIndex writes what stands in the brackets of a subscript, a tuple without parentheses.
func appendIndex(b []byte, n *Node) []byte {
	if n.Kind != Tuple || len(n.List) == 0 {
		return appendNode(b, n, byTest)
	}
	for _, x := range n.List {
		if x.Kind == Starred {
			return appendNode(b, n, byTest)
		}
	}
	return appendList(b, n.List, true)
}

func appendSlice(b []byte, n *Node) []byte {
	if n.X != nil {
		b = appendNode(b, n.X, byTest)
	}
	b = append(b, ':')
	if n.Y != nil {
		b = appendNode(b, n.Y, byTest)
	}
	if n.Z != nil {
		b = appendNode(append(b, ':'), n.Z, byTest)
	}
	return b
}

func appendCall(b []byte, n *Node) []byte {
	b = append(appendNode(b, n.X, byAtom), '(')
	b = appendList(b, n.List, false)
	for i, k := range n.Keywords {
		if i > 0 || len(n.List) > 0 {
			b = append(b, ", "...)
		}
		if k.Name == "" {
			b = append(b, "**"...)
		} else {
			b = append(append(b, k.Name...), '=')
		}
		b = appendNode(b, k.Value, byTest)
	}
	return append(b, ')')
}

func appendDict(b []byte, n *Node) []byte {
	b = append(b, '{')
	for i, v := range n.List {
		if i > 0 {
			b = append(b, ", "...)
		}
		if n.Keys[i] == nil {
			b = appendNode(append(b, "**"...), v, byBitOr)
			continue
		}
		b = append(appendNode(b, n.Keys[i], byTest), ": "...)
		b = appendNode(b, v, byTest)
	}
	return append(b, '}')
}

func appendComprehension(b []byte, n *Node) []byte {
	ends := map[Kind]string{ListComp: "[]", SetComp: "{}", DictComp: "{}", GeneratorExp: "()"}[n.Kind]
	b = appendNode(append(b, ends[0]), n.X, byTest)
	if n.Kind == DictComp {
		b = appendNode(append(b, ": "...), n.Y, byTest)
	}
	for _, c := range n.Clauses {
		if c.Async {
			b = append(b, " async"...)
		}
		b = appendNode(append(b, " for "...), c.Target, byTuple)
		b = appendNode(append(b, " in "...), c.Iter, byTest+1)
		for _, x := range c.Ifs {
			b = appendNode(append(b, " if "...), x, byTest+1)
		}
	}
	return append(b, ends[1])
}

func appendYield(b []byte, n *Node) []byte {
	b = append(b, map[Kind]string{Yield: "yield", YieldFrom: "yield from", Await: "await"}[n.Kind]...)
	if n.X == nil {
		return b
	}
	return appendNode(append(b, ' '), n.X, byAtom)
}
