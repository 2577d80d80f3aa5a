package jinja

import (
	"cmp"
	"math"
	"math/big"
	"strings"

	"ballast/value"
)

// maxDigits and maxBits bound integers: Python prints no longer ones.
const (
	maxDigits = value.MaxDigits
	maxBits   = 1 << 15
)

// small is an int64 where it fits.
func small(b *big.Int) any { return value.Int(b) }

// whole is v as an integer of any size.
func whole(v any) (*big.Int, bool) {
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

// float is float(v) of a number.
func float(v any) (float64, bool) {
	if f, ok := v.(float64); ok {
		return f, true
	}
	b, ok := whole(v)
	if !ok {
		return 0, false
	}
	f, _ := new(big.Float).SetInt(b).Float64()
	return f, !math.IsInf(f, 0)
}

func mismatch(op string, a, b any) error {
	for _, v := range []any{a, b} {
		switch v := v.(type) {
		case *undefined:
			return v.fail()
		case *markup:
			return unsupported("'%s' with text that was marked as safe", op)
		}
	}
	return failed("'%s' does not go with values of types %s and %s", op, value.TypeName(a), value.TypeName(b))
}

// arith is a binary operation.
func (r *run) arith(op string, a, b any) (any, error) {
	if x, ok := whole(a); ok {
		if y, ok := whole(b); ok {
			return integers(op, x, y)
		}
	}
	x, okA := float(a)
	y, okB := float(b)
	if okA && okB {
		return floats(op, x, y)
	}
	switch op {
	case "+":
		return r.join(a, b)
	case "*":
		if n, ok := index(a); ok {
			return r.repeat(b, n)
		}
		if n, ok := index(b); ok {
			return r.repeat(a, n)
		}
	case "%":
		if format, ok := a.(string); ok {
			return r.percent(format, b)
		}
	}
	return nil, mismatch(op, a, b)
}

// safe is what a text is beside text that was marked as safe: escaped, unless it is marked too.
func safe(v any) (string, bool) {
	switch v := v.(type) {
	case *markup:
		return v.text, true
	case string:
		return htmlEscapes.Replace(v), true
	}
	return "", false
}

var htmlEscapes = strings.NewReplacer("&", "&amp;", ">", "&gt;", "<", "&lt;", "'", "&#39;", `"`, "&#34;")

// join is a + b of sequences.
func (r *run) join(a, b any) (any, error) {
	_, markedA := a.(*markup)
	_, markedB := b.(*markup)
	if markedA || markedB {
		x, okA := safe(a)
		y, okB := safe(b)
		if okA && okB {
			return &markup{x + y}, r.charge(len(x) + len(y))
		}
	}
	switch x := a.(type) {
	case string:
		if y, ok := b.(string); ok {
			return x + y, r.charge(len(x) + len(y))
		}
	case *value.List:
		if y, ok := b.(*value.List); ok {
			return &value.List{Items: append(append([]any{}, x.Items...), y.Items...)}, r.times(len(x.Items)+len(y.Items), 16)
		}
	case *value.Tuple:
		if y, ok := b.(*value.Tuple); ok {
			return &value.Tuple{Items: append(append([]any{}, x.Items...), y.Items...)}, r.times(len(x.Items)+len(y.Items), 16)
		}
	}
	return nil, mismatch("+", a, b)
}

func (r *run) repeat(of any, n int) (any, error) {
	n = max(n, 0)
	items := func(list []any) ([]any, error) {
		if err := r.times(n, 16*max(len(list), 1)); err != nil {
			return nil, err
		}
		var out []any
		for range n {
			out = append(out, list...)
		}
		return out, nil
	}
	switch v := of.(type) {
	case string:
		if err := r.times(n, max(len(v), 1)); err != nil {
			return nil, err
		}
		return strings.Repeat(v, n), nil
	case *value.List:
		out, err := items(v.Items)
		return &value.List{Items: out}, err
	case *value.Tuple:
		out, err := items(v.Items)
		return &value.Tuple{Items: out}, err
	}
	return nil, mismatch("*", of, int64(n))
}

func integers(op string, x, y *big.Int) (any, error) {
	if x.BitLen() > maxBits || y.BitLen() > maxBits {
		return nil, unsupported("an integer of more than %d bits", maxBits)
	}
	z := new(big.Int)
	switch op {
	case "+":
		return small(z.Add(x, y)), nil
	case "-":
		return small(z.Sub(x, y)), nil
	case "*":
		return small(z.Mul(x, y)), nil
	case "**":
		if y.Sign() < 0 {
			a, okA := float(small(x))
			b, okB := float(small(y))
			if !okA || !okB {
				return nil, failed("an integer is too large for a float")
			}
			return floats(op, a, b)
		}
		if x.BitLen() > 1 && (!y.IsInt64() || y.Int64() > maxBits || int64(x.BitLen())*y.Int64() > maxBits) {
			return nil, unsupported("an integer of more than %d bits", maxBits)
		}
		if x.BitLen() <= 1 { // 0, 1 and -1 to whatever power
			y = new(big.Int).SetInt64(int64(2-y.Bit(0)) * int64(min(y.BitLen(), 1)))
		}
		return small(z.Exp(x, y, nil)), nil
	}
	if y.Sign() == 0 {
		return nil, failed("a division by zero")
	}
	switch op {
	case "/":
		f, _ := new(big.Rat).SetFrac(x, y).Float64()
		if math.IsInf(f, 0) {
			return nil, failed("a quotient is too large for a float")
		}
		return f, nil
	case "//", "%":
		m := new(big.Int)
		z.QuoRem(x, y, m)
		if m.Sign() != 0 && m.Sign() != y.Sign() {
			z.Sub(z, big.NewInt(1))
			m.Add(m, y)
		}
		if op == "%" {
			return small(m), nil
		}
		return small(z), nil
	}
	return nil, mismatch(op, small(x), small(y))
}

func floats(op string, x, y float64) (any, error) {
	switch op {
	case "+":
		return x + y, nil
	case "-":
		return x - y, nil
	case "*":
		return x * y, nil
	case "**":
		if x == 0 && y < 0 {
			return nil, failed("a division by zero")
		}
		// Go's last digit is not that of C.
		return nil, unsupported("a power of floats")
	}
	if y == 0 {
		return nil, failed("a division by zero")
	}
	if op == "/" {
		return x / y, nil
	}
	mod := math.Mod(x, y)
	div := (x - mod) / y
	if mod != 0 && (y < 0) != (mod < 0) {
		mod += y
		div--
	} else if mod == 0 {
		mod = math.Copysign(0, y)
	}
	if op == "%" {
		return mod, nil
	}
	if div == 0 {
		return math.Copysign(0, x/y), nil
	}
	floor := math.Floor(div)
	if div-floor > 0.5 {
		floor++
	}
	return floor, nil
}

func unary(op string, v any) (any, error) {
	if op == "not" {
		yes, err := truth(v)
		return !yes, err
	}
	if f, ok := v.(float64); ok {
		if op == "-" {
			f = -f
		}
		return f, nil
	}
	b, ok := whole(v)
	if !ok {
		return nil, mismatch(op, v, int64(0))
	}
	if op == "-" {
		b = new(big.Int).Neg(b)
	}
	return small(b), nil
}

// equal is a == b.
func (r *run) equal(a, b any) (bool, error) {
	for _, v := range []any{a, b} {
		switch v.(type) {
		case *value.List, *value.Tuple, *value.Dict:
			if err := r.visit(v, 0, false); err != nil {
				return false, err
			}
		case *view, *markup:
			return false, unsupported("a comparison with a value of type %s", value.TypeName(v))
		}
	}
	if a, ok := a.(value.Custom); ok {
		return a.EqualTo(b), nil
	}
	return value.Equal(a, b), nil
}

// order is a comparison.
func (r *run) order(op string, a, b any) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		yes, err := r.equal(a, b)
		return !yes, err
	case "in":
		return r.contains(b, a)
	case "not in":
		yes, err := r.contains(b, a)
		return !yes, err
	}
	c, nan, err := r.three(a, b, op)
	if err != nil || nan {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// three orders two values; nan says that they have no order.
func (r *run) three(a, b any, op string) (c int, nan bool, err error) {
	if err := r.step(); err != nil {
		return 0, false, err
	}
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return cmp.Compare(x, y), false, nil
		}
		return 0, false, mismatch(op, a, b)
	}
	var x, y []any
	switch a := a.(type) {
	case *value.List:
		if b, ok := b.(*value.List); ok {
			x, y = a.Items, b.Items
			break
		}
		return 0, false, mismatch(op, a, b)
	case *value.Tuple:
		if b, ok := b.(*value.Tuple); ok {
			x, y = a.Items, b.Items
			break
		}
		return 0, false, mismatch(op, a, b)
	default:
		if !isNumber(a) || !isNumber(b) {
			return 0, false, mismatch(op, a, b)
		}
		c, ok := value.CompareNumbers(a, b)
		return c, !ok, nil
	}
	if err := r.visit(a, 0, false); err != nil {
		return 0, false, err
	}
	for i := range min(len(x), len(y)) {
		same, err := r.equal(x[i], y[i])
		if err != nil {
			return 0, false, err
		}
		if !same {
			return r.three(x[i], y[i], op)
		}
	}
	return cmp.Compare(len(x), len(y)), false, nil
}

// contains is item in of.
func (r *run) contains(of, item any) (bool, error) {
	switch v := of.(type) {
	case string:
		s, ok := item.(string)
		if !ok {
			return false, mismatch("in", item, of)
		}
		return strings.Contains(v, s), nil
	case *value.Dict:
		if !value.Hashable(item) {
			if _, ok := item.(*undefined); ok {
				return false, nil // an undefined can be a key, and is in no dict
			}
			return false, r.unhashable(item)
		}
		_, ok := v.Get(item)
		return ok, nil
	}
	items, err := r.iterate(of)
	if err != nil {
		return false, err
	}
	for i, x := range items {
		if err := r.step(); err != nil {
			return false, err
		}
		same, err := r.equal(item, x)
		if err != nil {
			return false, err
		}
		if same {
			if g, ok := of.(*generator); ok {
				g.items = items[i+1:]
			}
			return true, nil
		}
	}
	return false, nil
}
