package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/compare/table"
	"ballast/monitor"
	"ballast/report/plot"
)

// Figure is one plot as an SVG file of its own.
type Figure struct {
	Name string // of its file, without .svg
	SVG  string
}

// perPlot is the number of groups in one plot: that of the colours.
const perPlot = 6

// Figures draws the groups: sampled reward and success in evaluations, means with
// 95% bands over the seeds of groups of three or more, up to six groups a plot; and for every group the
// paper's two figures, the shares of the four kinds and the probabilities of
// control tokens, means over the seeds.
func Figures(groups []Group) []Figure {
	var out []Figure
	for from := 0; from < len(groups); from += perPlot {
		some := groups[from:min(len(groups), from+perPlot)]
		suffix := ""
		if from > 0 {
			suffix = fmt.Sprintf("-%d", from/perPlot+1)
		}
		out = append(out, rewards("reward"+suffix, some)...)
		out = append(out, successes("success"+suffix, some)...)
	}
	for i := range groups {
		g := &groups[i]
		out = append(out, g.forms()...)
		out = append(out, g.tokens("start", monitor.SiteStart, "as the first token of a reply")...)
		out = append(out, g.tokens("open", monitor.SiteOpen, "right after an open tag")...)
	}
	seen := map[string]bool{}
	for i := range out { // labels such as "a b" and "a_b"
		name := out[i].Name
		for n := 2; seen[out[i].Name]; n++ {
			out[i].Name = fmt.Sprintf("%s-%d", name, n)
		}
		seen[out[i].Name] = true
	}
	return out
}

// file is a label as a part of a file's name.
func file(label string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.=+@", r) {
			return r
		}
		return '_'
	}, label)
}

// frame is the axis of updates of groups.
func frame(groups []Group) *plot.Frame {
	f := &plot.Frame{}
	for _, g := range groups {
		for _, r := range g.Runs {
			f.Hi = max(f.Hi, r.Updates)
		}
	}
	for u := 1; u <= f.Hi; u++ {
		f.X = append(f.X, u)
	}
	return f
}

// draw makes a figure of a chart, none of a chart without a value.
func draw(name string, f *plot.Frame, c plot.Chart) []Figure {
	c.ID = name
	c.Series = slices.DeleteFunc(c.Series, func(s plot.Series) bool { return len(plot.Finite(s.Y)) == 0 })
	if len(c.Series) == 0 {
		return nil
	}
	return []Figure{{name, f.Draw(&c, plot.File, true) + "\n"}}
}

// over summarises a metric of a group's runs at each of n updates; runs are
// smoothed over width updates first.
func (g *Group) over(name string, n, width int) []table.Stat {
	var curves [][]float64
	for _, r := range g.Runs {
		curves = append(curves, plot.Smooth(r.Metrics[name], width))
	}
	out := make([]table.Stat, n)
	for u := range out {
		var v []float64
		for _, y := range curves {
			if u < len(y) {
				v = append(v, y[u])
			}
		}
		out[u] = table.NewStat(v)
	}
	return out
}

// means are the means alone.
func means(stats []table.Stat) []float64 {
	var out []float64
	for _, s := range stats {
		out = append(out, s.Mean)
	}
	return out
}

// band says in a title that there are intervals, if a group has runs enough for one.
func band(groups []Group) string {
	if slices.ContainsFunc(groups, func(g Group) bool { return len(g.Runs) >= table.Enough }) {
		return ", 95% band over the seeds"
	}
	return ""
}

// rewards is the figure of the sampled reward.
func rewards(name string, groups []Group) []Figure {
	f := frame(groups)
	width := max(1, f.Hi/25)
	c := plot.Chart{Title: fmt.Sprintf("Sampled reward, mean over %d updates and the seeds%s", width/2*2+1, band(groups))}
	for i := range groups {
		s := plot.Series{Name: groups[i].Label, Class: fmt.Sprintf("c%d", i+1)}
		for _, x := range groups[i].over(monitor.RewardMean, f.Hi, width) {
			s.Y = append(s.Y, x.Mean)
			s.Low, s.High = append(s.Low, max(0, x.Mean-x.Half)), append(s.High, min(1, x.Mean+x.Half))
		}
		c.Series = append(c.Series, s)
	}
	return draw(name, f, c)
}

// successes is the figure of the evaluations during training.
func successes(name string, groups []Group) []Figure {
	f := frame(groups)
	c := plot.Chart{Title: "Success in evaluations during training" + band(groups), Percent: true}
	for i := range groups {
		s := plot.Series{Name: groups[i].Label, Class: fmt.Sprintf("c%d", i+1), Style: plot.Dots}
		at := map[int][]float64{}
		for _, r := range groups[i].Runs {
			for _, e := range r.Suites[During] {
				at[e.Update] = append(at[e.Update], e.Total.Rate())
			}
		}
		for u := range f.Hi + 1 {
			if v, ok := at[u]; ok {
				x := table.NewStat(v)
				half := x.Half
				if math.IsNaN(half) {
					half = 0
				}
				s.X, s.Y = append(s.X, u), append(s.Y, x.Mean)
				s.Low, s.High = append(s.Low, max(0, x.Mean-half)), append(s.High, min(1, x.Mean+half))
			}
		}
		c.Series = append(c.Series, s)
	}
	return draw(name, f, c)
}

// forms is the paper's four-state figure.
func (g *Group) forms() []Figure {
	f := frame([]Group{*g})
	c := plot.Chart{Title: g.Label + ": kinds of replies, share", Percent: true, Full: true}
	for form := ballast.ReplyKind(0); form < ballast.NumKinds; form++ {
		c.Series = append(c.Series, plot.Series{Name: form.String(), Class: "f-" + form.String(), Style: plot.Area,
			Y: means(g.over(monitor.KindPrefix+form.String(), f.Hi, 1))})
	}
	return draw("kinds-"+file(g.Label), f, c)
}

// tokens is the paper's probability figure at one site: the control tokens that
// became most probable there.
func (g *Group) tokens(name string, site monitor.Site, where string) []Figure {
	f := frame([]Group{*g})
	top := map[string]float64{}
	for _, r := range g.Runs {
		for key, y := range r.Metrics {
			if strings.HasPrefix(key, monitor.WatchPrefix) && strings.HasSuffix(key, "/"+site.String()) {
				for _, v := range plot.Finite(y) {
					top[key] = max(top[key], v)
				}
			}
		}
	}
	var keys []string
	for key, v := range top {
		if v > 0 {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b string) int {
		if top[a] != top[b] {
			return int(math.Copysign(1, top[b]-top[a]))
		}
		return strings.Compare(a, b)
	})
	c := plot.Chart{Title: g.Label + ": probability of control tokens " + where, Percent: true, Log: true}
	keys = keys[:min(perPlot-1, len(keys))]
	slices.Sort(keys)
	for i, key := range keys {
		token := strings.TrimSuffix(strings.TrimPrefix(key, monitor.WatchPrefix), "/"+site.String())
		c.Series = append(c.Series, plot.Series{Name: token, Class: fmt.Sprintf("c%d", i+1), Y: means(g.over(key, f.Hi, 3))})
	}
	return draw("tokens-"+name+"-"+file(g.Label), f, c)
}

// Difference is the mean difference of a figure between two groups, seed by seed, of
// runs that are tested alike.
func Difference(a, b *Group, of func(*Run) (float64, bool)) table.Stat {
	alike := func(r *Run) (float64, bool) {
		for _, o := range b.Runs {
			if o.Seed == r.Seed && r.Alike(o) {
				return of(r)
			}
		}
		return 0, false
	}
	return paired(a.Values(alike), b.Values(of))
}

// paired is the mean difference of two groups' values, seed by seed.
func paired(a, b map[uint64]float64) table.Stat {
	var diff []float64
	for _, seed := range slices.Sorted(maps.Keys(a)) { // sums of floats depend on the order
		if y, ok := b[seed]; ok {
			diff = append(diff, a[seed]-y)
		}
	}
	return table.NewStat(diff)
}
