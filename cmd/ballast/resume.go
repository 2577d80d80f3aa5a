package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ballast/engine"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/recipe/record"
	"ballast/runlog"
	"ballast/safetext"
)

// continueRun resumes the run in a directory from its newest checkpoint.
func (f *trainFlags) continueRun(ctx context.Context) error {
	log, err := runlog.Open(f.resume)
	if err != nil {
		return err
	}
	defer log.Close()
	r, err := record.Recipe(f.resume)
	if err != nil {
		return err
	}
	if f.extend != 0 {
		if err := record.Longer(&r, f.extend); err != nil {
			return err
		}
	}
	if text := models.Moved(r.Model); text != "" {
		safetext.Say(stderr, "ballast: %s\n", text)
	}
	at, err := record.Cursor(log)
	if err != nil {
		return err
	}
	run, done, err := newRun(ctx, &r, at)
	if errors.Is(err, fs.ErrNotExist) {
		from := log.Header().Program.Dir
		return fmt.Errorf("%w; %s names it as it is found from the folder in which the run began%s: give the command there, or put it back",
			err, runlog.Dir(f.resume).Recipe(), strings.TrimSuffix(", "+from, ", "))
	}
	if err != nil {
		return err
	}
	defer done()
	now, err := origin(run)
	if err != nil {
		return err
	}
	notes, err := record.Same(log.Header(), f.resume, &now)
	if err != nil {
		return err
	}
	for _, text := range notes {
		safetext.Say(stderr, "ballast: %s: %s\n", f.resume, text)
	}
	if err := record.Rewind(ctx, log, run, &now, f.extend, notes); err != nil {
		return err
	}
	return f.drive(ctx, run, log)
}

// origin is this program with what a prepared run has read.
func origin(run *loop.Run) (runlog.Origin, error) {
	return record.Origin(&finder, run, engine.Record(&run.Recipe, run.Engine.Engine))
}
