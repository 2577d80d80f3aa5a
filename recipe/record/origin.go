package record

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ballast"
	"ballast/hub"
	"ballast/model/kernel"
	"ballast/model/lora"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/runlog"
	"ballast/task"
)

// Origin is this program, with an engine, and what a prepared run has read.
func Origin(find *models.Finder, run *loop.Run, engine string) (runlog.Origin, error) {
	o := runlog.Origin{Renderer: &run.Chosen, Program: provenance.Here(kernel.SIMD, kernel.Best().Name, engine,
		os.Getenv(run.Recipe.Judge.Key))}
	var err error
	o.Inputs, err = inputs(find, run)
	return o, err
}

// inputs are the hashes of a run's tasks, of the files of dialogues, tools and hints that its
// phases name, of the list of its MCP server where dialogues have the tools of that, and of its
// model's files.
func inputs(find *models.Finder, run *loop.Run) (provenance.Inputs, error) {
	in := provenance.Inputs{}
	r := &run.Recipe
	for name, tasks := range map[string][]ballast.Task{"training": run.Train, "evaluation": run.Eval, "test": run.Test} {
		if len(tasks) > 0 {
			from := "set " + r.Tasks.Set
			if r.Tasks.Data != "" {
				from += " in " + r.Tasks.Data
			}
			in[fmt.Sprintf("the %s tasks (%s)", name, from)] = task.Digest(tasks)
		}
	}
	read, err := r.Files()
	if err != nil {
		return nil, err
	}
	files := slices.Concat(read.Dialogues, read.Tools, read.Signals)
	if run.Lends() {
		in["the tools of the MCP server"] = task.Digest([]ballast.Task{{Tools: run.Listed}})
	}
	if r.LoRA.Start != "" {
		files = append(files, lora.Files(r.LoRA.Start)...)
	}
	if path := r.Chat.Jinja; path != "" {
		files = append(files, path)
	}
	table := find.Embedded()
	switch {
	case r.Model == "init": // the recipe and the tasks say all
	case table.Has(r.Model):
		if in["the "+table.Title(r.Model)], err = table.Sum(r.Model); err != nil {
			return nil, err
		}
	default:
		h, err := find.Find(context.Background(), r.Model, false)
		if err != nil {
			return nil, err
		}
		of, err := find.FilesOf(r, h.Path)
		if err != nil {
			return nil, err
		}
		if h.Hub != nil { // wherever the cache lies
			if err := hubInputs(in, h.Hub, of); err != nil {
				return nil, err
			}
			break
		}
		files = append(files, of...)
	}
	for _, path := range files {
		if in["file "+path], _, err = provenance.File(path); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// hubInputs adds the commit of a model of the hub, and the hashes of its files.
func hubInputs(in provenance.Inputs, f *hub.Found, files []string) (err error) {
	in["the commit of "+f.Name.ID()+" on the hub"] = f.Commit
	for _, path := range files {
		rel, err := filepath.Rel(f.Dir, path)
		if err != nil {
			return err
		}
		if in["file "+f.Name.ID()+"/"+filepath.ToSlash(rel)], _, err = provenance.File(path); err != nil {
			return err
		}
	}
	return nil
}

// Same fails where a run would end otherwise here than where it began. notes say what
// could not be checked, and what changes the last bits alone.
func Same(h runlog.Header, dir string, now *runlog.Origin) (notes []string, err error) {
	if h.Version < 2 || h.Program.Go == "" {
		return []string{fmt.Sprintf("it is of format version %d, without checksums: that recipe, data, model and checkpoints are what they "+
			"were could not be checked", h.Version)}, nil
	}
	refused, rounding := h.Program.Against(&now.Program)
	if refused != "" {
		return nil, fmt.Errorf("%s cannot go on here: %s", dir, refused)
	}
	if elsewhere := h.Program.Engine; strings.HasPrefix(elsewhere, "XLA: ") && now.Program.Engine == "cpu" {
		return nil, fmt.Errorf("%s cannot go on here: it ran on %s, which its recipe does not say, as ballast then took the engine from "+
			"GOMLX_BACKEND; finish it with the version that made it, or start a new run from it with --model %s --set engine.kind=xla --set "+
			"engine.address=PLUGIN",
			dir, elsewhere, dir)
	}
	if what := h.Inputs.Differs(now.Inputs); what != "" {
		return nil, fmt.Errorf("%s cannot go on: what it is made of is not what it was: %s; put that back, or start a new run", dir, what)
	}
	if was, is := h.Renderer, now.Renderer; was != nil && (was.Name != is.Name || was.System != is.System || was.Tooled != is.Tooled) {
		return nil, fmt.Errorf("%s cannot go on: its conversations were written as %s, and this program chooses %s; finish it with the "+
			"version that made it, or set chat.template in a new run",
			dir, was, is)
	}
	for _, text := range rounding {
		notes = append(notes, "results may differ in rounding from here on: "+text)
	}
	return notes, nil
}

// Longer adds updates to a recipe's last phase.
func Longer(r *recipe.Recipe, n int) error {
	last := len(r.Phases) - 1
	if last < 0 || r.Phases[last].RL == 0 {
		return errors.New("--extend: the last phase is supervised, and its learning rate follows its length: longer, it is another run; " +
			"start one from this with --model")
	}
	r.Phases = slices.Clone(r.Phases)
	r.Phases[last].RL += n
	return r.Check()
}

// Text is a run's recipe as it is written into its directory, with the choice of the renderer
// and what the engine does not do as comments.
func Text(run *loop.Run) []byte {
	text := fmt.Appendf(nil, "# conversations are written as %s\n", run.Chosen)
	if run.Engine.Lacks != "" {
		text = fmt.Appendf(text, "# %s\n", run.Engine.Lacks)
	}
	return append(text, run.Recipe.YAML()...)
}
