package recipe

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"ballast/bounded"
	"ballast/hub"
	"ballast/model"
	"ballast/model/lora"
	"ballast/train/plan"
)

// LoRA says that an adapter is trained in the place of the model's weights; without a rank
// these are.
type LoRA struct {
	Rank    int     `yaml:"rank,omitempty"`
	Alpha   float64 `yaml:"alpha,omitempty"`
	Targets Names   `yaml:"targets,omitempty"`
	Start   string  `yaml:"start,omitempty"`
}

// settle fills in what a rank alone means: what servers make of it that take no more.
func (l *LoRA) settle() {
	if l.Rank == 0 {
		return
	}
	if l.Alpha == 0 {
		l.Alpha = lora.Alpha
	}
	if len(l.Targets) == 0 {
		l.Targets = lora.Targets()
	}
}

// Config is the adapter's; nil where the model's weights are trained.
func (l *LoRA) Config() *lora.Config {
	if l.Rank == 0 {
		return nil
	}
	s := *l
	s.settle()
	return &lora.Config{Rank: s.Rank, Alpha: s.Alpha, Targets: s.Targets}
}

// Trained is how many parameters of a model are trained.
func (l *LoRA) Trained(c *model.Config) int64 {
	if a := l.Config(); a != nil {
		return a.Count(c)
	}
	return plan.Parameters(c)
}

// check reports what is wrong with the settings together.
func (l *LoRA) check(bad report) {
	if l.Rank == 0 && (l.Alpha != 0 || len(l.Targets) > 0 || l.Start != "") {
		bad("lora.rank", "the section sets no rank, without which no adapter is trained; set it, such as lora.rank=16")
	}
	for i, t := range l.Targets {
		if slices.Contains(l.Targets[:i], t) {
			bad("lora.targets", "%s stands there twice", t)
		}
	}
}

// Startable reports why the adapter that the training begins with is not one of these
// settings, before a model is loaded.
func (l *LoRA) Startable() error {
	want := l.Config()
	if want == nil || l.Start == "" {
		return nil
	}
	for _, path := range lora.Files(l.Start) {
		if err := bounded.Regular(path); err != nil {
			return fmt.Errorf("lora.start: %w; name a folder of PEFT, or the folder adapter of a checkpoint", err)
		}
	}
	has, err := lora.ReadConfig(l.Start)
	if err != nil {
		return fmt.Errorf("lora.start: %w", err)
	}
	if has.Targets == nil { // its tensors say it
		has.Targets = want.Targets
	}
	return l.same(&has)
}

// same is an error where an adapter is not as the settings say.
func (l *LoRA) same(has *lora.Config) error {
	want := l.Config()
	what := want.Differs(has)
	if what == "" {
		return nil
	}
	key, _, _ := strings.Cut(what, " ")
	set := map[string]string{"rank": fmt.Sprint(has.Rank), "alpha": fmt.Sprint(has.Alpha),
		"targets": "[" + strings.Join(has.Targets, ", ") + "]"}
	return fmt.Errorf("lora.%s: the adapter in %s has %s; set lora.%s=%s to go on with it", key, l.Start, what, key, set[key])
}

// Adapter makes the adapter that the recipe trains on a model, or reads it; nil where the
// model's weights are trained.
func (r *Recipe) Adapter(c *model.Config) (*lora.Adapter, error) {
	l := &r.LoRA
	want := l.Config()
	if want == nil {
		return nil, nil
	}
	if l.Start == "" {
		a, err := lora.New(c, *want, r.Seed)
		if err != nil {
			return nil, err
		}
		a.Base = r.base()
		return a, nil
	}
	a, err := lora.Read(l.Start, c)
	if err != nil {
		return nil, fmt.Errorf("lora.start: %w", err)
	}
	if a.Dropout != 0 {
		return nil, errors.New("lora.start: lora_dropout of " + lora.Files(l.Start)[0] + " is not 0, and nothing is dropped in training here; " +
			"set it to 0 there to go on without")
	}
	a.Base = r.base()
	return a, l.same(&a.Config)
}

// base is the model's name without the revision, which adapters name apart.
func (r *Recipe) base() string {
	if n, ok := hub.Parse(r.Model); ok {
		return n.ID()
	}
	return r.Model
}
