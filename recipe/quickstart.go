package recipe

// quickstart is grpo with a short schedule: what a newcomer runs first.
var quickstart = Method{
	Name: "quickstart",
	Doc:  "a few minutes of GRPO with the embedded model, start here",
	New: func() Recipe {
		r := defaults()
		r.Phases = []Phase{{RL: 60}}
		return r
	},
}
