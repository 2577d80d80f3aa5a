package recipe

import (
	"fmt"
	"strings"

	"ballast/bounded/yaml"
	"ballast/model"
	"ballast/recipe/strict"
	"ballast/rollout"
	"ballast/supervise"
)

// DefaultModel is the model of recipes and commands that name none: the embedded one that the
// default settings are for.
const DefaultModel = model.Default

// defaultFormat is how calls are written where nothing says how.
const defaultFormat = "hermes"

// budgets are those of embedded models where nothing says otherwise: what gold of the tasks that a model was
// made for takes, in the formats that it writes. A model that is not among them has those of DefaultModel.
var budgets = map[string]Budget{
	"embedded-reader": {Prompt: 512, Episode: 640, Reply: 96, Result: 96, Steps: 16}, // sets worlds
}

// Roomy gives a recipe of no budgets but the defaults those of its model. What is laid over it later counts.
func (r *Recipe) Roomy(model string) {
	if b, ok := budgets[model]; ok && r.Budget == defaults().Budget {
		r.Budget = b
	}
}

// defaults are the settings that every method starts from, sized for the
// embedded model on the desk tasks.
func defaults() Recipe {
	return Recipe{
		Model:  DefaultModel,
		Seed:   1,
		Tasks:  Tasks{Set: "desk", Count: 400, Test: 100},
		Chat:   Chat{Format: defaultFormat, Malformed: rollout.MalformedStop},
		Budget: Budget{Prompt: 512, Episode: 512, Reply: 64, Result: 96, Steps: 16},
		RL: RL{
			Prompts: 16, Rollouts: 8, Minibatches: 1,
			LR: 3e-4, Warmup: 10, KL: 1e-4,
			Advantage: "grpo", Loss: "grpo", Aggregate: "token-mean",
			Clip:     Clip{Low: 0.2, High: 0.2},
			Patience: 30,
		},
		// The window is the paper's. There, with 60 prompts an update and 300 tasks, that is every
		// question twice; with the defaults here, 16 of 400, two questions in five, once.
		SFT:   SFT{Epochs: 3, Batch: 16, LR: 1e-3, Warmup: 0.1, Per: "dialogue", Window: 10, Rule: supervise.RuleAll},
		Adam:  Adam{Beta2: 0.999, Decay: 0.01, Clip: 1},
		Keep:  Keep{Checkpoint: 20, Checkpoints: 3, Eval: 20},
		Guard: Guard{At: "dead", Times: 3, Rate: 0.5, Factor: 10},
		Judge: supervise.Settings{Concurrency: 8, Retries: 6, Reply: 1024, Temperature: 0.7},
	}
}

// blank is what a resolved recipe is read over: a setting that it does not have is not read,
// or has no value.
func blank() Recipe {
	r := defaults()
	for _, f := range strict.Fields(&r) {
		if f.Absent {
			f.Value.SetZero()
		}
	}
	return r
}

// Read reads a recipe that was resolved, by this version or the one before.
func Read(name string, text []byte) (Recipe, error) {
	r := blank()
	err := r.Apply(name, text)
	r.Settle()
	return r, err
}

// Past reads a resolved recipe for whoever trains nothing with it. What the version before
// trained with and this one cannot is left out of it, and given by key.
func Past(name string, text []byte) (r Recipe, left map[string]any, err error) {
	r, left = blank(), map[string]any{}
	if text, err = r.current(text, left); err != nil {
		return r, nil, fmt.Errorf("%s: %w", name, err)
	}
	r, err = Read(name, text)
	return r, left, err
}

// Shown are the settings that a run of a resolved recipe reads, as YAML has them, with the
// keys of this version whichever wrote it; nil where the recipe is not one that it reads.
func Shown(text []byte) (all map[string]any) {
	r, left, err := Past("", text)
	if err != nil || yaml.Unmarshal(r.YAML(), &all) != nil {
		return nil
	}
	for key, v := range left { // it tells runs apart
		at, path := all, strings.Split(key, ".")
		for _, name := range path[:len(path)-1] {
			if _, ok := at[name].(map[string]any); !ok {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = v
	}
	return all
}
