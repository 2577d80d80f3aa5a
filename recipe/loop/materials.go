package loop

import (
	"fmt"

	"ballast"
	"ballast/imports"
	"ballast/recipe"
	"ballast/supervise"
)

// materials are what a run learns from: its training tasks, how they went lately, and files
// of dialogues. They are a recipe's Material.
type materials struct {
	tasks   []ballast.Task
	history supervise.History
	files   *files
	listed  []ballast.Tool // by the MCP server
}

func (m *materials) Tasks() []ballast.Task { return m.tasks }

func (m *materials) Failed(window int, rule supervise.Rule) []supervise.Outcome {
	return m.history.Failed(window, rule)
}

func (m *materials) Dialogues(path, tools string) ([]supervise.Dialogue, error) {
	in, err := m.files.read(path, tools, m.listed)
	if err != nil {
		return nil, err
	}
	return in.Dialogues, nil
}

// source is a file of dialogues, with the file of tools of those that document none; "" is the list of
// the MCP server.
type source struct{ dialogues, tools string }

// files are files of dialogues, each read once with each file of tools.
type files map[source]*imports.File

// of is the file of a phase, nil where it was not read.
func (f *files) of(s *recipe.SFT) *imports.File { return (*f)[source{s.File, s.Tools}] }

func (f *files) read(path, tools string, listed []ballast.Tool) (*imports.File, error) {
	from := source{path, tools}
	if in, ok := (*f)[from]; ok {
		return in, nil
	}
	if tools != "" {
		var err error
		if listed, err = imports.ReadTools(tools); err != nil {
			return nil, fmt.Errorf("sft.tools: %w; docs/own-tools.md says what such a file is", err)
		}
	}
	in, err := imports.ReadWith(path, listed)
	if err != nil {
		return nil, fmt.Errorf("sft.file: %w; name a file of dialogues (JSON or parquet, docs/dialogues.md)", err)
	}
	if *f == nil {
		*f = files{}
	}
	(*f)[from] = in
	return in, nil
}

// Lends says whether a dialogue of the run has the tools that the MCP server lists.
func (r *Run) Lends() bool {
	for from, in := range r.files {
		if from.tools == "" && in.Lent > 0 {
			return true
		}
	}
	return false
}
