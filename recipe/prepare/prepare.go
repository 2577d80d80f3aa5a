// Package prepare makes a run of a recipe, up to its engine: the model, its renderer, the tasks
// and the files of dialogues.
//
// Contract: what a run would trip over later is an error here, before there is a run
// directory: a missing file, a prompt or a gold dialogue that does not fit, dialogues that cannot
// be read. What is left out is told.
//
// How it fails: with an error that names the setting and what to do.
package prepare

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/chat"
	"ballast/model"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/recipe/worlds"
	"ballast/safetext"
)

// Run loads the model and tasks of a recipe, and reads the files that its phases name: a run
// that wants nothing but an engine, and goes on from a cursor. Its tasks are played in w, which
// the caller closes, and whose judge is the run's. notes gets what is left out of those files and why.
func Run(ctx context.Context, find *models.Finder, notes io.Writer, w *worlds.Worlds, r *recipe.Recipe, from loop.State) (
	*loop.Run, *model.Model, error) {
	files, err := r.Files()
	if err != nil {
		return nil, nil, err
	}
	for _, path := range files.Dialogues { // a missing file is an error before there is a run directory
		if err := bounded.Regular(path); err != nil {
			return nil, nil, fmt.Errorf("sft.file: %w; name a file of dialogues (JSON or parquet, docs/dialogues.md)", err)
		}
	}
	if err := r.LoRA.Startable(); err != nil {
		return nil, nil, err
	}
	m, err := find.Load(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	find.Pin(r)
	s, c, err := models.Renderer(r, m)
	if err != nil {
		return nil, nil, err
	}
	find.Warn(m.Origin, models.OtherFormat(r, c))
	if err := m.ServeAs(s, r.Chat.System); err != nil {
		return nil, nil, err
	}
	run := &loop.Run{Recipe: *r, State: from, Judge: w.Judge(), Chosen: c,
		Engine: loop.Engine{Renderer: s, Context: m.Config.MaxLen, Env: w.Table()}}
	if err := Tasks(ctx, run, w, r.Rollout(s)); err != nil {
		return nil, nil, err
	}
	if err := Imports(notes, run); err != nil {
		return nil, nil, err
	}
	if err := Gold(ctx, run); err != nil {
		return nil, nil, err
	}
	return run, m, nil
}

// Imports reads the files of dialogues that a run trains on, so that a bad one is an error
// now, and says what is left out of them and why.
func Imports(w io.Writer, run *loop.Run) error {
	list, err := run.Imports()
	for _, in := range list {
		safetext.Say(w, "ballast: phase %d: %s: %d rows, %d read, %d left out\n", in.Phase, in.Path, in.File.Rows, in.Taken, in.Left.Rows())
		if in.Left.Rows() > 0 {
			safetext.Say(w, "%9s  %-62s  first\n", "rows", "reason")
		}
		for _, x := range in.Left.Sorted() {
			safetext.Say(w, "%9d  %-62s  %s\n", x.Rows, x.Reason, x.First())
			if next := x.Others(); next != "" {
				safetext.Say(w, "%9s  %-62s  also %s\n", "", "", next)
			}
		}
		if in.Left.Rows() > 0 {
			safetext.Say(w, "  what to do about each reason: docs/dialogues.md\n")
		}
		if in.Tools != "" {
			safetext.Say(w, "  %d dialogues document no tools and have those of %s; %d document their own and keep them\n", in.File.Lent, in.Tools,
				len(in.File.Dialogues)-in.File.Lent)
		}
		var passed []string
		for _, key := range slices.Sorted(maps.Keys(in.File.Passed)) {
			passed = append(passed, fmt.Sprintf("%s (%d rows)", key, in.File.Passed[key]))
		}
		if passed != nil {
			safetext.Say(w, "  not trained on, as they carry no words: %s\n", strings.Join(passed, ", "))
		}
	}
	return err
}

// Rendering is how conversations of a run are written, for people.
func Rendering(r *recipe.Recipe, c chat.Choice) string {
	if r.Chat.System == nil || c.System == *r.Chat.System {
		return c.String()
	}
	return fmt.Sprintf("%s; chat.system sets the system text \"%s\"", c, safetext.Line(*r.Chat.System))
}
