package recipe

import "ballast/rollout"

// defaults are the settings that every method starts from, sized for the
// embedded model on the desk tasks.
func defaults() Recipe {
	return Recipe{
		Model:  "embedded",
		Seed:   1,
		Tasks:  Tasks{Set: "desk", Count: 400, Test: 100},
		Chat:   Chat{Format: "hermes", Malformed: rollout.MalformedStop},
		Budget: Budget{Prompt: 512, Episode: 512, Reply: 64, Result: 96, Steps: 16},
		RL: RL{
			Prompts: 16, Rollouts: 8, Minibatches: 1,
			LR: 3e-4, Warmup: 10, KL: 1e-4,
			Advantage: "grpo", Loss: "grpo", Aggregate: "token-mean",
			Clip:        Clip{Low: 0.2, High: 0.2, Dual: 3},
			Temperature: 1,
			Patience:    30,
		},
		SFT:  SFT{Epochs: 3, Batch: 16, LR: 1e-3, Warmup: 0.1, Schedule: "cosine"},
		Adam: Adam{Beta1: 0.9, Beta2: 0.999, Eps: 1e-8, Decay: 0.01, Clip: 1},
		Keep: Keep{Checkpoint: 20, Checkpoints: 3, Eval: 20},
	}
}
