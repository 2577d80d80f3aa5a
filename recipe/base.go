package recipe

// base makes the embedded model: supervised training from random weights on
// gold dialogues in a mixture of formats, mostly pythonic, so that the model is
// weak in hermes and has something to win and to lose there.
var base = Method{
	Name: "base",
	Doc:  "train the embedded model from random weights",
	New: func() Recipe {
		r := defaults()
		r.Model = "init"
		r.Init = Init{Vocab: 640, Hidden: 64, Layers: 4, Heads: 4, KV: 2, FFN: 192}
		r.Tasks.Count = 4000
		r.SFT = SFT{Epochs: 8, Batch: 64, LR: 3e-3, Warmup: 0.05, Schedule: "cosine",
			Formats: []string{"hermes", "pythonic", "pythonic", "pythonic"}}
		r.Phases = []Phase{{SFT: "gold"}}
		r.Keep.Eval = 0
		return r
	},
}
