package plot

import (
	"fmt"
	"math"
	"slices"
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
		out[i] = Mean(y[max(0, i-width/2):min(len(y), i+width/2+1)])
	}
	return out
}

// Thin averages neighbours: width values become one.
func Thin(y []float64, width int) []float64 {
	if width == 1 {
		return y
	}
	var out []float64
	for part := range slices.Chunk(y, width) {
		out = append(out, Mean(part))
	}
	return out
}

// Mean is the mean of the finite values, NaN of none. It does not overflow.
func Mean(y []float64) float64 {
	list, sum := Finite(y), 0.0
	for _, v := range list {
		sum += v
	}
	n := float64(len(list))
	if IsFinite(sum) {
		return sum / n
	}
	sum = 0
	for _, v := range list {
		sum += v / n
	}
	return sum
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
		return strconv.FormatFloat(round(v, 3), 'f', -1, 64)
	}
}

// round rounds to significant digits.
func round(v float64, digits int) float64 {
	if v == 0 || !IsFinite(v) {
		return v
	}
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil { // rounded up beyond the largest number
		return v
	}
	return r
}

// Percent formats a share.
func Percent(v float64) string {
	if !IsFinite(v) {
		return "-"
	}
	if v > 1e6 || v < -1e6 { // no share
		return Short(v) + " of 1"
	}
	return strconv.FormatFloat(math.Abs(100*v), 'f', 1, 64) + "%"
}

// Count formats a number of things: 950, 12.3k, 4.5M.
func Count(v float64) string {
	switch {
	case !IsFinite(v):
		return "-"
	case v >= 1e12 || v <= -1e12:
		return Short(v)
	case v >= 1e9:
		return Short(v/1e9) + "G"
	case v >= 1e6:
		return Short(v/1e6) + "M"
	case v >= 1e4:
		return Short(v/1e3) + "k"
	}
	return Short(math.Round(v))
}
