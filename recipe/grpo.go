package recipe

// grpo is plain group-relative policy optimisation on the outcome reward: the
// paper's baseline (section 1), the method that collapses. Numbers are sized
// for the embedded model; the paper's are in docs/recipes.
var grpo = Method{
	Name: "grpo",
	Doc:  "GRPO on the outcome reward, nothing else (the paper's baseline)",
	New: func() Recipe {
		r := defaults()
		r.Phases = []Phase{{RL: 60}}
		return r
	},
}
