// Package plot draws a run's metrics over its updates as SVG: lines, stacked areas
// and points with intervals, with phases and events marked. Colours are classes
// of CSS, which follows the reader's light or dark setting.
//
// Contract: pure functions from numbers to text; NaN leaves a gap, infinities are
// not drawn. Nothing fails. Names and texts are escaped.
package plot

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"strings"

	"ballast/safetext"
)

// CSS is the style sheet of the plots; a page that shows them needs it once.
//
//go:embed plot.css
var CSS string

// Style says how a series is drawn.
type Style int

// The styles.
const (
	Line  Style = iota
	Faint       // in the background, without a legend: the raw values of a smoothed line
	Dots        // single points with intervals, joined by a thin line
	Area        // stacked on the areas before it
)

// Series is one curve. Y (and Low, High: intervals of dots, the band of a line) has a
// value for every update of the frame, or for every element of X where that is set;
// NaN leaves a gap.
type Series struct {
	Name      string
	Class     string // colour: a class of plot.css
	Style     Style
	X         []int
	Y         []float64
	Low, High []float64
}

// Chart is one plot.
type Chart struct {
	ID, Title, Note string
	Large           bool
	Percent         bool // values are shares, in [0,1]
	Log             bool // values are positive; 0 is drawn at the bottom
	Full            bool // the axis goes up to 1 at least
	Series          []Series
}

// Format formats a value for the legend.
func (c *Chart) Format(v float64) string {
	if c.Percent && !c.Log {
		return Percent(v)
	}
	return Short(v)
}

// Size is that of a drawing in its own units, about pixels.
type Size struct{ W, H float64 }

// The sizes of plots on a page, and of one in a file of its own.
var (
	Large = Size{620, 240}
	Small = Size{300, 140}
	File  = Size{820, 340}
)

// Frame is what all plots of a run share: the axis of updates, and what happened.
type Frame struct {
	X      []int // indices of the updates
	Lo, Hi int   // ends of the axis
	// Across is what the axis below counts, updates where it is empty, and Names what stands below it at Lo, Lo+1, ... in
	// the place of numbers.
	Across string
	Names  []string
	Bands  []Band
	Marks  []Mark
}

// Mark is a thing that happened at an update: a line of a class of the page's style, or a
// small triangle below the axis.
type Mark struct {
	Update int
	Class  string
	Text   string
	Below  bool
}

// Band is a phase: updates From+1 to To.
type Band struct {
	From, To int
	Name     string
}

// margins of the plot area.
const left, right, top, bottom = 42.0, 8.0, 16.0, 22.0

// drawing is a plot in the making.
type drawing struct {
	strings.Builder
	frame      *Frame
	chart      *Chart
	x0, y0     float64 // lower left corner of the plot area
	w, h       float64 // its Size
	low, high  float64 // ends of the value axis; decades if Log
	step       float64 // between its numbers; unused if Log
	logScale   bool
	standalone bool
}

// Draw returns the plot as an svg element; a standalone one is a file of its own.
// Names and texts of strangers are harmless in it.
func (f *Frame) Draw(c *Chart, s Size, standalone bool) string {
	d := &drawing{frame: f, chart: c, x0: left, y0: s.H - bottom, w: s.W - left - right, h: s.H - bottom - top,
		logScale: c.Log, standalone: standalone}
	head := 0.0
	if standalone {
		head = 46
		d.y0 += head
	}
	d.scale()
	fmt.Fprintf(d, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" role="img" class="plot" data-plot="%g %g %d %d"><title>%s</title>`,
		s.W, s.H+head, d.x0, d.w, f.Lo, f.Hi, html.EscapeString(c.Title))
	if standalone {
		fmt.Fprintf(d, `<style>%s</style><rect class="paper" width="%g" height="%g"/>`, CSS, s.W, s.H+head)
		d.heading()
	}
	d.axes()
	d.stack()
	for _, one := range c.Series {
		switch one.Style {
		case Line, Faint:
			d.ribbon(one)
			d.curve(one)
		case Dots:
			d.points(one)
		}
	}
	d.happenings()
	fmt.Fprintf(d, `<line class="cross" x1="0" x2="0" y1="%.1f" y2="%.1f"/></svg>`, d.y0-d.h, d.y0)
	return safetext.Block(d.String()) // escaped as markup it is already
}

// scale chooses the ends of the value axis.
func (d *drawing) scale() {
	low, high := math.Inf(1), math.Inf(-1)
	total := make([]float64, len(d.frame.X)) // of stacked areas
	see := func(y []float64) {
		for _, v := range y {
			if v = drawn(v); IsFinite(v) && (v > 0 || !d.logScale) {
				low, high = min(low, v), max(high, v)
			}
		}
	}
	for _, s := range d.chart.Series {
		if s.Style == Area {
			for i, v := range s.Y {
				if IsFinite(v) {
					total[i] = drawn(total[i] + drawn(v))
				}
			}
			see(total)
			continue
		}
		see(s.Y)
		see(s.Low)
		see(s.High)
	}
	if math.IsInf(low, 1) {
		low, high = 0, 1
		if d.logScale {
			low = 1e-3
		}
	}
	if d.logScale {
		d.low = math.Floor(math.Log10(max(low, 1e-8)))
		d.high = max(d.low+1, math.Ceil(math.Log10(high)))
		return
	}
	d.low, d.high = min(0, low), max(0, high)
	if d.chart.Full {
		d.high = max(1, d.high)
	}
	if d.low == d.high {
		d.high = d.low + 1
	}
	d.step = tickStep(d.high-d.low, d.h)
	d.low, d.high = d.step*math.Floor(d.low/d.step+1e-9), d.step*math.Ceil(d.high/d.step-1e-9)
}

// The ends of what is drawn as it is: what is larger is drawn at the end, what is
// smaller as 0, so that no distance on an axis overflows or vanishes.
const (
	mostDrawn  = 1e300
	leastDrawn = 1e-300
)

// drawn is a finite value as it is drawn.
func drawn(v float64) float64 {
	if math.Abs(v) < leastDrawn {
		return 0
	}
	if IsFinite(v) {
		return min(mostDrawn, max(-mostDrawn, v))
	}
	return v
}

// px and py map an update and a value to the drawing.
func (d *drawing) px(update int) float64 {
	if d.frame.Hi == d.frame.Lo {
		return d.x0 + d.w/2
	}
	return d.x0 + d.w*float64(update-d.frame.Lo)/float64(d.frame.Hi-d.frame.Lo)
}

func (d *drawing) py(v float64) float64 {
	if v = drawn(v); d.logScale {
		v = max(d.low, math.Log10(max(v, 1e-300)))
	}
	return d.y0 - d.h*(v-d.low)/(d.high-d.low)
}

// heading writes title and legend into a standalone plot.
func (d *drawing) heading() {
	fmt.Fprintf(d, `<text class="head" x="%g" y="20">%s, by %s</text>`, d.x0, html.EscapeString(d.chart.Title),
		html.EscapeString(cmp.Or(d.frame.Across, "update")))
	x := d.x0
	for _, s := range d.chart.Series {
		if s.Style == Faint {
			continue
		}
		name := s.Name
		if v := Last(s.Y); IsFinite(v) {
			name += " " + d.chart.Format(v)
		}
		fmt.Fprintf(d, `<rect class="%s fill" x="%.1f" y="32" width="10" height="10" rx="2"/><text x="%.1f" y="41">%s</text>`,
			s.Class, x, x+15, html.EscapeString(name))
		x += 15 + 6.3*float64(len(name)) + 16
	}
}

// curve draws a line, broken where values are missing; a lone value is a dot.
func (d *drawing) curve(s Series) {
	var path strings.Builder
	for i := 0; i < len(s.Y); i++ {
		if !IsFinite(s.Y[i]) {
			continue
		}
		start := i
		for ; i < len(s.Y) && IsFinite(s.Y[i]); i++ {
			letter := 'L'
			if i == start {
				letter = 'M'
			}
			fmt.Fprintf(&path, "%c%.1f %.1f", letter, d.px(d.frame.X[i]), d.py(s.Y[i]))
		}
		if i == start+1 {
			path.WriteString("h.01") // a round cap makes it a dot
		}
	}
	class := "line"
	if s.Style == Faint {
		class = "faint"
	}
	fmt.Fprintf(d, `<path class="%s %s" d="%s"/>`, s.Class, class, path.String())
}

// ribbon shades the interval around a line, piece by piece.
func (d *drawing) ribbon(s Series) {
	var path strings.Builder
	for i := 0; i < len(s.High); i++ {
		start := i
		for i < len(s.High) && IsFinite(s.Low[i]) && IsFinite(s.High[i]) {
			i++
		}
		letter := 'M'
		for k := start; k < i; k++ {
			fmt.Fprintf(&path, "%c%.1f %.1f", letter, d.px(d.frame.X[k]), d.py(s.High[k]))
			letter = 'L'
		}
		for k := i - 1; k >= start; k-- {
			fmt.Fprintf(&path, "L%.1f %.1f", d.px(d.frame.X[k]), d.py(s.Low[k]))
		}
		if i > start {
			path.WriteByte('Z')
		}
	}
	if path.Len() > 0 {
		fmt.Fprintf(d, `<path class="%s fill ribbon" d="%s"/>`, s.Class, path.String())
	}
}

// points draws points with intervals.
func (d *drawing) points(s Series) {
	x := s.X
	if x == nil {
		x = d.frame.X
	}
	var path, marks strings.Builder
	letter := 'M'
	for i, v := range s.Y {
		if !IsFinite(v) {
			continue
		}
		px, py := d.px(x[i]), d.py(v)
		fmt.Fprintf(&path, "%c%.1f %.1f", letter, px, py)
		letter = 'L'
		note := ""
		if s.High != nil && s.High[i] > s.Low[i] {
			fmt.Fprintf(&marks, `<line class="%s whisker" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/>`, s.Class, px, px, d.py(s.Low[i]), d.py(s.High[i]))
			note = fmt.Sprintf(" (%s to %s)", d.chart.Format(s.Low[i]), d.chart.Format(s.High[i]))
		}
		fmt.Fprintf(&marks, `<circle class="%s fill dot" cx="%.1f" cy="%.1f" r="3.4"><title>%s after update %d: %s%s</title></circle>`,
			s.Class, px, py, html.EscapeString(s.Name), x[i], d.chart.Format(v), note)
	}
	fmt.Fprintf(d, `<path class="%s thin" d="%s"/>%s`, s.Class, path.String(), marks.String())
}

// stack draws the areas of the chart on each other.
func (d *drawing) stack() {
	base := make([]float64, len(d.frame.X))
	for _, s := range d.chart.Series {
		if s.Style != Area {
			continue
		}
		var path strings.Builder
		for i := 0; i < len(s.Y); i++ {
			if !IsFinite(s.Y[i]) {
				continue
			}
			start := i
			for i < len(s.Y) && IsFinite(s.Y[i]) {
				i++
			}
			d.block(&path, s.Y, base, start, i)
		}
		for i, v := range s.Y {
			if IsFinite(v) {
				base[i] = drawn(base[i] + drawn(v))
			}
		}
		fmt.Fprintf(d, `<path class="%s fill area" d="%s"/>`, s.Class, path.String())
	}
}

// block draws one unbroken piece [start, end) of an area over its base.
func (d *drawing) block(path *strings.Builder, y, base []float64, start, end int) {
	x := func(i int) float64 { return d.px(d.frame.X[i]) }
	if end == start+1 { // a lone value gets a narrow bar
		fmt.Fprintf(path, "M%.1f %.1fV%.1fh4V%.1fZ", x(start)-2, d.py(base[start]), d.py(drawn(base[start])+drawn(y[start])), d.py(base[start]))
		return
	}
	letter := 'M'
	for i := start; i < end; i++ {
		fmt.Fprintf(path, "%c%.1f %.1f", letter, x(i), d.py(drawn(base[i])+drawn(y[i])))
		letter = 'L'
	}
	for i := end - 1; i >= start; i-- {
		fmt.Fprintf(path, "L%.1f %.1f", x(i), d.py(base[i]))
	}
	path.WriteByte('Z')
}

// happenings draws the marks: below the axis, or by a line.
func (d *drawing) happenings() {
	for _, m := range d.frame.Marks {
		x := d.px(min(max(m.Update, d.frame.Lo), d.frame.Hi))
		title := html.EscapeString(fmt.Sprintf("update %d, %s: %s", m.Update, m.Class, m.Text))
		if m.Below {
			fmt.Fprintf(d, `<path class="saved" d="M%.1f %.1fl-3 5h6z"><title>%s</title></path>`, x, d.y0+1, title)
			continue
		}
		fmt.Fprintf(d, `<g class="mark %s"><line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><circle cx="%.1f" cy="%.1f" r="3.5"/><title>%s</title></g>`,
			html.EscapeString(m.Class), x, x, d.y0-d.h, d.y0, x, d.y0-d.h, title)
	}
}

// Values returns what the cross-hair shows, as JSON: the updates, and for every
// chart by id its format and the values of each series in the legend.
func (f *Frame) Values(charts []*Chart) string {
	type entry struct {
		Percent bool         `json:"pct"`
		Y       [][]*float64 `json:"y"`
	}
	index := map[int]int{}
	for i, u := range f.X {
		index[u] = i
	}
	all := map[string]entry{}
	for _, c := range charts {
		e := entry{Percent: c.Percent && !c.Log}
		for _, s := range c.Series {
			if s.Style == Faint {
				continue
			}
			row := make([]*float64, len(f.X))
			for i, v := range s.Y {
				at, ok := i, true
				if s.X != nil {
					at, ok = index[s.X[i]], false
					if s.X[i] >= f.Lo {
						_, ok = index[s.X[i]]
					}
				}
				if ok && IsFinite(v) {
					row[at] = new(round(v, 4))
				}
			}
			e.Y = append(e.Y, row)
		}
		all[c.ID] = e
	}
	data, err := json.Marshal(map[string]any{"x": f.X, "charts": all})
	if err != nil {
		panic(err) // all values are finite
	}
	return string(data)
}
