package loop

import (
	"context"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/loss"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/rollout"
	"ballast/runlog"
)

// TestControlSignal: the reference term stands on sampled control tokens alone.
func TestControlSignal(t *testing.T) {
	r := use(small(t, "grpo", recipe.Phase{RL: 1}), "control", "kl", 0.5)
	r.RL.KL = 0
	batch, eps, run := do(t, r, func(s uint64) bool { return s%2 == 0 })
	ids, _ := chat.Renderer.Control(run.Engine.Renderer)
	control := map[int32]bool{}
	for _, id := range ids {
		control[id] = true
	}
	on := 0
	for i := range batch {
		for k, w := range batch[i].Terms[loss.TermReference].Weight {
			want := float32(0)
			if eps[i].Owners[k] == ballast.OwnerPolicy && control[eps[i].Tokens[k]] {
				want = 0.5
				on++
			}
			if w != want {
				t.Fatalf("sample %d token %d: weight %v, want %v", i, k, w, want)
			}
		}
	}
	if on < 8 {
		t.Errorf("%d control tokens in 8 episodes", on)
	}
}

// TestPartialKL: a KL of control tokens alone, or of none, is not told as that of all.
func TestPartialKL(t *testing.T) {
	for _, c := range []struct {
		kl      float64
		control bool
		want    []string
	}{
		{1e-4, false, []string{monitor.KL, monitor.KLControl}},
		{1e-4, true, []string{monitor.KL, monitor.KLControl}},
		{0, true, []string{monitor.KLOnControl}},
		{0, false, nil},
	} {
		r := small(t, "grpo", recipe.Phase{RL: 1})
		if c.control {
			r = use(r, "control", "kl", 0.5)
		}
		r.RL.KL = c.kl
		run, learner, log := newRun(t, r, func(s uint64) bool { return s%2 == 0 })
		learner.Stats = ballast.Stats{monitor.KL: 0.25, monitor.KLControl: 0.5}
		if _, err := run.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range []string{monitor.KL, monitor.KLControl, monitor.KLOnControl} {
			if _, ok := log.updates[0].Metrics[name]; ok {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("rl.kl %v, control %v: %v, want %v", c.kl, c.control, got, c.want)
		}
	}
}

// TestVanilla: a run of no phase leaves a checkpoint of the model as it is.
func TestVanilla(t *testing.T) {
	r, err := recipe.New("vanilla")
	if err != nil {
		t.Fatal(err)
	}
	run, learner, log := newRun(t, r, never)
	run.Eval = run.Train[:2]
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(learner.Batches) != 0 || len(log.states) != 1 || log.states[0].Update != 0 || log.events[len(log.events)-1].Kind() != runlog.KindDone {
		t.Errorf("%d updates, %d checkpoints, events %+v", len(learner.Batches), len(log.states), log.events)
	}
}

// TestSupervisedBudget: a supervised phase takes exactly the updates it is told, and
// every demonstration's token is counted, of gold episodes and mixed-in ones too.
func TestSupervisedBudget(t *testing.T) {
	r := small(t, "sft", recipe.Phase{SFT: recipe.Names{"gold"}})
	r.SFT.Updates = 5
	run, _, log := newRun(t, r, nil)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(log.updates) != 5 {
		t.Fatalf("%d updates, want 5", len(log.updates))
	}
	perEpoch := log.updates[0].Metrics[monitor.TokensSupervised] + log.updates[1].Metrics[monitor.TokensSupervised]
	for method, want := range map[string]bool{"ops": true, "mix": true, "grpo": false} {
		_, _, run := do(t, small(t, method, recipe.Phase{RL: 8}), never)
		sum := 0.0
		for _, u := range run.Log.(*memory).updates {
			sum += u.Metrics[monitor.TokensSupervised]
		}
		if want && sum != perEpoch || !want && sum != 0 { // eight updates of one task each are an epoch
			t.Errorf("%s: %v supervised tokens, an epoch of gold has %v", method, sum, perEpoch)
		}
	}
}

// TestFaults: under append-end the appended token is trained with the group's
// advantage and the learner's own log-probability; the record does not have it.
func TestFaults(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 1})
	r.Faults = rollout.Faults{rollout.AppendEnd}
	r.RL.Prompts = 1
	run, learner, log := newRun(t, r, func(s uint64) bool { return s%2 == 0 })
	run.Recipe.Budget.Reply = 30
	learner.LogProb = marker
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	end, cut := run.Engine.Renderer.Stops()[0], 0
	for i, ep := range log.episodes[0] {
		s := learner.Batches[0][i]
		for _, turn := range ep.Turns {
			for _, step := range turn.Steps {
				if !step.Cut {
					continue
				}
				cut++ // the tokens before it are those of the record plus one for each earlier cut
				if ep.Owners[step.End-1] != ballast.OwnerPolicy || s.OldLogProb[step.End] != marker {
					t.Errorf("episode %d: old log-probability %v", i, s.OldLogProb[step.End])
				}
				if s.Tokens[step.End] != end || s.Terms[loss.TermReference].Weight[step.End] == 0 {
					t.Errorf("episode %d: the token behind a cut reply is %d, want a trained %d", i, s.Tokens[step.End], end)
				}
			}
		}
	}
	if cut == 0 {
		t.Error("no reply was cut")
	}
	r.Faults = rollout.Faults{"hurry"}
	if err := r.Check(); err == nil || !strings.Contains(err.Error(), "faults") {
		t.Errorf("%v", err)
	}
}
