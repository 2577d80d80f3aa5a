package signal

import (
	"context"

	"ballast/recipe/strict"
)

// dynamic is dynamic sampling (DAPO, Yu et al., arXiv 2503.14476, section 3.2): a group
// whose rewards are all equal has no advantage to learn from, so it is left out, and another
// task is played in its place. The paper draws until the batch is full; here rounds bounds
// that, after which the batch is smaller. Where no group has spread, the first ones are the
// batch, as in an update without this signal.
var dynamic = Signal{
	Name: "dynamic",
	Doc:  "groups whose rewards are all equal are left out and others played in their place (DAPO)",
	Settings: []strict.Setting{
		{Key: "rounds", In: strict.Span{Lo: 1, Hi: 100}, Doc: "Groups are played in the place of others at most so many times in an update."},
	},
	Default: dynamicEffect{Rounds: 3},
	Needs:   func(e Effect) Needs { return Needs{Rounds: e.(dynamicEffect).Rounds} },
}

type dynamicEffect struct {
	Rounds int `yaml:"rounds"`
}

func (dynamicEffect) Requests(context.Context, *Draft) error { return nil }
func (dynamicEffect) Stamp(context.Context, *Draft) error    { return nil }

// Sift keeps the groups with spread.
func (e dynamicEffect) Sift(groups []Scored, want, round int) (keep []bool, more int) {
	keep = make([]bool, len(groups))
	n := 0
	for i := range groups {
		if keep[i] = groups[i].Spread; keep[i] {
			n++
		}
	}
	if n < want && round < e.Rounds {
		return keep, want - n
	}
	if n == 0 {
		for i := range want {
			keep[i] = true
		}
	}
	return keep, 0
}
