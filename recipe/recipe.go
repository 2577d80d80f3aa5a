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
	"ballast/recipe/signal"
	"ballast/rollout"
	"ballast/supervise"
)

// Recipe is a method with all its settings; the table settings says what each of them is.
type Recipe struct {
	Method string         `yaml:"method"`
	Model  string         `yaml:"model"`
	Seed   uint64         `yaml:"seed"`
	Tasks  Tasks          `yaml:"tasks"`
	MCP    MCP            `yaml:"mcp"`
	Chat   Chat           `yaml:"chat"`
	Budget Budget         `yaml:"budget"`
	RL     RL             `yaml:"rl"`
	SFT    SFT            `yaml:"sft"`
	Adam   Adam           `yaml:"adam"`
	LoRA   LoRA           `yaml:"lora"`
	Engine Engine         `yaml:"engine"`
	Init   Init           `yaml:"init"`
	Phases []Phase        `yaml:"phases"`
	Keep   Keep           `yaml:"keep"`
	Guard  Guard          `yaml:"guard"`
	Faults rollout.Faults `yaml:"faults,omitempty"`
	// Judge writes hints and reflections; by default the built-in oracle.
	Judge supervise.Settings `yaml:"judge"`
	// Methods holds settings for one method each, in files for several: Apply
	// lays those of the recipe's method over the others and forgets the rest.
	Methods map[string]any `yaml:"methods,omitempty"`
}

// Tasks says what is played.
type Tasks struct {
	Set        string         `yaml:"set"`
	Data       string         `yaml:"data,omitempty"`
	Categories []string       `yaml:"categories,omitempty"`
	Worlds     []string       `yaml:"worlds,omitempty"`
	Level      map[string]int `yaml:"level,omitempty"`
	Words      string         `yaml:"words,omitempty"` // of words.Choices
	Count      int            `yaml:"count,omitempty"`
	Test       int            `yaml:"test,omitempty"`
}

// Chat says how conversations are written.
type Chat struct {
	Template  string            `yaml:"template,omitempty"`
	Jinja     string            `yaml:"jinja,omitempty"`
	Format    string            `yaml:"format"`
	System    *string           `yaml:"system,omitempty"` // "" is an empty system message
	Malformed rollout.Malformed `yaml:"malformed"`
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
	Prompts     int     `yaml:"prompts"`
	Rollouts    int     `yaml:"rollouts"`
	Minibatches int     `yaml:"minibatches"`
	LR          float64 `yaml:"lr"`
	Warmup      int     `yaml:"warmup"`
	KL          float64 `yaml:"kl"`
	Advantage   string  `yaml:"advantage"`
	Loss        string  `yaml:"loss"`
	Aggregate   string  `yaml:"aggregate"`
	Clip        Clip    `yaml:"clip"`
	Progress    float64 `yaml:"progress,omitempty"`
	Format      float64 `yaml:"format,omitempty"`
	Patience    int     `yaml:"patience"`
	// Signals are the synchronous signals by name, see package signal.
	Signals map[string]signal.Settings `yaml:"signals,omitempty"`
}

// Clip bounds the policy ratio: of a token, or with loss gspo of a whole sequence, which is
// far nearer to 1 (its paper has low 3e-4 and high 4e-4). With loss cispo it bounds a
// weight, on both sides; low 1 is no lower bound, as in its paper.
type Clip struct {
	Low  float64 `yaml:"low"`
	High float64 `yaml:"high"`
}

// SFT holds the settings of supervised phases. Window and Rule choose the tasks of sources
// that learn from failures.
type SFT struct {
	Epochs  int            `yaml:"epochs"`
	Updates int            `yaml:"updates,omitempty"` // 0 = Epochs
	Batch   int            `yaml:"batch"`
	LR      float64        `yaml:"lr"`
	Warmup  float64        `yaml:"warmup"`
	Formats Shares         `yaml:"formats,omitempty"` // drawn per dialogue
	Turns   int            `yaml:"turns,omitempty"`
	Per     string         `yaml:"per"`
	File    string         `yaml:"file,omitempty"`
	Tools   string         `yaml:"tools,omitempty"`
	Window  int            `yaml:"window"`
	Rule    supervise.Rule `yaml:"rule"`
}

// Adam holds AdamW's settings.
type Adam struct {
	Beta2 float64 `yaml:"beta2"`
	Decay float64 `yaml:"decay"`
	Clip  float64 `yaml:"clip"`
}

// Init is the shape of a model made from random weights (model: init). Its
// tokenizer is trained on the task set's own texts. Family and Head say what the sizes do
// not: without them it is qwen2, with heads that share the hidden width.
type Init struct {
	Family       string `yaml:"arch,omitempty"`
	Vocab        int    `yaml:"vocab,omitempty"`
	Pretokenizer string `yaml:"pretokenizer,omitempty"`
	Hidden       int    `yaml:"hidden,omitempty"`
	Layers       int    `yaml:"layers,omitempty"`
	Heads        int    `yaml:"heads,omitempty"`
	KV           int    `yaml:"kv,omitempty"`
	Head         int    `yaml:"head,omitempty"`
	FFN          int    `yaml:"ffn,omitempty"`
	Context      int    `yaml:"context,omitempty"`
}

// Keep says what is recorded how often, in updates.
type Keep struct {
	Checkpoint  int `yaml:"checkpoint"`
	Checkpoints int `yaml:"checkpoints"`
	Eval        int `yaml:"eval"`
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
	return err == nil && len(r.Phases) > 0 && !slices.ContainsFunc(r.Phases, func(p Phase) bool { return len(p.SFT) == 0 })
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

// Settle fills in what is not said, the settings of signals, and leaves out what says nothing.
func (r *Recipe) Settle() {
	r.LoRA.settle()
	r.Engine.settle()
	r.Init.settle()
	r.RL.Signals = signal.Whole(r.RL.Signals)
}

// Rollout is the configuration of the recipe's episodes in the given renderer.
func (r *Recipe) Rollout(renderer chat.Renderer) rollout.Config {
	return rollout.Config{
		Renderer:  renderer,
		System:    r.Chat.System,
		Budget:    rollout.Budget(r.Budget),
		Malformed: r.Chat.Malformed,
		Retries:   2,
	}
}

// Sampling is how RL phases draw tokens. The ratio compares log-probabilities at temperature
// 1 over the whole vocabulary; other draws would make it that of a policy nobody sampled.
func (r *Recipe) Sampling() ballast.Sampling {
	return ballast.Sampling{Temperature: 1}
}
