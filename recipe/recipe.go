// Package recipe says what a training run does: a method with all its settings.
//
// A method is data: one file with one Method value and one line in All. It says
// which phases of reinforcement learning and supervised fine-tuning follow each
// other and which signals act in them; package loop runs them and the learner never
// hears of it. A recipe is a method with every setting resolved; it is written into
// the run directory and is all that a resumed run needs.
//
// Settings that cannot be read or honoured are errors that name the key.
package recipe

import (
	"fmt"
	"slices"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/loss"
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/supervise"
	"ballast/task"
)

// Recipe is a method with all its settings.
type Recipe struct {
	Method string  `yaml:"method"`
	Model  string  `yaml:"model"` // embedded, init, a Hugging Face directory, or a GGUF file
	Seed   uint64  `yaml:"seed"`
	Tasks  Tasks   `yaml:"tasks"`
	Chat   Chat    `yaml:"chat"`
	Budget Budget  `yaml:"budget"`
	RL     RL      `yaml:"rl"`
	SFT    SFT     `yaml:"sft"`
	Adam   Adam    `yaml:"adam"`
	Engine Engine  `yaml:"engine,omitempty"`
	Init   Init    `yaml:"init,omitempty"`
	Phases []Phase `yaml:"phases"`
	Keep   Keep    `yaml:"keep"`
	Guard  Guard   `yaml:"guard,omitempty"`
	// Quirks are faults of the paper's reference code that RL phases have, for a study.
	Quirks rollout.Quirks `yaml:"quirks,omitempty"`
	// Judge writes hints and reflections; by default the built-in oracle.
	Judge supervise.Settings `yaml:"judge,omitempty"`
	// Methods holds settings for one method each, in files for several: Apply
	// lays those of the recipe's method over the others and forgets the rest.
	Methods map[string]any `yaml:"methods,omitempty"`
}

// Tasks says what is played.
type Tasks struct {
	Set        string         `yaml:"set"`                  // desk, bfcl, ...
	Data       string         `yaml:"data,omitempty"`       // folder of the data, for sets that need one
	Categories []string       `yaml:"categories,omitempty"` // empty = all that are trained on
	Worlds     []string       `yaml:"worlds,omitempty"`     // only tasks whose worlds are all among these
	Level      map[string]int `yaml:"level,omitempty"`      // difficulty of generated tasks, see task.Spec
	Count      int            `yaml:"count,omitempty"`      // training tasks; 0 = the set's own number
	Test       int            `yaml:"test,omitempty"`       // tasks of an evaluation; 0 = the set's own number
	Eval       string         `yaml:"eval,omitempty"`       // split of the evaluations during the run, which choose the best checkpoint: valid or test; empty = test, see Settle
}

// Chat says how conversations are written.
type Chat struct {
	Template  string            `yaml:"template,omitempty"` // one of chat.Templates, or a .jinja file; empty = the model's own
	Format    string            `yaml:"format"`             // one of chat.Formats
	System    *string           `yaml:"system,omitempty"`   // text of the system message; absent = the model's own, "" = an empty one
	Malformed rollout.Malformed `yaml:"malformed"`          // stop, retry, advance
}

// Budget bounds episodes, in tokens but for Steps. See rollout.Budget.
type Budget struct {
	Prompt  int `yaml:"prompt"`
	Episode int `yaml:"episode"`
	Reply   int `yaml:"reply"`
	Result  int `yaml:"result"`
	Steps   int `yaml:"steps"`
}

// RL holds the settings of reinforcement-learning phases.
type RL struct {
	Prompts     int     `yaml:"prompts"`     // tasks per update
	Rollouts    int     `yaml:"rollouts"`    // episodes per task
	Minibatches int     `yaml:"minibatches"` // optimiser steps per update
	LR          float64 `yaml:"lr"`          //
	Warmup      int     `yaml:"warmup"`      // updates of linear warm-up
	KL          float64 `yaml:"kl"`          // coefficient of the k3 term, in the loss
	Advantage   string  `yaml:"advantage"`   // one of credit.Estimators
	Loss        string  `yaml:"loss"`        // of sampled tokens: a term of package loss that weighs them by advantages
	Aggregate   string  `yaml:"aggregate"`   // token-mean or sequence-mean; gspo wants the latter
	Clip        Clip    `yaml:"clip"`
	Temperature float64 `yaml:"temperature"`
	Progress    float64 `yaml:"progress,omitempty"` // weights of the shaped reward parts
	Format      float64 `yaml:"format,omitempty"`
	Patience    int     `yaml:"patience"` // updates without any reward spread before the run stops; 0 = never
	// Signals are the synchronous signals by name, see package signal.
	Signals map[string]signal.Settings `yaml:"signals,omitempty"`
}

// Clip bounds the policy ratio: of a token, or with loss gspo of a whole sequence, which is
// far nearer to 1 (its paper has low 3e-4 and high 4e-4). With loss cispo it bounds a
// weight, on both sides; low 1 is no lower bound, as in its paper.
type Clip struct {
	Low  float64 `yaml:"low"`
	High float64 `yaml:"high"`
	Dual float64 `yaml:"dual"` // bound for negative advantages, with loss grpo; 0 = off
}

// SFT holds the settings of supervised phases.
type SFT struct {
	Epochs   int     `yaml:"epochs"`
	Updates  int     `yaml:"updates,omitempty"` // exactly so many updates instead of epochs; 0 = off
	Batch    int     `yaml:"batch"`             // dialogues per update
	LR       float64 `yaml:"lr"`
	Warmup   float64 `yaml:"warmup"`            // share of the phase's updates
	Schedule string  `yaml:"schedule"`          // cosine or constant, after the warm-up
	Formats  Shares  `yaml:"formats,omitempty"` // formats the gold is written in, drawn per dialogue by share; empty = chat.format
	Turns    int     `yaml:"turns,omitempty"`   // only dialogues of at most so many user turns; 0 = all
	Per      string  `yaml:"per,omitempty"`     // instances: dialogue (default) or turn, one per assistant message
	File     string  `yaml:"file,omitempty"`    // dialogues of source file, see package imports
	// Window and Rule choose the tasks of source failed: those of the last
	// Window updates of the RL phase before (0 = 10), of which all episodes
	// failed (all, the default) or any.
	Window int            `yaml:"window,omitempty"`
	Rule   supervise.Rule `yaml:"rule,omitempty"`
}

// Adam holds AdamW's settings.
type Adam struct {
	Beta1 float64 `yaml:"beta1"`
	Beta2 float64 `yaml:"beta2"`
	Eps   float64 `yaml:"eps"`
	Decay float64 `yaml:"decay"`
	Clip  float64 `yaml:"clip"` // gradient norm
}

// Init is the shape of a model made from random weights (model: init). Its
// tokenizer is trained on the task set's own texts.
type Init struct {
	Vocab  int `yaml:"vocab,omitempty"`
	Hidden int `yaml:"hidden,omitempty"`
	Layers int `yaml:"layers,omitempty"`
	Heads  int `yaml:"heads,omitempty"`
	KV     int `yaml:"kv,omitempty"`
	FFN    int `yaml:"ffn,omitempty"`
}

// Keep says what is recorded how often, in updates.
type Keep struct {
	Checkpoint  int `yaml:"checkpoint"`  // write a checkpoint every so many updates
	Checkpoints int `yaml:"checkpoints"` // keep this many of the newest; 0 = all
	Eval        int `yaml:"eval"`        // evaluate every so many updates; 0 = at the end only
}

// Method is a named recipe.
type Method struct {
	Name string
	Doc  string
	// New returns the method's defaults.
	New func() Recipe
}

// All is the table of methods.
var All = []Method{quickstart, vanilla, grpo, sft, sftGRPO, ops, hbg, ets, prs, mixed, base}

// Untrained says whether the named method trains nothing: its runs say how a model does
// before training.
func Untrained(method string) bool {
	r, err := New(method)
	return err == nil && len(r.Phases) == 0
}

// Supervised says whether the named method has supervised phases and no others.
func Supervised(method string) bool {
	r, err := New(method)
	return err == nil && len(r.Phases) > 0 && !slices.ContainsFunc(r.Phases, func(p Phase) bool { return p.SFT == "" })
}

// New returns the defaults of the named method.
func New(name string) (Recipe, error) {
	var names []string
	for _, m := range All {
		if m.Name == name {
			r := m.New()
			r.Method = name
			return r, nil
		}
		names = append(names, m.Name)
	}
	return Recipe{}, fmt.Errorf("method %q is not known; choose one of: %s", name, strings.Join(names, ", "))
}

// Settle fills in what follows from other settings, and leaves out what says nothing: evaluations during a run are on
// split valid where the task set has one, so that no test task chooses a checkpoint.
func (r *Recipe) Settle() {
	r.Engine.settle()
	if r.Tasks.Eval != "" {
		return
	}
	if set, err := task.ByName(r.Tasks.Set); err == nil { // Load says what is wrong with a name
		r.Tasks.Eval = "valid"
		if set.Whole {
			r.Tasks.Eval = "test"
		}
	}
}

// Complete fills in what the recipe of a run of an earlier version does not name, as that
// version ran it.
func (r *Recipe) Complete() {
	if r.RL.Loss == "" {
		r.RL.Loss = loss.Terms[loss.TermPolicy].Name
	}
}

// Rollout is the configuration of the recipe's episodes in the given style.
func (r *Recipe) Rollout(style chat.Style) rollout.Config {
	return rollout.Config{
		Style:     style,
		System:    r.Chat.System,
		Budget:    rollout.Budget(r.Budget),
		Malformed: r.Chat.Malformed,
		Retries:   2,
	}
}

// Sampling is how RL phases draw tokens.
func (r *Recipe) Sampling() ballast.Sampling {
	return ballast.Sampling{Temperature: r.RL.Temperature}
}
