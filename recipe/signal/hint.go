package signal

import (
	"context"
	"fmt"

	"ballast/monitor"
	"ballast/rollout"
	"ballast/supervise"
)

// Hint is hint-based guidance (HBG, paper, section 3.3): the policy sees a hint
// in n episodes of every group while it samples; what is learnt from has no
// hint.
var Hint = Signal{
	Name: "hint",
	Doc:  "n episodes of a group are sampled under a hint that training does not see (HBG)",
	New: func(s Settings, n int) (Effect, error) {
		e, err := readHint(s)
		if err != nil {
			return nil, err
		}
		if e.N < 1 || e.N > n {
			return nil, fmt.Errorf("n: %d of %d episodes cannot be hinted", e.N, n)
		}
		switch {
		case e.From != "oracle" && e.From != "judge" && e.From != "file":
			return nil, fmt.Errorf("from: %q is not one of oracle, judge, file", e.From)
		case (e.From == "file") != (e.File != ""):
			return nil, fmt.Errorf("file: hints from a file, and no others, need its name")
		case e.From == "file":
			if e.texts, err = supervise.ReadHints(e.File); err != nil {
				return nil, err
			}
		}
		return e, nil
	},
	Needs: func(s Settings) (n Needs) {
		e, _ := readHint(s) // New says what is wrong with it
		n.Judge = e.From == "judge"
		if e.File != "" {
			n.Files = []string{e.File}
		}
		return n
	},
}

func readHint(s Settings) (e hintEffect, err error) {
	e = hintEffect{N: 2, From: "oracle"}
	err = s.into(&e)
	return e, err
}

type hintEffect struct {
	N    int    `yaml:"n"`
	From string `yaml:"from"` // oracle, judge, file
	File string `yaml:"file"`
	// Correct takes the sampler's log-probabilities, under the hint, as the old
	// ones: the ratio then corrects for the changed sampling distribution.
	// Otherwise, as in the paper, the old ones are the current policy's without
	// the hint, so that the ratio starts at 1.
	Correct bool `yaml:"correct"`

	texts map[string]string // of a file
}

func (e hintEffect) Plays(ctx context.Context, d *Draft) error {
	texts := e.texts
	if e.From != "file" {
		judge := d.Judge
		if e.From == "oracle" {
			judge = supervise.Oracle{}
		}
		var stats supervise.Stats
		var err error
		if texts, stats, err = supervise.Hints(ctx, judge, d.Tasks); err != nil {
			return err
		}
		d.Metrics[monitor.HintsLost] += float64(stats.Lost)
	}
	missing := ""
	err := d.take(e.N, func(p *rollout.Play) {
		if p.Hint = texts[p.Task.ID]; p.Hint == "" {
			missing = p.Task.ID
		}
	})
	if missing != "" && e.From == "file" {
		return fmt.Errorf("%s has no hint for task %s", e.File, missing)
	}
	return err
}

func (e hintEffect) Stamp(ctx context.Context, d *Draft) error {
	mine := func(m *Member) bool { return m.Play != nil && m.Play.Hint != "" }
	d.share(monitor.HintedSuccess, mine)
	if e.Correct {
		return nil
	}
	return d.current(ctx, mine)
}
