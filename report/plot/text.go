package plot

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Numbers as people read them.

// IsFinite tells whether v is a number that can be drawn.
func IsFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Finite returns the finite values.
func Finite(y []float64) (out []float64) {
	for _, v := range y {
		if IsFinite(v) {
			out = append(out, v)
		}
	}
	return out
}

// Last is the last finite value, NaN if there is none.
func Last(y []float64) float64 {
	if f := Finite(y); len(f) > 0 {
		return f[len(f)-1]
	}
	return math.NaN()
}

// Smooth is the mean of the finite ones among width values around each; what is not
// finite stays so.
func Smooth(y []float64, width int) []float64 {
	out := make([]float64, len(y))
	for i := range y {
		out[i] = math.NaN()
		if !IsFinite(y[i]) {
			continue
		}
		near, sum := Finite(y[max(0, i-width/2):min(len(y), i+width/2+1)]), 0.0
		for _, v := range near {
			sum += v
		}
		out[i] = sum / float64(len(near))
	}
	return out
}

// Short formats a number with 3 significant digits.
func Short(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return fmt.Sprint(v)
	case a == 0:
		return "0"
	case a >= 10000 && v > 0 && a < 1e12:
		return Count(v)
	case a >= 10000 || a < 0.001:
		s := strconv.FormatFloat(v, 'e', 1, 64)
		mantissa, exponent, _ := strings.Cut(s, "e")
		n, _ := strconv.Atoi(exponent)
		return strings.TrimSuffix(mantissa, ".0") + "e" + strconv.Itoa(n)
	default:
		return strconv.FormatFloat(Round(v, 3), 'f', -1, 64)
	}
}

// Round rounds to significant digits.
func Round(v float64, digits int) float64 {
	if v == 0 || !IsFinite(v) {
		return v
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	return r
}

// Percent formats a share.
func Percent(v float64) string {
	if !IsFinite(v) {
		return "-"
	}
	return strconv.FormatFloat(math.Abs(100*v), 'f', 1, 64) + "%"
}

// Count formats a number of things: 950, 12.3k, 4.5M.
func Count(v float64) string {
	switch {
	case !IsFinite(v):
		return "-"
	case v >= 1e9:
		return Short(v/1e9) + "G"
	case v >= 1e6:
		return Short(v/1e6) + "M"
	case v >= 1e4:
		return Short(v/1e3) + "k"
	}
	return Short(math.Round(v))
}
