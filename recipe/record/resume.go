package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ballast/recipe/loop"
	"ballast/runlog"
)

// Cursor is where a run goes on: at its newest checkpoint, or at its start.
func Cursor(log *runlog.Run) (loop.State, error) {
	c, err := log.Latest()
	if err != nil {
		return loop.State{}, err
	}
	return cursor(&c)
}

func cursor(c *runlog.Checkpoint) (at loop.State, err error) {
	if c.Dir == "" {
		return at, nil
	}
	if err := json.Unmarshal(c.State, &at); err != nil {
		return at, fmt.Errorf("%s: cursor: %w", c.Dir, err)
	}
	return at, nil
}

// Rewind goes back to the newest checkpoint of a run, or to its start, and
// restores the learner and the cursor; with extend, the run's recipe is longer by so many
// updates than the directory's. Evaluations on suites of checkpoints that stay
// are kept: nothing makes them anew but time.
func Rewind(ctx context.Context, log *runlog.Run, run *loop.Run, now *runlog.Origin, extend int, notes []string) error {
	c, err := log.Latest()
	if err != nil {
		return err
	}
	if run.State, err = cursor(&c); err != nil {
		return err
	}
	if p := run.State.Guard.Phases; extend > 0 && len(p) > 0 && p[len(p)-1].RL == 0 {
		return errors.New("--extend: the guard put a supervised phase last, and its learning rate follows its length; start a new run from " +
			"this one with --model")
	}
	// Before anything is cut: a run that is refused stays as it is.
	if err := replayable(log.Dir(), run); err != nil {
		return err
	}
	tested := func(e runlog.Event) bool { return e.Kind() == runlog.KindSuite && e.Update <= c.Update }
	if err := log.Resume(c, tested); err != nil {
		return err
	}
	if err := log.Adopt(*now); err != nil {
		return err
	}
	if extend > 0 {
		if err := log.Extend(Text(run), extend, c.Update); err != nil {
			return err
		}
	}
	if err := resumed(log, c, run, now, notes); err != nil {
		return err
	}
	if c.Dir == "" {
		return nil
	}
	loop.Within(ctx, run.Engine.Learner())
	// It may have been killed between that checkpoint and what follows one.
	if err := (Log{Run: log, Keep: run.Recipe.Keep.Checkpoints, Tidy: Tidy(run.Engine.Learner())}).drop(run.State.Guard.Healthy); err != nil {
		return err
	}
	if err := run.Engine.Learner().Load(c.Dir); err != nil {
		return err
	}
	return run.Engine.Sync(ctx)
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
	what := runlog.Resumed{Notes: notes, Changed: map[string]string{}}
	if len(notes) > 0 {
		text += "; " + strings.Join(notes, "; ")
	}
	was, is := &h.Program, &now.Program
	for key, pair := range map[string][2]string{"version": {was.Version, is.Version}, "commit": {was.Commit, is.Commit}, "go": {was.Go, is.Go},
		"kernels": {was.Kernels, is.Kernels}, "engine": {was.Engine, is.Engine}, "system": {was.System, is.System}, "cpu": {was.CPU, is.CPU}} {
		if pair[0] != pair[1] {
			what.Changed[key] = pair[1]
		}
	}
	if err := log.Event(runlog.Event{Update: c.Update, What: what, Text: text}); err != nil {
		return err
	}
	known := run.State.Extended
	run.State.Extend(run.Recipe.Phases, added)
	for _, n := range added[min(known, len(added)):] {
		if err := log.Event(runlog.Event{Update: c.Update, What: runlog.Lengthened{Updates: n},
			Text: fmt.Sprintf("%d more updates of the last phase", n)}); err != nil {
			return err
		}
	}
	return nil
}
