package loop

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/recipe"
)

// winners are the seeds of the episodes that win in update 0 of a recipe, as group and sample.
func winners(r *recipe.Recipe, at ...[2]uint64) func(uint64) bool {
	seeds := map[uint64]bool{}
	for _, x := range at {
		seeds[mix(r.Seed, 0, x[0], x[1])] = true
	}
	return func(s uint64) bool { return seeds[s] }
}

// TestDynamicSampling: two groups are wanted. What is learnt from are the groups with
// spread, in the order in which they were played; what was left out is recorded and counted.
func TestDynamicSampling(t *testing.T) {
	for _, c := range []struct {
		what                              string
		wins                              [][2]uint64 // of groups in the order of play
		drawn                             int
		kept, left, missing, flat, rounds float64
		batch                             []int // groups of the batch, as they were played
	}{
		{"the first two", [][2]uint64{{0, 3}, {1, 5}}, 2, 2, 0, 0, 0, 1, []int{0, 1}},
		{"one in the place of the first", [][2]uint64{{1, 3}, {2, 5}}, 3, 2, 1, 0, 1. / 3, 2, []int{1, 2}},
		{"two rounds more", [][2]uint64{{0, 1}, {3, 5}}, 4, 2, 2, 0, 2. / 4, 3, []int{0, 3}},
		{"one only", [][2]uint64{{2, 5}}, 5, 1, 4, 1, 4. / 5, 3, []int{2}},
		{"none", nil, 6, 2, 4, 0, 1, 3, []int{0, 1}},
	} {
		r := use(small(t, "grpo", recipe.Phase{RL: 1}), "dynamic", "rounds", 2)
		run, learner, log := newRun(t, r, winners(&r, c.wins...))
		flat := 0
		run.Observe = func(ballast.Update, Progress) { flat = run.State.Flat }
		if _, err := run.Do(context.Background()); err != nil {
			t.Fatal(c.what, err)
		}
		m, eps, batch := log.updates[0].Metrics, log.episodes[0], learner.Batches[0]
		got := []float64{m[monitor.GroupsPlayed], m[monitor.GroupsKept], m[monitor.GroupsLeftOut], m[monitor.GroupsMissing], m[monitor.ZeroSpread], m[monitor.Rounds]}
		if want := []float64{float64(c.drawn), c.kept, c.left, c.missing, c.flat, c.rounds}; !reflect.DeepEqual(got, want) {
			t.Errorf("%s: played, kept, left out, missing, without spread, rounds: %v, want %v", c.what, got, want)
		}
		if run.State.Drawn != c.drawn || len(eps) != 8*c.drawn || len(batch) != 8*len(c.batch) || (flat > 0) != (c.wins == nil) {
			t.Fatalf("%s: %d tasks drawn, %d episodes, %d samples, flat %d", c.what, run.State.Drawn, len(eps), len(batch), flat)
		}
		for i, s := range batch {
			ep, played := &eps[i], uint64(c.batch[i/8])
			if ep.Group != i/8 || s.Group != i/8 || ep.Seed != mix(r.Seed, 0, played, uint64(i%8)) || !reflect.DeepEqual(s.Tokens, ep.Tokens) {
				t.Errorf("%s: sample %d is of group %d, its episode of %d", c.what, i, s.Group, ep.Group)
			}
			if (s.Terms[loss.TermPolicy].Weight[s.Prefix] == 0) != (c.wins == nil) {
				t.Errorf("%s: sample %d weighs %v", c.what, i, s.Terms[loss.TermPolicy].Weight[s.Prefix])
			}
		}
		lost := 0.0
		for i := len(batch); i < len(eps); i++ {
			lost += sampled(&eps[i])
		}
		if m[monitor.TokensLeftOut] != lost || m[monitor.TokensSampled] <= lost {
			t.Errorf("%s: %v of %v tokens left out, want %v", c.what, m[monitor.TokensLeftOut], m[monitor.TokensSampled], lost)
		}
	}
}

// breaks answers the conversations of its first calls, and none after them.
type breaks struct {
	ballast.Policy
	after int
}

func (b *breaks) Play(ctx context.Context, convs []ballast.Conversation, how ballast.Sampling) error {
	if b.after--; b.after >= 0 {
		return b.Policy.Play(ctx, convs, how)
	}
	return broken{}.Play(ctx, convs, how)
}

// TestDynamicBrokenRound: groups that were played in the place of others and failed for
// infrastructure are left out and counted. Only where all groups of an update did so is that
// the run's error.
func TestDynamicBrokenRound(t *testing.T) {
	for after, want := range map[int]string{1: "", 0: "every episode failed for infrastructure; the first error: no machine"} {
		r := use(small(t, "grpo", recipe.Phase{RL: 1}), "dynamic", "rounds", 1)
		run, learner, log := newRun(t, r, winners(&r, [2]uint64{1, 3}))
		engine := run.Engine.Engine.(*fake)
		whole := engine.policy
		engine.policy = &breaks{whole, after}
		run.Observe = func(ballast.Update, Progress) { engine.policy = whole } // for the evaluation
		run.Eval = nil
		_, err := run.Do(context.Background())
		if want != "" {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("all broken: error %v", err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		m := log.updates[0].Metrics
		if m[monitor.Infra] != 8 || m[monitor.GroupsKept] != 1 || m[monitor.GroupsPlayed] != 3 || len(learner.Batches[0]) != 8 {
			t.Errorf("%d samples, metrics %v", len(learner.Batches[0]), m)
		}
	}
}

// TestDynamicTogether: gold in groups that are played in the place of others, and gold's
// cross-entropy on the groups that are kept.
func TestDynamicTogether(t *testing.T) {
	r := use(use(use(small(t, "grpo", recipe.Phase{RL: 1}), "dynamic", "rounds", 1), "gold", "n", 1), "mix", "weight", 0.5)
	run, learner, log := newRun(t, r, func(seed uint64) bool { // the first group wins as gold does
		for s := range uint64(8) {
			if seed == mix(r.Seed, 0, 0, s) {
				return true
			}
		}
		return false
	})
	if _, err := run.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	batch, eps := learner.Batches[0], log.episodes[0]
	if len(eps) != 24 || len(batch) != 18 {
		t.Fatalf("%d episodes, %d samples", len(eps), len(batch))
	}
	for i, s := range batch {
		added := i%9 == 8
		if s.Group != i/9 || (s.Terms[loss.TermCrossEntropy].Weight != nil) != added || !reflect.DeepEqual(s.Tokens[:s.Prefix], eps[i/9*8].Tokens[:s.Prefix]) {
			t.Errorf("sample %d: group %d, added %t", i, s.Group, added)
		}
		if gold := !added && demonstrated(&eps[i/9*8+i%9]) > 0; gold != (i%9 == 0) {
			t.Errorf("sample %d is gold: %t", i, gold)
		}
	}
}

// TestDynamicResumes: a run that is stopped after any update goes on with the same tasks,
// seeds and batches.
func TestDynamicResumes(t *testing.T) {
	fresh := func() (*Run, *Recorder, *memory) {
		return newRun(t, use(small(t, "grpo", recipe.Phase{RL: 4}), "dynamic", "rounds", 2), func(s uint64) bool { return s%11 == 0 })
	}
	whole, want, wholeLog := fresh()
	if _, err := whole.Do(context.Background()); err != nil {
		t.Fatal(err)
	}
	if whole.State.Drawn <= 8 {
		t.Fatal("no group was drawn again")
	}
	for stop := 1; stop < 4; stop++ {
		first, a, log := fresh()
		first.Stop = func() bool { return first.State.Update == stop }
		if _, err := first.Do(context.Background()); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		second, b, later := fresh()
		second.State = log.states[len(log.states)-1]
		if _, err := second.Do(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got := append(a.Batches, b.Batches...); !reflect.DeepEqual(got, want.Batches) || second.State.Drawn != whole.State.Drawn {
			t.Errorf("stopped after %d: other batches", stop)
		}
		if got := append(log.episodes, later.episodes...); fmt.Sprint(groupsOf(got)) != fmt.Sprint(groupsOf(wholeLog.episodes)) {
			t.Errorf("stopped after %d: other episodes are recorded", stop)
		}
	}
}

// groupsOf lists the tasks, groups and seeds of recorded episodes.
func groupsOf(updates [][]ballast.Episode) (out []string) {
	for _, eps := range updates {
		for i := range eps {
			out = append(out, fmt.Sprint(eps[i].Task, eps[i].Group, eps[i].Seed))
		}
	}
	return out
}
