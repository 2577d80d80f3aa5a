package loop

import (
	"context"
	"errors"
	"strings"
	"testing"

	"ballast"
	"ballast/recipe"
)

// weak is a learner that breaks in its nth update.
type weak struct {
	*Recorder
	left int
}

func (w *weak) Update(ctx context.Context, samples []ballast.Sample, rate float64) (ballast.Stats, error) {
	if w.left--; w.left < 0 {
		return nil, errors.New("no device")
	}
	return w.Recorder.Update(ctx, samples, rate)
}

// TestBrokenOff: a run that ends by an error before anything was learnt from the update leaves
// the state of the last update that was done, from which it goes on to the same; one that breaks
// within the learner leaves none.
func TestBrokenOff(t *testing.T) {
	r := small(t, "sft", recipe.Phase{SFT: recipe.Names{"gold"}})
	r.SFT.Batch, r.SFT.Epochs = 1, 1
	whole, straight, _ := newRun(t, r, never)
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	run, learner, log := newRun(t, r, never)
	third := &run.Train[order(r.Seed, "sft", 0, len(run.Train))[2]]
	good := third.Turns
	third.Turns = append([]ballast.TaskTurn{}, good...)
	third.Turns[0].Reply = strings.Repeat("word ", 5000)
	_, err := run.Do(context.Background())
	if err == nil || !strings.Contains(err.Error(), "update 3 (sft): gold of task "+third.ID) || !strings.Contains(err.Error(), "update 2 has a checkpoint") {
		t.Fatal(err)
	}
	if len(log.states) != 1 || log.states[0].Update != 2 || log.states[0].InPhase != 2 || len(learner.Batches) != 2 || len(log.updates) != 2 {
		t.Fatalf("checkpoints %+v, %d updates", log.states, len(learner.Batches))
	}
	third.Turns = good
	run.State = log.states[0]
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i := range straight.Batches {
		if len(learner.Batches) != len(straight.Batches) || len(learner.Batches[i][0].Tokens) != len(straight.Batches[i][0].Tokens) {
			t.Fatalf("update %d of the run that went on is another", i+1)
		}
	}

	run, learner, log = newRun(t, r, never)
	run.Engine.Engine.(*fake).learner = &weak{learner, 2}
	_, err = run.Do(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no device") || strings.Contains(err.Error(), "checkpoint") || len(log.states) != 0 {
		t.Errorf("the learner broke: %v, checkpoints %+v", err, log.states)
	}

	run, _, log = newRun(t, r, never)
	run.Train[order(r.Seed, "sft", 0, len(run.Train))[0]].Turns[0].Reply = strings.Repeat("word ", 5000)
	if _, err := run.Do(context.Background()); err == nil || len(log.states) != 0 {
		t.Errorf("nothing was learnt: %v, checkpoints %+v", err, log.states)
	}

	run, _, log = newRun(t, r, never)
	run.Eval, run.Test = nil, run.Train[:1]
	run.Engine.Engine.(*fake).policy = broken{}
	_, err = run.Do(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no machine") || len(log.states) != 1 || log.states[0].Update != 8 {
		t.Errorf("the test broke: %v, checkpoints %+v", err, log.states)
	}
}
