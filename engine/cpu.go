package engine

import (
	"ballast/model/cpu"
	"ballast/recipe"
	"ballast/train"
)

// cpuKind is the built-in engine: packages train and model/cpu.
var cpuKind = Kind{
	Name: "cpu",
	Doc:  "plain Go on the processor, in float32",
	here: func(*recipe.Engine) (string, error) { return "the built-in one: plain Go on the processor", nil },
	open: openCPU, notice: train.Notice,
}

func openCPU(o *order) (Engine, error) {
	how := cpu.Options{Watched: o.watch}
	if !o.learns {
		return &local{sampler: cpu.NewPolicy(o.model, how)}, nil
	}
	with, err := o.options()
	if err != nil {
		return nil, err
	}
	l, err := train.New(o.model, with)
	if err != nil {
		return nil, err
	}
	now := *o.model
	now.Weights = l.Weights()
	p := cpu.NewPolicy(&now, how)
	return &local{sampler: p, learner: l, sync: func() error { return p.Refresh(l.Weights()) }}, nil
}
