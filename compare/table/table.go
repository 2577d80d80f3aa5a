// Package table writes tables of figures over replicates: text for a terminal,
// Markdown for documents, CSV and JSON for programs.
//
// Contract: texts of strangers, such as names of runs, are harmless in all of them. A
// figure is a mean with half of a 95% t interval over replicates, of two
// replicates both values, of one its value, with its own interval where it has one; what a
// replicate lacks counts for nothing in it. In a table with a column n, the number of a
// row's replicates, a figure that not all of them have says how many had it.
//
// How it fails: a table has at least one column and no row is longer than its head, else
// it panics; errors are those of what it writes to.
package table

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"ballast/safetext"
)

// Unit is how a figure is written.
type Unit int

// The units.
const (
	Share  Unit = iota // in percent
	Number             // as it is, three digits
	Time               // seconds, as minutes
	Tokens             // counted in thousands
	Whole              // without decimals
)

// Cell is a text, or a figure over replicates.
type Cell struct {
	Text string
	Stat *Stat
	Unit Unit
}

// Table is a table for people (Text, Markdown) and for programs (CSV, JSON).
type Table struct {
	Name  string // of files and of places in documents
	Title string
	Notes []string // below it
	Head  []string
	Rows  [][]Cell
}

// Textf is a cell with a text.
func Textf(format string, args ...any) Cell { return Cell{Text: fmt.Sprintf(format, args...)} }

// Figure is a cell with a figure.
func Figure(s Stat, u Unit) Cell { return Cell{Stat: &s, Unit: u} }

// scale is what a figure is multiplied by, and with how many decimals it is written.
func (u Unit) scale() (factor float64, decimals int) {
	switch u {
	case Share:
		return 100, 1
	case Time:
		return 1.0 / 60, 1
	case Tokens:
		return 1e-3, 1
	case Whole:
		return 1, 0
	}
	return 1, 3
}

// String is the cell for people: mean +- half of the 95% interval, or the values where
// there are too few for one, with the number of replicates where it is not all of n.
func (c Cell) String() string { return c.of(0) }

// of is String where a row has n replicates in all; 0 stands for not known.
func (c Cell) of(n int) string {
	s := c.Stat
	switch {
	case s == nil:
		return safetext.Line(c.Text)
	case s.N == 0:
		return "-"
	}
	k, d := c.Unit.scale()
	text := func(v float64) string { return strconv.FormatFloat(k*v, 'f', d, 64) }
	out := text(s.Mean)
	switch {
	case len(s.Values) > 1:
		out = text(s.Values[0])
		for _, v := range s.Values[1:] {
			out += " / " + text(v)
		}
	case s.N == 1 && s.High > 0:
		out += " [" + text(s.Low) + ", " + text(s.High) + "]"
	case !math.IsNaN(s.Half):
		out += " +- " + text(s.Half)
	}
	if n > 0 && s.N != n {
		out += fmt.Sprintf(" (%d)", s.N)
	}
	return out
}

// texts are the table's cells as people read them. A column named n says how many
// replicates a row has.
func (t *Table) texts() [][]string {
	var head []string
	for _, h := range t.Head {
		head = append(head, safetext.Line(h))
	}
	out := [][]string{head}
	for _, row := range t.Rows {
		n := 0
		for i, c := range row {
			if t.Head[i] == "n" {
				n, _ = strconv.Atoi(c.Text)
			}
		}
		var line []string
		for _, c := range row {
			line = append(line, c.of(n))
		}
		out = append(out, line)
	}
	return out
}

// Kinds says in words what the table's figures are, as far as it has them: of how many
// replicates, called things, and of what alone the interval of a single one is.
func (t *Table) Kinds(things, alone string) string {
	var many, two, one, own bool
	for _, row := range t.Rows {
		for _, c := range row {
			if s := c.Stat; s != nil {
				many, two = many || s.N >= Enough, two || s.N == 2
				one, own = one || s.N == 1, own || s.N == 1 && s.High > 0
			}
		}
	}
	var parts []string
	if many {
		parts = append(parts, "mean +- half of a 95% t interval over the "+things)
	}
	if two {
		parts = append(parts, "of two "+things+" both values")
	}
	switch {
	case own:
		parts = append(parts, "of one its value and the 95% Wilson interval over its "+alone)
	case one && (many || two):
		parts = append(parts, "of one its value")
	}
	return strings.Join(parts, "; ")
}

// Text is all tables for a terminal.
func Text(tables []Table) string {
	var parts []string
	for i := range tables {
		parts = append(parts, tables[i].Text())
	}
	return strings.Join(parts, "\n")
}

// Markdown is all tables for a document.
func Markdown(tables []Table) string {
	var parts []string
	for i := range tables {
		parts = append(parts, "### "+safetext.Markdown(tables[i].Title)+"\n\n"+tables[i].Markdown())
	}
	return strings.Join(parts, "\n")
}

// Text is the table for a terminal.
func (t *Table) Text() string {
	rows := t.texts()
	width := make([]int, len(t.Head))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], len(c))
		}
	}
	var b strings.Builder
	if t.Title != "" {
		fmt.Fprintln(&b, safetext.Line(t.Title))
	}
	for _, row := range rows {
		line := fmt.Sprintf("%-*s", width[0], row[0])
		for i, c := range row[1:] {
			line += fmt.Sprintf("  %*s", width[i+1], c)
		}
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
	}
	for _, n := range t.Notes {
		b.WriteString(wrap(safetext.Line(n), 100))
	}
	return b.String()
}

// wrap breaks a sentence into indented lines of at most width bytes.
func wrap(s string, width int) string {
	var b strings.Builder
	line := " "
	for word := range strings.FieldsSeq(s) {
		if len(line)+1+len(word) > width {
			fmt.Fprintln(&b, line)
			line = " "
		}
		line += " " + word
	}
	fmt.Fprintln(&b, line)
	return b.String()
}

// sentence keeps notes, which are sentences of this program with names in them, from
// holding links and markup.
var sentence = strings.NewReplacer("<", "&lt;", "[", `\[`)

// Markdown is the table for a document.
func (t *Table) Markdown() string {
	var b strings.Builder
	line := func(cells []string) {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	escaped := func(cells []string) (out []string) {
		for _, c := range cells {
			out = append(out, safetext.Markdown(c))
		}
		return out
	}
	rows := t.texts()
	rule := []string{"---"}
	for range t.Head[1:] {
		rule = append(rule, "---:")
	}
	line(escaped(rows[0]))
	line(rule)
	for _, row := range rows[1:] {
		line(escaped(row))
	}
	for _, n := range t.Notes {
		fmt.Fprintf(&b, "\n%s\n", sentence.Replace(safetext.Line(n)))
	}
	return b.String()
}

// CSV writes the table with three columns for every figure: mean, half of the 95%
// interval (empty where there is none, as under three replicates) and number of
// replicates. Shares are in [0,1], times in seconds; a text that a spreadsheet would take
// for a formula gets an apostrophe in front.
func (t *Table) CSV(w io.Writer) error {
	numeric := make([]bool, len(t.Head))
	for _, row := range t.Rows {
		for i, c := range row {
			numeric[i] = numeric[i] || c.Stat != nil
		}
	}
	var head []string
	for i, h := range t.Head {
		h = safetext.Cell(h)
		head = append(head, h)
		if numeric[i] {
			head = append(head, h+" ci95", h+" n")
		}
	}
	out := csv.NewWriter(w)
	if err := out.Write(head); err != nil {
		return err
	}
	number := func(v float64) string {
		if math.IsNaN(v) {
			return ""
		}
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	for _, row := range t.Rows {
		var line []string
		for i, c := range row {
			switch {
			case c.Stat != nil:
				line = append(line, number(c.Stat.Mean), number(c.Stat.Half), strconv.Itoa(c.Stat.N))
			case numeric[i]:
				line = append(line, safetext.Cell(c.Text), "", "")
			default:
				line = append(line, safetext.Cell(c.Text))
			}
		}
		if err := out.Write(line); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// MarshalJSON gives name, title, notes and the rows as objects by column; a figure
// is {mean, ci95, n}, with null for what is not known, values of fewer than three
// replicates, and low and high of the interval of a single one.
func (t Table) MarshalJSON() ([]byte, error) {
	known := func(v float64) any {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return v
	}
	rows := []map[string]any{}
	for _, row := range t.Rows {
		m := map[string]any{}
		for i, c := range row {
			if m[t.Head[i]] = c.Text; c.Stat != nil {
				figure := map[string]any{"mean": known(c.Stat.Mean), "ci95": known(c.Stat.Half), "n": c.Stat.N}
				if len(c.Stat.Values) > 0 {
					figure["values"] = c.Stat.Values
				}
				if c.Stat.High > 0 {
					figure["low"], figure["high"] = c.Stat.Low, c.Stat.High
				}
				m[t.Head[i]] = figure
			}
		}
		rows = append(rows, m)
	}
	return json.Marshal(map[string]any{"name": t.Name, "title": t.Title, "notes": t.Notes, "columns": t.Head, "rows": rows})
}
