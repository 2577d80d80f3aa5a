package monitor

import (
	"math"

	"ballast"
)

// Series are metrics over the updates of a run: by name a value for every update, NaN where
// none was recorded.
type Series map[string][]float64

// Add appends the update that follows n others.
func (s Series) Add(n int, u ballast.Update) {
	for name, v := range u.Metrics {
		if !recorded(u.Phase, name, v) {
			continue
		}
		y := s[name]
		for len(y) < n {
			y = append(y, math.NaN())
		}
		s[name] = append(y, v)
	}
	for name, y := range s {
		if len(y) == n {
			s[name] = append(y, math.NaN())
		}
	}
}

// Wilson returns the 95% Wilson score interval of the share ok/all; it is all of
// [0,1] where nothing was counted.
func Wilson(ok, all float64) (lo, hi float64) {
	if all <= 0 {
		return 0, 1
	}
	const z = 1.959963984540054
	p := ok / all
	mid := (p + z*z/(2*all)) / (1 + z*z/all)
	half := z / (1 + z*z/all) * math.Sqrt(p*(1-p)/all+z*z/(4*all*all))
	return max(0, mid-half), min(1, mid+half)
}
