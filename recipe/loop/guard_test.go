package loop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/loss"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe"
	"ballast/runlog"
)

// past is a memory log that can be read back.
type past struct {
	*memory
	dir string
}

func (p past) Updates() iter.Seq2[ballast.Update, error] {
	return func(yield func(ballast.Update, error) bool) {
		for _, u := range p.updates {
			if !yield(u, nil) {
				return
			}
		}
	}
}

func (p past) Before(update int) (string, int, error) { return p.dir, update - 1, nil }

// kept is a memory log whose checkpoints can be found again, all of them.
type kept struct{ past }

func (k kept) Before(update int) (string, int, error) {
	for _, s := range slices.Backward(k.states) {
		if s.Update < update {
			return fmt.Sprintf("checkpoint-%d", s.Update), s.Update, nil
		}
	}
	return "", 0, nil
}

// loads counts the checkpoints that were loaded.
type loads struct {
	*Recorder
	dirs []string
}

func (l *loads) Load(dir string) error { l.dirs = append(l.dirs, dir); return nil }

// sickRun is a run whose policy stops to call tools after 14 updates and is well
// again once the guard has acted.
func sickRun(t *testing.T, g recipe.Guard, total int) (*Run, *loads, *memory) {
	t.Helper()
	r := small(t, "grpo", recipe.Phase{RL: total})
	was := r.Guard
	r.Guard, r.RL.Patience, r.RL.KL = recipe.Guard{Do: g.Do, At: cmp.Or(g.At, was.At), Times: cmp.Or(g.Times, was.Times),
		Rate: cmp.Or(g.Rate, was.Rate), Factor: cmp.Or(g.Factor, was.Factor)}, 0, 0.01
	var run *Run
	run, learner, log := newRun(t, r, func(seed uint64) bool {
		return seed%2 == 0 && (run.State.Update < 14 || run.State.Guard.Acts > 0)
	})
	l := &loads{Recorder: learner}
	run.Engine.Engine.(*fake).learner, run.Log = l, past{log, "healthy"}
	return run, l, log
}

// events returns the texts of the events of a kind.
func (m *memory) texts(kind runlog.Kind) string {
	var out []string
	for _, e := range m.events {
		if e.Kind() == kind {
			out = append(out, e.Text)
		}
	}
	return strings.Join(out, "; ")
}

func TestGuardIsOffByDefault(t *testing.T) {
	run, _, log := sickRun(t, recipe.Guard{}, 24)
	if _, err := run.Do(context.Background()); err != nil || log.texts("action") != "" {
		t.Errorf("%v; actions %q", err, log.texts("action"))
	}
	// It is told all the same, once for each state.
	if got := log.texts("warning"); strings.Count(got, "tool abandonment since update 1") != 1 || log.texts("alarm") != "" {
		t.Errorf("warnings %q, alarms %q", got, log.texts("alarm"))
	}
}

// TestWarningsComeOnce: a resumed run knows what it has said.
func TestWarningsComeOnce(t *testing.T) {
	run, _, log := sickRun(t, recipe.Guard{}, 24)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	d, err := run.driver()
	if err != nil {
		t.Fatal(err)
	}
	before := log.texts("warning")
	last := log.updates[len(log.updates)-1]
	for i := range 3 {
		last.Index = 25 + i
		if err := d.watcher.note(last); err != nil {
			t.Fatal(err)
		}
	}
	if got := log.texts("warning"); before == "" || got != before {
		t.Errorf("warnings %q, after a resume %q", before, got)
	}
}

// TestSupervisedUpdatesWarnOfNothing: the sick end of an RL phase says nothing about
// the updates of the supervised one after it.
func TestSupervisedUpdatesWarnOfNothing(t *testing.T) {
	run, _, log := sickRun(t, recipe.Guard{}, 24)
	run.Recipe.Phases = append(run.Recipe.Phases, recipe.Phase{SFT: recipe.Names{"gold"}})
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, e := range log.events {
		if (e.Kind() == runlog.KindWarning || e.Kind() == runlog.KindAlarm) && e.Update > 24 {
			t.Errorf("update %d, %s: %s", e.Update, e.Kind(), e.Text)
		}
	}
}

// TestGuardStops: the run ends, and names the healthy checkpoint, which is kept.
func TestGuardStops(t *testing.T) {
	run, _, log := sickRun(t, recipe.Guard{Do: "stop"}, 40)
	run.Recipe.Keep.Checkpoint = 10
	run.Log = kept{past{log, ""}}
	_, err := run.Do(context.Background())
	if !errors.Is(err, ErrSick) || run.State.Update < 16 || run.State.Update > 24 || !strings.Contains(log.texts("alarm"), "since update 1") {
		t.Errorf("update %d: %v; alarms %q", run.State.Update, err, log.texts("alarm"))
	}
	last := log.states[len(log.states)-1]
	if last.Guard.Healthy != 10 || last.Update != run.State.Update || !strings.Contains(err.Error(), "use the checkpoint of update 10") {
		t.Errorf("kept %d in the checkpoint of update %d: %v", last.Guard.Healthy, last.Update, err)
	}
	for _, e := range log.events {
		switch what := e.What.(type) {
		case runlog.Acted:
			if what.Do != runlog.DoStop || *what.Checkpoint != 10 {
				t.Errorf("%+v", what)
			}
		case runlog.Alarm:
			if what.Began <= 10 || !what.Sign.Sick() {
				t.Errorf("%+v", what)
			}
		}
	}
}

// TestGuardKeepsAHealthyCheckpoint: while the run is calm one checkpoint is kept that is
// old enough for any onset, and none of before the last action.
func TestGuardKeepsAHealthyCheckpoint(t *testing.T) {
	run, _, log := sickRun(t, recipe.Guard{Do: "rollback", At: "drifting"}, 70)
	run.Recipe.Keep.Checkpoint = 10
	run.Log = kept{past{log, ""}}
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	since := run.State.Guard.Since
	for _, s := range log.states {
		want := 0
		if s.Update >= since && s.Guard.Acts > 0 {
			want = max(since, (s.Update-settled)/10*10)
		}
		if s.Guard.Healthy != want {
			t.Errorf("update %d: keeps %d, want %d", s.Update, s.Guard.Healthy, want)
		}
	}
	if run.State.Guard.Acts != 1 || since < 15 || run.State.Guard.Healthy <= since {
		t.Errorf("%+v", run.State.Guard)
	}
}

func TestGuardRollsBack(t *testing.T) {
	run, l, log := sickRun(t, recipe.Guard{Do: "rollback"}, 40)
	run.Recipe.RL.Warmup = 4
	_, err := run.Do(context.Background())
	if err != nil || len(l.dirs) != 1 || l.dirs[0] != "healthy" || run.State.Update != 40 {
		t.Fatalf("update %d, loaded %q: %v; %s", run.State.Update, l.dirs, err, log.texts("alarm"))
	}
	if log.states[0].Update != 0 {
		t.Errorf("the first checkpoint is of update %d, want the start", log.states[0].Update)
	}
	if last := l.Rates[len(l.Rates)-1]; last != run.Recipe.RL.LR/2 {
		t.Errorf("learning rate %g after the rollback, want half of %g", last, run.Recipe.RL.LR)
	}
	at := run.State.Guard.Since // and it warms up again
	if w := run.Recipe.RL.Warmup; w < 2 || log.updates[at].Metrics[monitor.LearningRate] != run.Recipe.RL.LR/2/float64(w) {
		t.Errorf("warm-up of %d: learning rate %g right after the rollback", w, log.updates[at].Metrics[monitor.LearningRate])
	}
	if !strings.Contains(log.texts("action"), "rollback to the checkpoint of update 1") || len(log.states) < 2 {
		t.Errorf("actions %q, %d checkpoints", log.texts("action"), len(log.states))
	}
}

func TestGuardWithoutHealthyCheckpointStops(t *testing.T) {
	run, _, log := sickRun(t, recipe.Guard{Do: "rollback"}, 40)
	run.Log = past{log, ""}
	if _, err := run.Do(context.Background()); !errors.Is(err, ErrSick) || !strings.Contains(err.Error(), "keep.checkpoints") {
		t.Error(err)
	}
}

func TestGuardRaisesReferenceOnControlTokens(t *testing.T) {
	run, l, _ := sickRun(t, recipe.Guard{Do: "reference", Factor: 5}, 30)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	control := map[int32]bool{}
	ids, _ := chat.Renderer.Control(run.Engine.Renderer)
	for _, id := range ids {
		control[id] = true
	}
	for b, want := range map[int]float32{0: 1, len(l.Batches) - 1: 5} {
		seen := 0
		for _, s := range l.Batches[b] {
			for i, w := range s.Terms[loss.TermReference].Weight {
				factor := float32(1)
				if control[s.Tokens[i]] {
					factor = want
					seen++
				}
				if w != 0 && w != factor*0.01 {
					t.Fatalf("batch %d: weight %g on token %d, want %g", b, w, s.Tokens[i], factor*0.01)
				}
			}
		}
		if seen == 0 {
			t.Errorf("batch %d has no control tokens", b)
		}
	}
}

func TestGuardInsertsSupervisedPhase(t *testing.T) {
	run, l, log := sickRun(t, recipe.Guard{Do: "sft"}, 30)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if last := l.Rates[len(l.Rates)-1]; last != run.Recipe.RL.LR/2 {
		t.Errorf("learning rate %g at the end, want half of %g", last, run.Recipe.RL.LR)
	}
	if n := len(run.Recipe.Phases); n != 3 || run.Recipe.Phases[1].SFT.String() != "failed" || run.Recipe.Phases[0].RL+run.Recipe.Phases[2].RL != 30 {
		t.Errorf("phases %+v", run.Recipe.Phases)
	}
	sft := 0
	for _, u := range log.updates {
		if u.Phase == "sft" {
			sft++
		}
	}
	if sft == 0 || len(log.updates) != 30+sft {
		t.Errorf("%d updates, %d of them supervised", len(log.updates), sft)
	}
}

// TestGuardResumes: a run that was interrupted between onset and alarm acts at the
// same update as one that was not.
func TestGuardResumes(t *testing.T) {
	whole, _, log := sickRun(t, recipe.Guard{Do: "sft"}, 30)
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	run, _, parts := sickRun(t, recipe.Guard{Do: "sft"}, 30)
	for stop := 7; ; stop += 8 {
		run.Stop = func() bool { return run.State.Update >= stop }
		_, err := run.Do(context.Background())
		if err == nil {
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		run.Recipe.Phases = []recipe.Phase{{RL: 30}} // as read from the recipe again
	}
	if a, b := log.texts("action"), parts.texts("action"); a != b || a == "" {
		t.Errorf("actions %q, resumed %q", a, b)
	}
}

// TestGuardActsAfterAKill: a run that was killed between a checkpoint and what its
// guard did next does it at the same update.
func TestGuardActsAfterAKill(t *testing.T) {
	whole, _, log := sickRun(t, recipe.Guard{Do: "sft"}, 26)
	whole.Recipe.Keep.Checkpoint = 1
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	k := slices.IndexFunc(log.states, func(s State) bool { return s.Guard.Acts > 0 }) - 1
	if k < 0 || log.states[k].Update != log.states[k+1].Guard.Since {
		t.Fatalf("no checkpoint of the update before the action: %d of %d", k, len(log.states))
	}
	run, _, parts := sickRun(t, recipe.Guard{Do: "sft"}, 26)
	run.State = log.states[k]
	parts.updates, parts.episodes = slices.Clone(log.updates[:run.State.Update]), slices.Clone(log.episodes[:run.State.Update])
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(run.Recipe.Phases), fmt.Sprint(whole.Recipe.Phases); got != want || parts.texts("action") != log.texts("action") {
		t.Errorf("phases %s and %q, resumed %s and %q", want, log.texts("action"), got, parts.texts("action"))
	}
}

// TestRollbackKeepsTheBest: the checkpoint of the best evaluation keeps the weights
// that were evaluated, whatever happens next: an update with one waits for the next.
func TestRollbackKeepsTheBest(t *testing.T) {
	whole, _, _ := sickRun(t, recipe.Guard{Do: "rollback"}, 40)
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	acted := whole.State.Guard.Since
	run, l, log := sickRun(t, recipe.Guard{Do: "rollback"}, 40)
	run.Observe = func(u ballast.Update, _ Progress) {
		if u.Index == acted {
			run.State.Best, run.State.BestAt = 1, acted
		}
	}
	run.Stop = func() bool { return run.State.Update >= acted } // killed right after it
	if _, err := run.Do(context.Background()); !errors.Is(err, ErrInterrupted) || len(l.dirs) != 0 {
		t.Fatalf("%v, loaded %q", err, l.dirs)
	}
	for _, s := range log.states {
		if s.Update == acted && s.Guard.Acts != 0 {
			t.Error("the checkpoint of the best evaluation was replaced")
		}
	}
	run.Stop = nil
	if _, err := run.Do(context.Background()); err != nil || run.State.Guard.Since != acted+1 || len(l.dirs) != 1 {
		t.Errorf("%v: acted at %d, want %d; loaded %q", err, run.State.Guard.Since, acted+1, l.dirs)
	}
}

// TestRollbackStaysInItsStory: a checkpoint of before the last action, or of another
// phase, is none to go back to.
func TestRollbackStaysInItsStory(t *testing.T) {
	for _, c := range []struct{ since, inPhase, began, want int }{
		{0, 20, 12, 11}, {0, 5, 12, -1}, {11, 20, 12, 11}, {15, 20, 16, 15}, {15, 20, 12, -1},
	} {
		run, _, log := sickRun(t, recipe.Guard{Do: "rollback"}, 40)
		run.State.Update, run.State.InPhase, run.State.Guard.Since = 20, c.inPhase, c.since
		g := &guard{ward: &driver{run: run, keeper: &keeper{cursor: &run.State}}, past: past{log, "healthy"}, found: verdict.Diagnosis{Began: c.began}}
		dir, at, err := g.healthy()
		if err != nil || (dir != "") != (c.want >= 0) || dir != "" && at != c.want {
			t.Errorf("%+v: %q of %d, %v", c, dir, at, err)
		}
	}
}

func TestGuardIsChecked(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 3})
	r.Guard = recipe.Guard{Do: "pray", At: "noon", Rate: 2}
	err := r.Check()
	for _, want := range []string{"guard.do", "guard.at", "rate"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v lacks %s", err, want)
		}
	}
}

// TestGuards: every choice of guard.do is there, and nothing else.
func TestGuards(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 1})
	r.Guard.Do = "nothing"
	err := r.Check()
	if err == nil {
		t.Fatal("guard.do: nothing")
	}
	_, list, _ := strings.Cut(err.Error(), `guard.do: "nothing" is not one of `)
	choices := strings.Split(list, ", ")
	slices.Sort(choices)
	if have := slices.Sorted(maps.Keys(guards)); !slices.Equal(have, choices) {
		t.Errorf("guards %q, choices %q", have, choices)
	}
}
