package jinja

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"strings"

	"ballast/value"
)

// toInt is int(v) of a bool.
func toInt(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

// whole is v as an integer.
func whole(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		return toInt(v), true
	case int64:
		return v, true
	}
	return 0, false
}

// float is float(v) of a number.
func float(v any) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	n, ok := whole(v)
	return float64(n), ok
}

func mismatch(op string, a, b any) error {
	for _, v := range []any{a, b} {
		switch v := v.(type) {
		case *undefined:
			v.fail()
		case *big.Int:
			return unsupported("'%s' of such a large integer", op)
		case *markup:
			return unsupported("'%s' with text that was marked as safe", op)
		}
	}
	return failed("'%s' does not go with values of types %s and %s", op, value.TypeName(a), value.TypeName(b))
}

// arith is a binary operation.
func (r *run) arith(op string, a, b any) any {
	x, okA := whole(a)
	y, okB := whole(b)
	if okA && okB {
		return integers(op, x, y)
	}
	f, isA := float(a)
	g, isB := float(b)
	if isA && isB {
		return floats(op, f, g)
	}
	switch format, isText := a.(string); {
	case op == "+":
		return r.join(a, b)
	case op == "*" && okA:
		return r.repeat(b, int(x))
	case op == "*" && okB:
		return r.repeat(a, int(y))
	case op == "%" && isText:
		return r.percent(format, b)
	}
	panic(mismatch(op, a, b))
}

// join is a + b of sequences.
func (r *run) join(a, b any) any {
	x, plainA := a.(string)
	y, plainB := b.(string)
	if plainA && plainB {
		r.charge(len(x) + len(y))
		return x + y
	}
	if x, y := safe(a), safe(b); x != nil && y != nil { // one of them is marked
		r.charge(len(*x) + len(*y))
		return &markup{*x + *y}
	}
	switch x := a.(type) {
	case *value.List:
		if y, ok := b.(*value.List); ok {
			r.times(len(x.Items)+len(y.Items), 16)
			return &value.List{Items: slices.Concat(x.Items, y.Items)}
		}
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok {
			r.times(len(x.Items)+len(y.Items), 16)
			return &value.Tuple{Items: slices.Concat(x.Items, y.Items)}
		}
	}
	panic(mismatch("+", a, b))
}

// safe is what a text is beside text that was marked as safe: escaped, unless it is marked too.
func safe(v any) *string {
	switch v := v.(type) {
	case *markup:
		return &v.text
	case string:
		s := htmlEscapes.Replace(v)
		return &s
	}
	return nil
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

func (r *run) repeat(of any, n int) any {
	n = max(n, 0)
	items := func(list []any) []any {
		r.times(n, 16*max(len(list), 1))
		return slices.Repeat(list, n)
	}
	switch v := of.(type) {
	case string:
		r.times(n, max(len(v), 1))
		return strings.Repeat(v, n)
	case *value.List:
		return &value.List{Items: items(v.Items)}
	case *value.Tuple:
		return &value.Tuple{Items: items(v.Items)}
	}
	panic(mismatch("*", of, int64(n)))
}

func integers(op string, x, y int64) any {
	if (op == "/" || op == "//" || op == "%") && y == 0 {
		panic(failed("a division by zero"))
	}
	a, b, z := big.NewInt(x), big.NewInt(y), new(big.Int)
	switch op {
	case "+":
		z.Add(a, b)
	case "-":
		z.Sub(a, b)
	case "*":
		z.Mul(a, b)
	case "**":
		if y < 0 || y > 64 {
			panic(unsupported("'**' with the exponent %d", y))
		}
		z.Exp(a, b, nil)
	case "/":
		f, _ := new(big.Rat).SetFrac(a, b).Float64()
		return f
	default: // rounded down, as in Python
		m := new(big.Int)
		z.QuoRem(a, b, m)
		if m.Sign() != 0 && m.Sign() != b.Sign() {
			z.Sub(z, big.NewInt(1))
			m.Add(m, b)
		}
		if op == "%" {
			z = m
		}
	}
	return value.Int(z)
}

func floats(op string, x, y float64) any {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		if y == 0 {
			panic(failed("a division by zero"))
		}
		return x / y
	}
	panic(unsupported("'%s' of floats", op))
}

func unary(op string, v any) any {
	if op == "not" {
		return !truth(v)
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f
	}
	n, ok := whole(v)
	if !ok || n == math.MinInt64 {
		panic(mismatch(op, v, int64(0)))
	}
	if op == "-" {
		n = -n
	}
	return n
}

// equal is a == b.
func (r *run) equal(a, b any) bool {
	for _, v := range []any{a, b} {
		switch v.(type) {
		case *value.List, *value.Tuple, *value.Dict:
			r.visit(v, 0, false)
		case *view, *markup:
			panic(unsupported("a comparison with a value of type %s", value.TypeName(v)))
		}
	}
	if a, ok := a.(value.Custom); ok {
		return a.EqualTo(b)
	}
	return value.Equal(a, b)
}

// order is a comparison.
func (r *run) order(op string, a, b any) bool {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		return !r.equal(a, b)
	case "in":
		return r.contains(b, a)
	case "not in":
		return !r.contains(b, a)
	}
	c := r.three(a, b, op)
	switch op {
	case "<":
		return c < 0
	case "<=":
		return c <= 0
	case ">":
		return c > 0
	}
	return c >= 0
}

// three orders two values.
func (r *run) three(a, b any, op string) int {
	r.step()
	x, textA := a.(string)
	y, textB := b.(string)
	if textA && textB {
		return cmp.Compare(x, y)
	}
	if !isNumber(a) || !isNumber(b) {
		switch a.(type) {
		case *value.List, *value.Tuple, *view:
			panic(unsupported("the order of values of type %s", value.TypeName(a)))
		}
		panic(mismatch(op, a, b))
	}
	c, ok := value.CompareNumbers(a, b)
	if !ok {
		panic(unsupported("the order of NaN"))
	}
	return c
}

// contains is item in of.
func (r *run) contains(of, item any) bool {
	switch v := of.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			panic(mismatch("in", item, of))
		}
		return strings.Contains(v, s)
	case *value.Dict:
		if isUndefined(item) {
			return false // an undefined can be a key, and is in no dict
		}
		hashable(item)
		_, ok := v.Get(item)
		return ok
	}
	items := r.iterate(of)
	for i, x := range items {
		r.step()
		if r.equal(item, x) {
			if g, ok := of.(*generator); ok {
				g.items = items[i+1:]
			}
			return true
		}
	}
	return false
}
