package train

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"

	"ballast/model"
	"ballast/model/lora"
	"ballast/train/plan"
	"ballast/train/state"
)

// AdapterFolder is the folder of a checkpoint that has the adapter.
const AdapterFolder = "adapter"

// Trained is how many parameters of a model are trained.
func (o *Options) Trained(c *model.Config) int64 {
	if o.Adapter != nil {
		return o.Adapter.Count(c)
	}
	return plan.Parameters(c)
}

// Save makes dir a Hugging Face directory in float32 with one more file, that of package
// state. Where an adapter is trained, the directory has the merged model, so that it is one for
// whoever plays it, and the folder AdapterFolder the adapter itself, as PEFT has it: merged
// weights do not give its bits back. dir must not exist or be empty; on an error nothing
// half-written is left that Load would take.
func (l *Learner) Save(dir string) error {
	now := *l.m
	now.Weights = l.machine.Weights()
	if err := now.Save(dir, model.F32); err != nil {
		return err
	}
	if l.adapter != nil {
		if err := l.adapter.Save(filepath.Join(dir, AdapterFolder)); err != nil {
			return err
		}
	}
	return state.Save(dir, l.machine.State())
}

// Load reads the state in dir whole before anything is replaced. A checkpoint of one machine
// is one for every other.
func (l *Learner) Load(dir string) error {
	m, err := model.LoadWeights(dir)
	if err != nil {
		return err
	}
	specs, w := l.m.Config.Specs(), m.Weights
	if !slices.EqualFunc(m.Config.Specs(), specs, func(a, b model.Spec) bool {
		return a.Name == b.Name && slices.Equal(a.Shape, b.Shape)
	}) {
		return fmt.Errorf("train: %s holds a model of other shapes than the one in training", dir)
	}
	if l.adapter != nil {
		specs = l.adapter.Specs()
		if w, err = l.stored(dir, m.Weights); err != nil {
			return err
		}
	}
	opt, ref, err := state.Load(dir, specs)
	if err != nil {
		return err
	}
	return l.machine.Restore(w, opt, ref)
}

// stored is the adapter of a checkpoint whose merged weights are given. They tell whether it
// was trained on this learner's model.
func (l *Learner) stored(dir string, merged *model.Weights) (*model.Weights, error) {
	at := filepath.Join(dir, AdapterFolder)
	a, err := lora.Read(at, &l.m.Config)
	if err != nil {
		return nil, err
	}
	if what := l.adapter.Differs(&a.Config); what != "" {
		return nil, fmt.Errorf("train: %s holds an adapter with %s", at, what)
	}
	for i, t := range a.Merge(l.m.Weights).Tensors {
		if !alike(t.Data, merged.Tensors[i].Data) {
			return nil, fmt.Errorf("train: %s was trained on another model than the one in training: tensor %s differs", dir, t.Name)
		}
	}
	return a.Weights, nil
}

// alike says whether two tensors are the same up to rounding, which another processor's may be.
func alike(a, b []float32) bool {
	var most, gap float64
	for i, x := range a {
		most = max(most, math.Abs(float64(x)))
		gap = max(gap, math.Abs(float64(x)-float64(b[i])))
	}
	return gap <= 1e-5*most
}
