package recipe

import (
	"strings"

	"ballast"
	"ballast/recipe/signal"
)

// policyLoss is a choice of rl.loss.
type policyLoss struct {
	name string
	term int    // that advantages weigh tokens in
	dual bool   // it has a dual clip
	mean string // the one rl.aggregate that is meant; empty = any
}

// losses is the table of choices; package loss has the formulas. The first is what runs
// had before there was a choice.
var losses = []policyLoss{
	{name: "grpo", term: ballast.TermPolicy, dual: true},
	{name: "gspo", term: ballast.TermSequence, mean: "sequence-mean"},
	{name: "cispo", term: ballast.TermTruncated},
}

// findLoss returns a choice, or nil.
func findLoss(name string) *policyLoss {
	for i := range losses {
		if losses[i].name == name {
			return &losses[i]
		}
	}
	return nil
}

// Stamp is what stamping needs to know of the settings.
func (rl *RL) Stamp() signal.Loss {
	l := signal.Loss{KL: rl.KL, Aggregate: rl.Aggregate}
	if x := findLoss(rl.Loss); x != nil { // Check says it
		l.Term = x.term
	}
	return l
}

// checkLoss reports what is wrong with the loss.
func (rl *RL) checkLoss(bad report) {
	x := findLoss(rl.Loss)
	if x == nil {
		var names []string
		for _, l := range losses {
			names = append(names, l.name)
		}
		bad("rl.loss", "%q is not one of %s", rl.Loss, strings.Join(names, ", "))
		return
	}
	if a := rl.Aggregate; x.mean != "" && a != x.mean {
		bad("rl.aggregate", "rl.loss=%s wants %s, is %q", x.name, x.mean, a)
	}
}
