package recipe

// base makes the embedded model: supervised training from random weights on
// gold dialogues, one in 96 of them in hermes and the others in pythonic, so that
// the model has the skill, is weak in hermes, and has something to win and to
// lose there.
var base = Method{
	Name: "base",
	Doc:  "train the embedded model from random weights",
	New: func() Recipe {
		r := defaults()
		r.Model = "init"
		r.Init = Init{Vocab: 640, Hidden: 64, Layers: 4, Heads: 4, KV: 2, FFN: 192}
		r.Tasks.Count, r.Tasks.Level = 8000, map[string]int{"requests": 2}
		r.Adam.Beta2 = 0.98
		r.SFT.Epochs, r.SFT.Batch, r.SFT.LR, r.SFT.Warmup = 8, 32, 3e-3, 0.05
		r.SFT.Formats = Shares{"hermes": 1, "pythonic": 95}
		r.Phases = []Phase{{SFT: Names{gold.Name}}}
		r.Keep.Eval = 0
		return r
	},
}
