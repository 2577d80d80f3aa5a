package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ballast/report/plot"
)

// Numbers as people read them, and the little statistics the page needs.

// sum adds the finite values.
func sum(y []float64) (s float64) {
	for _, v := range plot.Finite(y) {
		s += v
	}
	return s
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
	for _, v := range plot.Finite(y) {
		parts = append(parts, fmt.Sprintf("%.3f", v))
	}
	return strings.Join(parts, ", then ")
}

// decimal has three decimals, or, of numbers that are long that way, a power of ten.
func decimal(v float64) string {
	if math.Abs(v) >= 1e9 {
		return plot.Short(v)
	}
	return fmt.Sprintf("%.3f", v)
}

// sparkline draws values as a row of block characters at most width wide.
func sparkline(y []float64, width int) string {
	f := plot.Finite(y)
	if len(f) > width {
		mean := make([]float64, width)
		for i := range mean {
			a, b := i*len(f)/width, (i+1)*len(f)/width
			mean[i] = plot.Mean(f[a:b])
		}
		f = mean
	}
	low, high := slices.Min(f), slices.Max(f)
	var b strings.Builder
	for _, v := range f {
		level := 0
		if span := high/2 - low/2; span > 0 { // of halves: their difference does not overflow
			level = int((v/2 - low/2) / span * 7.999)
		}
		b.WriteRune(rune(0x2581 + level)) // U+2581 to U+2588, one to eight eighths
	}
	return fmt.Sprintf("%s %s %s", decimal(f[0]), b.String(), decimal(f[len(f)-1]))
}
