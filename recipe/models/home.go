// Package models finds the model that a recipe or a command names: an embedded one, a
// folder or a file, a run (its best checkpoint) or a checkpoint of one, a model of the hub.
// It reads it, and says how conversations with it are written under a recipe.
//
// Contract: a name of an embedded model is that model. What lies here under another name wins over the hub. A name of the hub is one commit
// for the whole life of a Finder, whatever its branch does meanwhile. A checkpoint of a run
// is read only while its files are as they were written.
//
// How it fails: with an error that says what to name instead.
package models

import (
	"fmt"
	"slices"

	"ballast/compare"
	"ballast/hub"
	"ballast/model"
	"ballast/runlog"
)

// Home is where a model lies, and the run that it is a checkpoint of.
type Home struct {
	Run    string     // directory of the run; "" for a model of no run
	Update int        // of the checkpoint
	Path   string     // of the model, or the model as it was named
	Hub    *hub.Found // nil for a model that was not named as on the hub
}

// Here finds it for a run directory, of which the checkpoint counts that evaluations
// like best (or the one that the guard named when it stopped) or the newest, and for the
// path of a checkpoint.
func Here(path string, newest bool) (Home, error) {
	if runlog.Dir(path).IsRun() {
		run, err := compare.Load(path)
		if err != nil {
			return Home{}, err
		}
		list, err := run.Log.Checkpoints()
		if err != nil {
			return Home{}, err
		}
		i := len(list) - 1
		if !newest {
			i = slices.IndexFunc(list, func(c runlog.Checkpoint) bool { return c.Update == run.Best })
		}
		if i < 0 {
			return Home{}, fmt.Errorf("%s is a run without a checkpoint yet", path)
		}
		return Home{Run: path, Update: list[i].Update, Path: list[i].Dir}, nil
	}
	if run, update, ok := runlog.CheckpointAt(path); ok {
		return Home{Run: string(run), Update: update, Path: path}, nil
	}
	return Home{Path: path}, nil
}

// intact fails where the files of a run's checkpoint are not as they were written.
func intact(dir string) error {
	c, err := runlog.OpenCheckpoint(dir)
	if err != nil {
		return err
	}
	return c.Verify()
}

// Checkpoint reads the model of a checkpoint of a run.
func Checkpoint(run string, update int) (*model.Model, error) {
	dir := runlog.Dir(run).Checkpoint(update)
	if err := intact(dir); err != nil {
		return nil, err
	}
	return model.Load(dir)
}
