package study

import (
	"fmt"
	"math"
	"path/filepath"

	"ballast/compare"
	"ballast/compare/table"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/sweep"
)

// Jobs are the study's runs in two waves, seeds outside: those that run by
// themselves, and those whose budgets follow from them. Each is followed by its
// evaluation on the suites, and by its probe.
func (p *Plan) Jobs(dir string) (first, second []sweep.Job) {
	for seed := 1; seed <= p.Seeds; seed++ {
		for i := range p.Rows {
			r := &p.Rows[i]
			run := sweep.Seed(filepath.Join(dir, r.Name), seed)
			j := sweep.Job{Dir: run, Enough: func(x *compare.Run) bool { return p.evaluated(x) && hasProbe(x, r.Probe) },
				Then: [][]string{{"eval", "--run", run, "--suites", filepath.Join(dir, p.file())}},
				Start: func() ([]string, error) {
					args, err := p.args(dir, r, seed)
					return append([]string{"train", r.Method, "--out", run}, args...), err
				}}
			if r.Probe > 0 {
				j.Then = append(j.Then, []string{"doctor", "--probe", run, "--count", fmt.Sprint(r.Probe)})
			}
			if r.Match == "" {
				first = append(first, j)
			} else {
				second = append(second, j)
			}
		}
	}
	return first, second
}

// args are the settings of one run as flags of the training command.
func (p *Plan) args(dir string, r *Row, seed int) ([]string, error) {
	args := []string{"--config", p.Config(dir)}
	for _, s := range append(r.Set[:len(r.Set):len(r.Set)], fmt.Sprintf("seed=%d", seed)) {
		args = append(args, "--set", s)
	}
	if r.Match == "" {
		return args, nil
	}
	n, err := p.matched(dir, r, seed)
	return append(args, "--set", fmt.Sprintf("sft.updates=%d", n)), err
}

// matched is the number of supervised updates that has as many tokens as the run
// that a row is matched to. How many tokens an update has tells the plain
// supervised run of the same seed, which draws from the same tasks.
func (p *Plan) matched(dir string, r *Row, seed int) (int, error) {
	other, err := compare.Load(sweep.Seed(filepath.Join(dir, r.Match), seed))
	if err != nil {
		return 0, fmt.Errorf("row %s waits for %s: %w", r.Name, r.Match, err)
	}
	unit, err := compare.Load(sweep.Seed(filepath.Join(dir, p.unit().Name), seed))
	if err != nil {
		return 0, fmt.Errorf("row %s waits for %s: %w", r.Name, p.unit().Name, err)
	}
	if other.Ending == compare.Open || unit.Ending == compare.Open {
		return 0, fmt.Errorf("row %s: seed %d of %s or %s has not ended", r.Name, seed, r.Match, p.unit().Name)
	}
	each := table.NewStat(plot.Finite(unit.Metrics[monitor.TokensSupervised])).Mean
	n := int(math.Round(other.Supervised / each))
	if !(each > 0) || n < 1 {
		return 0, fmt.Errorf("row %s: seed %d of %s saw %.0f supervised tokens, there is nothing to match", r.Name, seed, r.Match,
			other.Supervised)
	}
	return n, nil
}

// evaluated says whether a run has all its evaluations on the suites.
func (p *Plan) evaluated(r *compare.Run) bool { return len(missing(r, p.Suites)) == 0 }

// Todo is an evaluation that a run lacks: a suite on the weights of an update.
type Todo struct {
	Update int
	Suite  Suite
}

// missing lists the suites that a run's final and best checkpoints were not
// evaluated on, checkpoint by checkpoint.
func missing(r *compare.Run, suites []Suite) []Todo {
	var out []Todo
	updates := []int{r.Final}
	if r.Best != r.Final {
		updates = append(updates, r.Best)
	}
	for _, u := range updates {
		for _, s := range suites {
			if _, ok := r.At(s.Name, u); !ok && u >= 0 {
				out = append(out, Todo{u, s})
			}
		}
	}
	return out
}
