package loop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/recipe"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/runlog"
	"ballast/supervise"
)

// The advantages of one success among eight, unbiased std (paper, section 3.2).
const (
	won  = 2.4748
	lost = -0.3536
)

// marker is the log-probability that the recorder answers, so that old
// log-probabilities show where they came from: the scripted sampler says 0.
const marker = -7

// never and only are policies by seed.
func never(uint64) bool { return false }

func only(r *recipe.Recipe, update, group, sample int) func(uint64) bool {
	seed := mix(r.Seed, uint64(update), uint64(group), uint64(sample))
	return func(s uint64) bool { return s == seed }
}

// do runs a recipe with one group of eight and returns its first update.
func do(t *testing.T, r recipe.Recipe, good func(uint64) bool) ([]ballast.Sample, []ballast.Episode, *Run) {
	t.Helper()
	r.RL.Prompts = 1
	run, learner, log := newRun(t, r, good)
	learner.LogProb = marker
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	return learner.Batches[0], log.episodes[0], run
}

// weights checks that a term has weight w on exactly the tokens of owner (none:
// an owner beyond the table) and counts n of them.
func weights(t *testing.T, what string, s *ballast.Sample, owners []ballast.Owner, term int, owner ballast.Owner, w float64) {
	t.Helper()
	n := 0.0
	for k, o := range owners {
		got := 0.0
		if s.Terms[term].Weight != nil {
			got = float64(s.Terms[term].Weight[k])
		}
		want := 0.0
		if o == owner {
			want, n = w, n+1
		}
		if math.Abs(got-want) > 1e-3 {
			t.Fatalf("%s: term %d, token %d of %s has weight %v, want %v", what, term, k, o, got, want)
		}
	}
	if n == 0 || w != 0 && s.Terms[term].Count != n {
		t.Fatalf("%s: term %d counts %v of %v tokens", what, term, s.Terms[term].Count, n)
	}
}

// TestEveryMethodsWeights: in the first RL update of every method, with one success
// in a group of eight, the winner's tokens weigh +2.475, the others' -0.354, and
// before and after it supervised updates weigh gold's tokens 1.
func TestEveryMethodsWeights(t *testing.T) {
	played := map[string]string{}
	for _, m := range recipe.All {
		r := small(t, m.Name)
		for _, p := range m.New().Phases {
			if p.RL > 0 {
				p.RL = 1
			}
			r.Phases = append(r.Phases, p)
		}
		r.RL.Prompts = 1
		run, learner, log := newRun(t, r, nil)
		_, shown := r.RL.Signals["gold"] // then gold is the winner
		good := func(seed uint64) bool { return !shown && seed == mix(r.Seed, uint64(run.State.Update), 0, 7) }
		run.Engine.Engine.(*fake).policy = policy(run.Engine.Renderer, run.Train, good)
		if _, err := run.Do(context.Background()); err != nil {
			t.Fatal(m.Name, err)
		}
		for i, u := range log.updates {
			for k := range learner.Batches[i] {
				s := &learner.Batches[i][k]
				if u.Phase == "rl" && k < 8 {
					ep, owner, w := log.episodes[i][k], ballast.OwnerPolicy, lost
					switch {
					case shown && k == 0:
						owner, w = ballast.OwnerGold, won
					case !shown && k == 7:
						w = won
					}
					weights(t, m.Name, s, ep.Owners, loss.TermPolicy, owner, w)
					played[m.Name] += "r"
					continue
				}
				n := 0.0
				for _, w := range s.Terms[loss.TermCrossEntropy].Weight {
					if w != 0 && w != 1 && u.Phase == "sft" {
						t.Fatalf("%s: a supervised token has weight %v", m.Name, w)
					} else if w != 0 {
						n++
					}
				}
				if n == 0 || n != s.Terms[loss.TermCrossEntropy].Count {
					t.Errorf("%s: %v supervised tokens, count %v", m.Name, n, s.Terms[loss.TermCrossEntropy].Count)
				}
				played[m.Name] += "s"
			}
		}
	}
	for name, want := range map[string]string{
		"grpo": "rrrrrrrr", "ops": "rrrrrrrr", "hbg": "rrrrrrrr", "mix": "rrrrrrrrs", "sft": "ssssssss", "sft-grpo": "ssssssssrrrrrrrr",
	} {
		if played[name] != want {
			t.Errorf("%s: trained on %s, want %s", name, played[name], want)
		}
	}
}

func use(r recipe.Recipe, name string, pairs ...any) recipe.Recipe {
	set := signal.Settings{}
	for i := 0; i < len(pairs); i += 2 {
		set[pairs[i].(string)] = pairs[i+1]
	}
	r.RL.Signals = signal.Lay(r.RL.Signals, map[string]signal.Settings{name: set})
	return r
}

// TestOPSWeights: the gold episode of a group whose seven others fail gets
// +2.475 on gold's tokens, under a ratio to the learner's own log-probabilities.
func TestOPSWeights(t *testing.T) {
	batch, eps, _ := do(t, small(t, "ops", recipe.Phase{RL: 1}), never)
	if len(batch) != 8 || !eps[0].Score.Success {
		t.Fatalf("%d samples, the gold episode: %+v", len(batch), eps[0].Score)
	}
	weights(t, "gold", &batch[0], eps[0].Owners, loss.TermPolicy, ballast.OwnerGold, won)
	weights(t, "gold", &batch[0], eps[0].Owners, loss.TermReference, ballast.OwnerGold, 1e-4)
	if batch[0].OldLogProb[5] != marker {
		t.Errorf("gold's old log-probability is %v, want the learner's", batch[0].OldLogProb[5])
	}
	for i := 1; i < 8; i++ {
		weights(t, "sampled", &batch[i], eps[i].Owners, loss.TermPolicy, ballast.OwnerPolicy, lost)
		if slices.Contains(batch[i].OldLogProb, marker) {
			t.Errorf("sample %d: old log-probabilities are not the sampler's", i)
		}
	}
}

// TestOPSShaped: the same weights stand in the off-policy term, and both terms
// divide by the tokens of the whole group.
func TestOPSShaped(t *testing.T) {
	batch, eps, _ := do(t, use(small(t, "ops", recipe.Phase{RL: 1}), "gold", "n", 1, "loss", "shaped"), never)
	weights(t, "gold", &batch[0], eps[0].Owners, loss.TermOffPolicy, ballast.OwnerGold, won)
	weights(t, "gold", &batch[0], eps[0].Owners, loss.TermPolicy, ballast.OwnerGold, 0)
	z := [loss.NumTerms]float64{}
	for i, s := range batch {
		if i > 0 {
			weights(t, "sampled", &batch[i], eps[i].Owners, loss.TermPolicy, ballast.OwnerPolicy, lost)
			weights(t, "sampled", &batch[i], eps[i].Owners, loss.TermOffPolicy, ballast.OwnerPolicy, 0)
		}
		for term := range z {
			z[term] += s.Terms[term].Count
		}
	}
	if z[loss.TermPolicy] != z[loss.TermOffPolicy] || z[loss.TermPolicy] != z[loss.TermReference] {
		t.Errorf("denominators %v", z)
	}
}

// TestHBGHintIsAbsent: the policy sees the hint in the first two plays of a group
// and nothing of it is in a sample.
func TestHBGHintIsAbsent(t *testing.T) {
	const hint = "Notes that may help"
	for _, correct := range []bool{false, true} {
		r := use(small(t, "hbg", recipe.Phase{RL: 1}), "hint", "n", 2, "correct", correct)
		r.RL.Prompts = 1
		run, learner, log := newRun(t, r, only(&r, 0, 0, 1))
		learner.LogProb = marker
		script := run.Engine.Policy().(*rollout.Script)
		reply, shown := script.Reply, map[uint64]bool{}
		script.Reply = func(tokens []int32, req ballast.Request) []int32 {
			shown[req.Seed] = strings.Contains(run.Engine.Renderer.Tokenizer.Decode(tokens), hint)
			return reply(tokens, req)
		}
		if _, err := run.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		for i, s := range learner.Batches[0] {
			ep := log.episodes[0][i]
			if shown[ep.Seed] != (i < 2) || ep.Hinted != (i < 2) {
				t.Errorf("play %d: hint shown %v, marked %v", i, shown[ep.Seed], ep.Hinted)
			}
			if text := run.Engine.Renderer.Tokenizer.Decode(s.Tokens); strings.Contains(text, hint) {
				t.Errorf("sample %d holds the hint", i)
			}
			w := lost
			if i == 1 {
				w = won
			}
			weights(t, fmt.Sprint("sample ", i), &s, ep.Owners, loss.TermPolicy, ballast.OwnerPolicy, w)
			if learners := slices.Contains(s.OldLogProb, marker); learners != (i < 2 && !correct) {
				t.Errorf("correct %v, sample %d: old log-probabilities of the learner: %v", correct, i, learners)
			}
		}
	}
}

// TestNullTurnsASignalOff, in a recipe and in one of its phases, and after the
// recipe went through its file.
func TestNullTurnsASignalOff(t *testing.T) {
	whole := small(t, "ops", recipe.Phase{RL: 1})
	if err := whole.Set("rl.signals.gold=null"); err != nil {
		t.Fatal(err)
	}
	phased := small(t, "ops", recipe.Phase{RL: 1, With: map[string]any{"rl.signals.gold": nil}})
	for _, r := range []recipe.Recipe{whole, phased} {
		back, err := recipe.Read("recipe.yaml", r.YAML())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range []recipe.Recipe{r, back} {
			if _, eps, _ := do(t, r, never); eps[0].Turns[0].Steps[0].Gold {
				t.Errorf("a gold episode in spite of %v %v", r.RL.Signals, r.Phases)
			}
		}
	}
}

func TestSignalsCombine(t *testing.T) {
	r := small(t, "grpo", recipe.Phase{RL: 1})
	r.RL.Signals = map[string]signal.Settings{"mix": {}, "hint": {"n": 3}, "gold": {"n": 2}}
	batch, eps, run := do(t, r, never)
	var kinds string
	for _, ep := range eps {
		switch {
		case ep.Turns[0].Steps[0].Gold:
			kinds += "g"
		case ep.Hinted:
			kinds += "h"
		default:
			kinds += "."
		}
	}
	if kinds != "gghhh..." || len(batch) != 9 {
		t.Errorf("plays %s, %d samples", kinds, len(batch))
	}
	if m := run.Log.(*memory).updates[0].Metrics; m["gold/success"] != 1 || m["hinted/success"] != 0 || m["success/mean"] != 0 {
		t.Errorf("metrics %v", m)
	}
}

// trained lists the users of the dialogues of a batch.
func trained(run *Run, batch []ballast.Sample) []string {
	var out []string
	for _, s := range batch {
		text := run.Engine.Renderer.Tokenizer.Decode(s.Tokens)
		_, text, _ = strings.Cut(text, "<|im_start|>user\n")
		text, _, _ = strings.Cut(text, "<|im_end|>")
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

// TestETSTrainsOnFailures: with one task of which one episode succeeds, all takes
// the others and any takes every one.
func TestETSTrainsOnFailures(t *testing.T) {
	for _, c := range []struct {
		rule string
		want int
	}{{"all", 3}, {"any", 4}} {
		r := small(t, "ets", recipe.Phase{RL: 2}, recipe.Phase{SFT: recipe.Names{"failed"}, With: map[string]any{"sft.rule": c.rule, "sft.lr": 1e-6}}, recipe.Phase{RL: 1})
		run, learner, log := newRun(t, r, only(&r, 1, 0, 4))
		if _, err := run.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := trained(run, learner.Batches[2]); len(got) != c.want {
			t.Errorf("rule %s: trained on %d dialogues: %q", c.rule, len(got), got)
		}
		winner := log.episodes[1][4].Turns[0].User
		if has := slices.Contains(trained(run, learner.Batches[2]), winner); has != (c.rule == "any") {
			t.Errorf("rule %s: the task with a success is among them: %v", c.rule, has)
		}
		if learner.Rates[2] > 1e-6 || learner.Rates[3] < 1e-5 {
			t.Errorf("rates %v: the override is the SFT phase's", learner.Rates)
		}
		for i, s := range learner.Batches[2] {
			ep := ballast.Episode{Tokens: s.Tokens}
			n := 0.0
			for k := range ep.Tokens {
				if w := s.Terms[loss.TermCrossEntropy].Weight[k]; w == 1 {
					n++
				} else if w != 0 {
					t.Fatalf("sample %d token %d: weight %v", i, k, w)
				}
			}
			if n == 0 || n != s.Terms[loss.TermCrossEntropy].Count {
				t.Errorf("sample %d: %v tokens, count %v", i, n, s.Terms[loss.TermCrossEntropy].Count)
			}
		}
	}
}

// TestPRSAddsReflections: a failed task brings its gold dialogue and the two
// analyses, whose text has no control token but the end.
func TestPRSAddsReflections(t *testing.T) {
	r := small(t, "prs", recipe.Phase{RL: 1}, recipe.Phase{SFT: recipe.Names{"failed", "reflections"}})
	r.SFT.Batch = 64
	run, learner, log := newRun(t, r, never)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	var kinds []string
	tok := run.Engine.Renderer.Tokenizer
	for _, s := range learner.Batches[1] {
		var on []int32
		for k, w := range s.Terms[loss.TermCrossEntropy].Weight {
			if w != 0 {
				on = append(on, s.Tokens[k])
			}
		}
		text := tok.Decode(on)
		switch {
		case strings.HasPrefix(text, "<tool_call>"):
			kinds = append(kinds, "gold")
			continue
		case strings.HasPrefix(text, "Root cause:"):
			kinds = append(kinds, "error")
		case strings.HasPrefix(text, "Turn 1 needed"):
			kinds = append(kinds, "dialogue")
		default:
			t.Errorf("trained on %q", text)
		}
		for k, id := range on {
			if tok.Special(id) && k < len(on)-1 {
				t.Errorf("control token %q inside a reflection", tok.Token(id))
			}
		}
	}
	slices.Sort(kinds)
	if want := "[dialogue dialogue error error gold gold]"; fmt.Sprint(kinds) != want {
		t.Errorf("examples %v, want %s", kinds, want)
	}
	if !slices.ContainsFunc(log.events, func(e runlog.Event) bool { return e.Kind() == runlog.KindJudge }) {
		t.Error("no event of the judge")
	}
}

func TestSFTPerTurn(t *testing.T) {
	r := small(t, "sft", recipe.Phase{SFT: recipe.Names{"gold"}})
	r.SFT.Per, r.SFT.Batch = "turn", 1000
	run, learner, _ := newRun(t, r, nil)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := 0
	for i := range run.Train {
		want += supervise.Replies(&run.Train[i])
	}
	if got := len(learner.Batches[0]); got != want {
		t.Errorf("%d instances, want one for each of %d replies", got, want)
	}
	for i, s := range learner.Batches[0] {
		w := s.Terms[loss.TermCrossEntropy].Weight
		last := len(w) - 1
		if w[last] != 1 || int(s.Terms[loss.TermCrossEntropy].Count) != last+1-slices.Index(w, 1) {
			t.Errorf("instance %d does not train on its last reply alone", i)
		}
	}
}

func TestResetKeepsWhatItIsTold(t *testing.T) {
	run, learner, _ := newRun(t, small(t, "grpo", recipe.Phase{RL: 1, Reset: &recipe.Names{}}, recipe.Phase{RL: 1, Reset: &recipe.Names{recipe.ResetOptimizer}}, recipe.Phase{RL: 1, Reset: &recipe.Names{}}, recipe.Phase{RL: 1}), never)
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if learner.Resets != 3 || learner.Frozen != 2 {
		t.Errorf("reset %d, frozen %d times; want 3 and 2", learner.Resets, learner.Frozen)
	}
}

// TestResumeInterleaved stops at every update of a run with failures and
// reflections, before and after a phase that follows has begun, and after the
// run's end, and goes on: the learner sees the same batches, and every event and
// checkpoint is recorded once.
func TestResumeInterleaved(t *testing.T) {
	good := func(s uint64) bool { return s%5 == 0 }
	fresh := func() (*Run, *Recorder, *memory) {
		run, learner, log := newRun(t, small(t, "prs", recipe.Phase{RL: 2}, recipe.Phase{SFT: recipe.Names{"failed", "reflections"}}, recipe.Phase{RL: 1}, recipe.Phase{SFT: recipe.Names{"failed"}}, recipe.Phase{RL: 1}), good)
		run.Recipe.Keep = recipe.Keep{Checkpoint: 2, Eval: 3}
		run.Eval = run.Train[:2]
		return run, learner, log
	}
	whole, want, wholeLog := fresh()
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	end := 2 * whole.State.Update
	for k := range end + 1 {
		stop, begun := k/2, k%2 == 1
		first, a, log := fresh()
		first.Stop = func() bool { return first.State.Update == stop && (first.State.Begun || !begun) }
		if _, err := first.Do(context.Background()); (err != nil) != (k < end) || err != nil && !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stop at %d: %v", stop, err)
		}
		second, b, later := fresh()
		second.State = log.states[len(log.states)-1]
		later.episodes = append(later.episodes, log.episodes...)
		if _, err := second.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := append(a.Batches, b.Batches...); !reflect.DeepEqual(got, want.Batches) {
			t.Errorf("resumed after %d of %d updates: different batches (%d, want %d)", stop, len(wholeLog.updates), len(got), len(want.Batches))
		}
		if got, want := log.kept()+later.kept(), wholeLog.kept(); got != want && k < end {
			t.Errorf("resumed after %d updates: recorded\n%s\nwant\n%s", stop, got, want)
		}
		if extra := later.kept(); k == end && (!strings.HasPrefix(extra, "5 done") || strings.Count(extra, "\n") != 1 || len(later.states) > 0) {
			t.Errorf("resumed after its end: recorded %q, %d checkpoints", extra, len(later.states))
		}
		at := map[int]bool{}
		for i, s := range append(log.states, later.states...) {
			if at[s.Update] && !begun {
				t.Errorf("stop at %d: checkpoint %d is a second one of update %d", stop, i, s.Update)
			}
			at[s.Update] = true
		}
	}
}

// kept is the events of a log, but for interrupts.
func (m *memory) kept() string {
	var b strings.Builder
	for _, e := range m.events {
		if e.Kind() != runlog.KindInterrupt {
			fmt.Fprintf(&b, "%d %s %s\n", e.Update, e.Kind(), e.Text)
		}
	}
	return b.String()
}
