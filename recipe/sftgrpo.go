package recipe

// sftGRPO is the two-stage baseline: supervised fine-tuning on gold dialogues,
// then plain GRPO from the checkpoint (paper, section 3.1).
var sftGRPO = Method{
	Name: "sft-grpo",
	Doc:  "fine-tuning on gold dialogues, then GRPO (the paper's SFT->RL)",
	New: func() Recipe {
		r := defaults()
		r.Phases = []Phase{{SFT: Names{gold.Name}}, {RL: 60}}
		return r
	},
}
