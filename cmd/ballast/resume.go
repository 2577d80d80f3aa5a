package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ballast"
	"ballast/compare"
	"ballast/hub"
	"ballast/model"
	"ballast/model/device"
	"ballast/model/kernel"
	"ballast/provenance"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/runlog"
	"ballast/task"
)

// origin is this program with what a prepared run has read.
func origin(run *loop.Run) (runlog.Origin, error) {
	engine := "cpu"
	if device.Accelerated(device.Named()) {
		engine = engineLine()
	}
	o := runlog.Origin{Renderer: &run.Chosen, Program: provenance.Here(kernel.SIMD, kernel.Best().Name, engine,
		os.Getenv(run.Recipe.Judge.Key))}
	var err error
	o.Inputs, err = inputs(run)
	return o, err
}

// inputs are the hashes of a run's tasks, of the files of dialogues and hints that its
// phases name, and of its model's files.
func inputs(run *loop.Run) (provenance.Inputs, error) {
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
	files, err := supervision(r)
	if err != nil {
		return nil, err
	}
	if path := r.Jinja(); path != "" {
		files = append(files, path)
	}
	switch r.Model {
	case "init": // the recipe and the tasks say all
	case "embedded":
		if in["the embedded model"], err = model.EmbeddedSum(); err != nil {
			return nil, err
		}
	default:
		h, err := finder.Find(context.Background(), r.Model, false)
		if err != nil {
			return nil, err
		}
		of, err := model.Files(h.Path)
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

// supervision lists the files of dialogues and hints of a recipe's phases.
func supervision(r *recipe.Recipe) (files []string, err error) {
	for i, p := range r.Phases {
		in, err := r.In(i)
		if err != nil {
			return nil, err
		}
		if slices.Contains(strings.Split(p.SFT, "+"), "file") {
			files = append(files, in.SFT.File)
		}
		if path, ok := in.RL.Signals["hint"]["file"].(string); ok && p.RL > 0 && path != "" {
			files = append(files, path)
		}
	}
	return files, nil
}

// sameRun fails where a run would end otherwise here than where it began. notes say what
// could not be checked, and what changes the last bits alone.
func sameRun(h runlog.Header, dir string, now *runlog.Origin) (notes []string, err error) {
	if h.Version < 2 || h.Program.Go == "" {
		return []string{fmt.Sprintf("its run.json is of format version %d, without checksums: that recipe, data, model and checkpoints are what they were could not be checked", h.Version)}, nil
	}
	refused, rounding := h.Program.Against(&now.Program)
	if refused != "" {
		return nil, fmt.Errorf("%s cannot go on here: %s", dir, refused)
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

// longer adds updates to a recipe's last phase.
func longer(r *recipe.Recipe, n int) error {
	last := len(r.Phases) - 1
	if last < 0 || r.Phases[last].RL == 0 {
		return errors.New("--extend: the last phase is supervised, and its learning rate follows its length: longer, it is another run; start one from this with --model")
	}
	r.Phases = slices.Clone(r.Phases)
	r.Phases[last].RL += n
	return r.Check()
}

// continueRun resumes the run in a directory from its newest checkpoint.
func (f *trainFlags) continueRun(ctx context.Context) error {
	log, err := runlog.Open(f.resume)
	if err != nil {
		return err
	}
	defer log.Close()
	r, err := readRecipe(f.resume)
	if err != nil {
		return err
	}
	if f.extend != 0 {
		if err := longer(&r, f.extend); err != nil {
			return err
		}
	}
	if text := models.Moved(r.Model); text != "" {
		say(stderr, "ballast: %s\n", text)
	}
	run, err := prepare(&r)
	if errors.Is(err, fs.ErrNotExist) {
		from := log.Header().Program.Dir
		return fmt.Errorf("%w; %s names it as it is found from the folder in which the run began%s: give the command there, or put it back",
			err, filepath.Join(f.resume, "recipe.yaml"), strings.TrimSuffix(", "+from, ", "))
	}
	if err != nil {
		return err
	}
	now, err := origin(run)
	if err != nil {
		return err
	}
	notes, err := sameRun(log.Header(), f.resume, &now)
	if err != nil {
		return err
	}
	for _, text := range notes {
		say(stderr, "ballast: %s: %s\n", f.resume, text)
	}
	if err := rewind(log, run, &now, f.extend, notes); err != nil {
		return err
	}
	return f.drive(ctx, run, log)
}

// rewind goes back to the newest checkpoint of a run, or to its start, and
// restores the learner and the cursor; with extend, the run's recipe is longer by so many
// updates than the directory's. Evaluations on suites of checkpoints that stay
// are kept: nothing makes them anew but time.
func rewind(log *runlog.Run, run *loop.Run, now *runlog.Origin, extend int, notes []string) error {
	c, err := log.Latest()
	if err != nil {
		return err
	}
	if c.Dir != "" {
		if err := json.Unmarshal(c.State, &run.State); err != nil {
			return fmt.Errorf("%s: cursor: %w", c.Dir, err)
		}
	}
	if p := run.State.Guard.Phases; extend > 0 && len(p) > 0 && p[len(p)-1].RL == 0 {
		return errors.New("--extend: the guard put a supervised phase last, and its learning rate follows its length; start a new run from this one with --model")
	}
	// Before anything is cut: a run that is refused stays as it is.
	if err := replayable(log.Dir(), run); err != nil {
		return err
	}
	tested := func(e ballast.Event) bool { return e.Kind == compare.SuiteEvent && e.Update <= c.Update }
	if err := log.Resume(c, tested); err != nil {
		return err
	}
	if err := log.Adopt(*now); err != nil {
		return err
	}
	if extend > 0 {
		if err := log.Extend(recorded(&run.Recipe, run.Chosen), extend, c.Update); err != nil {
			return err
		}
	}
	if err := resumed(log, c, run, now, notes); err != nil {
		return err
	}
	if c.Dir == "" {
		return nil
	}
	// It may have been killed between that checkpoint and what follows one.
	if err := (recorder{Run: log, keep: run.Recipe.Keep.Checkpoints}).prune(run.State.Guard.Healthy); err != nil {
		return err
	}
	if err := run.Engine.Learner.Load(c.Dir); err != nil {
		return err
	}
	return run.Engine.Sync()
}

// replayable fails where episodes that a later phase trains on are not as they were.
func replayable(dir string, run *loop.Run) error {
	if len(run.State.History) == 0 {
		return nil
	}
	past, err := runlog.Read(dir)
	if err != nil {
		return err
	}
	var updates []int
	for _, o := range run.State.History {
		updates = append(updates, o.Update)
	}
	return past.VerifyEpisodes(slices.Compact(updates)...)
}

// resumed tells the cursor of extensions, and records that the run goes on, with what is
// not as it was.
func resumed(log *runlog.Run, c runlog.Checkpoint, run *loop.Run, now *runlog.Origin, notes []string) error {
	h := log.Header()
	var added []int
	for _, e := range h.Extended {
		added = append(added, e.Updates)
	}
	text := fmt.Sprintf("from the checkpoint of update %d", c.Update)
	data := map[string]any{}
	if len(notes) > 0 {
		text += "; " + strings.Join(notes, "; ")
		data["notes"] = notes
	}
	was, is := &h.Program, &now.Program
	for key, pair := range map[string][2]string{"version": {was.Version, is.Version}, "commit": {was.Commit, is.Commit}, "go": {was.Go, is.Go},
		"kernels": {was.Kernels, is.Kernels}, "engine": {was.Engine, is.Engine}, "system": {was.System, is.System}, "cpu": {was.CPU, is.CPU}} {
		if pair[0] != pair[1] {
			data[key] = pair[1]
		}
	}
	if err := log.Event(ballast.Event{Update: c.Update, Kind: "resume", Text: text, Data: data}); err != nil {
		return err
	}
	known := run.State.Extended
	run.State.Extend(run.Recipe.Phases, added)
	for _, n := range added[min(known, len(added)):] {
		if err := log.Event(ballast.Event{Update: c.Update, Kind: "extend", Text: fmt.Sprintf("%d more updates of the last phase", n),
			Data: map[string]any{"updates": n}}); err != nil {
			return err
		}
	}
	return nil
}
