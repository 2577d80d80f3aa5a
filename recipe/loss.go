package recipe

import (
	"strings"

	"ballast/loss"
	"ballast/recipe/signal"
)

// findLoss returns the number of a choice of rl.loss, the terms of the loss that weigh
// tokens by advantages, or -1 and all choices.
func findLoss(name string) (term int, all []string) {
	for i, t := range loss.Terms {
		if t.Old && t.Name == name {
			return i, nil
		}
		if t.Old {
			all = append(all, t.Name)
		}
	}
	return -1, all
}

// Stamp is what stamping needs to know of the settings.
func (rl *RL) Stamp() signal.Loss {
	term, _ := findLoss(rl.Loss)
	return signal.Loss{KL: rl.KL, Aggregate: rl.Aggregate, Term: max(term, 0)} // Check says what is not known
}

// checkLoss reports what is wrong with the loss.
func (rl *RL) checkLoss(bad report) {
	term, all := findLoss(rl.Loss)
	if term < 0 {
		bad("rl.loss", "%q is not one of %s", rl.Loss, strings.Join(all, ", "))
		return
	}
	if mean := loss.Terms[term].Mean; mean != "" && rl.Aggregate != mean {
		bad("rl.aggregate", "rl.loss=%s wants %s, is %q", rl.Loss, mean, rl.Aggregate)
	}
}
