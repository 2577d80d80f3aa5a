package loop

import (
	"slices"
	"strings"
	"testing"

	"ballast"
	"ballast/loss"
	"ballast/recipe"
)

// TestMixAddsCrossEntropy: the group keeps its GRPO weights and gains one gold
// dialogue that shares its prompt.
func TestMixAddsCrossEntropy(t *testing.T) {
	r := small(t, "mix", recipe.Phase{RL: 1})
	batch, eps, _ := do(t, r, only(&r, 0, 0, 3))
	if len(batch) != 9 {
		t.Fatalf("%d samples", len(batch))
	}
	for i, ep := range eps {
		w := lost
		if i == 3 {
			w = won
		}
		weights(t, "sampled", &batch[i], ep.Owners, loss.TermPolicy, ballast.OwnerPolicy, w)
		if batch[i].Terms[loss.TermCrossEntropy].Weight != nil {
			t.Errorf("sample %d has a cross-entropy term", i)
		}
	}
	g := batch[8]
	if g.Prefix != eps[0].Prompt || !slices.Equal(g.Tokens[:g.Prefix], batch[0].Tokens[:g.Prefix]) || g.Terms[loss.TermPolicy].Weight != nil {
		t.Errorf("gold sample: prefix %d", g.Prefix)
	}
	n := 0.0
	for _, w := range g.Terms[loss.TermCrossEntropy].Weight {
		if w != 0 {
			n++
			if w != 0.1 {
				t.Fatalf("weight %v", w)
			}
		}
	}
	if n == 0 || n != g.Terms[loss.TermCrossEntropy].Count {
		t.Errorf("%v weighted tokens, count %v", n, g.Terms[loss.TermCrossEntropy].Count)
	}
}

// TestMixInFormats: the groups take turns in the formats of their gold dialogues,
// and only one in the episodes' own shares their prompt.
func TestMixInFormats(t *testing.T) {
	r := small(t, "mix", recipe.Phase{RL: 1, With: map[string]any{"rl.signals.mix.formats": []any{"hermes", "pythonic"}}})
	r.RL.Prompts = 2
	run, learner, _ := newRun(t, r, never)
	if _, err := run.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	var batch []ballast.Sample
	for _, b := range learner.Batches {
		batch = append(batch, b...)
	}
	own := map[int][]int32{} // prompt of a group's episodes
	for _, s := range batch {
		if s.Terms[loss.TermPolicy].Weight != nil {
			own[s.Group] = s.Tokens[:s.Prefix]
		}
	}
	gold := 0
	for _, s := range batch {
		if s.Terms[loss.TermCrossEntropy].Weight == nil {
			continue
		}
		gold++
		if same := slices.Equal(s.Tokens[:s.Prefix], own[s.Group]); same != (s.Group == 0) {
			t.Errorf("group %d: the gold dialogue has the episodes' prompt: %v", s.Group, same)
		}
	}
	if gold != 2 || len(own) != 2 {
		t.Errorf("%d gold dialogues for %d groups, want 2 for 2", gold, len(own))
	}
	r = small(t, "mix", recipe.Phase{RL: 1, With: map[string]any{"rl.signals.mix.formats": []any{"toml"}}})
	if err := r.Check(); err == nil || !strings.Contains(err.Error(), "toml") {
		t.Errorf("an unknown format: %v", err)
	}
}
