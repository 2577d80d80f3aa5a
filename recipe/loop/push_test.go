package loop

import (
	"testing"

	"ballast"
	"ballast/recipe/signal"
	"ballast/rollout"
)

// TestOwnAdvantages: the push on logits is measured with the advantages of the
// whole group, demonstrations included, over unaided episodes only.
func TestOwnAdvantages(t *testing.T) {
	eps := make([]ballast.Episode, 4)
	d := &signal.Draft{Requests: []rollout.Request{{Gold: true}, {Hint: "look"}, {}, {}}}
	members := []signal.Member{{Advantage: 2}, {Advantage: 1}, {Advantage: -0.5}}
	for i := range members { // the last one broke and is in no group
		members[i].Episode = &eps[i]
	}
	d.Groups = [][]signal.Member{members}
	own, advantages := own(eps, d)
	if len(own) != 2 || len(advantages) != 2 || advantages[0] != -0.5 || advantages[1] != 0 {
		t.Errorf("%d episodes, advantages %v", len(own), advantages)
	}
}
