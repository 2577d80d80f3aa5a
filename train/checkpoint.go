package train

import (
	"fmt"
	"slices"

	"ballast/model"
	"ballast/train/state"
)

// Save implements ballast.Learner: dir becomes a Hugging Face directory in
// float32 with one more file, that of package state. dir must not exist or be
// empty; on an error nothing half-written is left that Load would take.
func (l *Learner) Save(dir string) error {
	if err := l.m.Save(dir, model.F32); err != nil {
		return err
	}
	from := state.Source{Tensors: len(l.w.flat), Steps: l.adam.Steps,
		Moments: func(i int) (m, v []float32) { return l.adam.M[i], l.adam.V[i] }}
	if l.ref != nil {
		from.Reference = func(i int) []float32 { return l.ref.flat[i] }
	}
	return state.Save(dir, from)
}

// Load implements ballast.Learner. The state in dir is read whole before
// anything is replaced.
func (l *Learner) Load(dir string) error {
	m, err := model.LoadWeights(dir)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(m.Config.Specs(), l.w.specs, func(a, b model.Spec) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	}) {
		return fmt.Errorf("train: %s holds a model of other shapes than the one in training", dir)
	}
	adam, ref, err := state.Load(dir, l.w.specs)
	if err != nil {
		return err
	}
	l.adam, l.ref = adam, nil
	for i, s := range l.w.specs {
		copy(l.w.flat[i], m.Weights.Get(s.Name).Data)
	}
	if ref != nil {
		l.ref = newParams(&l.m.Config, ref)
	}
	return nil
}
