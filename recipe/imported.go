package recipe

// imported are dialogues that others wrote.
var imported = Source{
	Name:  "file",
	Doc:   "the dialogues of sft.file, in one of eight shapes (docs/dialogues.md)",
	Reads: []string{"file", "tools"},
	File:  true,
	Of: func(m Material, s *SFT) ([]Example, error) {
		ds, err := m.Dialogues(s.File, s.Tools)
		if err != nil {
			return nil, err
		}
		out := make([]Example, len(ds))
		for i := range ds {
			out[i] = Example{Reply: -1, Dialogue: &ds[i]}
		}
		return out, nil
	},
}
