package plot

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	for _, row := range []struct{ got, want string }{
		{Short(0), "0"}, {Short(0.123456), "0.123"}, {Short(12.34), "12.3"}, {Short(1234), "1230"}, {Short(45678), "45.7k"},
		{Short(2.5e-7), "2.5e-7"}, {Short(2e-7), "2e-7"}, {Short(-45678), "-4.6e4"}, {Short(math.NaN()), "-"}, {Short(math.Inf(1)), "+Inf"},
		{Percent(0.5), "50.0%"}, {Percent(-1e-17), "0.0%"}, {Percent(math.NaN()), "-"},
		{Count(950), "950"}, {Count(31000), "31k"}, {Count(4.52e6), "4.52M"}, {Count(1e9), "1G"},
		{axisLabel(0.25, 0.05), "0.25"}, {axisLabel(0.5, 0.25), "0.50"}, {axisLabel(7.5, 2.5), "7.5"}, {axisLabel(3, 1), "3"}, {axisLabel(1e-18, 1), "0"}, {axisLabel(20000, 5000), "20k"},
	} {
		if row.got != row.want {
			t.Errorf("%q, want %q", row.got, row.want)
		}
	}
}

func TestTickStep(t *testing.T) {
	for _, row := range []struct{ span, pixels, want float64 }{{1, 200, 0.25}, {0.6, 200, 0.2}, {150, 380, 20}, {3, 100, 1}, {8e-4, 200, 2e-4}} {
		if got := tickStep(row.span, row.pixels); math.Abs(got-row.want) > 1e-9*row.want {
			t.Errorf("span %g in %g pixels: %g, want %g", row.span, row.pixels, got, row.want)
		}
	}
}

var numbers = regexp.MustCompile(`[-+]?[0-9]*\.?[0-9]+(?:e[-+]?[0-9]+)?`)

// check fails unless svg is XML whose shapes lie within a size.
func check(t *testing.T, svg string, s Size) {
	t.Helper()
	dec := xml.NewDecoder(strings.NewReader(svg))
	for {
		tok, err := dec.Token()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		e, ok := tok.(xml.StartElement)
		if !ok || e.Name.Local == "svg" {
			continue
		}
		for _, a := range e.Attr {
			if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
				t.Fatalf("%s=%q in\n%s", a.Name.Local, a.Value, svg)
			}
			if a.Name.Local != "d" {
				continue
			}
			for _, n := range numbers.FindAllString(a.Value, -1) {
				if v, _ := strconv.ParseFloat(n, 64); v < -10 || v > s.W+s.H {
					t.Fatalf("%q leaves the drawing", a.Value)
				}
			}
		}
	}
}

// TestAnyValues draws random charts: gaps, infinities, constants, zeros, negatives, and
// numbers at the ends of what a float64 holds.
func TestAnyValues(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	all := []float64{0, 1, -1, 0.5, 1e-30, 1e30, math.NaN(), math.Inf(1), math.Inf(-1), rng.NormFloat64(),
		math.MaxFloat64, -math.MaxFloat64, 1.7e308, math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64, 1e-310, 2.3e-308}
	few := all
	value := func() float64 { return few[rng.IntN(len(few))] }
	for round := range 4000 {
		if few = all; round%2 == 1 { // equal values, or two of them
			i := rng.IntN(len(all))
			few = all[i:min(len(all), i+1+rng.IntN(2))]
		}
		n := rng.IntN(6)
		f := &Frame{Marks: []Mark{{Update: rng.IntN(9), Class: []string{"alarm", "checkpoint", "<b>"}[rng.IntN(3)], Text: `"<&>`, Below: rng.IntN(2) == 0}}}
		for i := range n {
			f.X = append(f.X, i*2+1)
		}
		if n > 0 {
			f.Lo, f.Hi = 1, f.X[n-1]
			f.Bands = []Band{{0, f.Hi / 2, "sft<"}, {f.Hi / 2, f.Hi, "rl"}}
		}
		c := &Chart{ID: "c", Title: "<title>", Large: rng.IntN(2) == 0, Percent: rng.IntN(2) == 0, Log: rng.IntN(2) == 0, Full: rng.IntN(2) == 0}
		for k := range 1 + rng.IntN(3) {
			s := Series{Name: fmt.Sprint("<", k, ">"), Class: "c1", Style: Style(rng.IntN(4))}
			for range n {
				v := value()
				if s.Style == Area { // shares and counts
					v = math.Abs(v)
				}
				s.Y, s.Low, s.High = append(s.Y, v), append(s.Low, v), append(s.High, v)
			}
			c.Series = append(c.Series, s)
		}
		small := f.Draw(c, Small, false)
		if len(small) > 30_000 {
			t.Fatalf("%d bytes for %d points: %.2000s", len(small), n, small)
		}
		check(t, small, Small)
		check(t, f.Draw(c, File, true), File)
		if !json.Valid([]byte(f.Values([]*Chart{c}))) {
			t.Fatalf("not JSON: %s", f.Values([]*Chart{c}))
		}
	}
}

// TestCurve looks at the coordinates of a line with a gap and a lone point.
func TestCurve(t *testing.T) {
	f := &Frame{X: []int{0, 1, 2, 3, 4}, Lo: 0, Hi: 4}
	c := &Chart{Series: []Series{{Name: "a", Class: "c1", Y: []float64{0, 1, math.NaN(), 1, math.NaN()}}}}
	svg := f.Draw(c, Size{left + right + 100, top + bottom + 50}, false)
	want := fmt.Sprintf(`d="M%.1f %.1fL%.1f %.1fM%.1f %.1fh.01"`, left, top+50, left+25, top, left+75, top)
	if !strings.Contains(svg, want) {
		t.Errorf("no %s in\n%s", want, svg)
	}
}

// TestAcross: an axis of something else than updates has its name in the heading and its own words below.
func TestAcross(t *testing.T) {
	f := &Frame{X: []int{0, 1, 2}, Hi: 2, Across: "a & b", Names: []string{"1", "4", "<16>"}}
	svg := f.Draw(&Chart{Title: "seconds", Series: []Series{{Y: []float64{1, 2, 3}}}}, File, true)
	for _, want := range []string{">seconds, by a &amp; b<", ">1</text>", ">4</text>", ">&lt;16&gt;</text>"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %s in\n%s", want, svg)
		}
	}
}

// TestValues: points with updates of their own land at those updates.
func TestValues(t *testing.T) {
	f := &Frame{X: []int{1, 2, 3}, Lo: 0, Hi: 3}
	c := &Chart{ID: "r", Percent: true, Series: []Series{
		{Style: Faint, Y: []float64{9, 9, 9}},
		{Y: []float64{0.12345678, math.NaN(), 1}},
		{Style: Dots, X: []int{0, 2}, Y: []float64{0.5, 0.75}},
	}}
	want := `{"charts":{"r":{"pct":true,"y":[[0.1235,null,1],[null,0.75,null]]}},"x":[1,2,3]}`
	if got := f.Values([]*Chart{c}); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
}

// TestMean: the mean of finite values is finite.
func TestMean(t *testing.T) {
	for _, c := range []struct {
		y    []float64
		want float64
	}{{[]float64{1, 2, math.NaN(), 6}, 3}, {[]float64{1.7e308, 1.7e308}, 1.7e308}, {[]float64{math.MaxFloat64, -math.MaxFloat64}, 0}, {[]float64{math.Inf(1), 4}, 4}} {
		if got := Mean(c.y); math.Abs(got-c.want) > 1e-9*math.Abs(c.want) {
			t.Errorf("%v: %v, want %v", c.y, got, c.want)
		}
	}
	if got := Mean(nil); !math.IsNaN(got) {
		t.Errorf("the mean of nothing is %v", got)
	}
}

func TestCSSIsASCII(t *testing.T) {
	if bytes.ContainsFunc([]byte(CSS), func(r rune) bool { return r > 126 }) {
		t.Error("plot.css is not ASCII")
	}
}
