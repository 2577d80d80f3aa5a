package study

import (
	"fmt"
	"slices"

	"ballast/compare"
	"ballast/compare/table"
	"ballast/doctor/probe"
)

// probed returns the probe of a run's final checkpoint on n tasks (0: on any), nil if
// there is none. The error names files that cannot be read.
func probed(r *compare.Run, n int) (*probe.Result, error) {
	all, err := probe.Load(r.Dir)
	for i := range all {
		if p := &all[i]; p.Update == r.Final && (n == 0 || p.Count == n) {
			return p, err
		}
	}
	return nil, err
}

// hasProbe says whether a run needs no other probe. A file that cannot be read is as
// good as none: the same probe writes it anew.
func hasProbe(r *compare.Run, n int) bool {
	if n == 0 {
		return true
	}
	p, _ := probed(r, n)
	return p != nil
}

// hidden is the table of capability hidden by format: what the final checkpoints
// solve in their training format, with forbidden control tokens masked, confined to
// the format's grammar, and in other formats. Groups without a probe have no line.
func hidden(groups []compare.Group) table.Table {
	t := table.Table{Name: "probes", Title: "What the format hides, success in percent", Head: []string{"method", "n"},
		Notes: []string{"Final checkpoints on the same test tasks, greedy; mean over the seeds +- half of a 95% t interval over them, and " +
			"less plain the same, seed by seed. Plain: the training format; " +
			"control: control tokens that the format forbids are masked; grammar: calls are confined to the format's grammar; then the other " +
			"formats."}}
	var variants []string
	found := make([]map[string][]float64, len(groups)) // by variant, a run each
	for i := range groups {
		found[i] = map[string][]float64{}
		for _, r := range groups[i].Runs {
			p, err := probed(r, 0)
			if err != nil {
				t.Notes = append(t.Notes, "Left out: "+err.Error()+".")
			}
			if p == nil {
				continue
			}
			for _, o := range p.Outcomes {
				if !slices.Contains(variants, o.Variant) {
					variants = append(variants, o.Variant)
				}
				found[i][o.Variant] = append(found[i][o.Variant], o.Success.Rate())
				if o.Hidden != nil {
					found[i]["-"+o.Variant] = append(found[i]["-"+o.Variant], o.Hidden.Mean)
				}
			}
		}
	}
	for _, v := range variants {
		t.Head = append(t.Head, v)
		if v != variants[0] {
			t.Head = append(t.Head, v+" - "+variants[0])
		}
	}
	cell := func(values []float64) table.Cell {
		s := table.NewStat(values)
		return table.Cell{Stat: &s, Unit: table.Share}
	}
	for i, g := range groups {
		if len(found[i]) == 0 {
			continue
		}
		row := []table.Cell{{Text: g.Label}, {Text: fmt.Sprint(len(found[i][variants[0]]))}}
		for _, v := range variants {
			row = append(row, cell(found[i][v]))
			if v != variants[0] {
				row = append(row, cell(found[i]["-"+v]))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
