package study

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/compare"
	"ballast/compare/table"
	"ballast/durable"
	"ballast/recipe"
)

// Groups reads the runs that a study's folder holds so far, in the order of the
// plan's rows.
func (p *Plan) Groups(dir string) ([]compare.Group, error) {
	var paths []string
	for _, r := range p.Rows {
		path := filepath.Join(dir, r.Name)
		if runs, err := compare.Find(path); err == nil && len(runs) > 0 {
			paths = append(paths, path)
		}
	}
	groups, err := compare.Read(paths, recipe.Shown)
	p.before(groups)
	return groups, err
}

// before tells every run how its model did before training: what an untrained run of the
// same seed says that was tested alike.
func (p *Plan) before(groups []compare.Group) {
	for _, row := range p.Rows {
		untrained := compare.Labelled(groups, row.Name)
		if !recipe.Untrained(row.Method) || untrained == nil {
			continue
		}
		start := untrained.Values(compare.Success("id", compare.Last))
		for _, v := range untrained.Runs {
			for _, g := range groups {
				for _, r := range g.Runs {
					if r.Seed == v.Seed && r.Alike(v) {
						r.Before = start[r.Seed]
					}
				}
			}
		}
	}
}

// Tables are those of every section (a plan without sections has one, of all rows),
// named after it, and the claims.
func (p *Plan) Tables(groups []compare.Group) []table.Table {
	sections := p.Sections
	if len(sections) == 0 {
		var all []string
		for _, r := range p.Rows {
			all = append(all, r.Name)
		}
		sections = []Section{{Rows: all}}
	}
	var out []table.Table
	for _, s := range sections {
		var mine []compare.Group
		for _, g := range groups {
			if slices.ContainsFunc(s.Rows, func(name string) bool { return belongs(g.Label, name) }) {
				mine = append(mine, g)
			}
		}
		tables := compare.Tables(mine)
		if t := hidden(mine); len(t.Rows) > 0 {
			tables = append(tables, t)
		}
		if p.Base != "" {
			if base := compare.Labelled(groups, p.Base); base != nil {
				tables = append(tables, compare.Differences(mine, base))
			}
		}
		for _, t := range tables {
			if s.Name != "" {
				t.Name += "-" + s.Name
			}
			if s.Title != "" {
				t.Title = s.Title + ": " + strings.ToLower(t.Title[:1]) + t.Title[1:]
			}
			out = append(out, t)
		}
	}
	if len(p.Claims) > 0 {
		out = append(out, p.claims(groups))
	}
	return out
}

// Figures are those of compare, named after a plan that has a name, so that plans
// which share a folder or a document keep their own.
func (p *Plan) Figures(groups []compare.Group) []compare.Figure {
	out := compare.Figures(groups)
	if p.Name != "" {
		for i := range out {
			out[i].Name += "-" + p.Name
		}
	}
	return out
}

// place is where a document shows a table: from a comment "table: NAME" to a comment
// "end".
var place = regexp.MustCompile(`(?s)(<!-- table: ([^ ]+) -->\n).*?(<!-- end -->)`)

// shown is a figure in a document, in the folder beside it.
var shown = regexp.MustCompile(`\]\(([a-z]+)/([^)/]+)\.svg\)`)

// Document writes tables into their places in a Markdown file, and the figures that
// it shows into the folder that it shows them from. A place or figure without a
// table or figure keeps what it has and is named in left.
func Document(path string, tables []table.Table, figures []compare.Figure) (left []string, err error) {
	text, err := bounded.ReadFile(path, 64*bounded.MiB)
	if err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	out := place.ReplaceAllFunc(text, func(m []byte) []byte {
		part := place.FindSubmatch(m)
		for i := range tables {
			if tables[i].Name == string(part[2]) {
				return slices.Concat(part[1], []byte("\n"+tables[i].Markdown()+"\n"), part[3])
			}
		}
		left = append(left, "table "+string(part[2]))
		return m
	})
	for _, m := range shown.FindAllStringSubmatch(string(text), -1) {
		i := slices.IndexFunc(figures, func(f compare.Figure) bool { return f.Name == m[2] })
		if i < 0 {
			left = append(left, "figure "+m[2])
			continue
		}
		folder := filepath.Join(filepath.Dir(path), m[1])
		if err := durable.Subfolder(folder); err != nil {
			return nil, fmt.Errorf("study: %w", err)
		}
		if err := durable.ReplaceBytes(filepath.Join(folder, m[2]+".svg"), []byte(figures[i].SVG)); err != nil {
			return nil, fmt.Errorf("study: %w", err)
		}
	}
	if err := durable.Edit(path, out); err != nil {
		return nil, fmt.Errorf("study: %w", err)
	}
	return left, nil
}
