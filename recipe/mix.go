package recipe

import "ballast/recipe/signal"

// mixed puts a cross-entropy term beside the policy's in every update. It is not
// in the paper: the simplest synchronous signal to compare the others with.
var mixed = Method{
	Name: "mix",
	Doc:  "GRPO with cross-entropy on the same tasks' gold dialogues in every update",
	New: func() Recipe {
		r := defaults()
		r.RL.Signals = map[string]signal.Settings{signal.Mix.Name: {"weight": 0.1, "on": "all"}}
		r.Phases = []Phase{{RL: 60}}
		return r
	},
}
