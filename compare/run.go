// Package compare puts run directories side by side: tables over methods with seeds
// as replicates, and curves with bands.
//
// Contract: it reads run directories through package runlog and nothing else, so
// that runs of a study, of a sweep and single ones compare alike, live ones too. A
// figure is the mean over a group's runs with a 95% t interval over them, of two runs
// both values, of one run its value with the interval over its tasks; where a run lacks
// a figure, it counts for nothing in it, and the table says how many had it. Intervals
// over runs cover the choice of seeds (of tasks, sampling and order), not that
// of settings.
//
// How it fails: a directory that is no run, or a line that cannot be read, is an
// error that names it.
package compare

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded/yaml"
	"ballast/env/words"
	"ballast/eval"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/report/plot"
	"ballast/runlog"
)

// During is the name of the suite of evaluations during training.
const During = "during"

// Tested is the name of the suite of test tasks that a run played once, after training.
const Tested = "test"

// Score is one evaluation: of which update's weights, and how it went.
type Score struct {
	Update     int
	Total      eval.Count
	Left       int                // episodes that could not be played and are in none of the others
	Categories map[string]float64 // success rates
}

// Run is what one run directory says.
type Run struct {
	Dir    string
	Method string
	Format string // that the run trains in
	Seed   uint64
	Recipe map[string]any // recipe.yaml
	Log    *runlog.Log

	Updates    int
	Ending     Ending
	Why        string  // of a run that stopped
	Seconds    float64 // wall-clock of the updates, evaluations included
	CPU        float64 // seconds of processor time, as far as the run tells; NaN else
	Supervised float64 // tokens of demonstrations that were trained on
	Final      int     // update of the last checkpoint, or of the one that its guard named when it stopped; -1 where there is none
	Best       int     // update of the one that evaluations during training like best
	Before     float64 // success on the suite id before any training, 0 where it is not known
	Suites     map[string][]Score
	Metrics    monitor.Series
	Diagnosis  verdict.Diagnosis

	guard guarded
}

// Ending is how far a run is.
type Ending string

// The endings.
const (
	Done    Ending = "done"
	Stopped Ending = "stopped" // by itself, for a reason: no signal, non-finite numbers, its guard
	Open    Ending = "open"    // not finished
)

// Load reads one run directory.
func Load(dir string) (*Run, error) {
	log, err := runlog.Read(dir)
	if err != nil {
		return nil, err
	}
	r := &Run{Dir: filepath.Clean(dir), Log: log, Ending: Open, Final: -1, Best: -1, CPU: math.NaN(), guard: guarded{use: -1},
		Suites: map[string][]Score{}, Metrics: monitor.Series{}}
	if err := r.head(); err != nil {
		return nil, err
	}
	d := verdict.New()
	for u, err := range log.Updates() {
		if err != nil {
			return nil, err
		}
		d.Add(u)
		r.add(u)
	}
	r.Diagnosis = d.Diagnosis()
	for e, err := range log.Events() {
		if err != nil {
			return nil, err
		}
		r.event(e)
	}
	return r, r.checkpoints()
}

// head reads the recipe.
func (r *Run) head() error {
	var h struct {
		Method string `yaml:"method"`
		Seed   uint64 `yaml:"seed"`
		Chat   struct {
			Format string `yaml:"format"`
		} `yaml:"chat"`
	}
	for _, into := range []any{&h, &r.Recipe} {
		if err := yaml.Unmarshal(r.Log.Recipe, into); err != nil {
			return fmt.Errorf("%s: %w", runlog.Dir(r.Dir).Recipe(), err)
		}
	}
	r.Method, r.Seed, r.Format = h.Method, h.Seed, h.Chat.Format
	return nil
}

// add takes the next update.
func (r *Run) add(u ballast.Update) {
	r.Metrics.Add(r.Updates, u)
	r.Updates++
	r.Seconds += u.Seconds
	switch n, ok := u.Metrics[monitor.TokensSupervised]; {
	case ok:
		r.Supervised += n
	case u.Phase == "sft": // of runs older than the metric
		r.Supervised += u.Metrics[monitor.TokensTrained]
	}
}

// event takes the next event.
func (r *Run) event(e runlog.Event) {
	r.guard.event(e)
	switch w := e.What.(type) {
	case runlog.Evaluated:
		r.addScore(During, e.Update, w.Score)
	case runlog.Tested:
		r.addScore(Tested, e.Update, w.Score)
	case runlog.SuiteTested:
		r.addScore(w.Suite, e.Update, w.Score)
	case runlog.Done:
		r.Ending, r.Why = Done, ""
	case runlog.Alarm: // unless an action follows, the run's last word
		r.Ending, r.Why = Stopped, e.Text
	case runlog.Acted:
		if w.Do != runlog.DoStop {
			r.Ending, r.Why = Open, ""
		}
	case runlog.PhaseBegun, runlog.Resumed, runlog.Interrupted:
		r.Ending, r.Why = Open, ""
	case runlog.Cost:
		r.CPU = w.CPU
	}
}

func (r *Run) addScore(suite string, update int, s runlog.Score) {
	r.Suites[suite] = append(r.Suites[suite], Score{update, eval.Count{OK: s.OK, All: s.All}, s.Left, s.Rates})
}

// checkpoints finds the final checkpoint and the one that evaluations during training
// like best.
func (r *Run) checkpoints() error {
	list, err := r.Log.Checkpoints()
	if err != nil || len(list) == 0 {
		return err
	}
	best, err := r.Log.Best(monitor.EvalSuccess)
	r.Final, r.Best = list[len(list)-1].Update, best.Update
	if use := r.guard.use; r.Ending == Stopped && use >= 0 { // what came after it is sick
		r.Final, r.Best = use, min(r.Best, use)
	}
	return err
}

// At returns the last evaluation of a suite on the weights of an update.
func (r *Run) At(suite string, update int) (Score, bool) {
	for _, s := range slices.Backward(r.Suites[suite]) {
		if s.Update == update {
			return s, true
		}
	}
	return Score{}, false
}

// Alike reports whether two runs are tested alike: the same source of tasks at the same
// level and in the same words, written and limited in the same way.
func (r *Run) Alike(o *Run) bool {
	part := func(r *Run) []any {
		out := []any{r.Recipe["chat"], r.Recipe["budget"]}
		tasks, _ := r.Recipe["tasks"].(map[string]any)
		for _, key := range []string{"set", "data", "categories", "worlds", "level"} {
			out = append(out, tasks[key])
		}
		if said, _ := tasks["words"].(string); !words.Same(said, words.None) { // own words need not be named
			out = append(out, said)
		}
		return out
	}
	return reflect.DeepEqual(part(r), part(o))
}

// Which is a checkpoint of a run.
type Which string

// The checkpoints that tables have.
const (
	Last Which = "final"
	Top  Which = "best" // by evaluations during training, which a study makes on a split of their own
)

// Score is a suite's evaluation of one of the run's checkpoints. Evaluations during
// training need none: their last and their best one count.
func (r *Run) Score(suite string, which Which) (Score, bool) {
	all := r.Suites[suite]
	switch {
	case suite == During && len(all) == 0:
		return Score{}, false
	case suite == During && which == Last:
		return all[len(all)-1], true
	case suite == During:
		return slices.MaxFunc(all, func(a, b Score) int { return int(1e6 * (a.Total.Rate() - b.Total.Rate())) }), true
	case which == Last:
		return r.At(suite, r.Final)
	}
	return r.At(suite, r.Best)
}

// collapse is what a fall to under a fifth means.
const collapse = 0.2

// Collapsed says whether the success at the end is under 20% of the best that the
// run had, before training included, and since which evaluation during training: on
// the suite id where there is one, else in those evaluations. known is false where
// there is nothing to fall from: fewer than two evaluations, or none at 1%; since is 0
// where the evaluations during training do not show the fall.
func (r *Run) Collapsed() (yes, known bool, since int) {
	curve := r.Suites[During]
	last, ok1 := r.Score("id", Last)
	top, ok2 := r.Score("id", Top)
	if !ok1 || !ok2 {
		if len(curve) < 2 {
			return false, false, 0
		}
		last, _ = r.Score(During, Last)
		top, _ = r.Score(During, Top)
	}
	best := max(r.Before, top.Total.Rate())
	if best < 0.01 {
		return false, false, 0
	}
	if last.Total.Rate() >= collapse*best {
		return false, true, 0
	}
	high := r.Before
	for _, s := range curve { // the first of the evaluations from which on all are low
		high = max(high, s.Total.Rate())
		switch {
		case s.Total.Rate() >= collapse*high:
			since = 0
		case since == 0:
			since = s.Update
		}
	}
	return true, true, since
}

// Gone says whether the mean reward of ten RL updates ends under 20% of the highest that
// the run had, and since which update it stays there: one more than the last RL update
// where it does not. known is false for a run with fewer than ten RL updates or without
// any reward.
func (r *Run) Gone() (yes, known bool, since int) {
	var at []int
	for i, y := range r.Metrics[monitor.RewardMean] {
		if plot.IsFinite(y) {
			at = append(at, i+1)
		}
	}
	means := sliding(r.Metrics[monitor.RewardMean])
	high, last := highest(means), 0
	for i, m := range means {
		if m >= collapse*high {
			last = i + tail
		}
	}
	if high == 0 {
		return false, false, 0
	}
	return last < len(at), true, at[last-1] + 1
}

// wanted is what a command wants instead of a path without runs.
const wanted = "name run directories, as `ballast train` makes them, or folders of them"

// Find returns the run directories at and below a path, in order of their names.
func Find(path string) ([]string, error) {
	if runlog.Dir(path).IsRun() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("compare: %w; %s", err, wanted)
	}
	var out []string
	for _, e := range entries {
		if !e.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		below, err := Find(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		out = append(out, below...)
	}
	return out, nil
}
