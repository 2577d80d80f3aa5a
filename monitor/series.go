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
