package bfcl

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strings"
	"sync"

	"ballast/value"
	"ballast/world/python"
)

// mpf is an mpmath real: a binary float of any precision, which has one zero and
// one NaN. The printed digits belong to it.
type mpf struct {
	f      *big.Float // nil is NaN
	digits int        // most decimal digits of the repr
}

// mpc is an mpmath complex number.
type mpc struct{ re, im mpf }

func (mpf) TypeName() string { return "mpf" }
func (mpc) TypeName() string { return "mpc" }

// EqualTo is never asked: the numbers are answered, not kept.
func (m mpf) EqualTo(any) bool { return false }

// EqualTo is never asked: the numbers are answered, not kept.
func (m mpc) EqualTo(any) bool { return false }

// AppendRepr writes mpf('...').
func (m mpf) AppendRepr(dst []byte) []byte {
	return append(append(append(dst, "mpf('"...), m.String()...), "')"...)
}

// AppendRepr writes mpc(real='...', imag='...').
func (m mpc) AppendRepr(dst []byte) []byte {
	return fmt.Appendf(dst, "mpc(real='%s', imag='%s')", m.re.String(), m.im.String())
}

// mpContext is mpmath's precision: bits, and digits of a repr.
type mpContext struct {
	bits   uint
	digits int
}

const bitsPerDigit = 3.3219280948873626

// newMP is the assignment mp.dps = v.
func newMP(v any) mpContext {
	dps := toInt(v)
	exact := python.ToFloat(python.Add("+", dps, int64(1))) * bitsPerDigit
	switch {
	case math.IsInf(exact, 0):
		python.Raise(python.OverflowError, "cannot convert float infinity to integer")
	case exact > maxPrecision*bitsPerDigit:
		python.Raise(python.OtherError, "%s", str("precision ", dps, " is too large"))
	}
	bits := max(1, int(math.RoundToEven(max(exact, 0))))
	digits := max(1, int(math.RoundToEven(float64(bits)/bitsPerDigit))-1)
	if digits == 15 {
		digits = 17
	} else {
		digits += 3
	}
	return mpContext{uint(bits), digits}
}

// convert is mpmath's conversion of an argument; ok is false for NaN.
func (c mpContext) convert(v any) (x *big.Float, ok bool) {
	switch v := v.(type) {
	case float64:
		if math.IsNaN(v) {
			return nil, false
		}
		return big.NewFloat(v), true
	case bool, int64, *big.Int:
		n := python.BigInt(v)
		return new(big.Float).SetPrec(uint(max(n.BitLen(), 1))).SetInt(n), true
	case string:
		t := python.LowerText(python.Strip(v))
		if t == "nan" {
			return nil, false
		}
		if x := c.parse(t); x != nil {
			return x, true
		}
		if t := strings.ReplaceAll(python.LowerText(v), " ", ""); strings.Contains(t, "j") {
			if !complexPattern.MatchString(t) {
				python.Raise("AttributeError", "'NoneType' object has no attribute 'group'")
			}
			python.Raise(python.OtherError, "complex numbers are not supported") // a deviation
		}
	}
	python.Raise(python.TypeError, "%s", "cannot create mpf from "+value.Repr(v))
	return nil, false
}

// complexPattern is what mpmath takes for a complex literal.
var complexPattern = regexp.MustCompile(`^\(?([+-]?\d*(\.\d*)?(e[+-]?\d+)?)??([+-]?\d*(\.\d*)?(e[+-]?\d+)?j)?\)?$`)

// maxExponent bounds the decimal exponents of text.
const maxExponent = 20000

// parse reads decimal text, or a fraction of two integers, rounded to the
// precision; nil if it is neither.
func (c mpContext) parse(s string) *big.Float {
	switch s {
	case "inf", "+inf":
		return new(big.Float).SetInf(false)
	case "-inf":
		return new(big.Float).SetInf(true)
	}
	rounded := func(p, q *big.Int) *big.Float {
		if q.Sign() == 0 {
			python.Raise("ZeroDivisionError", "")
		}
		return new(big.Float).SetPrec(c.bits).SetRat(new(big.Rat).SetFrac(p, q))
	}
	if n, d, ok := strings.Cut(s, "/"); ok {
		p, ok1 := parseInt(strings.TrimRight(n, "l"))
		q, ok2 := parseInt(strings.TrimRight(d, "l"))
		if !ok1 || !ok2 {
			return nil
		}
		return rounded(python.BigInt(p), python.BigInt(q))
	}
	s = strings.TrimRight(s, "l")
	if _, ok := parseFloat(s); !ok {
		return nil
	}
	mantissa, e, hasExp := strings.Cut(s, "e")
	exp := any(int64(0))
	if hasExp {
		exp, _ = parseInt(e)
	}
	whole, part, _ := strings.Cut(mantissa, ".")
	part = strings.TrimRight(part, "0")
	man, ok := parseInt(whole + part)
	n, small := exp.(int64)
	if !ok {
		return nil
	}
	if n -= int64(len(part)); !small || n > maxExponent || n < -maxExponent {
		python.Raise(python.OtherError, "exponent %s is too large", e)
	}
	if n >= 0 {
		return rounded(new(big.Int).Mul(python.BigInt(man), ten(int(n))), big.NewInt(1))
	}
	return rounded(python.BigInt(man), ten(int(-n)))
}

// log is mpmath.log(v): real for v >= 0, complex below.
func (c mpContext) log(v any) (re, im *big.Float, complex bool) {
	x, ok := c.convert(v)
	if !ok {
		return nil, nil, false
	}
	if x.Sign() < 0 {
		pi := new(big.Float).SetPrec(c.bits).Set(piBig(c.bits + 64))
		return logBig(new(big.Float).SetPrec(x.Prec()).Abs(x), c.bits), pi, true
	}
	return logBig(x, c.bits), new(big.Float), false
}

// logarithm is mpmath.log(v) / mpmath.log(base).
func (c mpContext) logarithm(v, base any) any {
	a, b, complex1 := c.log(v)
	p, q, complex2 := c.log(base)
	real := func(f *big.Float) mpf { return mpf{f, c.digits} }
	switch {
	case !complex1 && !complex2:
		return real(c.div(a, p))
	case !complex2:
		return mpc{real(c.div(a, p)), real(c.div(b, p))}
	}
	// (a+bi)/(p+qi), with the sums cut to ten more bits.
	size := c.add(c.mul(p, p), c.mul(q, q))
	re, im := c.mul(a, p), c.neg(c.mul(a, q))
	if complex1 {
		re = c.add(re, c.mul(b, q))
		im = c.add(c.mul(b, p), im)
	}
	return mpc{real(c.div(re, size)), real(c.div(im, size))}
}

// The operations take nil for NaN.

// defined runs an operation that may be undefined (inf-inf, 0*inf).
func defined(f func() *big.Float) (z *big.Float) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(big.ErrNaN); !ok {
				panic(r)
			}
			z = nil
		}
	}()
	return f()
}

// mul multiplies exactly.
func (c mpContext) mul(x, y *big.Float) *big.Float {
	if x == nil || y == nil {
		return nil
	}
	return defined(func() *big.Float { return new(big.Float).SetPrec(x.Prec()+y.Prec()+1).Mul(x, y) })
}

func (c mpContext) add(x, y *big.Float) *big.Float {
	if x == nil || y == nil {
		return nil
	}
	return defined(func() *big.Float {
		return new(big.Float).SetPrec(c.bits+10).SetMode(big.ToZero).Add(x, y)
	})
}

func (c mpContext) neg(x *big.Float) *big.Float {
	if x == nil {
		return nil
	}
	return new(big.Float).Neg(x)
}

func (c mpContext) div(x, y *big.Float) *big.Float {
	if y != nil && y.Sign() == 0 {
		python.Raise("ZeroDivisionError", "")
	}
	if x == nil || y == nil {
		return nil
	}
	return defined(func() *big.Float { return new(big.Float).SetPrec(c.bits).Quo(x, y) })
}

// logBig is the natural logarithm of x >= 0, rounded to bits.
func logBig(x *big.Float, bits uint) *big.Float {
	one := big.NewFloat(1)
	switch {
	case x.Sign() == 0:
		return new(big.Float).SetInf(true)
	case x.IsInf():
		return new(big.Float).SetInf(false)
	case x.Cmp(one) == 0:
		return new(big.Float).SetPrec(bits)
	}
	if y := logFloat(x, bits); y != nil {
		return y
	}
	work := bits + 64
	far := new(big.Float).SetPrec(x.Prec()+64).Sub(x, one)
	if e := far.MantExp(nil); e < 0 { // near 1 the terms cancel
		work += uint(-e)
	}
	if work <= cachedBits-64 {
		return logSeries(x, work).SetPrec(bits)
	}
	// The arithmetic-geometric mean: log s = pi / (2 M(1, 4/s)) for large s.
	m := int(work)/2 + 8 - x.MantExp(nil)
	s := new(big.Float).SetPrec(work)
	s.SetMantExp(x, m)
	l := agmLog(s, work)
	t := new(big.Float).SetPrec(work).Mul(ln2Big(work), new(big.Float).SetPrec(64).SetInt64(int64(m)))
	return new(big.Float).SetPrec(bits).Sub(l, t)
}

// logFloat is logBig for what is a float64 and few bits, or nil where the float
// logarithm does not tell which way they are rounded. Its error is below one unit in
// the last place; sixteen are allowed for.
func logFloat(x *big.Float, bits uint) *big.Float {
	f, accuracy := x.Float64()
	if bits > 44 || accuracy != big.Exact || f < 0x1p-1000 {
		return nil
	}
	y := math.Log(f)
	margin := math.Abs(y) * 0x1p-48
	low := new(big.Float).SetPrec(bits).SetFloat64(y - margin)
	if high := new(big.Float).SetPrec(bits).SetFloat64(y + margin); low.Cmp(high) != 0 {
		return nil
	}
	return low
}

// cachedBits is the precision of the constants that are kept.
const cachedBits = 1024

var (
	cachedLn2 = sync.OnceValue(func() *big.Float { return computeLn2(cachedBits) })
	cachedPi  = sync.OnceValue(func() *big.Float { return computePi(cachedBits) })
)

// fixed is f in units of 2**-bits.
func fixed(f *big.Float, bits uint) *big.Int {
	n, _ := new(big.Float).SetMantExp(f, int(bits)).Int(nil)
	return n
}

// logSeries is log x for x != 1: with x = m * 2**e and y the float logarithm of
// m, it is e*log 2 + y + log(m * exp(-y)), whose argument is 1 up to a rounding
// error of y. Numbers are integers in units of 2**-w.
func logSeries(x *big.Float, bits uint) *big.Float {
	w := bits + 32
	m := new(big.Float)
	e := x.MantExp(m)
	f, _ := m.Float64()
	if f < math.Sqrt2/2 {
		m.SetMantExp(m, 1)
		f *= 2
		e--
	}
	y := fixed(big.NewFloat(math.Log(f)), w)
	// exp(-y) = exp(-y / 2**k) ** 2**k, by Taylor's series.
	const k = 8
	r := new(big.Int).Neg(y)
	r.Rsh(r, k)
	one := new(big.Int).Lsh(big.NewInt(1), w)
	exp, term, n := new(big.Int).Set(one), new(big.Int).Set(one), new(big.Int)
	for i := int64(1); term.BitLen() > 1; i++ {
		term.Rsh(term.Mul(term, r), w)
		term.Quo(term, n.SetInt64(i))
		exp.Add(exp, term)
	}
	for range k {
		exp.Rsh(exp.Mul(exp, exp), w)
	}
	d := exp.Rsh(exp.Mul(exp, fixed(m, w)), w)
	d.Sub(d, one)
	sum, power := y, one.Set(d)
	for i := int64(1); power.BitLen() > 1; i++ { // log(1+d)
		sum.Add(sum, term.Quo(power, n.SetInt64(i)))
		power.Rsh(power.Mul(power, d), w)
		power.Neg(power)
	}
	if e != 0 {
		sum.Add(sum, term.Mul(fixed(ln2Big(w), w), n.SetInt64(int64(e))))
	}
	z := new(big.Float).SetPrec(w + 32).SetInt(sum)
	return z.SetMantExp(z, -int(w))
}

// agmLog is log s for s beyond 2**(bits/2).
func agmLog(s *big.Float, bits uint) *big.Float {
	a := new(big.Float).SetPrec(bits).SetInt64(1)
	b := new(big.Float).SetPrec(bits).Quo(new(big.Float).SetInt64(4), s)
	b = agm(a, b, bits)
	b.SetMantExp(b, 1)
	return b.Quo(piBig(bits), b)
}

// agm is the arithmetic-geometric mean. The gap squares in every round, so half
// the bits of agreement are enough for one last mean.
func agm(a, b *big.Float, bits uint) *big.Float {
	for {
		mean := new(big.Float).SetPrec(bits).Add(a, b)
		mean.SetMantExp(mean, -1)
		gap := new(big.Float).SetPrec(bits).Sub(a, b)
		if gap.Sign() == 0 || gap.MantExp(nil) < mean.MantExp(nil)-int(bits)/2-2 {
			return mean
		}
		root := new(big.Float).SetPrec(bits).Mul(a, b)
		a, b = mean, root.Sqrt(root)
	}
}

// ln2Big is log 2 to at least the precision; nobody writes to the result.
func ln2Big(bits uint) *big.Float {
	if bits <= cachedBits {
		return cachedLn2()
	}
	return computeLn2(bits)
}

func computeLn2(bits uint) *big.Float {
	bits += 32
	m := int(bits)/2 + 8
	s := new(big.Float).SetPrec(bits).SetInt64(1)
	s.SetMantExp(s, m)
	l := agmLog(s, bits)
	return l.Quo(l, new(big.Float).SetInt64(int64(m)))
}

// piBig is pi to at least the precision; nobody writes to the result.
func piBig(bits uint) *big.Float {
	if bits <= cachedBits {
		return cachedPi()
	}
	return computePi(bits)
}

// computePi iterates after Gauss and Legendre.
func computePi(bits uint) *big.Float {
	bits += 32
	flt := func() *big.Float { return new(big.Float).SetPrec(bits) }
	a, b, t := flt().SetInt64(1), flt().Sqrt(flt().SetFloat64(0.5)), flt().SetFloat64(0.25)
	for k := 0; ; k++ {
		mean := flt().Add(a, b)
		mean.SetMantExp(mean, -1)
		d := flt().Sub(a, mean)
		if d.Sign() == 0 || d.MantExp(nil) < -int(bits)/2 {
			sum := flt().Add(a, b)
			sum.Mul(sum, sum)
			t.SetMantExp(t, 2)
			return sum.Quo(sum, t)
		}
		b = flt().Sqrt(flt().Mul(a, b))
		d.Mul(d, d)
		d.SetMantExp(d, k)
		t.Sub(t, d)
		a = mean
	}
}
