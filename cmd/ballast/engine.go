package main

import (
	"fmt"
	"os"
	"sync"

	"ballast"
	"ballast/chat"
	"ballast/model"
	"ballast/model/accel"
	"ballast/model/cpu"
	"ballast/model/device"
	"ballast/model/sampling"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/train"
	learner "ballast/train/accel"
)

// newEngine builds the local engine: a learner, and a sampler that follows its
// weights. GOMLX_BACKEND decides where: on the processor in plain Go, or on a
// device by XLA.
func newEngine(r *recipe.Recipe, m *model.Model, s chat.Style) (loop.Engine, error) {
	if device.Accelerated(device.Named()) {
		return deviceEngine(r, m, s)
	}
	notice()
	l, err := train.New(m, trainOptions(r))
	if err != nil {
		return loop.Engine{}, err
	}
	p := hostPolicy(m, s)
	return loop.Engine{
		Style: s, Policy: p, Learner: l, Context: m.Config.MaxLen,
		Sync: func() error { return p.Refresh(l.Weights()) }, Reference: l.Reference,
	}, nil
}

// deviceEngine is newEngine on a device; the sampler uses the learner's tensors.
func deviceEngine(r *recipe.Recipe, m *model.Model, s chat.Style) (loop.Engine, error) {
	d, err := device.Open("")
	if err != nil {
		return loop.Engine{}, err
	}
	o := trainOptions(r)
	l, err := learner.New(d, m, learner.Options{AdamW: o.AdamW, Loss: o.Loss})
	if err != nil {
		return loop.Engine{}, err
	}
	p, err := accel.Follow(d, m.Config, l.Tensors(), deviceOptions(s))
	if err != nil {
		return loop.Engine{}, err
	}
	return loop.Engine{
		Style: s, Policy: p, Learner: l, Context: m.Config.MaxLen,
		Sync: func() error { return p.Share(l.Tensors()) }, Reference: l.Reference,
	}, nil
}

// sampler is a local policy: model/cpu's or model/accel's.
type sampler interface {
	ballast.Policy
	Counters() sampling.Counters
	Kernels() string
}

// newPolicy makes the sampler of a model, on the processor or on the device that
// GOMLX_BACKEND names.
func newPolicy(m *model.Model, s chat.Style) (sampler, error) {
	if !device.Accelerated(device.Named()) {
		notice()
		return hostPolicy(m, s), nil
	}
	d, err := device.Open("")
	if err != nil {
		return nil, err
	}
	return accel.New(d, m, deviceOptions(s))
}

func hostPolicy(m *model.Model, s chat.Style) *cpu.Policy {
	ids, _ := s.Control() // watched at every sampled position
	return cpu.NewPolicy(m, cpu.Options{Watched: ids})
}

// halfVar is the environment variable that makes a device's sampler keep weights
// and caches in half precision.
const halfVar = "BALLAST_HALF"

func deviceOptions(s chat.Style) accel.Options {
	ids, _ := s.Control()
	return accel.Options{Watched: ids, Half: os.Getenv(halfVar) == "1"}
}

// engineLine says which engine a run uses, or why it has none.
func engineLine() string {
	name := device.Named()
	if !device.Accelerated(name) {
		return "the built-in one: plain Go on the processor"
	}
	d, err := device.Open(name)
	if err != nil {
		return "none: " + err.Error()
	}
	return "XLA: " + d.Describe()
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
			fmt.Fprintln(stderr, "ballast:", text)
		}
	})
}
