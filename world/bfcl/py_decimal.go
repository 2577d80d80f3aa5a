package bfcl

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"ballast/value"
	"ballast/world/python"
)

// decimal is a Python Decimal: (-1)**neg * coef * 10**exp, or a special value.
type decimal struct {
	neg     bool
	coef    *big.Int
	exp     int
	special string // "NaN", "Infinity" or ""
}

func (*decimal) TypeName() string { return "decimal.Decimal" }

// EqualTo is identity: decimals are answered, never kept.
func (d *decimal) EqualTo(other any) bool { return d == other }

// AppendRepr writes Decimal('...').
func (d *decimal) AppendRepr(dst []byte) []byte {
	return fmt.Appendf(dst, "Decimal('%s')", d.String())
}

// String is the scientific form of the decimal specification.
func (d *decimal) String() string {
	sign := ""
	if d.neg {
		sign = "-"
	}
	if d.special != "" {
		return sign + d.special
	}
	digits := d.coef.String()
	left := d.exp + len(digits) // digits left of the point
	point := 1
	if d.exp <= 0 && left > -6 {
		point = left
	}
	var body string
	switch {
	case point <= 0:
		body = "0." + strings.Repeat("0", -point) + digits
	case point >= len(digits):
		body = digits + strings.Repeat("0", point-len(digits))
	default:
		body = digits[:point] + "." + digits[point:]
	}
	if left != point {
		body += fmt.Sprintf("E%+d", left-point)
	}
	return sign + body
}

// newDecimal is Decimal(v) of a number: exact.
func newDecimal(v any) *decimal {
	f, ok := v.(float64)
	if !ok {
		n := python.BigInt(v)
		return &decimal{neg: n.Sign() < 0, coef: new(big.Int).Abs(n)}
	}
	switch {
	case math.IsNaN(f):
		return &decimal{special: "NaN"}
	case math.IsInf(f, 0):
		return &decimal{special: "Infinity", neg: f < 0}
	}
	d := &decimal{neg: math.Signbit(f)}
	r := new(big.Rat)
	r.SetFloat64(math.Abs(f)) // n / 2**k = n * 5**k / 10**k
	k := r.Denom().BitLen() - 1
	d.coef = new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(k)), nil)
	d.coef.Mul(d.coef, r.Num())
	d.exp = -k
	return d
}

// maxPrecision bounds the digits that square_root and logarithm compute.
const maxPrecision = 5000

// sqrt is d.sqrt() in a context of prec digits that rounds half to even.
func (d *decimal) sqrt(prec int) *decimal {
	if d.special != "" {
		return d
	}
	if d.coef.Sign() == 0 {
		return &decimal{neg: d.neg, coef: d.coef, exp: d.exp >> 1}
	}
	// The integer root of the coefficient, scaled to prec+1 digits.
	work := prec + 1
	e := d.exp >> 1
	c := new(big.Int).Set(d.coef)
	n := len(c.String())
	l := (n + 1) >> 1
	if d.exp&1 != 0 {
		c.Mul(c, big.NewInt(10))
		l = n>>1 + 1
	}
	shift := work - l
	scale := ten(2 * abs(shift))
	exact := true
	if shift >= 0 {
		c.Mul(c, scale)
	} else {
		rest := new(big.Int)
		c.QuoRem(c, scale, rest)
		exact = rest.Sign() == 0
	}
	e -= shift
	root := new(big.Int).Sqrt(c)
	if exact && new(big.Int).Mul(root, root).Cmp(c) == 0 {
		if shift >= 0 { // as many zeros as were added come off again
			root.Quo(root, ten(shift))
		} else {
			root.Mul(root, ten(-shift))
		}
		e += shift
	} else if new(big.Int).Mod(root, big.NewInt(5)).Sign() == 0 {
		root.Add(root, big.NewInt(1)) // so that rounding sees it is not exact
	}
	return (&decimal{coef: root, exp: e}).round(prec)
}

// round cuts the coefficient to prec digits, halves to even.
func (d *decimal) round(prec int) *decimal {
	over := len(d.coef.String()) - prec
	if over <= 0 {
		return d
	}
	unit := ten(over)
	c := nearest(d.coef, unit, big.NewInt(1))
	c.Quo(c, unit)
	if len(c.String()) > prec {
		c.Quo(c, big.NewInt(10))
		over++
	}
	return &decimal{neg: d.neg, coef: c, exp: d.exp + over}
}

func ten(n int) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}

// precision is the assignment getcontext().prec = v.
func precision(v any) int {
	if !python.IsInt(v) {
		python.Raise(python.TypeError, "an integer is required (got type %s)", value.TypeName(v))
	}
	n := python.BigInt(v)
	if !n.IsInt64() {
		python.Raise(python.OverflowError, "Python int too large to convert to C ssize_t")
	}
	if n.Int64() < 1 || n.Int64() > 999999999999999999 {
		python.Raise(python.ValueError, "valid range for prec is [1, MAX_PREC]")
	}
	if n.Int64() > maxPrecision {
		python.Raise(python.OtherError, "precision %s is too large", strconv.FormatInt(n.Int64(), 10))
	}
	return int(n.Int64())
}
