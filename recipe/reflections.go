package recipe

import "ballast/supervise"

// reflections are lessons from failures (paper, section 3.5).
var reflections = Source{
	Name:     "reflections",
	Doc:      "two analyses of one failure of each of those tasks, written by the judge (paper, section 3.5)",
	Reads:    []string{"window", "rule"},
	Failures: true,
	Judge:    true,
	Of: func(m Material, s *SFT) ([]Example, error) {
		var out []Example
		for _, o := range m.Failed(s.Window, s.Rule) {
			t, err := find(m.Tasks(), o.Task)
			if err != nil {
				return nil, err
			}
			for _, k := range []supervise.Kind{supervise.KindDialogue, supervise.KindError} {
				out = append(out, Example{Task: t, Reply: -1, Failure: &o, Kind: k})
			}
		}
		return out, nil
	},
}
