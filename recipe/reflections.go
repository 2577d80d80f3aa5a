package recipe

import (
	"ballast"
	"ballast/supervise"
)

// reflections are lessons from failures (paper, section 3.5).
var reflections = Source{
	Name:     "reflections",
	Doc:      "two analyses of one failure of each of those tasks, written by the judge (paper, section 3.5)",
	Reads:    []string{"window", "rule"},
	Failures: true,
	Judge:    true,
	Of: func(m Material, s *SFT) ([]Example, error) {
		return failures(m, s, func(t *ballast.Task, o supervise.Outcome) (out []Example) {
			for _, k := range []supervise.Kind{supervise.KindDialogue, supervise.KindError} {
				out = append(out, Example{Task: t, Reply: -1, Failure: &o, Kind: k})
			}
			return out
		})
	},
}
