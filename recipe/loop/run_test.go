package loop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/chat"
	"ballast/chat/bpe"
	"ballast/loss"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/recipe"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/task"
)

// memory is a Log that keeps everything.
type memory struct {
	updates  []ballast.Update
	episodes [][]ballast.Episode
	events   []runlog.Event
	states   []State
}

func (m *memory) Update(u ballast.Update) error { m.updates = append(m.updates, u); return nil }
func (m *memory) Event(e runlog.Event) error    { m.events = append(m.events, e); return nil }
func (m *memory) Episodes(update int, eps []ballast.Episode) error {
	for len(m.episodes) < update-1 { // supervised updates have none
		m.episodes = append(m.episodes, nil)
	}
	m.episodes = append(m.episodes, eps)
	return nil
}
func (m *memory) Replay(update int) ([]ballast.Episode, error) { return m.episodes[update-1], nil }
func (m *memory) Checkpoint(_ int, state any, fill func(string) error) error {
	m.states = append(m.states, state.(State))
	return nil
}

// policy answers with gold replies in the episodes whose seed it likes, and says
// "Done." otherwise.
func policy(s chat.Renderer, train []ballast.Task, good func(seed uint64) bool) *rollout.Script {
	cfg := rollout.Config{Renderer: s, Budget: rollout.Paper}
	replies := map[string][][]int32{} // by first user text
	for i := range train {
		eps, err := rollout.Run(context.Background(), nil, cfg, []rollout.Request{{Task: &train[i], Gold: true}}, ballast.Sampling{})
		if err != nil {
			panic(err)
		}
		var all [][]int32
		for _, t := range eps[0].Turns {
			for _, st := range t.Steps {
				all = append(all, eps[0].Tokens[st.Start:st.End])
			}
		}
		replies[train[i].Turns[0].User] = all
	}
	k := 0
	p := &rollout.Script{}
	p.Reply = func(tokens []int32, req ballast.Request) []int32 {
		text := s.Tokenizer.Decode(tokens)
		if strings.Count(text, "<|im_start|>assistant") == 1 {
			k = 0
		}
		k++
		if good(req.Seed) {
			for user, gold := range replies {
				if strings.Contains(text, user) && k <= len(gold) {
					return gold[k-1]
				}
			}
		}
		return chat.NewDialogue(s, nil, nil).Gold("Done.")
	}
	return p
}

func newRun(t *testing.T, r recipe.Recipe, good func(uint64) bool) (*Run, *Recorder, *memory) {
	t.Helper()
	tasks, err := task.Load(task.Spec{Name: "desk", Split: "train", Seed: 1, Count: 8, Categories: []string{"base"}})
	if err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, x := range tasks {
		texts = append(texts, x.Turns[0].User)
	}
	tok, err := bpe.Train(func(yield func(string) bool) {
		for _, x := range texts {
			if !yield(x) {
				return
			}
		}
	}, 300, chat.ControlTokens(chat.Templates["chatml"]), bpe.Qwen2)
	if err != nil {
		t.Fatal(err)
	}
	s := chat.Renderer{Tokenizer: tok, Template: chat.Templates["chatml"], Format: chat.Formats["hermes"]}
	r.Budget = recipe.Budget(rollout.Paper)
	r.Keep = recipe.Keep{}
	learner, log := &Recorder{Stats: ballast.Stats{}}, &memory{}
	return &Run{Recipe: r, Train: tasks, Log: log,
		Engine: Engine{Engine: &fake{policy(s, tasks, good), learner}, Renderer: s},
	}, learner, log
}

func small(t *testing.T, method string, phases ...recipe.Phase) recipe.Recipe {
	t.Helper()
	r, err := recipe.New(method)
	if err != nil {
		t.Fatal(err)
	}
	r.Phases = phases
	r.RL.Prompts, r.RL.Rollouts, r.RL.Minibatches = 2, 8, 1
	r.SFT.Batch, r.SFT.Epochs = 4, 1
	return r
}

// TestGRPOWeights: one success and seven failures of a group of eight stamp
// +2.475 and -0.354 on exactly the policy's tokens.
func TestGRPOWeights(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 1})
	seeds := map[uint64]bool{mix(r.Seed, 0, 0, 3): true, mix(r.Seed, 0, 1, 5): true}
	run, learner, log := newRun(t, r, func(s uint64) bool { return seeds[s] })
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	batch := learner.Batches[0]
	if len(batch) != 16 {
		t.Fatalf("%d samples", len(batch))
	}
	for i, s := range batch {
		ep := log.episodes[0][i]
		want := -0.354
		if ep.Sample == 3 && ep.Group == 0 || ep.Sample == 5 && ep.Group == 1 {
			want = 2.475
		}
		n := 0
		for k, o := range ep.Owners {
			w := float64(s.Terms[loss.TermPolicy].Weight[k])
			kl := float64(s.Terms[loss.TermReference].Weight[k])
			if o != ballast.OwnerPolicy {
				if w != 0 || kl != 0 {
					t.Fatalf("token %d of %s is weighted", k, o)
				}
				continue
			}
			n++
			if math.Abs(w-want) > 1e-3 || math.Abs(kl-1e-4) > 1e-9 {
				t.Fatalf("sample %d token %d: weight %v, KL %v", i, k, w, kl)
			}
		}
		if s.Terms[loss.TermPolicy].Count != float64(n) || n == 0 {
			t.Errorf("sample %d counts %v of %d tokens", i, s.Terms[loss.TermPolicy].Count, n)
		}
		if s.Prefix != ep.Prompt || s.Group != ep.Group {
			t.Errorf("sample %d: prefix %d group %d", i, s.Prefix, s.Group)
		}
	}
	if m := log.updates[0].Metrics; m[monitor.SuccessMean] != 2.0/16 || m[monitor.ZeroSpread] != 0 {
		t.Errorf("metrics %v", m)
	}
}

func TestSequenceMeanGivesEveryEpisodeTheSameSay(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 1})
	r.RL.Aggregate = "sequence-mean"
	run, learner, _ := newRun(t, r, func(s uint64) bool { return s%2 == 0 })
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, s := range learner.Batches[0] {
		term, sum := s.Terms[loss.TermReference], 0.0
		for _, w := range term.Weight {
			sum += float64(w)
		}
		if term.Count != 1 || math.Abs(sum-r.RL.KL) > 1e-8 {
			t.Errorf("sample %d: count %v, weights sum to %v", i, term.Count, sum)
		}
	}
}

func TestSFTWeightsGoldTokensOnly(t *testing.T) {
	run, learner, _ := newRun(t, small(t, "sft", recipe.Phase{SFT: recipe.Names{"gold"}}), nil)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if len(learner.Batches) != 2 {
		t.Fatalf("%d updates of 8 dialogues in batches of 4", len(learner.Batches))
	}
	for _, s := range learner.Batches[0] {
		text := ""
		for k, w := range s.Terms[loss.TermCrossEntropy].Weight {
			if w == 1 {
				text += run.Engine.Renderer.Tokenizer.Decode(s.Tokens[k : k+1])
			} else if w != 0 {
				t.Fatalf("weight %v", w)
			}
		}
		if !strings.HasPrefix(text, "<tool_call>") || !strings.HasSuffix(text, "<|im_end|>") || strings.Contains(text, "<|im_start|>") {
			t.Errorf("trained on %q", text)
		}
		if s.Terms[loss.TermPolicy].Weight != nil {
			t.Error("a policy term in supervised training")
		}
	}
}

func TestPhasesRestartOptimizerAndReference(t *testing.T) {
	run, learner, log := newRun(t, small(t, "grpo", recipe.Phase{RL: 2}, recipe.Phase{SFT: recipe.Names{"gold"}}, recipe.Phase{RL: 1}), func(s uint64) bool { return s%2 == 0 })
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if learner.Frozen != 3 || learner.Resets != 3 {
		t.Errorf("frozen %d, reset %d times in 3 phases", learner.Frozen, learner.Resets)
	}
	var got []string
	for _, u := range log.updates {
		got = append(got, fmt.Sprint(u.Index, u.Phase))
	}
	if want := "[1rl 2rl 3sft 4sft 5rl]"; fmt.Sprint(got) != want {
		t.Errorf("updates %v, want %v", got, want)
	}
}

// TestResumeAtEveryUpdate stops after each update and goes on from the cursor:
// the learner sees the batches of an uninterrupted run.
func TestResumeAtEveryUpdate(t *testing.T) {
	phases := []recipe.Phase{{RL: 2}, {SFT: recipe.Names{"gold"}}, {RL: 2}}
	good := func(s uint64) bool { return s%3 == 0 }
	whole, want, _ := newRun(t, small(t, "grpo", phases...), good)
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	for stop := range 6 {
		first, a, log := newRun(t, small(t, "grpo", phases...), good)
		first.Stop = func() bool { return first.State.Update == stop }
		if _, err := first.Do(context.Background()); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stop at %d: %v", stop, err)
		}
		second, b, _ := newRun(t, small(t, "grpo", phases...), good)
		second.State = log.states[len(log.states)-1]
		if _, err := second.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := append(a.Batches, b.Batches...); !reflect.DeepEqual(got, want.Batches) {
			t.Errorf("resumed after %d updates: different batches (%d, want %d)", stop, len(got), len(want.Batches))
		}
		if fmt.Sprint(append(a.Rates, b.Rates...)) != fmt.Sprint(want.Rates) {
			t.Errorf("resumed after %d updates: rates %v %v, want %v", stop, a.Rates, b.Rates, want.Rates)
		}
	}
}

// TestCostIsTheRuns: a resumed run has taken what its processes took.
func TestCostIsTheRuns(t *testing.T) {
	clock := func() Cost { return Cost{CPU: 2, Seconds: 1} }
	first, _, log := newRun(t, small(t, "grpo", recipe.Phase{RL: 2}), func(s uint64) bool { return s%2 == 0 })
	first.Clock, first.Stop = clock, func() bool { return first.State.Update == 1 }
	if _, err := first.Do(context.Background()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	second, _, _ := newRun(t, small(t, "grpo", recipe.Phase{RL: 2}), func(s uint64) bool { return s%2 == 0 })
	second.State, second.Clock = log.states[len(log.states)-1], clock
	if _, err := second.Do(context.Background()); err != nil || second.Cost() != (Cost{CPU: 4, Seconds: 2}) || second.State.Cost != second.Cost() {
		t.Errorf("%+v, in the checkpoint %+v: %v", second.Cost(), second.State.Cost, err)
	}
}

func TestNoSignalStops(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 10})
	r.RL.Patience = 3
	run, learner, log := newRun(t, r, func(uint64) bool { return false })
	_, err := run.Do(context.Background())
	if !errors.Is(err, ErrNoSignal) || len(learner.Batches) != 3 {
		t.Errorf("%d updates, %v", len(learner.Batches), err)
	}
	if last := log.events[len(log.events)-1]; last.What != (runlog.Alarm{Sign: verdict.NoSignal}) {
		t.Errorf("last event %+v", last)
	}
	// Demonstrations beside the episodes teach without any reward.
	r = small(t, "mix", recipe.Phase{RL: 10})
	r.RL.Patience = 3
	run, learner, _ = newRun(t, r, func(uint64) bool { return false })
	if _, err := run.Do(context.Background()); err != nil || len(learner.Batches) != 10 {
		t.Errorf("mix: %d updates, %v", len(learner.Batches), err)
	}
}

func TestNonFiniteStops(t *testing.T) {
	run, learner, _ := newRun(t, small(t, "grpo", recipe.Phase{RL: 10}), func(s uint64) bool { return s%2 == 0 })
	learner.Stats = ballast.Stats{monitor.NonFinite: 1}
	if _, err := run.Do(context.Background()); !errors.Is(err, ErrNonFinite) || len(learner.Batches) != maxBroken {
		t.Errorf("%d updates, %v", len(learner.Batches), err)
	}
}

// TestBestIsKept: the evaluation with the most successes is marked and has a
// checkpoint, whatever keep.checkpoint says.
func TestBestIsKept(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 4})
	run, _, log := newRun(t, r, nil)
	run.Recipe.Keep, run.Recipe.RL.Patience, run.Eval = recipe.Keep{Eval: 1}, 0, run.Train[:4]
	rates := []uint64{1, 3, 3, 2} // successes of the evaluations
	run.Engine.Engine.(*fake).policy = policy(run.Engine.Renderer, run.Train, func(seed uint64) bool {
		return seed < 8 && seed < rates[run.State.Update-1]
	})
	res, err := run.Do(context.Background())
	if err != nil || res.Total.OK != 2 || run.State.Best != 0.75 || run.State.BestAt != 3 {
		t.Fatalf("%v: %+v, best %v at %d", err, res.Total, run.State.Best, run.State.BestAt)
	}
	var saved, best []int
	for _, s := range log.states {
		saved = append(saved, s.Update)
	}
	for _, e := range log.events {
		if what, ok := e.What.(runlog.Evaluated); ok && what.Best {
			best = append(best, e.Update)
		}
	}
	if fmt.Sprint(saved, best) != "[1 2 3 4] [1 2 3]" || log.updates[2].Metrics[monitor.EvalSuccess] != 0.75 {
		t.Errorf("checkpoints of %v, best %v", saved, best)
	}
}

// TestTestTasksAreLast: test tasks of their own are played once, after the last
// evaluation, and choose nothing.
func TestTestTasksAreLast(t *testing.T) {
	run, _, log := newRun(t, small(t, "grpo", recipe.Phase{RL: 2}), func(seed uint64) bool { return seed == 0 })
	run.Recipe.Keep, run.Recipe.RL.Patience, run.Eval, run.Test = recipe.Keep{Eval: 1}, 0, run.Train[:2], run.Train[2:5]
	for range 2 { // the second time as a resumed run that had ended
		res, err := run.Do(context.Background())
		if err != nil || res.Total.All != 3 || run.State.Test.Update != 2 || run.State.Eval.Result.Total.All != 2 {
			t.Fatalf("%v: %+v, %+v", err, res.Total, run.State)
		}
	}
	var kinds []string
	for _, e := range log.events {
		kinds = append(kinds, string(e.Kind()))
	}
	if got := strings.Join(kinds, " "); got != "phase eval eval test done done" {
		t.Errorf("events %s", got)
	}
	if s := log.states[len(log.states)-1]; s.Test == nil || s.Test.Result.Total.All != 3 {
		t.Errorf("the checkpoint does not know the test: %+v", s.Test)
	}
}

// broken is a policy that cannot answer.
type broken struct{ *rollout.Script }

func (broken) Play(_ context.Context, convs []ballast.Conversation, _ ballast.Sampling) error {
	for _, c := range convs {
		for _, more := c.Next(); more; _, more = c.Next() {
			c.Take(ballast.Reply{Err: errors.New("no machine")})
		}
	}
	return nil
}

// TestBrokenEvaluationIsNoZero: where no test task can be played there is no rate.
func TestBrokenEvaluationIsNoZero(t *testing.T) {
	run, _, log := newRun(t, small(t, "grpo", recipe.Phase{RL: 1}), nil)
	run.Engine.Engine.(*fake).policy, run.Eval = broken{}, run.Train[:2]
	d, err := run.driver()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.eval.evaluate(context.Background()); err == nil || !strings.Contains(err.Error(), "no machine") || len(log.events) != 0 {
		t.Errorf("%v, events %v", err, log.events)
	}
}
