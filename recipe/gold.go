package recipe

// gold is the plainest supervision: what the right answer says, with really executed
// tools (paper, section 3.1).
var gold = Source{
	Name:   "gold",
	Doc:    "the gold dialogue of every training task",
	Reads:  []string{"turns", "per"},
	Golden: true,
	Given:  true,
	Of: func(m Material, s *SFT) ([]Example, error) {
		var out []Example
		tasks := m.Tasks()
		for i := range tasks {
			if s.Turns == 0 || len(tasks[i].Turns) <= s.Turns {
				out = append(out, s.gold(&tasks[i])...)
			}
		}
		return out, nil
	},
}
