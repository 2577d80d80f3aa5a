package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Numbers as people read them, and the little statistics the page needs.

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// finite returns the finite values.
func finite(y []float64) (out []float64) {
	for _, v := range y {
		if isFinite(v) {
			out = append(out, v)
		}
	}
	return out
}

// sum adds the finite values.
func sum(y []float64) (s float64) {
	for _, v := range finite(y) {
		s += v
	}
	return s
}

// mean is the mean of the finite values, NaN if there are none.
func mean(y []float64) float64 {
	f := finite(y)
	return sum(f) / float64(len(f))
}

// last is the last finite value, NaN if there is none.
func last(y []float64) float64 {
	if f := finite(y); len(f) > 0 {
		return f[len(f)-1]
	}
	return math.NaN()
}

// smooth is the mean over width values up to each one's neighbours; what is not
// finite stays so.
func smooth(y []float64, width int) []float64 {
	out := make([]float64, len(y))
	for i := range y {
		out[i] = math.NaN()
		if isFinite(y[i]) {
			out[i] = mean(y[max(0, i-width/2):min(len(y), i+width/2+1)])
		}
	}
	return out
}

// short formats a number with 3 significant digits.
func short(v float64) string {
	switch a := math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return fmt.Sprint(v)
	case a == 0:
		return "0"
	case a >= 10000 || a < 0.001:
		s := strconv.FormatFloat(v, 'e', 1, 64)
		mantissa, exponent, _ := strings.Cut(s, "e")
		n, _ := strconv.Atoi(exponent)
		return strings.TrimSuffix(mantissa, ".0") + "e" + strconv.Itoa(n)
	default:
		return strconv.FormatFloat(roundTo(v, 3), 'f', -1, 64)
	}
}

// roundTo rounds to significant digits.
func roundTo(v float64, digits int) float64 {
	if v == 0 || !isFinite(v) {
		return v
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	return r
}

// percent formats a share.
func percent(v float64) string {
	if !isFinite(v) {
		return "-"
	}
	return strconv.FormatFloat(math.Abs(100*v), 'f', 1, 64) + "%"
}

// count formats a number of things: 950, 12.3k, 4.5M.
func count(v float64) string {
	switch {
	case !isFinite(v):
		return "-"
	case v >= 1e9:
		return fmt.Sprintf("%.1fG", v/1e9)
	case v >= 1e6:
		return fmt.Sprintf("%.1fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.1fk", v/1e3)
	}
	return short(math.Round(v))
}

// duration formats seconds.
func duration(s float64) string {
	switch n := int(math.Round(s)); {
	case s < 60:
		return fmt.Sprintf("%.1f s", s)
	case n < 3600:
		return fmt.Sprintf("%d min %02d s", n/60, n%60)
	default:
		return fmt.Sprintf("%d h %02d min", n/3600, n/60%60)
	}
}

// plural is "1 update", "2 updates".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// join lists values.
func join(y []float64) string {
	var parts []string
	for _, v := range finite(y) {
		parts = append(parts, fmt.Sprintf("%.3f", v))
	}
	return strings.Join(parts, ", then ")
}

// sparkline draws values as a row of block characters at most width wide.
func sparkline(y []float64, width int) string {
	f := finite(y)
	if len(f) > width {
		mean := make([]float64, width)
		for i := range mean {
			a, b := i*len(f)/width, (i+1)*len(f)/width
			mean[i] = sum(f[a:b]) / float64(b-a)
		}
		f = mean
	}
	low, high := f[0], f[0]
	for _, v := range f {
		low, high = min(low, v), max(high, v)
	}
	var b strings.Builder
	for _, v := range f {
		level := 0
		if high > low {
			level = int((v - low) / (high - low) * 7.999)
		}
		b.WriteRune(rune(0x2581 + level)) // U+2581 to U+2588, one to eight eighths
	}
	return fmt.Sprintf("%.3f %s %.3f", f[0], b.String(), f[len(f)-1])
}
