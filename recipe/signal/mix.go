package signal

import (
	"context"
	"fmt"

	"ballast"
	"ballast/supervise"
)

// mix puts cross-entropy on gold dialogues beside the policy's loss, in the same
// optimiser step.
var mix = Signal{
	Name: "mix",
	Doc:  "cross-entropy on the gold dialogues of the update's tasks, times weight",
	New: func(s Settings, _ int) (Effect, error) {
		e := mixEffect{Weight: 0.1, On: "all"}
		if err := s.into(&e); err != nil {
			return nil, err
		}
		if !(e.Weight > 0) {
			return nil, fmt.Errorf("weight: must be positive, is %v", e.Weight)
		}
		if e.On != "all" && e.On != "failed" {
			return nil, fmt.Errorf("on: %q is not one of all, failed", e.On)
		}
		return e, nil
	},
}

type mixEffect struct {
	Weight float64 `yaml:"weight"`
	On     string  `yaml:"on"` // all tasks of the update, or those whose whole group failed
}

// Plays implements Effect.
func (mixEffect) Plays(context.Context, *Draft) error { return nil }

// Stamp implements Effect.
func (e mixEffect) Stamp(ctx context.Context, d *Draft) error {
	var at []int
	var tasks []*ballast.Task
	for g, members := range d.Groups {
		if e.On == "all" || failed(members) {
			at = append(at, g)
			tasks = append(tasks, d.Tasks[g])
		}
	}
	eps, err := supervise.Gold(ctx, d.Rollout, tasks)
	if err != nil {
		return err
	}
	for i, g := range at {
		ep := &eps[i]
		ep.Group = g
		s := CrossEntropy(ep, 0, len(ep.Tokens), e.Weight)
		s.Prefix = ep.Prompt // the group's
		d.Groups[g] = append(d.Groups[g], Member{Episode: ep, Sample: s})
	}
	return nil
}

// failed says whether no episode that the policy sampled succeeded.
func failed(members []Member) bool {
	for k := range members {
		m := &members[k]
		if m.Play != nil && !m.Play.Gold && m.Episode.Score.Success {
			return false
		}
	}
	return true
}
