package loop

import (
	"slices"
	"testing"

	"ballast/loss"
	"ballast/recipe"
	"ballast/rollout"
)

// TestLosses: rl.loss moves the advantages to another term and nothing else, also where
// signals and faults stamp samples.
func TestLosses(t *testing.T) {
	for name, term := range map[string]int{"grpo": loss.TermPolicy, "gspo": loss.TermSequence, "cispo": loss.TermTruncated} {
		for method, r := range map[string]recipe.Recipe{
			"plain":  small(t, "grpo", recipe.Phase{RL: 1}),
			"phase":  small(t, "grpo", recipe.Phase{RL: 1, With: map[string]any{"rl.loss": name}}),
			"ratio":  use(small(t, "ops", recipe.Phase{RL: 1}), "gold", "n", 1),
			"shaped": use(small(t, "ops", recipe.Phase{RL: 1}), "gold", "n", 1, "loss", "shaped"),
			"faults": small(t, "grpo", recipe.Phase{RL: 1}),
		} {
			if method == "faults" {
				r.Faults = rollout.Faults{"append-end"}
			}
			r.RL.Aggregate = "sequence-mean" // which gspo wants
			plain, _, _ := do(t, r, func(s uint64) bool { return s%2 == 0 })
			if method != "phase" {
				r.RL.Loss = name
			}
			got, _, _ := do(t, r, func(s uint64) bool { return s%2 == 0 })
			weighed := false
			for i := range got {
				for k := range loss.NumTerms {
					from := k
					switch {
					case method == "phase":
					case k == term:
						from = loss.TermPolicy
					case k == loss.TermPolicy:
						from = term
					}
					want := plain[i].Terms[from]
					if !slices.Equal(got[i].Terms[k].Weight, want.Weight) || got[i].Terms[k].Count != want.Count {
						t.Fatalf("%s, %s: sample %d has other weights in term %d", name, method, i, k)
					}
				}
				weighed = weighed || slices.ContainsFunc(got[i].Terms[term].Weight, func(w float32) bool { return w != 0 })
			}
			if !weighed {
				t.Errorf("%s, %s: no token has a weight", name, method)
			}
		}
	}
}
