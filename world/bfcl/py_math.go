package bfcl

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"ballast/value"
	"ballast/world/python"
)

// complexNumber is a Python complex, which powers can give.
type complexNumber complex128

func (complexNumber) TypeName() string { return "complex" }

// EqualTo compares with another complex number.
func (c complexNumber) EqualTo(other any) bool { return other == c }

// AppendRepr writes (1+2j); a real part of +0 is left out.
func (c complexNumber) AppendRepr(dst []byte) []byte {
	re, im := real(c), imag(c)
	part := func(f float64) string { return strings.TrimSuffix(string(value.AppendFloat(nil, f)), ".0") }
	if re == 0 && !math.Signbit(re) {
		return append(append(dst, part(im)...), 'j')
	}
	dst = append(append(dst, '('), part(re)...)
	if s := part(im); s[0] == '-' {
		dst = append(dst, s...)
	} else {
		dst = append(append(dst, '+'), s...)
	}
	return append(dst, "j)"...)
}

// maxPowerBits is the size above which an integer power has more digits than
// Python writes; such powers are not computed.
const maxPowerBits = 14300

// power is a ** b.
func power(a, b any) any {
	if !python.IsNumber(a) || !python.IsNumber(b) {
		python.Operands("** or pow()", a, b)
	}
	if !python.IsInt(a) || !python.IsInt(b) {
		return floatPower(python.ToFloat(a), python.ToFloat(b))
	}
	x, y := python.BigInt(a), python.BigInt(b)
	if y.Sign() < 0 {
		return floatPower(python.ToFloat(a), python.ToFloat(b))
	}
	if x.BitLen() <= 1 { // -1, 0, 1
		if y.Sign() == 0 || x.Sign() < 0 && y.Bit(0) == 0 {
			return int64(1)
		}
		return int64(x.Sign())
	}
	if !y.IsInt64() || y.Int64() > maxPowerBits || (int64(x.BitLen())-1)*y.Int64() > maxPowerBits {
		panic(value.DigitsError{})
	}
	return value.Int(new(big.Int).Exp(x, y, nil))
}

// floatPower is Python's float ** float.
func floatPower(x, y float64) any {
	odd := math.Abs(math.Mod(y, 2)) == 1
	switch {
	case y == 0:
		return 1.0
	case math.IsNaN(x):
		return x
	case math.IsNaN(y):
		if x == 1 {
			return 1.0
		}
		return y
	case math.IsInf(x, 0) || math.IsInf(y, 0):
		return math.Pow(x, y)
	case x == 0 && y < 0:
		python.Raise("ZeroDivisionError", "0.0 cannot be raised to a negative power")
	case x == 0 && odd:
		return x
	case x == 0:
		return 0.0
	case x < 0 && y != math.Floor(y):
		return complexPower(x, y)
	}
	f := positivePower(math.Abs(x), y)
	if math.IsInf(f, 0) {
		python.Raise(python.OverflowError, "(34, 'Numerical result out of range')")
	}
	if x < 0 && odd {
		return -f
	}
	return f
}

// complexPower is x ** y for x < 0 and y no integer, in Python's steps.
func complexPower(x, y float64) any {
	size := positivePower(-x, y)
	sin, cos := sinCos(math.Pi * y)
	c := complex(size*cos, size*sin)
	if math.IsInf(real(c), 0) || math.IsInf(imag(c), 0) {
		python.Raise(python.OverflowError, "complex exponentiation")
	}
	return complexNumber(c)
}

// workBits is the precision at which single float results are computed, so that
// they come out correctly rounded, as the C library's nearly always do.
const workBits = 200

// positivePower is the correctly rounded x ** y for x > 0.
func positivePower(x, y float64) float64 {
	if x == 1 {
		return 1
	}
	if y == math.Trunc(y) && y > 0 && y <= 16 { // exact, then rounded once
		p := new(big.Float).SetPrec(53 * 16).SetInt64(1)
		for range int(y) {
			p.Mul(p, big.NewFloat(x))
		}
		f, _ := p.Float64()
		return f
	}
	if e := math.Log2(x) * y; e > 1100 {
		return math.Inf(1)
	} else if e < -1200 {
		return 0
	}
	l := logBig(big.NewFloat(x), workBits)
	f, _ := expBig(l.Mul(l, new(big.Float).SetPrec(workBits).SetFloat64(y))).Float64()
	return f
}

// expBig is e**z for |z| < 1000, at workBits.
func expBig(z *big.Float) *big.Float {
	const bits = workBits + 40
	ln2 := ln2Big(bits)
	q, _ := new(big.Float).Quo(z, ln2).Float64()
	k := int(math.Round(q))
	r := new(big.Float).SetPrec(bits).Mul(ln2, big.NewFloat(float64(k)))
	r.Sub(z, r)
	const halvings = 20
	if r.Sign() != 0 {
		r.SetMantExp(r, -halvings)
	}
	sum := new(big.Float).SetPrec(bits).SetInt64(1)
	term := new(big.Float).SetPrec(bits).SetInt64(1)
	for n := int64(1); n < 20; n++ {
		term.Mul(term, r)
		term.Quo(term, new(big.Float).SetInt64(n))
		sum.Add(sum, term)
	}
	for range halvings {
		sum.Mul(sum, sum)
	}
	return sum.SetMantExp(sum, k)
}

// sinCos is the correctly rounded sine and cosine.
func sinCos(x float64) (sin, cos float64) {
	_, exp := math.Frexp(x)
	bits := uint(workBits + 40 + max(exp, 0))
	half := new(big.Float).SetPrec(bits)
	half.SetMantExp(piBig(bits), -1)
	z := new(big.Float).SetPrec(bits).SetFloat64(x)
	turns, _ := new(big.Float).SetPrec(bits).Quo(z, half).Int(nil)
	z.Sub(z, new(big.Float).SetPrec(bits).Mul(half, new(big.Float).SetPrec(bits).SetInt(turns)))
	series := func(n int64) float64 {
		sum := new(big.Float).SetPrec(bits).SetInt64(1)
		if n == 1 {
			sum.Set(z)
		}
		term := new(big.Float).SetPrec(bits).Set(sum)
		zz := new(big.Float).SetPrec(bits).Mul(z, z)
		for i := n + 1; i < 90; i += 2 {
			term.Mul(term, zz)
			term.Quo(term, new(big.Float).SetInt64(-i*(i+1)))
			sum.Add(sum, term)
		}
		f, _ := sum.Float64()
		return f
	}
	s, c := series(1), series(0)
	switch new(big.Int).And(turns, big.NewInt(3)).Int64() {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	}
	return -c, s
}

// round is Python's round(v, digits); digits may be nil.
func round(v, digits any) any {
	if !python.IsNumber(v) {
		python.Raise(python.TypeError, "type %s doesn't define __round__ method", value.TypeName(v))
	}
	f, float := v.(float64)
	if digits == nil {
		if !float {
			return plainInt(v)
		}
		switch {
		case math.IsNaN(f):
			python.Raise(python.ValueError, "cannot convert float NaN to integer")
		case math.IsInf(f, 0):
			python.Raise(python.OverflowError, "cannot convert float infinity to integer")
		}
		n, _ := big.NewFloat(math.RoundToEven(f)).Int(nil)
		return value.Int(n)
	}
	if !python.IsInt(digits) {
		python.Raise(python.TypeError, "'%s' object cannot be interpreted as an integer", value.TypeName(digits))
	}
	d := int64(math.MaxInt32)
	if n := python.BigInt(digits); n.IsInt64() {
		d = max(min(n.Int64(), math.MaxInt32), -math.MaxInt32)
	} else if n.Sign() < 0 {
		d = -d
	}
	if float {
		return roundFloat(f, int(d))
	}
	if d >= 0 {
		return plainInt(v)
	}
	return roundInt(python.BigInt(v), -d)
}

// plainInt turns a bool into an int.
func plainInt(v any) any {
	if _, ok := v.(int64); ok {
		return v
	}
	if n, ok := python.Integer(v); ok {
		return n
	}
	return v
}

// roundInt rounds to a multiple of 10**digits, halves to even.
func roundInt(n *big.Int, digits int64) any {
	if digits > int64(n.BitLen())/3+2 {
		return int64(0)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(digits), nil)
	return value.Int(nearest(n, unit, big.NewInt(1)))
}

// nearest returns the multiple of unit nearest to n/d, halves to even.
func nearest(n, unit, d *big.Int) *big.Int {
	step := new(big.Int).Mul(unit, d)
	q, r := new(big.Int).DivMod(n, step, new(big.Int))
	r.Lsh(r, 1)
	if c := r.Cmp(step); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return q.Mul(q, unit)
}

func roundFloat(f float64, digits int) any {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0) || f == 0 || digits > 323:
		return f
	case digits < -308:
		return 0 * f
	}
	var r float64
	if digits >= 0 {
		r, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'f', digits, 64), 64)
	} else {
		x := new(big.Rat).SetFloat64(math.Abs(f))
		unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-digits)), nil)
		r, _ = new(big.Float).SetInt(nearest(x.Num(), unit, x.Denom())).Float64()
		r = math.Copysign(r, f)
	}
	if math.IsInf(r, 0) {
		python.Raise(python.OverflowError, "rounded value too large to represent")
	}
	return r
}

// parseInt is int(s) for text.
func parseInt(s string) (any, bool) {
	if n := len(s); n > 0 && n < 18 && s[0] >= '0' && s[0] <= '9' {
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return v, true
		}
	}
	t := asciiDigits(python.Strip(s))
	body := strings.TrimLeft(t, "+-")
	if body == "" || len(t)-len(body) > 1 {
		return nil, false
	}
	for i := 0; i < len(body); i++ {
		c := body[i]
		if c == '_' && i > 0 && i+1 < len(body) && body[i-1] != '_' {
			continue
		}
		if c < '0' || c > '9' {
			return nil, false
		}
	}
	t = strings.ReplaceAll(t, "_", "")
	if len(body) > value.MaxDigits {
		python.Raise(python.ValueError, "Exceeds the limit (4300 digits) for integer string conversion: value has %d digits; use "+
			"sys.set_int_max_str_digits() to increase the limit", len(strings.ReplaceAll(body, "_", "")))
	}
	n, ok := new(big.Int).SetString(t, 10)
	if !ok {
		return nil, false
	}
	return value.Int(n), true
}

// toInt is int(v).
func toInt(v any) any {
	switch x := v.(type) {
	case string, value.Bytes:
		text, ok := x.(string)
		if !ok {
			text = string(x.(value.Bytes))
		}
		n, ok := parseInt(text)
		if !ok {
			python.Raise(python.ValueError, "invalid literal for int() with base 10: %s", value.Repr(v))
		}
		return n
	case float64:
		switch {
		case math.IsNaN(x):
			python.Raise(python.ValueError, "cannot convert float NaN to integer")
		case math.IsInf(x, 0):
			python.Raise(python.OverflowError, "cannot convert float infinity to integer")
		}
		n, _ := big.NewFloat(x).Int(nil)
		return value.Int(n)
	}
	if !python.IsNumber(v) {
		python.Raise(python.TypeError, "int() argument must be a string, a bytes-like object or a real number, not '%s'", value.TypeName(v))
	}
	return plainInt(v)
}
