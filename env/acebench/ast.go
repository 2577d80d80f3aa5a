package acebench

import (
	"math"
	"math/big"
	"slices"
	"strings"

	"ballast/value"
)

// astCalls reads a list of calls in format ast as the original does: with Python's parser, of which it keeps the
// arguments that have a name. Binary operators on literals are computed, where the original evaluates any; nothing
// else is.
func astCalls(text string) (calls []call, f *fault) {
	n, f := parse(text)
	if f != nil {
		return nil, f
	}
	switch n.kind {
	case "List", "Tuple", "Set":
	default:
		return nil, &fault{"'" + n.kind + "' object has no attribute 'elts'"}
	}
	for _, x := range n.items {
		if x.kind != "Call" {
			return nil, &fault{""} // an assertion
		}
		name, args, f := callOf(x)
		if f != nil {
			return nil, f
		}
		calls = append(calls, call{name: name, args: args, loose: x.unnamed > 0})
	}
	return calls, nil
}

// callOf is the name of a call and its arguments.
func callOf(n *node) (name string, args *value.Dict, f *fault) {
	var parts []string
	fn := n.fn
	for ; fn.kind == "Attribute"; fn = fn.fn {
		parts = append(parts, fn.name)
	}
	if fn.kind == "Name" {
		parts = append(parts, fn.value.(string))
	}
	slices.Reverse(parts)
	args = &value.Dict{}
	for _, k := range n.keywords {
		v, f := resolve(k.of)
		if f != nil {
			return "", nil, f
		}
		args.Set(k.name, v)
	}
	return strings.Join(parts, "."), args, nil
}

// resolve is the value that the original makes of an expression.
func resolve(n *node) (v any, f *fault) {
	switch n.kind {
	case "Constant":
		if n.value == any(ellipsis{}) {
			return "...", nil
		}
		return n.value, nil
	case "Name", "Subscript":
		return n.value, nil
	case "UnaryOp":
		if of := n.items[0]; of.kind != "Constant" {
			return nil, &fault{"'" + of.kind + "' object has no attribute 'value'"}
		}
		return negated(n.items[0].value)
	case "List", "Tuple":
		items := make([]any, len(n.items))
		for i, x := range n.items {
			if items[i], f = resolve(x); f != nil {
				return nil, f
			}
		}
		if n.kind == "Tuple" {
			return &value.Tuple{Items: items}, nil
		}
		return value.NewList(items...), nil
	case "Dict":
		return resolveDict(n)
	case "BinOp":
		return computed(n)
	case "Call":
		name, args, f := callOf(n)
		if f != nil {
			return nil, f
		}
		return value.NewDict(name, args), nil
	}
	return nil, &fault{"Unsupported AST type: <class 'ast." + n.kind + "'>"}
}

func resolveDict(n *node) (any, *fault) {
	d := &value.Dict{}
	for i, key := range n.keys {
		if key == nil {
			return nil, &fault{"Unsupported AST type: <class 'NoneType'>"}
		}
		k, f := resolve(key)
		if f != nil {
			return nil, f
		}
		v, f := resolve(n.items[i])
		if f != nil {
			return nil, f
		}
		if !value.Hashable(k) {
			return nil, &fault{"unhashable type: '" + value.TypeName(k) + "'"}
		}
		d.Set(k, v)
	}
	return d, nil
}

// negated is Python's - of a constant.
func negated(v any) (any, *fault) {
	switch v := v.(type) {
	case bool:
		if v {
			return int64(-1), nil
		}
		return int64(0), nil
	case int64:
		return value.Int(new(big.Int).Neg(big.NewInt(v))), nil
	case *big.Int:
		return value.Int(new(big.Int).Neg(v)), nil
	case float64:
		return -v, nil
	case complexNumber:
		return "(-0-" + v + ")", nil // Python writes it so
	case ellipsis:
		return nil, &fault{"bad operand type for unary -: 'ellipsis'"}
	}
	return nil, &fault{"bad operand type for unary -: '" + value.TypeName(v) + "'"}
}

// Bounds of what is computed, in bits of numbers and items of sequences.
const maxBits, maxItems = 1 << 14, 1 << 16

// computed is a binary operator on literals. The original evaluates any expression there, names and calls
// included; whatever is not a literal is an error here.
func computed(n *node) (any, *fault) {
	a, f := operand(n.items[0])
	if f != nil {
		return nil, f
	}
	b, f := operand(n.items[1])
	if f != nil {
		return nil, f
	}
	bad := &fault{"unsupported operand type(s) for " + n.name + ": '" + value.TypeName(a) + "' and '" + value.TypeName(b) + "'"}
	x, isX := integer(a)
	y, isY := integer(b)
	switch {
	case isX && isY:
		return integers(n.name, x, y, bad)
	case isNumber(a) && isNumber(b):
		return floats(n.name, float(a), float(b), bad)
	}
	if n.name == "+" {
		return joined(a, b, bad)
	}
	if n.name == "*" && isX {
		return repeated(b, x, bad)
	}
	if n.name == "*" && isY {
		return repeated(a, y, bad)
	}
	return nil, bad
}

// operand is the value of an operand, which must be made of literals.
func operand(n *node) (any, *fault) {
	switch n.kind {
	case "BinOp":
		return computed(n)
	case "UnaryOp":
		v, f := operand(n.items[0])
		if f != nil {
			return nil, f
		}
		if x, ok := integer(v); n.name == "+" && isNumber(v) {
			if ok {
				return value.Int(x), nil
			}
			return v, nil
		} else if n.name == "~" && ok {
			return value.Int(new(big.Int).Not(x)), nil
		}
		if n.name != "-" {
			return nil, &fault{"not a literal"}
		}
		return negated(v)
	case "Constant":
		switch n.value.(type) {
		case ellipsis, complexNumber:
			return nil, &fault{"not a literal"}
		}
		return n.value, nil
	case "List", "Tuple":
		return resolve(n)
	}
	return nil, &fault{"not a literal"}
}

func integer(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, true
	}
	return nil, false
}

func isNumber(v any) bool {
	_, whole := integer(v)
	_, float := v.(float64)
	return whole || float
}

func float(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	x, _ := integer(v)
	f, _ := new(big.Float).SetInt(x).Float64()
	return f
}

func integers(op string, x, y *big.Int, bad *fault) (any, *fault) {
	z := new(big.Int)
	switch op {
	case "+":
		z.Add(x, y)
	case "-":
		z.Sub(x, y)
	case "*":
		z.Mul(x, y)
	case "/", "//", "%":
		if y.Sign() == 0 {
			return nil, &fault{map[string]string{"/": "division by zero"}[op] + map[string]string{"//": "integer division or modulo by zero",
				"%": "integer division or modulo by zero"}[op]}
		}
		if op == "/" {
			f, _ := new(big.Rat).SetFrac(x, y).Float64()
			return f, nil
		}
		m := new(big.Int)
		if z.QuoRem(x, y, m); m.Sign() != 0 && m.Sign() != y.Sign() { // Python's floor
			z.Sub(z, big.NewInt(1))
			m.Add(m, y)
		}
		if op == "%" {
			z = m
		}
	case "**":
		if y.Sign() < 0 || !y.IsInt64() || int64(x.BitLen())*y.Int64() > maxBits {
			return floats(op, float(value.Int(x)), float(value.Int(y)), bad)
		}
		z.Exp(x, y, nil)
	case "<<", ">>":
		if y.Sign() < 0 || !y.IsInt64() || y.Int64() > maxBits {
			return nil, bad
		}
		if op == "<<" {
			z.Lsh(x, uint(y.Int64()))
		} else {
			z.Rsh(x, uint(y.Int64()))
		}
	case "&":
		z.And(x, y)
	case "|":
		z.Or(x, y)
	case "^":
		z.Xor(x, y)
	default:
		return nil, bad
	}
	if z.BitLen() > maxBits {
		return nil, bad
	}
	return value.Int(z), nil
}

func floats(op string, x, y float64, bad *fault) (any, *fault) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "/", "//", "%":
		if y == 0 {
			return nil, &fault{"float division by zero"}
		}
		if op == "/" {
			return x / y, nil
		}
		m := math.Mod(x, y)
		if m != 0 && (m < 0) != (y < 0) {
			m += y
		}
		if op == "%" {
			return m, nil
		}
		return math.Floor((x - m) / y), nil
	case "**":
		if z := math.Pow(x, y); !math.IsNaN(z) && !math.IsInf(z, 0) {
			return z, nil
		}
	}
	return nil, bad
}

// joined is + of two texts, lists or tuples.
func joined(a, b any, bad *fault) (any, *fault) {
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return x + y, nil
		}
	case *value.List:
		if y, ok := b.(*value.List); ok {
			return value.NewList(slices.Concat(x.Items, y.Items)...), nil
		}
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok {
			return &value.Tuple{Items: slices.Concat(x.Items, y.Items)}, nil
		}
	}
	return nil, bad
}

// repeated is * of a text, a list or a tuple.
func repeated(v any, times *big.Int, bad *fault) (any, *fault) {
	n := int64(maxItems + 1)
	if times.IsInt64() {
		n = max(0, times.Int64())
	}
	size := int64(0)
	items, isList := value.Sequence(v)
	text, isText := v.(string)
	switch {
	case isText:
		size = int64(len(text))
	case isList:
		size = int64(len(items))
	default:
		return nil, bad
	}
	if n > maxItems || n*size > maxItems {
		return nil, &fault{"too large to be computed"}
	}
	if isText {
		return strings.Repeat(text, int(n)), nil
	}
	out := slices.Repeat(items, int(n))
	if _, tuple := v.(*value.Tuple); tuple {
		return &value.Tuple{Items: out}, nil
	}
	return value.NewList(out...), nil
}
