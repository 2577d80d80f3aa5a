package recipe

// sft is supervised fine-tuning on the gold dialogues of the training tasks:
// L = -(1/|D|) sum log pi(a_t | q, tau_<t) (paper, section 3.1).
var sft = Method{
	Name: "sft",
	Doc:  "supervised fine-tuning on gold dialogues with really executed tools",
	New: func() Recipe {
		r := defaults()
		r.Phases = []Phase{{SFT: Names{gold.Name}}}
		return r
	},
}
