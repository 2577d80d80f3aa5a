package loop

import (
	"ballast/imports"
	"ballast/recipe"
)

// Import is what a phase takes from a file of dialogues.
type Import struct {
	Phase int
	Path  string
	Tools string // where the tools of dialogues come from that document none; "" for nowhere
	File  *imports.File
	Taken int            // dialogues that are trained on
	Left  imports.Ledger // rows that are not, for whatever reason
}

// Imports reads the files of dialogues of all phases before the run begins, and measures
// the dialogues. A file that is not there, cannot be read, or has nothing that fits is an
// error.
func (r *Run) Imports() ([]Import, error) {
	var out []Import
	for i, phase := range r.Recipe.Phases {
		from := recipe.Imports(phase.SFT)
		if len(from) == 0 {
			continue
		}
		set, err := r.Recipe.In(i)
		if err != nil {
			return nil, err
		}
		p := &sftPhase{ground: r.ground(), set: set, sources: from}
		if p.examples, err = recipe.Examples(p.sources, p, &set.SFT); err != nil {
			return nil, err
		}
		if err := p.measure(); err != nil {
			return nil, err
		}
		p.drop()
		if len(p.examples) == 0 {
			return nil, p.nothing()
		}
		tools := set.SFT.Tools
		if tools == "" && r.Listed != nil {
			tools = "the MCP server"
		}
		out = append(out, Import{i, set.SFT.File, tools, r.files.of(&set.SFT), len(p.examples), p.left})
	}
	return out, nil
}
