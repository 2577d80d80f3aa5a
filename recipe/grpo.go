package recipe

// Baseline is the method whose settings benchmarks and evaluations take where no recipe is
// given.
const Baseline = "grpo"

// grpo is plain group-relative policy optimisation on the outcome reward: the
// paper's baseline (section 1), the method that collapses. Numbers are sized
// for the embedded model; the paper's are in docs/recipes.
var grpo = Method{
	Name: Baseline,
	Doc:  "GRPO on the outcome reward, nothing else (the paper's baseline)",
	New: func() Recipe {
		r := defaults()
		r.Phases = []Phase{{RL: 60}}
		return r
	},
}
