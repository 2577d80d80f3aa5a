package loop

import (
	"ballast"
	"ballast/imports"
	"ballast/supervise"
)

// materials are what a run learns from: its training tasks, how they went lately, and files
// of dialogues. They are a recipe's Material.
type materials struct {
	tasks   []ballast.Task
	history supervise.History
	files   *files
}

func (m *materials) Tasks() []ballast.Task { return m.tasks }

func (m *materials) Failed(window int, rule supervise.Rule) []supervise.Outcome {
	return m.history.Failed(window, rule)
}

func (m *materials) Dialogues(path string) ([]supervise.Dialogue, error) {
	in, err := m.files.read(path)
	if err != nil {
		return nil, err
	}
	return in.Dialogues, nil
}

// files are files of dialogues, each read once.
type files map[string]*imports.File

func (f *files) read(path string) (*imports.File, error) {
	if in, ok := (*f)[path]; ok {
		return in, nil
	}
	in, err := imports.Read(path)
	if err != nil {
		return nil, err
	}
	if *f == nil {
		*f = files{}
	}
	(*f)[path] = in
	return in, nil
}
