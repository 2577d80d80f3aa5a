package recipe

import (
	"fmt"

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
	all := m.Failed(s.Window, s.Rule)
	if len(all) == 0 {
		return nil, nil
	}
	tasks := m.Tasks()
	at := make(map[string]*ballast.Task, len(tasks))
	for i := range tasks {
		at[tasks[i].ID] = &tasks[i]
	}
	for _, o := range all {
		t, ok := at[o.Task]
		if !ok { // a resumed run whose data has changed
			return nil, fmt.Errorf("task %s failed earlier in this run and is not among the training tasks now: has the data of the task set "+
				"changed?", o.Task)
		}
		out = append(out, of(t, o)...)
	}
	return out, nil
}

// Corrective is the supervised phase that a guard inserts.
func Corrective() Phase { return Phase{SFT: Names{failed.Name}} }
