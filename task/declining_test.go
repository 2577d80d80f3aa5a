package task

import (
	"testing"

	"ballast"
	"ballast/chat/decline"
	"ballast/task/compose"
)

// TestGoldDeclines: where gold makes no call, what it says counts as an honest refusal.
func TestGoldDeclines(t *testing.T) {
	for _, spec := range []Spec{
		{Name: "desk", Seed: 3, Count: 60, Categories: compose.Categories}, {Name: "desk-ood", Seed: 3, Count: 60, Categories: compose.Categories},
		{Name: "worlds", Seed: 3, Count: 60, Categories: compose.Categories}, {Name: "bfcl", Data: "bfcl/testdata"},
	} {
		declines := 0
		for _, x := range load(t, spec) {
			for _, turn := range x.Turns {
				if len(turn.Gold) > 0 {
					continue
				}
				declines++
				if got := decline.Turn(&ballast.Turn{Steps: []ballast.Step{{Kind: ballast.KindResponse, Text: turn.Reply}}}); got != decline.Abstained {
					t.Errorf("%s: %q counts as %s", x.ID, turn.Reply, got)
				}
			}
		}
		if declines == 0 {
			t.Errorf("%s: no turn declines", spec.Name)
		}
	}
}
