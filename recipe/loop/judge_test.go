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

// TestClosingRepliesAreTheJudges on request: gold ends its turns with them, in a
// resumed run the same, whatever the judge can answer by then.
func TestClosingRepliesAreTheJudges(t *testing.T) {
	fresh := func(stop int) (*Run, *Recorder, *memory) {
		run, learner, log := newRun(t, small(t, "sft", recipe.Phase{SFT: "gold"}), nil)
		run.Recipe.Judge = supervise.Settings{Kind: "endpoint", URL: "http://x", Model: "m", Closing: true}
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
			if strings.Contains(whole.Engine.Style.Tok.Decode(s.Tokens), "that is done.") {
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
