package recipe

// ets interleaves GRPO with supervised fine-tuning on the gold dialogues of the
// tasks that the policy fails (paper, section 3.4). The RL share grows and no
// fine-tuning follows the last round.
var ets = Method{
	Name: "ets",
	Doc:  "GRPO interleaved with fine-tuning on the gold of failed tasks (the paper's ETS)",
	New:  func() Recipe { return interleaved(failed.Name) },
}

// interleaved is the paper's schedule, rounds of 1:2:3 (50, 100 and 150 updates
// there), with its settings of the phases between: 2 epochs, warm-up 0.3.
func interleaved(on ...string) Recipe {
	r := defaults()
	r.SFT.Epochs, r.SFT.Warmup = 2, 0.3
	r.Phases = []Phase{{RL: 10}, {SFT: on}, {RL: 20}, {SFT: on}, {RL: 30}}
	return r
}
