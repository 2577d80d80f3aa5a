package acebench

import (
	"math"
	"math/big"

	"ballast/value"
	"ballast/value/pyexpr"
	"ballast/world/python"
)

// maxMade bounds what the operators of one text may make: items of sequences, and words of large numbers.
const maxMade = python.MaxRepeat

// maxBits bounds the whole numbers that powers and shifts make.
const maxBits = 1 << 20

// evaluate computes an operation on literals, which the original hands to the interpreter. What is neither a
// literal nor one of the operators here is refused; a name is not defined.
func (r *reader) evaluate(n *pyexpr.Node) any {
	switch n.Kind {
	case pyexpr.Constant:
		return n.Value
	case pyexpr.Name:
		python.Raise("NameError", "name '%s' is not defined", n.Text)
	case pyexpr.Call, pyexpr.Attribute, pyexpr.Subscript: // the name in front is looked up first
		return r.evaluate(n.X)
	case pyexpr.UnaryOp:
		return unary(n.Text, r.evaluate(n.X))
	case pyexpr.BinOp:
		a := r.evaluate(n.X)
		return r.binary(n.Text, a, r.evaluate(n.Y))
	case pyexpr.List:
		return &value.List{Items: r.evaluated(n.List)}
	case pyexpr.Tuple:
		return &value.Tuple{Items: r.evaluated(n.List)}
	case pyexpr.Dict:
		d := value.MakeDict(len(n.List))
		for i, x := range n.List {
			if n.Keys[i] == nil {
				refuse("** in a dict")
			}
			key := r.evaluate(n.Keys[i])
			v := r.evaluate(x)
			python.MustHash(key)
			d.Set(key, v)
		}
		return d
	}
	refuse(string(n.Kind))
	return nil
}

// refuse raises an error that the original does not have.
func refuse(what string) {
	python.Raise(python.OtherError, "%s is not evaluated", what)
}

func (r *reader) evaluated(list []*pyexpr.Node) []any {
	out := make([]any, len(list))
	for i, x := range list {
		out[i] = r.evaluate(x)
	}
	return out
}

func unary(op string, v any) any {
	switch {
	case op == "not":
		return !value.Truth(v)
	case op == "-":
		return negative(v)
	case !python.IsNumber(v) || op == "~" && !python.IsInt(v):
		python.Raise(python.TypeError, "bad operand type for unary %s: '%s'", op, value.TypeName(v))
	case op == "~":
		return python.Sub("-", int64(-1), v)
	}
	if b, ok := v.(bool); ok {
		n, _ := python.Integer(b)
		return n
	}
	return v
}

func (r *reader) binary(op string, a, b any) any {
	if _, ok := a.(pyexpr.Complex); ok {
		refuse("a complex number")
	}
	if _, ok := b.(pyexpr.Complex); ok {
		refuse("a complex number")
	}
	var v any
	switch op {
	case "+":
		v = python.Add("+", a, b)
	case "-":
		return python.Sub("-", a, b)
	case "*":
		v = python.Mul(a, b)
	case "/":
		return python.Div(a, b)
	case "//", "%":
		return r.modulo(op, a, b)
	case "**":
		v = r.power(a, b)
	case "@":
		python.Operands(op, a, b)
	default:
		v = bits(op, a, b)
	}
	r.count(v)
	return v
}

// bits is an operation on the bits of whole numbers; of booleans it is a boolean where it can be.
func bits(op string, a, b any) any {
	if !python.IsInt(a) || !python.IsInt(b) {
		if value.TypeName(a) == "dict" && value.TypeName(b) == "dict" && op == "|" {
			refuse("the union of two dicts")
		}
		python.Operands(op, a, b)
	}
	x, y, z := python.BigInt(a), python.BigInt(b), new(big.Int)
	switch op {
	case "<<", ">>":
		switch {
		case y.Sign() < 0:
			python.Raise(python.ValueError, "negative shift count")
		case op == ">>" && (!y.IsInt64() || y.Int64() > int64(x.BitLen())):
			y = big.NewInt(int64(x.BitLen()) + 1)
		case op == "<<" && x.Sign() == 0:
			return int64(0)
		case op == "<<" && (!y.IsInt64() || y.Int64() > maxBits-int64(x.BitLen())):
			refuse("a number of more than a million bits")
		}
		if op == "<<" {
			return value.Int(z.Lsh(x, uint(y.Int64())))
		}
		return value.Int(z.Rsh(x, uint(y.Int64())))
	case "&":
		z.And(x, y)
	case "|":
		z.Or(x, y)
	case "^":
		z.Xor(x, y)
	}
	_, left := a.(bool)
	if _, right := b.(bool); left && right {
		return z.Sign() != 0
	}
	return value.Int(z)
}

// count adds up what was made.
func (r *reader) count(v any) {
	switch v := v.(type) {
	case *big.Int:
		r.made += int64(len(v.Bits()))
	case string, value.Bytes, *value.List, *value.Tuple:
		r.made += python.Length(v)
	}
	if r.made > maxMade {
		python.Raise("MemoryError", "")
	}
}

// modulo is a // b and a % b of numbers, towards minus infinity.
func (r *reader) modulo(op string, a, b any) any {
	if !python.IsNumber(a) || !python.IsNumber(b) {
		if _, text := a.(string); text && op == "%" {
			refuse("the formatting of a text")
		}
		python.Operands(op, a, b)
	}
	if python.IsInt(a) && python.IsInt(b) {
		x, y := python.BigInt(a), python.BigInt(b)
		if y.Sign() == 0 {
			python.Raise("ZeroDivisionError", "integer division or modulo by zero")
		}
		q, m := new(big.Int).QuoRem(x, y, new(big.Int))
		if m.Sign() != 0 && m.Sign() != y.Sign() {
			q.Sub(q, big.NewInt(1))
			m.Add(m, y)
		}
		if op == "%" {
			return value.Int(m)
		}
		return value.Int(q)
	}
	x, y := python.ToFloat(a), python.ToFloat(b)
	if y == 0 {
		python.Raise("ZeroDivisionError", "%s", map[string]string{"//": "float divmod()", "%": "float modulo"}[op])
	}
	m := math.Mod(x, y)
	q := (x - m) / y
	if m != 0 && (y < 0) != (m < 0) {
		m += y
		q--
	}
	if op == "%" {
		if m == 0 {
			return math.Copysign(0, y)
		}
		return m
	}
	if f := math.Floor(q); q-f > 0.5 {
		return f + 1
	} else if q != 0 {
		return f
	}
	return math.Copysign(0, x/y)
}

// power is a ** b of numbers, where the result is not too large.
func (r *reader) power(a, b any) any {
	if !python.IsNumber(a) || !python.IsNumber(b) {
		python.Raise(python.TypeError, "unsupported operand type(s) for ** or pow(): '%s' and '%s'", value.TypeName(a), value.TypeName(b))
	}
	if python.IsInt(a) && python.IsInt(b) && python.BigInt(b).Sign() >= 0 {
		x, y := python.BigInt(a), python.BigInt(b)
		if x.BitLen() > 1 && (!y.IsInt64() || y.Int64() > maxBits || y.Int64()*int64(x.BitLen()) > maxBits) {
			refuse("a power of more than a million bits")
		}
		if x.BitLen() <= 1 { // 0, 1 and -1
			y = new(big.Int).And(y, big.NewInt(1))
			if python.BigInt(b).Sign() > 0 && y.Sign() == 0 {
				y.SetInt64(2)
			}
		}
		return value.Int(new(big.Int).Exp(x, y, nil))
	}
	x, y := python.ToFloat(a), python.ToFloat(b)
	switch {
	case x == 0 && y < 0:
		python.Raise("ZeroDivisionError", "0.0 cannot be raised to a negative power")
	case x < 0 && y != math.Floor(y) && !math.IsInf(y, 0):
		refuse("a complex number")
	}
	f := math.Pow(x, y)
	if math.IsInf(f, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		python.Raise(python.OverflowError, "(34, 'Numerical result out of range')")
	}
	return f
}
