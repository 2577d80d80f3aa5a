package signal

import (
	"context"
	"fmt"

	"ballast"
	"ballast/chat"
	"ballast/supervise"
)

// Mix puts cross-entropy on gold dialogues beside the policy's loss, in the same
// optimiser step.
var Mix = Signal{
	Name: "mix",
	Doc:  "cross-entropy on the gold dialogues of the update's tasks, times weight",
	New: func(s Settings, _ int) (Effect, error) {
		e, err := readMix(s)
		if err != nil {
			return nil, err
		}
		if !(e.Weight > 0 && e.Weight <= 1e6) {
			return nil, fmt.Errorf("weight: must be above 0 and at most 1000000, is %v", e.Weight)
		}
		if e.On != "all" && e.On != "failed" {
			return nil, fmt.Errorf("on: %q is not one of all, failed", e.On)
		}
		for _, name := range e.Formats {
			if _, err := chat.FormatByName(name); err != nil {
				return nil, fmt.Errorf("formats: %w", err)
			}
		}
		return e, nil
	},
	Needs: func(s Settings) Needs {
		e, _ := readMix(s) // New says what is wrong with it
		return Needs{Golden: true, Formats: e.Formats, Adds: 1}
	},
}

func readMix(s Settings) (e mixEffect, err error) {
	e = mixEffect{Weight: 0.1, On: "all"}
	err = s.into(&e)
	return e, err
}

type mixEffect struct {
	Weight float64 `yaml:"weight"`
	On     string  `yaml:"on"` // all tasks of the update, or those whose whole group failed
	// Formats that the dialogues are written in, the groups of an update in turn;
	// empty = the episodes' own.
	Formats []string `yaml:"formats"`
}

func (mixEffect) Plays(context.Context, *Draft) error { return nil }

func (e mixEffect) Stamp(ctx context.Context, d *Draft) error {
	in := e.Formats
	if len(in) == 0 {
		in = []string{d.Rollout.Style.Format.Name()}
	}
	if len(in) > d.Prompts {
		return fmt.Errorf("mix.formats: %d formats for %d groups, which take turns; raise rl.prompts", len(in), d.Prompts)
	}
	for k, name := range in {
		f, err := chat.FormatByName(name)
		if err != nil {
			return err
		}
		cfg := d.Rollout
		cfg.Style.Format = f
		var at []int
		var tasks []*ballast.Task
		for g := k; g < len(d.Groups); g += len(in) {
			if e.On == "all" || failed(d.Groups[g]) {
				at = append(at, g)
				tasks = append(tasks, d.Tasks[g])
			}
		}
		eps, err := supervise.Gold(ctx, cfg, tasks)
		if err != nil {
			return err
		}
		for i, g := range at {
			ep := &eps[i]
			ep.Group = g
			s := CrossEntropy(ep, 0, len(ep.Tokens), e.Weight)
			s.Prefix = ep.Prompt // the group's, where the format is too
			d.Groups[g] = append(d.Groups[g], Member{Episode: ep, Sample: s})
		}
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
