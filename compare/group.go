package compare

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"ballast/bounded/yaml"
	"ballast/compare/table"
	"ballast/report/plot"
)

// Group is runs that differ by their seed only.
type Group struct {
	Label string
	Runs  []*Run // by seed
}

// replicate is how sweeps and studies name the directories of seeds.
var replicate = regexp.MustCompile(`^seed-[0-9]+$`)

// groups sorts runs into groups. Directories seed-1, seed-2, ... in one folder are
// one group with the folder's name; other runs belong together if their recipes are
// equal but for the seed, under the method's name and what else tells them apart. A
// second run with the same recipe and the same seed is no replicate: it has its own group.
// Groups come in the order of their first runs.
func groups(runs []*Run) []Group {
	var out []Group
	at := map[string]int{}
	loose := map[string]map[string]any{} // recipes of the groups that have no folder, by key
	for _, r := range runs {
		label, key := "", ""
		if replicate.MatchString(filepath.Base(r.Dir)) {
			key = filepath.Dir(r.Dir)
			label = filepath.Base(key)
		} else {
			recipe := maps.Clone(r.Recipe)
			delete(recipe, "seed")
			text, err := yaml.Marshal(recipe)
			if err != nil {
				panic(err) // it came out of YAML
			}
			key, label = "recipe "+string(text), r.Method
			loose[key] = recipe
		}
		_, seeded := r.Recipe["seed"]
		if i, ok := at[key]; ok && seeded && slices.ContainsFunc(out[i].Runs, func(o *Run) bool { return o.Seed == r.Seed }) {
			// The same recipe with the same seed, again: a copy or another version's, no replicate.
			recipe := loose[key]
			key += "\n" + r.Dir
			label += " " + filepath.Base(r.Dir)
			if recipe != nil {
				loose[key] = recipe
			}
		}
		i, ok := at[key]
		if !ok {
			i = len(out)
			at[key] = i
			out = append(out, Group{Label: label})
		}
		out[i].Runs = append(out[i].Runs, r)
	}
	for key, recipe := range loose {
		g := &out[at[key]]
		if what := telling(recipe, loose); what != "" {
			g.Label += " " + what
		}
	}
	unique(out)
	for i := range out {
		slices.SortStableFunc(out[i].Runs, func(a, b *Run) int { return cmp.Compare(a.Seed, b.Seed) })
	}
	return out
}

// telling are the settings in which a recipe differs from another one of the same
// method, as key=value.
func telling(recipe map[string]any, all map[string]map[string]any) string {
	mine, differ := flat("", recipe), map[string]bool{}
	for _, other := range all {
		if other["method"] != recipe["method"] {
			continue
		}
		theirs := flat("", other)
		for _, m := range []map[string]string{mine, theirs} {
			for k := range m {
				if mine[k] != theirs[k] {
					differ[k] = true
				}
			}
		}
	}
	var out []string
	for _, k := range slices.Sorted(maps.Keys(differ)) {
		if v, ok := mine[k]; ok {
			out = append(out, k+"="+v)
		}
	}
	return strings.Join(out, ",")
}

// flat turns nested settings into dotted keys.
func flat(prefix string, v any) map[string]string {
	out := map[string]string{}
	if m, ok := v.(map[string]any); ok {
		for k, x := range m {
			maps.Copy(out, flat(strings.TrimPrefix(prefix+"."+k, "."), x))
		}
		return out
	}
	out[prefix] = fmt.Sprint(v)
	return out
}

// unique tells groups of one label apart by the folders of their first runs.
func unique(groups []Group) {
	count := map[string]int{}
	for _, g := range groups {
		count[g.Label]++
	}
	for i := range groups {
		if g := &groups[i]; count[g.Label] > 1 {
			g.Label += " (" + filepath.Dir(g.Runs[0].Dir) + ")"
		}
	}
}

// Values returns a figure of every run that has it, by seed. Of two runs with one
// seed the later counts.
func (g *Group) Values(of func(*Run) (float64, bool)) map[uint64]float64 {
	out := map[uint64]float64{}
	for _, r := range g.Runs {
		if v, ok := of(r); ok && plot.IsFinite(v) {
			out[r.Seed] = v
		}
	}
	return out
}

// Stat summarises a figure over the group's runs.
func (g *Group) Stat(of func(*Run) (float64, bool)) table.Stat {
	var v []float64
	for _, r := range g.Runs {
		if x, ok := of(r); ok {
			v = append(v, x)
		}
	}
	return table.NewStat(v)
}

// Score summarises success on a suite; that of a single run has an interval over its tasks.
func (g *Group) Score(suite string, which Which) table.Stat {
	s := g.Stat(Success(suite, which))
	for _, r := range g.Runs {
		if x, ok := r.Score(suite, which); ok && x.Total.All > 0 && s.N == 1 {
			s.Low, s.High = x.Total.Wilson()
		}
	}
	return s
}

// Success is a run's success on a suite.
func Success(suite string, which Which) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		s, ok := r.Score(suite, which)
		return s.Total.Rate(), ok && s.Total.All > 0
	}
}

// categoryOf is a run's success on one category of a suite.
func categoryOf(suite, category string, which Which) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		s, _ := r.Score(suite, which)
		v, ok := s.Categories[category]
		return v, ok
	}
}

// Labelled returns the group of that label, or nil.
func Labelled(groups []Group, label string) *Group {
	for i := range groups {
		if groups[i].Label == label {
			return &groups[i]
		}
	}
	return nil
}
