// Package record is the run directory of a recipe's run: the log that the loop writes into,
// what the run was made with and of, and going on from its newest checkpoint.
//
// Contract: a run goes on only where it would end with the weights that it would have had;
// what may change their last bits is told and recorded. Before anything is cut off a
// directory, all that could refuse it has been asked.
//
// How it fails: with an error that names what differs and what to put back.
package record

import (
	"fmt"
	"iter"
	"slices"

	"ballast"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/runlog"
)

// Log is a run directory as a recipe's log: it also prunes checkpoints.
type Log struct {
	*runlog.Run
	Keep int                // checkpoints; 0 keeps all
	Tell func(runlog.Event) // hears of every event; nil tells nobody
	// Tidy, if not nil, is called with the directory before and after checkpoints are deleted.
	Tidy func(dir string)
}

// Tidy is what a learner does about what it keeps elsewhere for checkpoints; nil where all is theirs.
func Tidy(l ballast.Learner) func(dir string) {
	if t, ok := l.(interface{ Tidy(dir string) }); ok {
		return t.Tidy
	}
	return nil
}

// Event appends an event and tells of it.
func (l Log) Event(e runlog.Event) error {
	err := l.Run.Event(e)
	if err == nil && l.Tell != nil {
		l.Tell(e)
	}
	return err
}

// Checkpoint writes a checkpoint and deletes those that are not kept any more.
func (l Log) Checkpoint(update int, state any, fill func(dir string) error) error {
	if _, err := l.Run.Checkpoint(update, state, fill); err != nil {
		return err
	}
	spare := -1
	if s, ok := state.(loop.State); ok {
		spare = s.Guard.Healthy
	}
	return l.drop(spare)
}

// drop deletes the checkpoints that the recipe does not keep, and spares one.
func (l Log) drop(spare int) error {
	if l.Keep == 0 {
		return nil
	}
	if l.Tidy == nil {
		return l.Prune(l.Keep, monitor.EvalSuccess, spare)
	}
	l.Tidy(l.Dir())
	err := l.Prune(l.Keep, monitor.EvalSuccess, spare)
	l.Tidy(l.Dir())
	return err
}

// Updates are those recorded so far.
func (l Log) Updates() iter.Seq2[ballast.Update, error] {
	return func(yield func(ballast.Update, error) bool) {
		log, err := runlog.Read(l.Dir())
		if err != nil {
			yield(ballast.Update{}, err)
			return
		}
		log.Updates()(yield)
	}
}

// Before is the newest checkpoint before an update.
func (l Log) Before(update int) (dir string, at int, err error) {
	log, err := runlog.Read(l.Dir())
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

var _ loop.Past = Log{} // a guard works on run directories

// Replay reads the episodes of an update back.
func (l Log) Replay(update int) ([]ballast.Episode, error) {
	log, err := runlog.Read(l.Dir())
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

// Trained is Recipe for whoever plays the run's checkpoints. These carry the chat
// template that was trained, where a Jinja file that the recipe names may have changed since, and
// the adapter is merged into their weights.
// What this version cannot train with is given beside it, see recipe.Past.
func Trained(dir string) (r recipe.Recipe, past map[string]any, err error) {
	text, err := unchanged(dir)
	if err != nil {
		return r, nil, err
	}
	r, past, err = recipe.Past(runlog.Dir(dir).Recipe(), text)
	r.Chat.Jinja, r.LoRA = "", recipe.LoRA{}
	return r, past, err
}

// Recipe reads the resolved recipe of a run directory, which must be the one that
// the run was made with.
func Recipe(dir string) (r recipe.Recipe, err error) {
	text, err := unchanged(dir)
	if err != nil {
		return r, err
	}
	if r, err = recipe.Read(runlog.Dir(dir).Recipe(), text); err != nil {
		err = fmt.Errorf("%w; as the recipe of a run stays as it is, go on with the ballast that made it, or begin a new run", err)
	}
	return r, err
}

func unchanged(dir string) ([]byte, error) {
	log, err := runlog.Read(dir)
	if err != nil {
		return nil, err
	}
	return log.Recipe, log.Unchanged()
}
