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
	e := &local{}
	var l *train.Learner
	if o.learns {
		var err error
		if l, err = train.New(o.model, o.options()); err != nil {
			return nil, err
		}
		e.learner = l
	}
	p := cpu.NewPolicy(o.model, cpu.Options{Watched: o.watch})
	e.sampler, e.sync = p, func() error { return p.Refresh(l.Weights()) }
	return e, nil
}
