package recipe

import (
	"cmp"

	"ballast/loss"
	"ballast/recipe/signal"
)

// lossNames are the choices of rl.loss: the terms of the loss that weigh tokens by advantages.
func lossNames() (all []string) {
	for _, t := range loss.Terms {
		if t.Old {
			all = append(all, t.Name)
		}
	}
	return all
}

// term is the number of the term that rl.loss names, and the mean that it goes with, "" for
// any. Check says what is not known.
func (rl *RL) term() (i int, mean string) {
	for i, t := range loss.Terms {
		if t.Old && t.Name == rl.Loss {
			return i, t.Mean
		}
	}
	return loss.TermPolicy, ""
}

// Stamp is what stamping needs to know of the settings.
func (rl *RL) Stamp() signal.Loss {
	term, mean := rl.term()
	return signal.Loss{KL: rl.KL, Aggregate: cmp.Or(mean, rl.Aggregate), Term: term}
}
