package signal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/monitor"
	"ballast/rollout"
	"ballast/supervise"
)

// TestGoldRatio: OPS puts the gold episode's own advantage on gold's tokens, under a
// ratio to the current policy, and leaves what the policy sampled alone.
func TestGoldRatio(t *testing.T) {
	for _, aggregate := range []string{"token-mean", "sequence-mean"} {
		b := open(t, "gold", nil)
		b.Loss.Aggregate = aggregate
		before := b.plays().play().stamp()
		for g, members := range b.Groups {
			scale, count := 1.0, 0.0
			if aggregate == "sequence-mean" {
				scale, count = 1/float64(len(owned(members[0].Episode, ballast.OwnerGold))), 1
			}
			weighs(t, aggregate, members[0], loss.TermPolicy, ballast.OwnerGold, members[0].Advantage*scale, count)
			weighs(t, aggregate, members[0], loss.TermReference, ballast.OwnerGold, 0.25*scale, count)
			if s := members[0].Sample; !slices.Equal(s.OldLogProb, current(len(s.Tokens))) {
				t.Error("the old log-probabilities of gold are not the current policy's")
			}
			for k := 1; k < size; k++ {
				same(t, fmt.Sprint("sampled ", g, k), members[k], before[g][k])
			}
		}
		if b.learner.asked != groups || b.Metrics[monitor.GoldSuccess] != 1 {
			t.Errorf("the learner was asked for %d samples; %v", b.learner.asked, b.Metrics)
		}
	}
}

// TestGoldShaped: the off-policy term takes the weights of gold's tokens, and what was
// sampled counts in its denominator.
func TestGoldShaped(t *testing.T) {
	b := open(t, "gold", Settings{"n": 2, "loss": "shaped"})
	before := b.plays().play().stamp()
	for g, members := range b.Groups {
		for k := range 2 {
			n := float64(len(owned(members[k].Episode, ballast.OwnerGold)))
			weighs(t, "gold", members[k], loss.TermOffPolicy, ballast.OwnerGold, members[k].Advantage, n)
			weighs(t, "gold", members[k], loss.TermPolicy, ballast.OwnerGold, 0, n)
			weighs(t, "gold", members[k], loss.TermReference, ballast.OwnerGold, 0.25, n)
		}
		was := before[g][2].Sample.Terms[loss.TermPolicy]
		weighs(t, "sampled", members[2], loss.TermPolicy, ballast.OwnerPolicy, members[2].Advantage, was.Count)
		weighs(t, "sampled", members[2], loss.TermOffPolicy, ballast.OwnerPolicy, 0, was.Count)
	}
	if b.learner.asked != 0 {
		t.Error("no ratio is left, and the learner was asked for log-probabilities")
	}
}

// TestHint: every group's first plays are hinted; what they learn from has no hint, and
// its ratio starts at the current policy, or at the sampler with correct.
func TestHint(t *testing.T) {
	for _, correct := range []bool{false, true} {
		b := open(t, "hint", Settings{"n": 2, "correct": correct}).plays()
		for i, p := range b.Requests {
			if hinted := p.Hint != ""; hinted != (p.Sample < 2) || p.Gold {
				t.Fatalf("play %d: hint %q", i, p.Hint)
			}
			if p.Sample < 2 && !strings.Contains(p.Hint, p.Task.Turns[0].Gold[0].Name) {
				t.Errorf("the oracle's hint does not name gold's call: %s", p.Hint)
			}
		}
		before := b.play().stamp()
		for g, members := range b.Groups {
			for k := range members {
				m := members[k]
				if text := b.Rollout.Renderer.Tokenizer.Decode(m.Sample.Tokens); strings.Contains(text, "Notes that may help") {
					t.Error("training sees the hint")
				}
				weighs(t, "hinted", m, loss.TermPolicy, ballast.OwnerPolicy, m.Advantage, 0)
				if k == 2 || correct {
					same(t, "not to change", m, before[g][k])
				} else if !slices.Equal(m.Sample.OldLogProb, current(len(m.Sample.Tokens))) {
					t.Error("the old log-probabilities are not the current policy's without the hint")
				}
			}
		}
		if rate, ok := b.Metrics[monitor.HintedSuccess]; !ok || rate != 0 || b.Metrics[monitor.HintsLost] != 0 {
			t.Errorf("%v", b.Metrics)
		}
	}
}

// TestHintSources: hints of a file are those of the file; one that is missing is an error.
func TestHintSources(t *testing.T) {
	b := open(t, "hint", nil)
	path := filepath.Join(t.TempDir(), "hints.jsonl")
	write := func(lines string) {
		if err := os.WriteFile(path, []byte(lines), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	line := func(g int) string { return fmt.Sprintf("{\"task\": %q, \"hint\": \"hint %d\"}\n", b.Tasks[g].ID, g) }
	write(line(0) + line(1))
	b = open(t, "hint", Settings{"n": 1, "from": "file", "file": path}).plays()
	for _, p := range b.Requests {
		if want := fmt.Sprintf("hint %d", p.Group); p.Sample == 0 && p.Hint != want || p.Sample > 0 && p.Hint != "" {
			t.Errorf("play %d of group %d: hint %q", p.Sample, p.Group, p.Hint)
		}
	}
	write(line(0))
	b = open(t, "hint", Settings{"from": "file", "file": path})
	if err := b.effect.Requests(t.Context(), b.Draft); err == nil || !strings.Contains(err.Error(), "no hint for task "+b.Tasks[1].ID) {
		t.Errorf("error %v", err)
	}
	b = open(t, "hint", Settings{"from": "judge"})
	b.Judge = lost{}
	if b.plays(); b.Metrics[monitor.HintsLost] != groups || b.Requests[0].Hint != "" {
		t.Errorf("a judge that writes nothing: %v, %q", b.Metrics, b.Requests[0].Hint)
	}
}

// lost is a judge without an answer.
type lost struct{}

func (lost) Answer(_ context.Context, q []supervise.Query) ([]supervise.Answer, supervise.Stats, error) {
	out := make([]supervise.Answer, len(q))
	for i := range out {
		out[i].Failure = "lost"
	}
	return out, supervise.Stats{Lost: len(q)}, nil
}

// TestMix: a gold dialogue for every group, or for those without a success, with
// cross-entropy on gold's tokens; the policy's samples stay.
func TestMix(t *testing.T) {
	for _, c := range []struct {
		set    Settings
		weight float64
		added  [groups]int
		shows  [groups]string // of the dialogue's format
	}{
		{nil, 0.1, [groups]int{1, 1}, [groups]string{"<tool_call>", "<tool_call>"}},
		{Settings{"weight": 0.5, "on": "failed"}, 0.5, [groups]int{0, 1}, [groups]string{"", "<tool_call>"}},
		{Settings{"weight": 0.5, "formats": []any{"hermes", "pythonic"}}, 0.5, [groups]int{1, 1}, [groups]string{"<tool_call>", ""}},
	} {
		b := open(t, "mix", c.set).plays()
		b.Requests[size].Gold = true // its success is not the policy's
		b.play()
		b.Groups[0][1].Episode.Score.Success = true
		before := b.stamp()
		for g, members := range b.Groups {
			if len(members) != size+c.added[g] {
				t.Fatalf("%v: group %d has %d members", c.set, g, len(members))
			}
			for k := range size {
				same(t, "sampled", members[k], before[g][k])
			}
			for _, m := range members[size:] {
				weighs(t, "gold", m, loss.TermCrossEntropy, ballast.OwnerGold, c.weight, 0)
				text := b.Rollout.Renderer.Tokenizer.Decode(m.Sample.Tokens[m.Episode.Prompt:])
				if m.Request != nil || m.Sample.Terms[loss.TermPolicy].Weight != nil || m.Sample.Group != g || m.Sample.Prefix != m.Episode.Prompt {
					t.Errorf("%v: group %d: %+v", c.set, g, m)
				}
				if strings.Contains(text, "<tool_call>") != (c.shows[g] != "") || m.Episode.Task != b.Tasks[g].ID {
					t.Errorf("%v: group %d: dialogue of %s: %s", c.set, g, m.Episode.Task, text)
				}
			}
		}
	}
	b := open(t, "mix", Settings{"formats": []any{"hermes", "pythonic", "hermes"}}).plays().play()
	if err := b.effect.Stamp(t.Context(), b.Draft); err == nil || !strings.Contains(err.Error(), "3 formats for 2 groups") {
		t.Errorf("error %v", err)
	}
}

// TestControl: the reference term weighs kl on sampled control tokens and rl.kl on the
// others, and gold is left alone.
func TestControl(t *testing.T) {
	for _, kl := range []float64{0.25, 0} {
		b := open(t, "control", Settings{"kl": 4})
		b.Loss.KL = kl
		b.Requests[0].Gold = true
		before := b.plays().play().stamp()
		ids, _ := b.Rollout.Renderer.Control()
		for g, members := range b.Groups {
			for k, m := range members {
				if m.Request.Gold {
					same(t, "gold", m, before[g][k])
					continue
				}
				term, seen := m.Sample.Terms[loss.TermReference], 0
				for i, w := range term.Weight {
					want := 0.0
					if m.Episode.Owners[i] == ballast.OwnerPolicy {
						if want = kl; slices.Contains(ids, m.Sample.Tokens[i]) {
							want, seen = 4, seen+1
						}
					}
					if float64(w) != want {
						t.Fatalf("token %d weighs %v, want %v", i, w, want)
					}
				}
				if n := len(owned(m.Episode, ballast.OwnerPolicy)); seen == 0 || term.Count != float64(n) {
					t.Errorf("%d control tokens; counts %v of %d", seen, term.Count, n)
				}
				weighs(t, "policy", m, loss.TermPolicy, ballast.OwnerPolicy, m.Advantage, 0)
			}
		}
	}
}

// TestFaulty: training sees the tokens that a fault makes, with the current policy's
// log-probabilities on them, where the policy sampled, and not in gold episodes.
func TestFaulty(t *testing.T) {
	if Faulty(rollout.Faults{rollout.DropState}) != nil || Faulty(nil) != nil {
		t.Error("a fault of the environment changes what is trained")
	}
	b := with(t, Faulty(rollout.Faults{rollout.AppendEnd})[0])
	b.Rollout.Budget.Reply = 3 // "Done.": three bytes, and no end token
	b.Requests[0].Gold = true
	before := b.plays().play().stamp()
	end := b.Rollout.Renderer.Stops()[0]
	for g, members := range b.Groups {
		for k, m := range members {
			if m.Request.Gold {
				same(t, "gold", m, before[g][k])
				continue
			}
			n := len(m.Sample.Tokens)
			if was := before[g][k].Sample.Tokens; n != len(was)+1 || m.Sample.Tokens[n-1] != end || was[n-2] == end {
				t.Fatalf("%d tokens were %d", n, len(was))
			}
			weighs(t, "policy", m, loss.TermPolicy, ballast.OwnerPolicy, m.Advantage, 4)
			if !slices.Equal(m.Sample.OldLogProb, current(n)) {
				t.Error("the old log-probabilities are not the current policy's")
			}
		}
	}
}

// TestTogether: signals share a group's plays, and too few are an error that says so.
func TestTogether(t *testing.T) {
	for _, c := range []struct {
		gold, hint int
		ok         bool
	}{{1, 2, true}, {2, 2, false}} {
		effects, err := Open(map[string]Settings{"hint": {"n": c.hint}, "gold": {"n": c.gold}}, size)
		if err != nil {
			t.Fatal(err)
		}
		b := with(t, nil)
		for _, e := range effects {
			err = errors.Join(err, e.Requests(t.Context(), b.Draft))
		}
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), b.Tasks[0].ID+" has 1 episodes too few") {
			t.Errorf("%+v: error %v", c, err)
		}
		for i, p := range b.Requests {
			if p.Gold && p.Hint != "" || p.Gold != (p.Sample < c.gold) {
				t.Errorf("%+v: play %d: %+v", c, i, p)
			}
		}
	}
}
