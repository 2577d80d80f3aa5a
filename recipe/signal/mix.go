package signal

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"ballast"
	"ballast/chat"
	"ballast/recipe/strict"
	"ballast/supervise"
)

// Mix puts cross-entropy on gold dialogues beside the policy's loss, in the same
// optimiser step.
var Mix = Signal{
	Name: "mix",
	Doc:  "cross-entropy on the gold dialogues of the update's tasks",
	Settings: []strict.Setting{
		{Key: "weight", In: strict.Span{Hi: 1e6, Above: true}, Doc: "The weight of the cross-entropy."},
		{Key: "on", Of: func() []string { return []string{"all", "failed"} }, Doc: "All tasks of the update, or those whose whole group failed."},
		{Key: "formats", Of: func() []string { return slices.Sorted(maps.Keys(chat.Formats)) },
			Doc: "Formats that the dialogues are written in, the groups in turn; absent means the episodes' own."},
	},
	Default: mixEffect{Weight: 0.1, On: "all"},
	Needs: func(x Effect) Needs {
		e := x.(mixEffect)
		return Needs{Gold: e.in(), Groups: len(e.in()), Adds: 1}
	},
}

type mixEffect struct {
	Weight  float64  `yaml:"weight"`
	On      string   `yaml:"on"`
	Formats []string `yaml:"formats,omitempty"`
}

// in are the formats of the dialogues; "" is the episodes' own.
func (e mixEffect) in() []string {
	if len(e.Formats) == 0 {
		return []string{""}
	}
	return e.Formats
}

func (mixEffect) Requests(context.Context, *Draft) error { return nil }

func (e mixEffect) Stamp(ctx context.Context, d *Draft) error {
	in := e.in()
	if len(in) > d.Prompts {
		return fmt.Errorf("mix.formats: %d formats for %d groups, which take turns; raise rl.prompts", len(in), d.Prompts)
	}
	for k, name := range in {
		cfg := d.Rollout
		if name != "" {
			f, err := chat.FormatByName(name)
			if err != nil {
				return err
			}
			cfg.Renderer.Format = f
		}
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
		if m.Request != nil && !m.Request.Gold && m.Episode.Score.Success {
			return false
		}
	}
	return true
}
