package loop

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"ballast/recipe"
	"ballast/supervise"
)

// writer is a judge that writes closing replies, but for one task.
type writer struct{ not string }

func (w writer) Answer(_ context.Context, qs []supervise.Query) ([]supervise.Answer, supervise.Stats, error) {
	out := make([]supervise.Answer, len(qs))
	for i, q := range qs {
		if q.Task.ID == w.not {
			out[i].Failure = supervise.FailServer
			continue
		}
		for k := range q.Task.Turns {
			out[i].Text += fmt.Sprintf("Turn %d: that is done.\n", k+1)
		}
	}
	return out, supervise.Stats{Answered: len(qs)}, nil
}

// TestNobodyIsAskedForWhatNothingReads: closing replies cost money, and a run without
// gold dialogues learns from none.
func TestNobodyIsAskedForWhatNothingReads(t *testing.T) {
	run, _, _ := newRun(t, small(t, "grpo", recipe.Phase{RL: 1}), nil)
	run.Recipe.Judge.URL, run.Recipe.Judge.Model, run.Recipe.Judge.Closing = "http://x", "m", true
	run.Judge = refuser{t}
	run.Stop = func() bool { return true }
	if _, err := run.Do(context.Background()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
}

// refuser is a judge that must not be asked.
type refuser struct{ t *testing.T }

func (r refuser) Answer(_ context.Context, qs []supervise.Query) ([]supervise.Answer, supervise.Stats, error) {
	r.t.Errorf("%d queries", len(qs))
	return make([]supervise.Answer, len(qs)), supervise.Stats{}, nil
}

// TestClosingRepliesAreTheJudges on request: gold ends its turns with them, in a
// resumed run the same, whatever the judge can answer by then.
func TestClosingRepliesAreTheJudges(t *testing.T) {
	fresh := func(stop int) (*Run, *Recorder, *memory) {
		run, learner, log := newRun(t, small(t, "sft", recipe.Phase{SFT: recipe.Names{"gold"}}), nil)
		run.Recipe.Judge.URL, run.Recipe.Judge.Model, run.Recipe.Judge.Closing = "http://x", "m", true
		run.Judge = writer{not: run.Train[3].ID}
		run.Stop = func() bool { return run.State.Update == stop }
		return run, learner, log
	}
	whole, want, log := fresh(-1)
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, b := range want.Batches {
		for _, s := range b {
			if strings.Contains(whole.Engine.Renderer.Tokenizer.Decode(s.Tokens), "that is done.") {
				said++
			}
		}
	}
	if said != 7 || !strings.Contains(log.texts("judge"), "closing replies of 7 tasks, 1 keep") {
		t.Errorf("%d dialogues end with the judge's words; %s", said, log.texts("judge"))
	}
	first, a, part := fresh(1)
	if _, err := first.Do(context.Background()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	second, b, later := fresh(-1)
	second.State, second.Judge = part.states[len(part.states)-1], writer{}
	if _, err := second.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := append(a.Batches, b.Batches...); !reflect.DeepEqual(got, want.Batches) || later.texts("judge") != "" {
		t.Errorf("resumed: other batches, or the judge's event again: %q", later.texts("judge"))
	}
}

// stopper is a judge that is told to stop when it is asked for the at-th time.
type stopper struct {
	asked, at int
	stopped   bool
}

func (s *stopper) Answer(_ context.Context, qs []supervise.Query) ([]supervise.Answer, supervise.Stats, error) {
	if s.asked++; s.asked == s.at {
		s.stopped = true
		return nil, supervise.Stats{}, fmt.Errorf("judge: %w", supervise.ErrStopped)
	}
	out := make([]supervise.Answer, len(qs))
	for i := range out {
		out[i].Text = "Notes that may help"
	}
	return out, supervise.Stats{Answered: len(qs)}, nil
}

// TestAnInterruptReachesTheJudge: an update whose hints are being written ends with a
// checkpoint of the update before, from which the run comes to the same.
func TestAnInterruptReachesTheJudge(t *testing.T) {
	fresh := func(j *stopper) (*Run, *Recorder, *memory) {
		r := use(small(t, "hbg", recipe.Phase{RL: 4}), "hint", "n", 2, "from", "judge")
		run, learner, log := newRun(t, r, func(seed uint64) bool { return seed%3 == 0 })
		run.Recipe.Judge.URL, run.Recipe.Judge.Model = "http://x", "m"
		run.Judge, run.Stop = j, func() bool { return j.stopped }
		return run, learner, log
	}
	whole, want, _ := fresh(&stopper{})
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	first, a, log := fresh(&stopper{at: 3})
	if _, err := first.Do(context.Background()); !errors.Is(err, ErrInterrupted) || len(log.states) != 1 || log.states[0].Update != 2 {
		t.Fatalf("%v; %d checkpoints", err, len(log.states))
	}
	second, b, _ := fresh(&stopper{})
	second.State = log.states[0]
	if _, err := second.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := append(a.Batches, b.Batches...); !reflect.DeepEqual(got, want.Batches) {
		t.Error("resumed: other batches")
	}
}
