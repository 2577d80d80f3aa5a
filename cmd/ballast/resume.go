package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"ballast/engine"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/models"
	"ballast/recipe/record"
	"ballast/runlog"
	"ballast/safetext"
)

// resumed makes the run in a directory ready to go on from its newest checkpoint.
func (f *trainFlags) resumed(ctx context.Context) (*ready, error) {
	log, err := runlog.Open(f.resume)
	if err != nil {
		return nil, err
	}
	p, err := f.reopened(ctx, log)
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	p.log = log
	return p, nil
}

// reopened is resumed of a run whose directory is open.
func (f *trainFlags) reopened(ctx context.Context, log *runlog.Run) (p *ready, err error) {
	r, err := record.Recipe(f.resume)
	if err != nil {
		return nil, err
	}
	if f.extend != 0 {
		if err := record.Longer(&r, f.extend); err != nil {
			return nil, err
		}
	}
	given, err := budgets(&r, f.Set)
	if err != nil {
		return nil, err
	}
	if text := models.Moved(r.Model); text != "" {
		safetext.Say(stderr, "ballast: %s\n", text)
	}
	at, err := record.Cursor(log)
	if err != nil {
		return nil, err
	}
	p, err = newRun(ctx, &r, at, runlog.Dir(f.resume))
	if errors.Is(err, fs.ErrNotExist) {
		from := log.Header().Program.Dir
		return nil, fmt.Errorf("%w; %s names it as it is found from the folder in which the run began%s: give the command there, or put it back",
			err, runlog.Dir(f.resume).Recipe(), strings.TrimSuffix(", "+from, ", "))
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	now, err := origin(p.run)
	if err != nil {
		return p, err
	}
	notes, err := record.Same(log.Header(), f.resume, &now)
	if err != nil {
		return p, err
	}
	notes = append(notes, given...)
	for _, text := range notes {
		safetext.Say(stderr, "ballast: %s: %s\n", f.resume, text)
	}
	return p, record.Rewind(ctx, log, p.run, &now, f.extend, notes)
}

// budgets gives the judge of a run that goes on other budgets, which its results do not follow from. It says what was given.
func budgets(r *recipe.Recipe, pairs []string) (notes []string, err error) {
	for _, pair := range pairs {
		key, _, _ := strings.Cut(pair, "=")
		if key != "judge.tokens" && key != "judge.cost" {
			return nil, fmt.Errorf("--set %s: --resume takes everything from the run but the budgets of its judge, judge.tokens and judge.cost; "+
				"leave it out", pair)
		}
		if why := r.Unread(key); why != "" {
			return nil, fmt.Errorf("--set %s: this run does not read %s: %s", pair, key, why)
		}
		if err := r.Set(pair); err != nil {
			return nil, err
		}
		notes = append(notes, "the budget of the judge is "+pair+", of all that the run takes")
	}
	return notes, r.Check()
}

// origin is this program with what a prepared run has read.
func origin(run *loop.Run) (runlog.Origin, error) {
	return record.Origin(&finder, run, engine.Record(&run.Recipe, run.Engine.Engine))
}
