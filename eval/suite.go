package eval

import (
	"fmt"
	"maps"
	"math"
	"strings"

	"ballast"
	"ballast/safetext"
)

// Part is one evaluation of a suite.
type Part struct {
	Name   string `json:"part"`
	Set    string `json:"tasks"`
	Format string `json:"format,omitempty"`
	Words  string `json:"words,omitempty"`
	// Unfit is why it cannot be played with this model; it has no result then.
	Unfit  string  `json:"unfit,omitempty"`
	Result *Result `json:"result,omitempty"`
	// Difference is to the part that the suite's are compared with: this less that. nil for that part itself, and where no task was
	// played in both.
	Difference *Difference `json:"difference,omitempty"`
	// Same says that every reply is that of the part that is compared with, word for word: what the part changes did not reach the
	// model, or moved nothing.
	Same bool `json:"same_replies,omitempty"`
	// Columns are those of the suite, and last their mean; nil where the suite has none.
	Columns []Cell `json:"columns,omitempty"`

	categories map[string]string // of tasks
}

// Cell is a part's figure in one column: of one category, or the mean of all columns, which all weigh alike.
type Cell struct {
	Title string   `json:"title"`
	Rate  *float64 `json:"rate"` // null where nothing was played
	Lo    float64  `json:"lo"`   // the 95% interval
	Hi    float64  `json:"hi"`
	// Difference is to the part that is compared with.
	Difference *Span `json:"difference,omitempty"`
}

// Span is a figure with its interval.
type Span struct {
	Mean float64 `json:"mean"`
	Lo   float64 `json:"lo"`
	Hi   float64 `json:"hi"`
}

// Column is a category that has a column of its own.
type Column struct{ Title, Category string }

// SuiteResult is what came of a suite.
type SuiteResult struct {
	Suite   string `json:"suite"`
	Doc     string `json:"-"`
	Against string `json:"against"` // the part that the others are compared with
	Parts   []Part `json:"parts"`

	columns []Column
}

// NewSuite begins a result; columns may be nil.
func NewSuite(name, doc, against string, columns []Column) *SuiteResult {
	return &SuiteResult{Suite: name, Doc: doc, Against: against, columns: columns}
}

// Add adds the result of a part.
func (s *SuiteResult) Add(p Part, tasks []ballast.Task, res Result) {
	p.Result, p.categories = &res, make(map[string]string, len(tasks))
	for i := range tasks {
		p.categories[tasks[i].ID] = tasks[i].Category
	}
	s.Parts = append(s.Parts, p)
}

// Close compares the parts, once all are there.
func (s *SuiteResult) Close() {
	var base *Part
	for i := range s.Parts {
		if p := &s.Parts[i]; p.Name == s.Against && p.Result != nil {
			base = p
		}
	}
	for i := range s.Parts {
		p := &s.Parts[i]
		if p.Result == nil {
			continue
		}
		other := base
		if p == base {
			other = nil
		}
		if other != nil {
			if d := Compare(base.Result.Episodes, p.Result.Episodes); d.Pairs > 0 {
				p.Difference = &d
				p.Same = alike(base.Result.Episodes, p.Result.Episodes)
			}
		}
		if s.columns != nil {
			p.Columns = s.cells(p, other)
		}
	}
}

// alike reports whether two evaluations of the same tasks have the same replies, not all of them empty.
func alike(a, b []ballast.Episode) bool {
	said := false
	replies := func(eps []ballast.Episode) map[string]string {
		out := make(map[string]string, len(eps))
		for i := range eps {
			var text strings.Builder
			for _, turn := range eps[i].Turns {
				for _, step := range turn.Steps {
					fmt.Fprintf(&text, "%q ", step.Text)
					said = said || step.Text != ""
				}
			}
			out[eps[i].Task] = text.String()
		}
		return out
	}
	return maps.Equal(replies(a), replies(b)) && said
}

// cells are a part's figures by column, and their mean.
func (s *SuiteResult) cells(p, base *Part) (out []Cell) {
	mean, differ := average{}, average{}
	for _, c := range s.columns {
		cell := Cell{Title: c.Title}
		if n := p.Result.Categories[c.Category]; n.All > 0 {
			rate := n.Rate()
			cell.Rate = &rate
			cell.Lo, cell.Hi = n.Wilson()
			mean.add(Span{rate, cell.Lo, cell.Hi})
			if base != nil {
				if d := Compare(base.of(c.Category), p.of(c.Category)); d.Pairs > 0 {
					cell.Difference = &Span{d.Mean, d.Lo, d.Hi}
					differ.add(*cell.Difference)
				}
			}
		}
		out = append(out, cell)
	}
	last := Cell{Title: "Avg"}
	if n := len(s.columns); mean.n == n { // the mean of some columns is another figure
		all := mean.of()
		last.Rate, last.Lo, last.Hi = &all.Mean, all.Lo, all.Hi
		if differ.n == n {
			d := differ.of()
			last.Difference = &d
		}
	}
	return append(out, last)
}

// of are the episodes of a category.
func (p *Part) of(category string) (out []ballast.Episode) {
	for i := range p.Result.Episodes {
		if ep := &p.Result.Episodes[i]; p.categories[ep.Task] == category {
			out = append(out, *ep)
		}
	}
	return out
}

// average is the mean of independent figures. Its interval joins theirs by the method of variance estimates recovery (Zou
// and Donner, Statistics in Medicine 27, 2008): the distances to the ends add up in squares.
type average struct {
	n                  int
	mean, below, above float64
}

func (a *average) add(s Span) {
	a.n++
	a.mean += s.Mean
	a.below += (s.Mean - s.Lo) * (s.Mean - s.Lo)
	a.above += (s.Hi - s.Mean) * (s.Hi - s.Mean)
}

func (a *average) of() Span {
	n := float64(a.n)
	m := a.mean / n
	return Span{m, m - math.Sqrt(a.below)/n, m + math.Sqrt(a.above)/n}
}

// Table is the result for a terminal: a row for every part, with the drop against the part that is compared with.
func (s *SuiteResult) Table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "suite %s: %s\n", s.Suite, s.Doc)
	width := len("  drop")
	for i := range s.Parts {
		width = max(width, len(s.title(&s.Parts[i])))
	}
	if s.columns != nil {
		s.wide(&b, width)
		s.same(&b)
		return b.String()
	}
	fmt.Fprintf(&b, "%-*s %9s %7s  %-14s  %6s  %s\n", width, "part", "played", "success", "95% interval", "drop", "95% interval")
	for i := range s.Parts {
		p := &s.Parts[i]
		fmt.Fprintf(&b, "%-*s ", width, s.title(p))
		if p.Result == nil {
			fmt.Fprintf(&b, "not played: %s\n", safetext.Line(p.Unfit))
			continue
		}
		c := p.Result.Total
		fmt.Fprintf(&b, "%4d/%-4d ", c.OK, c.All)
		rate(&b, c.share())
		if d := p.Difference; d != nil {
			fmt.Fprintf(&b, "  %s", drop(Span{d.Mean, d.Lo, d.Hi}))
		} else if p.Name != s.Against {
			b.WriteString("       -  -")
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "drop: success of part %s less that of the row, in points, on the tasks that both played (Newcombe's interval for "+
		"pairs)\n", safetext.Line(s.Against))
	s.same(&b)
	return b.String()
}

// same names the parts whose drop of 0 says nothing.
func (s *SuiteResult) same(b *strings.Builder) {
	for i := range s.Parts {
		if p := &s.Parts[i]; p.Same {
			fmt.Fprintf(b, "part %s: every reply is that of part %s, word for word: its prompts do not show what it changes (a template may "+
				"leave the documentation of tools out), or the model heeds none of it\n", safetext.Line(p.Name), safetext.Line(s.Against))
		}
	}
}

// title is a part's name in a table. The part that is compared with says its format, where the others are formats.
func (s *SuiteResult) title(p *Part) string {
	name := safetext.Line(p.Name)
	if p.Name == s.Against && p.Format != "" && s.formats() {
		name += ": " + safetext.Line(p.Format)
	}
	return name
}

// formats says that the parts differ by their format.
func (s *SuiteResult) formats() bool {
	for i := range s.Parts {
		if s.Parts[i].Format != s.Parts[0].Format {
			return s.columns == nil
		}
	}
	return false
}

// drop writes by how much less a part has, in points.
func drop(s Span) string {
	return fmt.Sprintf("%+6.1f  [%+6.1f, %+6.1f]", 0-100*s.Mean, 0-100*s.Hi, 0-100*s.Lo)
}

// wide is the table of a suite with columns.
func (s *SuiteResult) wide(b *strings.Builder, width int) {
	const column = 26
	row := func(name string, cell func(Cell) string, p *Part) {
		fmt.Fprintf(b, "%-*s", width, name)
		for _, c := range p.Columns {
			fmt.Fprintf(b, "  %-*s", column, cell(c))
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "%-*s", width, "part")
	for _, c := range s.columns {
		fmt.Fprintf(b, "  %-*s", column, c.Title)
	}
	b.WriteString("  Avg\n")
	for i := range s.Parts {
		p := &s.Parts[i]
		if p.Result == nil {
			fmt.Fprintf(b, "%-*s  not played: %s\n", width, safetext.Line(p.Name), safetext.Line(p.Unfit))
			continue
		}
		row(safetext.Line(p.Name), func(c Cell) string {
			if c.Rate == nil {
				return "-"
			}
			return fmt.Sprintf("%5.1f%% [%5.1f, %5.1f]", 100**c.Rate, 100*c.Lo, 100*c.Hi)
		}, p)
		if p.Difference != nil {
			row("  drop", func(c Cell) string {
				if c.Difference == nil {
					return "-"
				}
				return drop(*c.Difference)
			}, p)
		}
	}
	fmt.Fprintf(b, "Avg: the mean of the columns, which weigh alike; drop: part %s less the row, in points; intervals are of 95%%\n",
		safetext.Line(s.Against))
}
