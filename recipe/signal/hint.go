package signal

import (
	"cmp"
	"context"
	"fmt"

	"ballast"
	"ballast/monitor"
	"ballast/recipe/strict"
	"ballast/rollout"
	"ballast/supervise"
)

// Hint is hint-based guidance (HBG, paper, section 3.3): the policy sees a hint
// in n episodes of every group while it samples; what is learnt from has no
// hint.
var Hint = Signal{
	Name: "hint",
	Doc:  "some episodes of a group are sampled under a hint that training does not see (HBG)",
	Settings: []strict.Setting{
		{Key: "n", Unit: "rollouts", In: strict.Span{Lo: 1, Hi: most}, Doc: "Hinted episodes of a group."},
		{Key: "from", Of: func() []string { return []string{"oracle", "judge", "file"} }, Doc: "Who writes the hints."},
		{Key: "file", Doc: "The file of hints, where they are from one."},
		{Key: "correct", Doc: "The ratio corrects for the hint; otherwise, as in the paper, it starts at 1."},
	},
	Default: hintEffect{N: 2, From: "oracle"},
	New: func(x Effect, n int) (Effect, error) {
		e := x.(hintEffect)
		if e.N > n {
			return nil, fmt.Errorf("n: %d of %d episodes cannot be hinted", e.N, n)
		}
		switch {
		case (e.From == "file") != (e.File != ""):
			return nil, fmt.Errorf("file: hints from a file, and no others, need its name")
		case e.From == "file":
			texts, err := supervise.ReadHints(e.File)
			if err != nil {
				return nil, err
			}
			e.texts = texts
		}
		return e, nil
	},
	Needs: func(x Effect) (n Needs) {
		e := x.(hintEffect)
		n.Judge, n.Takes = e.From == "judge", e.N
		if e.File != "" {
			n.Files = []string{e.File}
		}
		return n
	},
}

type hintEffect struct {
	N    int    `yaml:"n"`
	From string `yaml:"from"`
	File string `yaml:"file,omitempty"`
	// Correct takes the sampler's log-probabilities, under the hint, as the old
	// ones: the ratio then corrects for the changed sampling distribution.
	// Otherwise, as in the paper, the old ones are the current policy's without
	// the hint, so that the ratio starts at 1.
	Correct bool `yaml:"correct,omitempty"`

	texts map[string]string // of a file
}

func (e hintEffect) Requests(ctx context.Context, d *Draft) error {
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
	err := d.take(e.N, func(p *rollout.Request) {
		if p.Hint = texts[p.Task.ID]; p.Hint == "" {
			missing = p.Task.ID
		}
	})
	if missing != "" && e.From == "file" {
		return fmt.Errorf("%s has no hint for task %s", e.File, missing)
	}
	return err
}

// Serve is an error where a file lacks hints.
func (e hintEffect) Serve(tasks []ballast.Task) error {
	if e.From != "file" {
		return nil
	}
	first, lacks := "", 0
	for i := range tasks {
		if e.texts[tasks[i].ID] == "" {
			first, lacks = cmp.Or(first, tasks[i].ID), lacks+1
		}
	}
	if lacks == 0 {
		return nil
	}
	return fmt.Errorf("hint.file: %s has no hint for %d of %d training tasks, the first is %s; add them, or take hint.from oracle", e.File,
		lacks, len(tasks), first)
}

func (e hintEffect) Stamp(ctx context.Context, d *Draft) error {
	mine := func(m *Member) bool { return m.Request != nil && m.Request.Hint != "" }
	d.share(monitor.HintedSuccess, mine)
	if e.Correct {
		return nil
	}
	_, err := d.current(ctx, mine)
	return err
}
