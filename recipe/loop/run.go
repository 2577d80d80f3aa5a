// Package loop runs a recipe: its phases one after the other, update by update,
// with what is recorded, evaluated and kept in between.
//
// Contract: a Run goes on from its State, the cursor, and what it does is a
// function of recipe, tasks, weights and cursor alone; a run that was killed and
// resumed comes to the same. Policy, learner and log are interfaces.
//
// How it fails: errors of the host say in which update; if the learner has not moved since, the
// update before it has a checkpoint. A run that cannot learn
// any more (no reward spread, non-finite gradients), that its guard stops, or that
// is interrupted ends with a checkpoint and with one of the errors named here.
package loop

import (
	"context"
	"errors"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/env"
	"ballast/eval"
	"ballast/recipe"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/supervise"
)

// Engine is what a run trains with, how conversations with its model are, and where they
// take place.
type Engine struct {
	ballast.Engine
	Renderer chat.Renderer
	Context  int        // tokens of a conversation that the model can hold; 0 = no bound
	Env      *env.Table // the worlds, graders and users of the tasks; nil = env.Builtin
	Lacks    string     // what the engine does not do, for the record
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
	Listed []ballast.Tool  // those of the MCP server, for dialogues that document none
	// Observe, if not nil, sees every update after it was recorded.
	Observe func(ballast.Update, Progress)
	// Stop, if not nil, is asked between updates; true ends the run after a
	// checkpoint with ErrInterrupted.
	Stop func() bool

	// Clock, if not nil, tells what this process has taken so far.
	Clock func() Cost

	files files   // of dialogues
	keep  *keeper // nil before Do
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

// Do runs the phases that are left and returns how the test tasks went at the end. What a run
// that was interrupted had recorded up to its checkpoint is not repeated.
func (r *Run) Do(ctx context.Context) (eval.Result, error) {
	if err := r.check(); err != nil {
		return eval.Result{}, err
	}
	Within(ctx, r.Engine.Learner())
	d, err := r.driver()
	if err != nil {
		return eval.Result{}, err
	}
	resumed := d.saved
	if err := r.close(ctx); err != nil {
		return eval.Result{}, d.brokenOff(ctx, r.State, err)
	}
	if resumed { // it may have been killed between a checkpoint and what its guard did next
		if err := d.reopen(ctx, d.watcher.act()); err != nil {
			return eval.Result{}, err
		}
	}
	if err := d.phases(ctx); err != nil {
		return eval.Result{}, err
	}
	if err := d.eval.evaluate(ctx); err != nil {
		return eval.Result{}, d.brokenOff(ctx, r.State, err)
	}
	res, err := d.eval.test(ctx, d.stopped)
	if errors.Is(err, ErrInterrupted) {
		return res, err
	}
	if err != nil {
		return res, d.brokenOff(ctx, r.State, err)
	}
	if err := r.keep.save(); err != nil {
		return res, err
	}
	return res, r.keep.say(runlog.Done{OK: res.Total.OK, All: res.Total.All}, res.String())
}

// Within bounds by ctx what a learner does without a context of its own, such as saving, where it is
// one that waits for others and can be bounded.
func Within(ctx context.Context, l ballast.Learner) {
	if w, ok := l.(interface{ Within(context.Context) }); ok {
		w.Within(ctx)
	}
}

// driver puts the parts of the run together, on its cursor.
func (r *Run) driver() (*driver, error) {
	r.keep = &keeper{Log: r.Log, cursor: &r.State, learner: r.Engine.Learner(), clock: r.Clock, before: r.State.Cost,
		saved: r.State.Update > 0 || r.State.Begun} // a cursor that moved was read from a checkpoint
	d := &driver{keeper: r.keep, run: r}
	d.eval = &evaluator{policy: r.Engine.Policy(), cfg: func() rollout.Config { return played(&r.Recipe, &r.Engine) },
		during: r.Eval, after: r.Test, keep: r.keep}
	r.Recipe = r.Schedule()
	past, _ := r.Log.(Past)
	var err error
	d.watcher, err = watch(d, past)
	return d, err
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

// ground is what a phase stands on.
type ground struct {
	*materials
	engine *Engine
	cursor *State
	keep   *keeper // nil for a phase that is only counted
	recipe *recipe.Recipe
	judge  supervise.Judge
}

// newPhase is phase i with its own settings.
func (r *Run) newPhase(i int) (phase, error) {
	set, err := r.Recipe.In(i)
	if err != nil {
		return nil, err
	}
	if p := r.Recipe.Phases[i]; p.RL > 0 {
		return &rlPhase{ground: r.ground(), set: set, total: p.RL}, nil
	}
	return newSFTPhase(r.ground(), set, i)
}

func (r *Run) ground() ground {
	g := ground{r.Material().(*materials), &r.Engine, &r.State, r.keep, &r.Recipe, r.Judge}
	if g.judge == nil {
		g.judge = supervise.Oracle{}
	}
	return g
}

// Material is what the run has to make examples of.
func (r *Run) Material() recipe.Material {
	return &materials{tasks: r.Train, history: r.State.History, files: &r.files, listed: r.Listed}
}

// Schedule is the recipe with the phases that the run has now: a guard may have inserted some.
func (r *Run) Schedule() recipe.Recipe {
	out := r.Recipe
	if r.State.Guard.Phases != nil {
		out.Phases = r.State.Guard.Phases
	}
	return out
}

// Rollout is how the run's episodes are played.
func (r *Run) Rollout() rollout.Config { return played(&r.Recipe, &r.Engine) }

// Cost is what the run has taken so far. What a process did after its last
// checkpoint, before it was killed, is not in it.
func (r *Run) Cost() Cost {
	if r.keep == nil {
		return r.State.Cost
	}
	return r.keep.cost()
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

// played is how episodes are played under settings: theirs, within the model's
// own bound.
func played(set *recipe.Recipe, e *Engine) rollout.Config {
	cfg := set.Rollout(e.Renderer)
	cfg.Context, cfg.Env = e.Context, e.Env
	return cfg
}
