package bfcl

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// String writes at most digits decimal digits, rounding half up on the first one
// that is cut, fixed between 1e-digits/3 (at least 1e-5) and 1e+digits.
func (m mpf) String() string {
	switch {
	case m.f == nil:
		return "nan"
	case m.f.IsInf() && m.f.Sign() > 0:
		return "+inf"
	case m.f.IsInf():
		return "-inf"
	case m.f.Sign() == 0:
		return "0.0"
	}
	digits, exp, ok := m.usual()
	if !ok {
		digits, exp = m.rounded()
	}
	s, split := string(digits), 1
	if min(-(m.digits/3), -5) < exp && exp < m.digits {
		if exp < 0 {
			s = strings.Repeat("0", -exp) + s
		} else {
			split = exp + 1
		}
		exp = 0
	}
	s = strings.TrimRight(s[:split]+"."+s[split:], "0")
	if strings.HasSuffix(s, ".") {
		s += "0"
	}
	if m.f.Sign() < 0 {
		s = "-" + s
	}
	if exp != 0 {
		s += fmt.Sprintf("e%+d", exp)
	}
	return s
}

// rounded returns the digits and the exponent of the first one.
func (m mpf) rounded() (digits []byte, exp int) {
	// Truncated digits, far more of them than are looked at.
	text := new(big.Float).SetPrec(m.f.Prec()).SetMode(big.ToZero).Abs(m.f).Text('e', m.digits+60)
	digits, exp = scientific(text)
	up := digits[m.digits] >= '5'
	digits = digits[:m.digits]
	if up {
		i := m.digits - 1
		for i >= 0 && digits[i] == '9' {
			digits[i] = '0'
			i--
		}
		if i >= 0 {
			digits[i]++
		} else {
			digits[0] = '1'
			exp++
		}
	}
	return digits, exp
}

// usual is rounded for what is a float64, and no tie: its digits are those of any
// other correct rounding.
func (m mpf) usual() (digits []byte, exp int, ok bool) {
	f, accuracy := m.f.Float64()
	if accuracy != big.Exact || m.digits > 16 {
		return nil, 0, false
	}
	f = math.Abs(f)
	if digits, _ = scientific(strconv.FormatFloat(f, 'e', m.digits, 64)); digits[m.digits] == '5' {
		return nil, 0, false // or nearly one
	}
	digits, exp = scientific(strconv.FormatFloat(f, 'e', m.digits-1, 64))
	return digits, exp, true
}

// scientific takes d.ddde+dd apart.
func scientific(text string) (digits []byte, exp int) {
	mantissa, e, _ := strings.Cut(text, "e")
	exp, err := strconv.Atoi(e)
	if err != nil {
		panic(err)
	}
	return []byte(strings.Replace(mantissa, ".", "", 1)), exp
}
