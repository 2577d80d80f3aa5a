package loop

import (
	"ballast"
	"ballast/runlog"
)

// keeper records a run: what happens at the cursor, and checkpoints of it.
type keeper struct {
	Log
	cursor  *State
	learner ballast.Learner
	clock   func() Cost
	before  Cost // of the processes before this one
	saved   bool // the newest checkpoint says all that there is to say
}

// say records what happened after the cursor's update.
func (k *keeper) say(what runlog.What, text string) error {
	return k.Event(runlog.Event{Update: k.cursor.Update, What: what, Text: text})
}

// changed says that there is something to say that the newest checkpoint does not.
func (k *keeper) changed() { k.saved = false }

// save writes a checkpoint, unless nothing has changed since the newest.
func (k *keeper) save() error {
	if k.saved {
		return nil
	}
	k.cursor.Cost = k.cost()
	err := k.Checkpoint(k.cursor.Update, *k.cursor, k.learner.Save)
	k.saved = err == nil
	return err
}

// cost is what the run has taken so far.
func (k *keeper) cost() Cost {
	if k.clock == nil {
		return k.cursor.Cost
	}
	now := k.clock()
	return Cost{k.before.CPU + now.CPU, k.before.Seconds + now.Seconds}
}
