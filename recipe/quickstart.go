package recipe

// quickstart is grpo on easier tasks (two turns with one request each), where the
// embedded model wins about one episode in six from the start: what a newcomer
// runs first.
var quickstart = Method{
	Name: "quickstart",
	Doc:  "a few minutes of GRPO with the embedded model, start here",
	New: func() Recipe {
		r := defaults()
		r.Tasks.Level = map[string]int{"max_turns": 2, "calls": 3}
		r.RL.Minibatches = 2
		r.Phases = []Phase{{RL: 80}}
		r.Keep.Checkpoint, r.Keep.Eval = 20, 40
		return r
	},
}
