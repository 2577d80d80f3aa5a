package loop

import (
	"slices"

	"ballast/eval"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/supervise"
)

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

// advance moves the cursor over an update with these metrics.
func (s *State) advance(m map[string]float64) {
	s.Update++
	s.InPhase++
	s.Broken++
	if m[monitor.NonFinite] == 0 {
		s.Broken = 0
	}
}

// learns notes whether an RL update had anything to learn from.
func (s *State) learns(yes bool) {
	s.Flat++
	if yes {
		s.Flat = 0
	}
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
