package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
)

// axes draws the grid, its numbers, and the phases behind everything.
func (d *drawing) axes() {
	for i, b := range d.frame.Bands {
		if len(d.frame.Bands) == 1 {
			break
		}
		x := d.px(max(b.From, d.frame.Lo))
		class := "band"
		if i%2 == 1 {
			class = "band odd"
		}
		fmt.Fprintf(d, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, class, x, d.y0-d.h, d.px(b.To)-x, d.h)
		if d.chart.Large {
			fmt.Fprintf(d, `<text class="phase" x="%.1f" y="%.1f">%s</text>`, x+3, d.y0-d.h-5, html.EscapeString(b.Name))
		}
	}
	grid := func(y float64, label string) {
		fmt.Fprintf(d, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text class="num" x="%.1f" y="%.1f">%s</text>`,
			d.x0, d.x0+d.w, y, y, d.x0-6, y+3.5, label)
	}
	if d.logScale {
		every := math.Ceil((d.high - d.low) / math.Max(1, math.Floor(d.h/26)))
		for e := d.high; e >= d.low-1e-9; e -= every {
			grid(d.py(math.Pow(10, e)), Short(math.Pow(10, e)))
		}
	} else {
		for i := 0; ; i++ {
			v := d.low + float64(i)*d.step
			if v > d.high+d.step/100 || i > mostTicks {
				break
			}
			label := axisLabel(v, d.step)
			if d.chart.Percent {
				label = axisLabel(100*v, 100*d.step) + "%"
			}
			grid(d.py(v), label)
		}
	}
	step := max(1, int(tickStep(float64(max(1, d.frame.Hi-d.frame.Lo)), d.w/1.4)))
	for u, n := (d.frame.Lo+step-1)/step*step, 0; u <= d.frame.Hi && n < mostTicks; u, n = u+step, n+1 {
		name := strconv.Itoa(u)
		if i := u - d.frame.Lo; i < len(d.frame.Names) {
			name = d.frame.Names[i]
		}
		fmt.Fprintf(d, `<text class="upd" x="%.1f" y="%.1f">%s</text>`, min(d.px(u), d.x0+d.w+right-half(name)), d.y0+15, html.EscapeString(name))
	}
}

// half is about half of the width of a text at the axis.
func half(text string) float64 { return 3.2 * float64(len(text)) }

// mostTicks bounds the numbers of an axis.
const mostTicks = 60

// axisLabel formats a multiple of step with as many decimals as step has.
func axisLabel(v, step float64) string {
	switch a := math.Abs(v); {
	case a < step/100:
		return "0"
	case step >= 1000:
		return Count(v)
	case step < 1e-4:
		return Short(v)
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	if s := step * math.Pow(10, float64(decimals)); math.Abs(s-math.Round(s)) > 1e-6 {
		decimals++ // 2.5, 0.25, ...
	}
	return fmt.Sprintf("%.*f", decimals, v)
}

// tickStep is a round number that divides a span into a few parts.
func tickStep(span, pixels float64) float64 {
	raw := span / max(3, math.Round(pixels/45))
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if raw <= m*unit*1.0001 {
			return m * unit
		}
	}
	return 10 * unit
}
