package recipe

// Guard says what a run does when its own monitor finds it sick. It is off by
// default: the paper's methods run into their collapse.
type Guard struct {
	Do     string  `yaml:"do,omitempty"` // empty = nothing
	At     string  `yaml:"at"`
	Times  int     `yaml:"times"`
	Rate   float64 `yaml:"rate"`   // with do rollback and sft
	Factor float64 `yaml:"factor"` // with do reference
}

// action is what a guard may do, with the settings that it reads.
type action struct {
	name  string
	reads []string
}

var actions = []action{
	{"stop", []string{"at"}},
	{"rollback", []string{"at", "times", "rate"}},
	{"reference", []string{"at", "times", "factor"}},
	{corrects, []string{"at", "times", "rate"}},
}

const corrects = "sft"

// Corrects says whether the guard inserts a supervised phase, see Corrective.
func (g *Guard) Corrects() bool { return g.Do == corrects }
