package signal

import (
	"context"
	"fmt"
)

// Dynamic is dynamic sampling (DAPO, Yu et al., arXiv 2503.14476, section 3.2): a group
// whose rewards are all equal has no advantage to learn from, so it is left out, and another
// task is played in its place. The paper draws until the batch is full; here rounds bounds
// that, after which the batch is smaller. Where no group has spread, the first ones are the
// batch, as in an update without this signal.
var Dynamic = Signal{
	Name: "dynamic",
	Doc:  "groups whose rewards are all equal are left out and others played in their place, at most rounds times (DAPO)",
	New: func(s Settings, _ int) (Effect, error) {
		e, err := readDynamic(s)
		if err != nil {
			return nil, err
		}
		if e.Rounds < 1 || e.Rounds > 100 {
			return nil, fmt.Errorf("rounds: must lie between 1 and 100, is %d", e.Rounds)
		}
		return e, nil
	},
	Needs: func(s Settings) Needs {
		e, _ := readDynamic(s) // New says what is wrong with it
		return Needs{Rounds: e.Rounds}
	},
}

type dynamicEffect struct {
	Rounds int `yaml:"rounds"`
}

func readDynamic(s Settings) (e dynamicEffect, err error) {
	e = dynamicEffect{Rounds: 3}
	err = s.into(&e)
	return e, err
}

func (dynamicEffect) Plays(context.Context, *Draft) error { return nil }
func (dynamicEffect) Stamp(context.Context, *Draft) error { return nil }

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
