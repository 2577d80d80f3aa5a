package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"ballast"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe"
	"ballast/runlog"
	"ballast/supervise"
)

// driver takes a run through its phases, and does what is due after every update.
type driver struct {
	*keeper
	run     *Run
	eval    *evaluator
	watcher watcher
	total   int // updates, as far as it is known
}

// phase is one phase in progress.
type phase interface {
	name() string
	// open makes ready what the phase needs, at its beginning and after a
	// resume (State.InPhase > 0), where it must come to the same.
	open(ctx context.Context) error
	// updates is the number of updates, as far as it is known.
	updates() int
	// update does update i of the phase and fills in the metrics.
	update(ctx context.Context, i int, m map[string]float64) ([]ballast.Episode, error)
}

// maxBroken is the number of consecutive non-finite updates that ends a run.
const maxBroken = 3

// phases runs the phases that are left.
func (d *driver) phases(ctx context.Context) error {
	for d.cursor.Phase < len(d.run.Recipe.Phases) {
		if err := d.stopped(); err != nil {
			return err
		}
		before := *d.cursor
		p, err := d.run.newPhase(d.cursor.Phase)
		if err == nil {
			err = p.open(ctx)
		}
		if err != nil {
			return d.brokenOff(ctx, before, fmt.Errorf("phases[%d]: %w", before.Phase, err))
		}
		if err := d.begin(p); err != nil {
			return err
		}
		d.total = d.run.Total()
		if err := d.phase(ctx, p); err == nil {
			d.cursor.enter(d.cursor.Phase + 1)
		} else if err := d.reopen(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// reopen goes on where the watcher moved the cursor, and perhaps the learner with it; another
// error stays one.
func (d *driver) reopen(ctx context.Context, err error) error {
	if errors.Is(err, errReopen) {
		return d.run.Engine.Sync(ctx)
	}
	return err
}

// begin starts a phase that has not begun.
func (d *driver) begin(p phase) error {
	if d.cursor.Begun {
		return nil
	}
	resets := d.run.Recipe.Resets(d.cursor.Phase)
	if slices.Contains(resets, recipe.ResetOptimizer) {
		if err := d.run.Engine.Learner().ResetOptimizer(); err != nil {
			return err
		}
	}
	if slices.Contains(resets, recipe.ResetReference) {
		if err := d.run.Engine.Learner().Freeze(); err != nil {
			return err
		}
	}
	d.cursor.Begun = true
	d.changed()
	if err := d.say(runlog.PhaseBegun{Name: p.name(), Updates: p.updates()},
		fmt.Sprintf("%s, %d updates", p.name(), p.updates())); err != nil {
		return err
	}
	return d.watcher.begun()
}

// phase does the updates of a phase that are left.
func (d *driver) phase(ctx context.Context, p phase) error {
	for {
		if err := d.alive(); err != nil { // a run that died stays dead when it is resumed
			return err
		}
		if d.cursor.InPhase >= p.updates() {
			return nil
		}
		if err := d.stopped(); err != nil {
			return err
		}
		if err := d.one(ctx, p); err != nil {
			return err
		}
	}
}

// moved is an error that broke off a step of the learner, whose weights may be those of no update.
type moved struct{ error }

func (m moved) Unwrap() error { return m.error }

// brokenOff ends the run in an orderly way where something failed before anything was learnt:
// with the state before. An interrupt that broke off what was asked of the judge is one; another
// error stays one, with a checkpoint of what was learnt so far. There is none where the learner
// may have moved, or who asks wants no more of this process.
func (d *driver) brokenOff(ctx context.Context, before State, err error) error {
	stopped := errors.Is(err, supervise.ErrStopped)
	if !stopped && (errors.As(err, new(moved)) || ctx.Err() != nil) {
		return err
	}
	*d.cursor = before
	if stopped {
		return cmp.Or(d.stopped(), err)
	}
	if before.Update == 0 {
		return err
	}
	if other := d.save(); other != nil {
		return fmt.Errorf("%w; and no checkpoint of update %d could be written: %v", err, before.Update, other)
	}
	return fmt.Errorf("%w; update %d has a checkpoint, from which --resume goes on when the cause is mended", err, before.Update)
}

// stopped ends the run in an orderly way if that was asked for.
func (d *driver) stopped() error {
	if d.run.Stop == nil || !d.run.Stop() {
		return nil
	}
	if err := d.save(); err != nil {
		return err
	}
	if err := d.say(runlog.Interrupted{}, ""); err != nil {
		return err
	}
	return ErrInterrupted
}

// one does one update of the phase and everything that is due after it.
func (d *driver) one(ctx context.Context, p phase) error {
	start := time.Now()
	m := map[string]float64{}
	before := *d.cursor
	eps, err := p.update(ctx, d.cursor.InPhase, m)
	if err != nil {
		return d.brokenOff(ctx, before, fmt.Errorf("update %d (%s): %w", before.Update+1, p.name(), err))
	}
	d.cursor.advance(m) // before the checkpoint, which keeps it
	d.changed()
	if err := d.run.Engine.Sync(ctx); err != nil {
		return err
	}
	last := d.cursor.Phase == len(d.run.Recipe.Phases)-1 && d.cursor.InPhase == p.updates()
	if k := d.run.Recipe.Keep.Eval; len(d.run.Eval) > 0 && (last || k > 0 && d.cursor.Update%k == 0) {
		if err := d.eval.evaluate(ctx); err != nil {
			return err
		}
		m[monitor.EvalSuccess] = d.cursor.Eval.Result.Rate()
	}
	u := ballast.Update{Index: d.cursor.Update, Phase: p.name(), Seconds: time.Since(start).Seconds(), Metrics: m}
	if err := d.record(u, eps); err != nil {
		return err
	}
	if err := d.watcher.note(u); err != nil { // a checkpoint counts on its alarm
		return err
	}
	if k := d.run.Recipe.Keep.Checkpoint; k > 0 && d.cursor.Update%k == 0 || d.cursor.BestAt == d.cursor.Update {
		if err := d.save(); err != nil {
			return err
		}
	}
	return d.watcher.act()
}

// record writes an update down and shows it.
func (d *driver) record(u ballast.Update, eps []ballast.Episode) error {
	if len(eps) > 0 {
		if err := d.Episodes(u.Index, eps); err != nil {
			return err
		}
	}
	if err := d.Update(u); err != nil {
		return err
	}
	if d.run.Observe != nil {
		d.run.Observe(u, Progress{Done: u.Index, Total: d.total})
	}
	return nil
}

// alive stops a run that cannot learn any more.
func (d *driver) alive() error {
	if n := d.cursor.Broken; n >= maxBroken {
		return d.dead(ErrNonFinite, verdict.NonFinite, fmt.Sprintf("%d updates in a row had non-finite gradients; lower the learning rate", n))
	}
	set, err := d.run.Recipe.In(d.cursor.Phase) // a phase may override it
	if err != nil {
		return err
	}
	if n := set.RL.Patience; n > 0 && d.cursor.Flat >= n {
		return d.dead(ErrNoSignal, verdict.NoSignal, fmt.Sprintf("no group had two different rewards for %d updates, so only the KL term "+
			"moved the weights; start a new run: with a stronger base (an sft phase first), easier tasks, or rl.patience=0, which goes on all "+
			"the same", n))
	}
	return nil
}

// dead ends a run that cannot learn any more.
func (d *driver) dead(kind error, sign verdict.State, text string) error {
	if err := d.save(); err != nil {
		return err
	}
	if err := d.say(runlog.Alarm{Sign: sign}, text); err != nil {
		return err
	}
	return fmt.Errorf("update %d: %w: %s", d.cursor.Update, kind, text)
}

// What a watcher sees of a driver besides its keeper.

func (d *driver) at() *State               { return d.cursor }
func (d *driver) settings() *recipe.Recipe { return &d.run.Recipe }

func (d *driver) load(dir string) error { return d.run.Engine.Learner().Load(dir) }

func (d *driver) reschedule(phases []recipe.Phase) {
	d.cursor.Guard.Phases, d.run.Recipe.Phases = phases, phases
}
