// Package report turns a run directory into things to look at: one static page
// (report.html), a few lines for a terminal, and single plots.
//
// Contract: it reads a run directory through package runlog and nothing else, so
// it works on a live run, a killed one and an old one alike. The page is one file
// without any outside resource; it needs no script to be read (a little of it
// moves a cross-hair over all plots at once), and follows the reader's light or
// dark setting. A metric without a place of its own gets a plot at the end, so
// nothing that was recorded is hidden.
//
// Plots are drawn by hand as SVG (package plot) and not with gonum.org/v1/plot: they
// come out ten times smaller, take their colours from the page's style sheet, and
// carry marks and values for the cross-hair.
//
// Failures: an unreadable run is an error that names the file. Episodes that
// cannot be read leave a sentence on the page in their place.
package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"ballast/durable"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/runlog"
	"ballast/safetext"
)

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	styleText string
	//go:embed page.js
	scriptText string
)

// Look is the style sheet and the script of a page, and the policy that lets its
// browser use these and nothing else.
type Look struct {
	Style  template.CSS
	Script template.JS
	Policy string
}

// NewLook returns the look of a page whose plots have these values, as plot.Frame gives
// them, with a style sheet of its own behind the common one.
func NewLook(values, style string) Look {
	style = plot.CSS + styleText + style
	script := safetext.Block("const DATA = " + values + ";\n" + scriptText) // as Show writes it
	return Look{template.CSS(style), template.JS(script), safetext.Policy(style, script)}
}

// Show writes a page from its template. What strangers wrote into the run is escaped as
// HTML, and as for a terminal.
func Show(w io.Writer, text string, page any) error {
	t, err := template.New("page").Parse(text)
	if err != nil {
		panic(err) // the template is part of the program
	}
	return t.Execute(safetext.Terminal(w), page)
}

// pageHead is how a page begins.
var pageHead = []byte(pageText[:strings.Index(pageText, "<meta name")])

// Ours knows a page of ballast, of this package and others, by its beginning; also one
// that a crash cut short.
func Ours(head []byte) bool {
	return bytes.Contains(head, []byte(" - ballast</title>")) || bytes.HasPrefix(pageHead, head)
}

// Write writes the static page of the run in dir, whole or not at all, and returns its
// path. It needs no lock of the run: a live run has its page too, and of two writers the
// last one's page stays. A file of that name that is no page of ballast is an error.
func Write(dir string) (string, error) {
	if _, err := runlog.Read(dir); err != nil { // before a file is made in it
		return "", fmt.Errorf("report: %w", err)
	}
	path := runlog.Dir(dir).Page()
	if err := durable.Free(path, Ours); err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	var made error
	err := durable.Replace(path, func(w io.Writer) error { made = HTML(w, dir); return made })
	switch {
	case made != nil:
		return "", made
	case err != nil:
		return "", fmt.Errorf("report: %w", err)
	}
	return path, nil
}

// page is what the template shows.
type page struct {
	Run   *run
	Look  Look
	Cards []card
	Text  []string // summary sentences
	Plots
	Zero    []string // metrics that were 0 all the time
	Events  []eventRow
	Samples []sampleGroup
	Note    string // why there are no samples
	Owners  []string
	Status  string
	Bad     bool // the status is not a good one
}

// Plots are those of a page, as its template shows them.
type Plots struct{ Large, Small []figure }

// Draw draws charts in a frame.
func Draw(frame *plot.Frame, charts []*plot.Chart) (p Plots) {
	for _, c := range charts {
		size, list := plot.Small, &p.Small
		if c.Large {
			size, list = plot.Large, &p.Large
		}
		f := figure{ID: c.ID, Title: c.Title, Note: c.Note, SVG: template.HTML(frame.Draw(c, size, false))}
		for _, s := range c.Series {
			if s.Style != plot.Faint {
				f.Legend = append(f.Legend, legend{s.Class, s.Name, c.Format(plot.Last(s.Y))})
			}
		}
		*list = append(*list, f)
	}
	return p
}

// figure is a plot on the page.
type figure struct {
	ID, Title, Note string
	Legend          []legend
	SVG             template.HTML
}

// legend is one series' name and latest value.
type legend struct {
	Class, Name, Last string
}

// card is one key figure.
type card struct {
	Label, Value, Note string
}

// eventRow is one line of the table of events.
type eventRow struct {
	Update     int
	Kind, Text string
}

// HTML writes the static page of the run in dir to w.
func HTML(w io.Writer, dir string) error {
	r, err := load(dir)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	p := page{
		Run: r, Cards: r.cards(), Text: r.sentences(), Events: r.eventRows(),
		Owners: []string{"template", "user", "tool", "policy", "gold"},
	}
	p.Status, p.Bad = r.status()
	frame := r.frame()
	charts, zero := r.charts()
	p.Zero, p.Plots, p.Look = zero, Draw(frame, charts), NewLook(frame.Values(charts), "")
	if p.Samples, err = r.samples(); err != nil {
		p.Note = err.Error()
	}
	if err := Show(w, pageText, &p); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Summary returns what a terminal shows at the end of a run: a few lines with the
// key figures, each ended by a newline.
func Summary(dir string) (string, error) {
	r, err := load(dir)
	if err != nil {
		return "", fmt.Errorf("report: %w", err)
	}
	var b strings.Builder
	for _, s := range r.sentences() {
		fmt.Fprintln(&b, safetext.Line(s))
	}
	if y := r.metrics[monitor.RewardMean]; len(plot.Finite(y)) > 1 {
		fmt.Fprintf(&b, "reward   %s\n", sparkline(y, 48))
	}
	return b.String(), nil
}

// Plot writes one plot of the run in dir as an SVG file of its own, with title
// and legend inside. It follows the reader's light or dark setting.
func Plot(w io.Writer, dir, name string) error {
	r, err := load(dir)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	charts, _ := r.charts()
	var names []string
	for _, c := range charts {
		if c.ID == name {
			_, err := io.WriteString(w, r.frame().Draw(c, plot.File, true))
			return err
		}
		names = append(names, c.ID)
	}
	return fmt.Errorf("report: the run has no plot %q; it has %s", name, strings.Join(names, ", "))
}
