package main

import (
	"cmp"
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
	"ballast/rollout"
	"ballast/safetext"
	"ballast/task"
	"ballast/train"
	learner "ballast/train/accel"
)

// loadTasks gives a run its recipe's tasks and checks that every prompt fits, those
// of training in every format that the recipe writes.
func loadTasks(run *loop.Run, cfg rollout.Config) error {
	if err := taskSets(run); err != nil {
		return err
	}
	for _, set := range [][]ballast.Task{run.Train, run.Eval, run.Test} {
		if _, err := rollout.CheckPrompts(&cfg, set); err != nil {
			return roomier(&run.Recipe, err)
		}
	}
	for _, name := range run.Recipe.Formats() {
		f, err := chat.FormatByName(name)
		if err != nil {
			return err
		}
		other := cfg
		other.Style.Format = f
		if _, err := rollout.CheckPrompts(&other, run.Train); err != nil {
			return fmt.Errorf("format %s: %w", name, err)
		}
	}
	return nil
}

// roomier says more of prompts that do not fit: who trains a model of their own on their own
// dialogues has heard neither of these tasks nor of their budget.
func roomier(r *recipe.Recipe, err error) error {
	if r.Model != "embedded" {
		err = fmt.Errorf("%w; the budgets are the embedded model's where no --config says otherwise, recipes/ has files for others", err)
	}
	if ownDialogues(r) {
		err = fmt.Errorf("%w; set %s evaluates this run, which learns from dialogues alone", err, r.Tasks.Set)
	}
	return err
}

// ownDialogues says whether a run learns from a file of dialogues and from no task.
func ownDialogues(r *recipe.Recipe) bool { return r.SFT.File != "" && r.Unread("tasks.count") != "" }

// written is how conversations of a run are written, for people.
func written(r *recipe.Recipe, c chat.Choice) string {
	if r.Chat.System == nil || c.System == *r.Chat.System {
		return c.String()
	}
	return fmt.Sprintf("%s; chat.system sets the system text \"%s\"", c, safetext.Line(*r.Chat.System))
}

// taskSets gives a run its recipe's tasks: those to train on, those of the evaluations
// during the run, and where these are no test tasks, those that are played at the end.
func taskSets(run *loop.Run) (err error) {
	t := &run.Recipe.Tasks
	load := func(split string, count int) []ballast.Task {
		if err != nil {
			return nil
		}
		var list []ballast.Task
		list, err = task.Load(task.Spec{Name: t.Set, Data: t.Data, Categories: t.Categories, Worlds: t.Worlds, Level: t.Level,
			Seed: run.Recipe.Seed, Split: split, Count: count})
		return list
	}
	run.Train = load("train", t.Count)
	run.Eval = load(cmp.Or(t.Eval, "test"), t.Test)
	if t.Eval != "" && t.Eval != "test" {
		run.Test = load("test", t.Test)
	}
	return err
}

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
