package main

import (
	"encoding/json"
	"fmt"
	"iter"
	"path/filepath"
	"slices"

	"ballast"
	"ballast/compare"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/runlog"
)

// recorder is a run directory as a recipe's log: it also prunes checkpoints.
type recorder struct {
	*runlog.Run
	keep int
}

// Checkpoint implements loop.Log.
func (r recorder) Checkpoint(update int, state any, fill func(dir string) error) error {
	if _, err := r.Run.Checkpoint(update, state, fill); err != nil {
		return err
	}
	spare := -1
	if s, ok := state.(loop.State); ok {
		spare = s.Guard.Healthy
	}
	return r.prune(spare)
}

// prune deletes the checkpoints that the recipe does not keep, and spares one.
func (r recorder) prune(spare int) error {
	if r.keep == 0 {
		return nil
	}
	return r.Prune(r.keep, monitor.EvalSuccess, spare)
}

// Updates implements loop.Past.
func (r recorder) Updates() iter.Seq2[ballast.Update, error] {
	return func(yield func(ballast.Update, error) bool) {
		log, err := runlog.Read(r.Dir())
		if err != nil {
			yield(ballast.Update{}, err)
			return
		}
		log.Updates()(yield)
	}
}

// Before implements loop.Past.
func (r recorder) Before(update int) (dir string, at int, err error) {
	log, err := runlog.Read(r.Dir())
	if err != nil {
		return "", 0, err
	}
	list, err := log.Checkpoints()
	if err != nil {
		return "", 0, err
	}
	for _, c := range slices.Backward(list) {
		if c.Update < update {
			return c.Dir, c.Update, nil
		}
	}
	return "", 0, nil
}

var _ loop.Past = recorder{} // a guard works on run directories

// Replay implements loop.Log.
func (r recorder) Replay(update int) ([]ballast.Episode, error) {
	log, err := runlog.Read(r.Dir())
	if err != nil {
		return nil, err
	}
	var out []ballast.Episode
	for ep, err := range log.Episodes(update) {
		if err != nil {
			return nil, err
		}
		out = append(out, *ep)
	}
	return out, nil
}

// readRecipe reads the resolved recipe of a run directory.
func readRecipe(dir string) (r recipe.Recipe, err error) {
	log, err := runlog.Read(dir)
	if err != nil {
		return r, err
	}
	return r, r.Apply(filepath.Join(dir, "recipe.yaml"), log.Recipe)
}

// rewind goes back to the newest checkpoint of a run, or to its start, and
// restores the learner and the cursor. Evaluations on suites of checkpoints that stay
// are kept: nothing makes them anew but time.
func rewind(log *runlog.Run, run *loop.Run) error {
	c, err := log.Latest()
	if err != nil {
		return err
	}
	tested := func(e ballast.Event) bool { return e.Kind == compare.SuiteEvent && e.Update <= c.Update }
	if err := log.Resume(c, tested); err != nil {
		return err
	}
	if err := log.Event(ballast.Event{Update: c.Update, Kind: "resume", Text: fmt.Sprintf("from the checkpoint of update %d", c.Update)}); err != nil {
		return err
	}
	if c.Dir == "" {
		return nil
	}
	if err := json.Unmarshal(c.State, &run.State); err != nil {
		return fmt.Errorf("%s: cursor: %w", c.Dir, err)
	}
	// It may have been killed between that checkpoint and what follows one.
	if err := (recorder{log, run.Recipe.Keep.Checkpoints}).prune(run.State.Guard.Healthy); err != nil {
		return err
	}
	if err := run.Engine.Learner.Load(c.Dir); err != nil {
		return err
	}
	return run.Engine.Sync()
}

// bestOf returns the checkpoint of a run directory that its evaluations like best, or
// the one that its guard named when it stopped; any other path stays what it is.
func bestOf(path string) (string, error) {
	h, err := findHome(path, false)
	return h.model, err
}
