package compare

import (
	"maps"
	"slices"

	"ballast/compare/table"
)

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
