package recipe

import "ballast/recipe/signal"

// hbg is hint-based guidance: 2 of the 8 episodes of a group are sampled under a
// hint that the update does not see (paper, section 3.3).
var hbg = Method{
	Name: "hbg",
	Doc:  "GRPO in which n episodes of every group are sampled under a hint (the paper's HBG)",
	New: func() Recipe {
		r := defaults()
		r.RL.Signals = map[string]signal.Settings{signal.Hint.Name: {"n": 2, "from": "oracle"}}
		r.Phases = []Phase{{RL: 60}}
		return r
	},
}
