package recipe

import "ballast/recipe/signal"

// ops is off-policy supervision: one of the 8 episodes of a group is a gold
// dialogue under the unmodified ratio (paper, section 3.2).
var ops = Method{
	Name: "ops",
	Doc:  "GRPO in which n episodes of every group are gold dialogues (the paper's OPS)",
	New: func() Recipe {
		r := defaults()
		r.RL.Signals = map[string]signal.Settings{signal.Gold.Name: {"n": 1, "loss": "ratio"}}
		r.Phases = []Phase{{RL: 60}}
		return r
	},
}
