package recipe

import (
	"ballast"
	"ballast/supervise"
)

// failed is gold of the tasks that the policy does not win (paper, section 3.4).
var failed = Source{
	Name:     "failed",
	Doc:      "the gold dialogues of the tasks that failed in the RL phase before (paper, section 3.4)",
	Reads:    []string{"per", "window", "rule"},
	Golden:   true,
	Failures: true,
	Of: func(m Material, s *SFT) ([]Example, error) {
		return failures(m, s, func(t *ballast.Task, _ supervise.Outcome) []Example { return s.gold(t) })
	},
}

// failures are the examples of each task that failed.
func failures(m Material, s *SFT, of func(*ballast.Task, supervise.Outcome) []Example) (out []Example, err error) {
	for _, o := range m.Failed(s.Window, s.Rule) {
		t, err := find(m.Tasks(), o.Task)
		if err != nil {
			return nil, err
		}
		out = append(out, of(t, o)...)
	}
	return out, nil
}

// Corrective is the supervised phase that a guard inserts.
func Corrective() Phase { return Phase{SFT: Names{failed.Name}} }
