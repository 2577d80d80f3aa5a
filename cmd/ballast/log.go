package main

import (
	"iter"
	"path/filepath"
	"slices"

	"ballast"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/runlog"
)

// recorder is a run directory as a recipe's log: it also prunes checkpoints.
type recorder struct {
	*runlog.Run
	keep int
	tell func(ballast.Event) // hears of every event; nil tells nobody
}

// Event appends an event and tells of it.
func (r recorder) Event(e ballast.Event) error {
	err := r.Run.Event(e)
	if err == nil && r.tell != nil {
		r.tell(e)
	}
	return err
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
			return c.Dir, c.Update, c.Verify()
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
	if err := log.VerifyEpisodes(update); err != nil {
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

// trainedRecipe is readRecipe for whoever plays the run's checkpoints. These carry the chat
// template that was trained, where a .jinja file that the recipe names may have changed since.
func trainedRecipe(dir string) (recipe.Recipe, error) {
	r, err := readRecipe(dir)
	if r.Jinja() != "" {
		r.Chat.Template = ""
	}
	return r, err
}

// readRecipe reads the resolved recipe of a run directory, which must be the one that
// the run was made with.
func readRecipe(dir string) (r recipe.Recipe, err error) {
	log, err := runlog.Read(dir)
	if err != nil {
		return r, err
	}
	if err := log.Unchanged(); err != nil {
		return r, err
	}
	err = r.Apply(filepath.Join(dir, "recipe.yaml"), log.Recipe)
	r.Complete()
	return r, err
}
