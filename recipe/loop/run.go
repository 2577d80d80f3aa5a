// Package loop runs a recipe: its phases one after the other, update by update,
// with what is recorded, evaluated and kept in between.
//
// Contract: a Run goes on from its State, the cursor, and what it does is a
// function of recipe, tasks, weights and cursor alone; a run that was killed and
// resumed comes to the same. Policy, learner and log are interfaces.
//
// How it fails: errors of the host say in which update. A run that cannot learn
// any more (no reward spread, non-finite gradients), that its guard stops, or that
// is interrupted ends with a checkpoint and with one of the errors named here.
package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"ballast"
	"ballast/chat"
	"ballast/eval"
	"ballast/imports"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/supervise"
)

// Engine is what a run trains with.
type Engine struct {
	Style   chat.Style
	Policy  ballast.Policy
	Learner ballast.Learner
	Context int // tokens of a conversation that the model can hold; 0 = no bound
	// Sync makes the policy sample from the learner's current weights.
	Sync func() error
	// Reference, if not nil, returns the reference policy's probability of each of
	// ids at every weighted token, see train.Learner.Reference. It changes nothing.
	Reference func(ctx context.Context, samples []ballast.Sample, ids []int32) ([][][]float32, error)
}

// Log is where a run records itself; runlog.Run is one.
type Log interface {
	Update(ballast.Update) error
	Episodes(update int, eps []ballast.Episode) error
	Event(runlog.Event) error
	Checkpoint(update int, state any, fill func(dir string) error) error
	// Replay reads the episodes of an update back.
	Replay(update int) ([]ballast.Episode, error)
}

// State is the cursor of a run: all that a resumed run needs beside weights and
// optimiser. It says what is done.
type State struct {
	Update  int  // updates done, over all phases
	Phase   int  // index of the phase
	InPhase int  // updates done in it
	Begun   bool // it has begun: its events are recorded, its restarts done
	Drawn   int  // training tasks drawn for RL so far
	Flat    int  // consecutive RL updates without reward spread
	Broken  int  // consecutive updates with a non-finite gradient
	// Eval is the newest evaluation, and Best the highest rate of any so far; the
	// checkpoint of update BestAt holds its weights.
	Eval   *Evaluation
	Best   float64
	BestAt int
	// Test is how the test tasks went after the last update, if they are others.
	Test *Evaluation
	// History is how the tasks of the newest RL phase went lately, for the
	// sources that train on failures.
	History supervise.History
	// Guard is what the guard has done.
	Guard Guarded
	// Cost is what the run has taken up to the checkpoint, over all its processes.
	Cost Cost
	// Closed says that the judge wrote closing replies, Open which tasks kept
	// their own: those that it gave up, which stay as they are.
	Closed bool
	Open   []string
	// Extended is the number of extensions of the schedule that the cursor knows of.
	Extended int `json:",omitempty"`
	// Missing are the examples of the current supervised phase that could not be
	// had: given up by the judge, or over the budget.
	Missing []int
}

// enter moves the cursor to the start of a phase.
func (s *State) enter(phase int) {
	s.Phase, s.InPhase, s.Begun = phase, 0, false
	s.Flat, s.Missing = 0, nil
}

// Extend tells the cursor of longer schedules: updates that were added to the last phase,
// one number an extension, of which it may know the first ones. phases are the recipe's
// with all of them. A cursor behind the last phase goes back into it.
func (s *State) Extend(phases []recipe.Phase, added []int) {
	more := 0
	for _, n := range added[min(s.Extended, len(added)):] {
		more += n
	}
	s.Extended = len(added)
	if more == 0 {
		return
	}
	if s.Guard.Phases != nil { // the guard's schedule is not the recipe's
		phases = slices.Clone(s.Guard.Phases)
		phases[len(phases)-1].RL += more
		s.Guard.Phases = phases
	}
	if last := len(phases) - 1; s.Phase > last {
		s.Phase, s.InPhase, s.Begun = last, phases[last].RL-more, true
	}
}

// Cost is what a run takes of the machine, in seconds of its processors and of the
// clock.
type Cost struct{ CPU, Seconds float64 }

// Evaluation is how tasks went after an update.
type Evaluation struct {
	Update int
	Result eval.Result
}

// Run is one training run.
type Run struct {
	Recipe recipe.Recipe
	Engine Engine
	Train  []ballast.Task
	Eval   []ballast.Task // of the evaluations during the run, which choose the best checkpoint
	Test   []ballast.Task // played once, after training; none where Eval are the test tasks
	Log    Log
	State  State
	Judge  supervise.Judge // nil = the oracle
	Chosen chat.Choice     // the renderer of conversations, for the record
	// Observe, if not nil, sees every update after it was recorded.
	Observe func(ballast.Update, Progress)
	// Stop, if not nil, is asked between updates; true ends the run after a
	// checkpoint with ErrInterrupted.
	Stop func() bool

	// Clock, if not nil, tells what this process has taken so far.
	Clock func() Cost

	imported map[string]*imports.File // files of dialogues, by name
	watcher  watcher
	total    int  // updates, as far as it is known
	saved    bool // the newest checkpoint says all that there is to say
	before   Cost // of the processes before this one
}

// Progress says how far a run is.
type Progress struct {
	Done, Total int // updates
}

// The ways in which a run ends early on purpose. Each is wrapped with what to do.
var (
	ErrInterrupted = errors.New("interrupted")
	ErrNoSignal    = errors.New("no signal")
	ErrNonFinite   = errors.New("non-finite gradients")
)

// maxBroken is the number of consecutive non-finite updates that ends a run.
const maxBroken = 3

// Do runs the phases that are left and returns how the test tasks went at the end. What a run
// that was interrupted had recorded up to its checkpoint is not repeated.
func (r *Run) Do(ctx context.Context) (eval.Result, error) {
	var err error
	if err := r.check(); err != nil {
		return eval.Result{}, err
	}
	if r.watcher, err = r.watch(); err != nil {
		return eval.Result{}, err
	}
	r.before = r.State.Cost
	r.saved = r.State.Update > 0 || r.State.Begun // a cursor that moved was read from one
	resumed := r.saved
	if err := r.close(ctx); err != nil {
		return eval.Result{}, r.brokenOff(r.State, err)
	}
	if resumed { // it may have been killed between a checkpoint and what its guard did next
		if err := r.watcher.act(); err != nil && !errors.Is(err, errReopen) {
			return eval.Result{}, err
		}
	}
	for r.State.Phase < len(r.Recipe.Phases) {
		if err := r.stopped(); err != nil {
			return eval.Result{}, err
		}
		p, err := r.newPhase(r.State.Phase)
		if err != nil {
			return eval.Result{}, err
		}
		before := r.State
		if err := p.open(ctx); err != nil {
			return eval.Result{}, r.brokenOff(before, fmt.Errorf("phases[%d]: %w", r.State.Phase, err))
		}
		if err := r.begin(p, r.Recipe.Phases[r.State.Phase].Reset); err != nil {
			return eval.Result{}, err
		}
		r.total = r.Total()
		switch err := r.phase(ctx, p); {
		case errors.Is(err, errReopen): // the cursor was moved
		case err != nil:
			return eval.Result{}, err
		default:
			r.State.enter(r.State.Phase + 1)
		}
	}
	if err := r.evaluate(ctx); err != nil {
		return eval.Result{}, err
	}
	res, err := r.test(ctx)
	if err != nil {
		return res, err
	}
	if err := r.checkpoint(); err != nil {
		return res, err
	}
	return res, r.Log.Event(runlog.Event{Update: r.State.Update, What: runlog.Done{OK: res.Total.OK, All: res.Total.All}, Text: res.String()})
}

func (r *Run) check() error {
	if err := r.Recipe.Check(); err != nil {
		return err
	}
	if len(r.Train) == 0 {
		return fmt.Errorf("tasks: the set %q has no training tasks for these categories", r.Recipe.Tasks.Set)
	}
	return nil
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

// newPhase is phase i with its own settings.
func (r *Run) newPhase(i int) (phase, error) {
	set, err := r.Recipe.In(i)
	if err != nil {
		return nil, err
	}
	if p := r.Recipe.Phases[i]; p.RL > 0 {
		return &rlPhase{run: r, set: set, total: p.RL}, nil
	}
	return newSFTPhase(r, set, i)
}

// begin starts a phase that has not begun. By default the optimiser starts afresh
// and the reference policy is the model as it is now (paper, section 1: every round
// restarts both).
func (r *Run) begin(p phase, reset string) error {
	if r.State.Begun {
		return nil
	}
	if r.State.Update == 0 || reset == "" {
		reset = "all"
	}
	if reset == "all" || reset == "optimizer" {
		if err := r.Engine.Learner.ResetOptimizer(); err != nil {
			return err
		}
	}
	if reset == "all" || reset == "reference" {
		if err := r.Engine.Learner.Freeze(); err != nil {
			return err
		}
	}
	r.State.Begun, r.saved = true, false
	if err := r.Log.Event(runlog.Event{Update: r.State.Update, What: runlog.PhaseBegun{Name: p.name(), Updates: p.updates()},
		Text: fmt.Sprintf("%s, %d updates", p.name(), p.updates())}); err != nil {
		return err
	}
	return r.watcher.begun()
}

func (r *Run) phase(ctx context.Context, p phase) error {
	for {
		if err := r.alive(); err != nil { // a run that died stays dead when it is resumed
			return err
		}
		if r.State.InPhase >= p.updates() {
			return nil
		}
		if err := r.stopped(); err != nil {
			return err
		}
		before := r.State
		if err := r.one(ctx, p); err != nil {
			return r.brokenOff(before, err)
		}
	}
}

// brokenOff ends the run in an orderly way where an interrupt broke off what was asked
// of the judge: with the state before, since nothing was learnt meanwhile. Another
// error stays one.
func (r *Run) brokenOff(before State, err error) error {
	if !errors.Is(err, supervise.ErrStopped) {
		return err
	}
	r.State = before
	return cmp.Or(r.stopped(), err)
}

// stopped ends the run in an orderly way if that was asked for.
func (r *Run) stopped() error {
	if r.Stop == nil || !r.Stop() {
		return nil
	}
	if err := r.checkpoint(); err != nil {
		return err
	}
	if err := r.Log.Event(runlog.Event{Update: r.State.Update, What: runlog.Interrupted{}}); err != nil {
		return err
	}
	return ErrInterrupted
}

// one does one update of the phase and everything that is due after it.
func (r *Run) one(ctx context.Context, p phase) error {
	start := time.Now()
	m := map[string]float64{}
	eps, err := p.update(ctx, r.State.InPhase, m)
	if err != nil {
		return fmt.Errorf("update %d (%s): %w", r.State.Update+1, p.name(), err)
	}
	r.State.Update++
	r.State.InPhase++
	r.State.Broken++ // before the checkpoint, which keeps it
	if m[monitor.NonFinite] == 0 {
		r.State.Broken = 0
	}
	r.saved = false
	if err := r.Engine.Sync(); err != nil {
		return err
	}
	last := r.State.Phase == len(r.Recipe.Phases)-1 && r.State.InPhase == p.updates()
	if k := r.Recipe.Keep.Eval; len(r.Eval) > 0 && (last || k > 0 && r.State.Update%k == 0) {
		if err := r.evaluate(ctx); err != nil {
			return err
		}
		m[monitor.EvalSuccess] = r.State.Eval.Result.Rate()
	}
	u := ballast.Update{Index: r.State.Update, Phase: p.name(), Seconds: time.Since(start).Seconds(), Metrics: m}
	if err := r.record(u, eps); err != nil {
		return err
	}
	if err := r.watcher.note(u); err != nil { // a checkpoint counts on its alarm
		return err
	}
	if k := r.Recipe.Keep.Checkpoint; k > 0 && r.State.Update%k == 0 || r.State.BestAt == r.State.Update {
		if err := r.checkpoint(); err != nil {
			return err
		}
	}
	return r.watcher.act()
}

func (r *Run) record(u ballast.Update, eps []ballast.Episode) error {
	if len(eps) > 0 {
		if err := r.Log.Episodes(u.Index, eps); err != nil {
			return err
		}
	}
	if err := r.Log.Update(u); err != nil {
		return err
	}
	if r.Observe != nil {
		r.Observe(u, Progress{Done: u.Index, Total: r.total})
	}
	return nil
}

// alive stops a run that cannot learn any more.
func (r *Run) alive() error {
	if n := r.State.Broken; n >= maxBroken {
		return r.dead(ErrNonFinite, verdict.NonFinite, fmt.Sprintf("%d updates in a row had non-finite gradients; lower the learning rate", n))
	}
	set, err := r.Recipe.In(r.State.Phase) // a phase may override it
	if err != nil {
		return err
	}
	if n := set.RL.Patience; n > 0 && r.State.Flat >= n {
		return r.dead(ErrNoSignal, verdict.NoSignal, fmt.Sprintf("no group had two different rewards for %d updates, so only the KL term moved the weights; start a new run: with a stronger base (an sft phase first), easier tasks, or rl.patience=0, which goes on all the same", n))
	}
	return nil
}

func (r *Run) dead(kind error, sign verdict.State, text string) error {
	if err := r.checkpoint(); err != nil {
		return err
	}
	if err := r.Log.Event(runlog.Event{Update: r.State.Update, What: runlog.Alarm{Sign: sign}, Text: text}); err != nil {
		return err
	}
	return fmt.Errorf("update %d: %w: %s", r.State.Update, kind, text)
}

// checkpoint writes one, unless nothing has changed since the newest.
func (r *Run) checkpoint() error {
	if r.saved {
		return nil
	}
	r.saved, r.State.Cost = true, r.Cost()
	return r.Log.Checkpoint(r.State.Update, r.State, r.Engine.Learner.Save)
}

// Cost is what the run has taken so far. What a process did after its last
// checkpoint, before it was killed, is not in it.
func (r *Run) Cost() Cost {
	if r.Clock == nil {
		return r.State.Cost
	}
	now := r.Clock()
	return Cost{r.before.CPU + now.CPU, r.before.Seconds + now.Seconds}
}

// rollout is how episodes are played under settings: theirs, within the model's
// own bound.
func (r *Run) rollout(set *recipe.Recipe) rollout.Config {
	cfg := set.Rollout(r.Engine.Style)
	cfg.Context = r.Engine.Context
	return cfg
}

// Total is the number of updates of all phases, as far as it is known: what a
// phase trains on may depend on the failures of the one before it.
func (r *Run) Total() int {
	n := r.State.Update - r.State.InPhase
	for i := r.State.Phase; i < len(r.Recipe.Phases); i++ {
		if p, err := r.newPhase(i); err == nil { // Check has seen them all
			n += p.updates()
		}
	}
	return n
}

// order returns the permutation of n tasks in an epoch of a stream of draws.
func (r *Run) order(stream string, epoch, n int) []int {
	h := uint64(len(stream))
	for _, c := range []byte(stream) {
		h = h*1099511628211 + uint64(c)
	}
	return rand.New(rand.NewPCG(mix(r.Recipe.Seed, h), uint64(epoch))).Perm(n)
}

// mix hashes numbers to a seed; every part changes every bit.
func mix(parts ...uint64) uint64 {
	h := uint64(0x9e3779b97f4a7c15)
	for _, p := range parts {
		h ^= p
		h += 0x9e3779b97f4a7c15
		h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9
		h = (h ^ (h >> 27)) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}
