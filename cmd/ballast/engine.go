package main

import (
	"cmp"
	"fmt"
	"os"
	"sync"

	"ballast"
	"ballast/chat"
	"ballast/model"
	"ballast/model/cpu"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/rollout"
	"ballast/task"
	"ballast/train"
)

// loadModel reads the model a recipe names: the embedded one, a new one from
// random weights, a folder or file, or the best checkpoint of a run directory.
func loadModel(r *recipe.Recipe) (*model.Model, error) {
	switch r.Model {
	case "embedded":
		return model.Embedded()
	case "init":
		return recipe.NewModel(r)
	}
	path, err := bestOf(r.Model)
	if err != nil {
		return nil, err
	}
	return model.Load(path)
}

// newStyle is how conversations with the model are written under the recipe.
func newStyle(r *recipe.Recipe, m *model.Model) (chat.Style, error) {
	name := r.Chat.Template
	if name == "" {
		name = m.Template
	}
	if name == "" {
		return chat.Style{}, fmt.Errorf("%s does not say which chat template it was made for; set chat.template", m.Origin)
	}
	t, err := chat.TemplateByName(name)
	if err != nil {
		return chat.Style{}, err
	}
	f, err := chat.FormatByName(r.Chat.Format)
	if err != nil {
		return chat.Style{}, err
	}
	s := chat.Style{Tok: m.Tok, Template: t, Format: f}
	if err := chat.Check(s); err != nil {
		return s, fmt.Errorf("%s: %w", m.Origin, err)
	}
	return s, nil
}

// loadTasks returns the training and test tasks of a recipe and checks that
// every prompt fits.
func loadTasks(r *recipe.Recipe, cfg rollout.Config) (learn, test []ballast.Task, err error) {
	spec := task.Spec{Name: r.Tasks.Set, Data: r.Tasks.Data, Categories: r.Tasks.Categories, Worlds: r.Tasks.Worlds, Level: r.Tasks.Level, Seed: r.Seed}
	spec.Split, spec.Count = "train", r.Tasks.Count
	if learn, err = task.Load(spec); err != nil {
		return nil, nil, err
	}
	spec.Split, spec.Count = cmp.Or(r.Tasks.Eval, "test"), r.Tasks.Test
	if test, err = task.Load(spec); err != nil {
		return nil, nil, err
	}
	for _, set := range [][]ballast.Task{learn, test} {
		if _, err := rollout.CheckPrompts(&cfg, set); err != nil {
			return nil, nil, err
		}
	}
	return learn, test, nil
}

// newEngine builds the local engine: a learner, and a sampler that follows its
// weights.
func newEngine(r *recipe.Recipe, m *model.Model, s chat.Style) (loop.Engine, error) {
	notice()
	l, err := train.New(m, trainOptions(r))
	if err != nil {
		return loop.Engine{}, err
	}
	p := newPolicy(m, s)
	return loop.Engine{
		Style: s, Policy: p, Learner: l, Context: m.Config.MaxLen,
		Sync: func() error { return p.Refresh(l.Weights()) },
	}, nil
}

func newPolicy(m *model.Model, s chat.Style) *cpu.Policy {
	ids, _ := s.Control() // watched at every sampled position
	return cpu.NewPolicy(m, cpu.Options{Watched: ids})
}

func trainOptions(r *recipe.Recipe) train.Options {
	o := train.Default()
	o.AdamW = train.AdamW{Beta1: r.Adam.Beta1, Beta2: r.Adam.Beta2, Eps: r.Adam.Eps, WeightDecay: r.Adam.Decay, Clip: r.Adam.Clip}
	o.Loss.ClipLow, o.Loss.ClipHigh, o.Loss.Dual = r.RL.Clip.Low, r.RL.Clip.High, r.RL.Clip.Dual
	return o
}

var noticeOnce sync.Once

// notice says once that the binary lacks the fast kernels.
func notice() {
	noticeOnce.Do(func() {
		if text := train.Notice(); text != "" {
			fmt.Fprintln(os.Stderr, "ballast:", text)
		}
	})
}
