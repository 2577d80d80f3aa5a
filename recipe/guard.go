package recipe

import (
	"slices"
	"strings"
)

// Guard says what a run does when its own monitor finds it sick. It is off by
// default: the paper's methods run into their collapse.
type Guard struct {
	Do     string  `yaml:"do,omitempty"`     // stop, rollback, reference, sft; empty = nothing
	At     string  `yaml:"at,omitempty"`     // dead (default): a known death; drifting: its early signs
	Times  int     `yaml:"times,omitempty"`  // most actions of a run before it stops; 0 = 3
	Rate   float64 `yaml:"rate,omitempty"`   // rollback, sft: the learning rate of RL phases after it, as a factor; 0 = 0.5
	Factor float64 `yaml:"factor,omitempty"` // reference: the KL weight of control tokens, as a factor; 0 = 10
}

// actions are what a guard may do, with the settings that it reads.
var actions = []struct {
	name  string
	reads []string
}{
	{"stop", []string{"at"}},
	{"rollback", []string{"at", "times", "rate"}},
	{"reference", []string{"at", "times", "factor"}},
	{corrects, []string{"at", "times", "rate"}},
}

const corrects = "sft"

// Corrects says whether the guard inserts a supervised phase, see Corrective.
func (g *Guard) Corrects() bool { return g.Do == corrects }

// check reports what is wrong with the section.
func (g *Guard) check(bad report) {
	var names []string
	for _, a := range actions {
		names = append(names, a.name)
	}
	if g.Do != "" && !slices.Contains(names, g.Do) {
		bad("guard.do", "%q is not one of %s", g.Do, strings.Join(names, ", "))
	}
	if g.At != "" && g.At != "dead" && g.At != "drifting" {
		bad("guard.at", "%q is neither dead nor drifting", g.At)
	}
	within(bad, bound{"guard.times", float64(g.Times), 0, inf}, bound{"guard.rate", g.Rate, 0, 1}, bound{"guard.factor", g.Factor, 0, inf})
}
