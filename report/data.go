package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"ballast"
	"ballast/bounded/yaml"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/runlog"
	"ballast/task"
)

// run is a run directory in memory, all but its episodes.
type run struct {
	Name    string // last part of the directory
	Recipe  string // recipe.yaml
	Head    head
	log     *runlog.Log
	x       []int          // indices of the updates
	phase   []string       // of each update
	begins  []int          // updates before the phases that begin after the first, see ends
	secs    []float64      // of each update
	metric  []string       // names, sorted
	events  []runlog.Event //
	evals   []evaluation   // during the run
	test    *evaluation    // of the test tasks at the end, where those during the run are others
	total   float64        // seconds of all updates
	metrics monitor.Series
}

// head is what the page's title takes from the recipe. Other methods may have
// other keys; what is missing is left out.
type head struct {
	Method string `yaml:"method"`
	Model  string `yaml:"model"`
	Seed   uint64 `yaml:"seed"`
	Tasks  struct {
		Set  string `yaml:"set"`
		Eval string `yaml:"eval"` // of the version before
	} `yaml:"tasks"`
	Chat struct {
		Format string `yaml:"format"`
	} `yaml:"chat"`
}

// evaluation is one evaluation of a run.
type evaluation struct {
	update    int
	ok, all   int // 0 of 0 where only the rate is known
	rate      float64
	low, high float64 // 95% Wilson interval; the rate itself where all is 0
	text      string
	left      int // episodes that could not be played, beside those
}

// load reads a run.
func load(dir string) (*run, error) {
	log, err := runlog.Read(dir)
	if err != nil {
		return nil, err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := &run{Name: filepath.Base(abs), Recipe: string(log.Recipe), log: log, metrics: monitor.Series{}}
	if err := yaml.Unmarshal(log.Recipe, &r.Head); err != nil {
		return nil, fmt.Errorf("%s: %w", runlog.Dir(dir).Recipe(), err)
	}
	for u, err := range log.Updates() {
		if err != nil {
			return nil, err
		}
		r.add(u)
	}
	for e, err := range log.Events() {
		if err != nil {
			return nil, err
		}
		r.events = append(r.events, e)
		switch w := e.What.(type) {
		case runlog.PhaseBegun:
			r.begins = append(r.begins, e.Update)
		case runlog.Evaluated:
			if w.All > 0 {
				r.evals = append(r.evals, evaluated(e, w.Score))
			}
		case runlog.Tested:
			if w.All > 0 {
				r.test = new(evaluated(e, w.Score))
			}
		}
	}
	if len(r.evals) == 0 { // runs that record no events but the metric
		for i, v := range r.metrics[monitor.EvalSuccess] {
			if !math.IsNaN(v) {
				r.evals = append(r.evals, evaluation{update: r.x[i], rate: v, low: v, high: v})
			}
		}
	}
	r.metric = slices.Sorted(maps.Keys(r.metrics))
	return r, nil
}

// add appends one update.
func (r *run) add(u ballast.Update) {
	r.metrics.Add(len(r.x), u)
	r.x, r.phase, r.secs = append(r.x, u.Index), append(r.phase, u.Phase), append(r.secs, u.Seconds)
	r.total += u.Seconds
}

// evaluated is what an event says of some tasks.
func evaluated(e runlog.Event, s runlog.Score) evaluation {
	ok, all := float64(s.OK), float64(s.All)
	low, high := monitor.Wilson(ok, all)
	return evaluation{e.Update, s.OK, s.All, ok / all, low, high, e.Text, s.Left}
}

// status says how the run ended, and whether that is bad.
func (r *run) status() (string, bool) {
	for _, e := range slices.Backward(r.events) {
		switch e.What.(type) {
		case runlog.Done:
			return "finished", false
		case runlog.Alarm:
			if e.Update >= r.lastUpdate() {
				return "stopped by an alarm", true
			}
		case runlog.Interrupted:
			return "interrupted", false
		case runlog.Resumed:
			return "not finished", false
		}
	}
	return "not finished", false
}

func (r *run) lastUpdate() int {
	if len(r.x) == 0 {
		return 0
	}
	return r.x[len(r.x)-1]
}

// sentences says in words what happened.
func (r *run) sentences() []string {
	if len(r.x) == 0 {
		return []string{"The run has no updates yet."}
	}
	list := []string{fmt.Sprintf("%s in %s, %s.", plural(len(r.x), "update"), duration(r.total), r.work())}
	if e, ok := r.ends(monitor.RewardMean); ok {
		if e.n < 3 {
			list = append(list, fmt.Sprintf("Reward %s.", join(r.metrics[monitor.RewardMean])))
		} else {
			list = append(list, fmt.Sprintf("Sampled reward began at %.3f and %s %.3f (%s); best %.3f at update %d.",
				e.first, e.move(), e.last, e.means(), e.best, e.bestAt))
		}
	}
	if text := r.crossEntropy(); text != "" {
		list = append(list, text)
	}
	if n := len(r.evals); n > 0 {
		last := r.evals[n-1]
		text := fmt.Sprintf("Evaluation after update %d: %s", last.update, last)
		if n > 1 {
			text += fmt.Sprintf("; at update %d it was %s", r.evals[0].update, r.evals[0])
		}
		if best := r.best(); best.update != last.update {
			text += fmt.Sprintf("; the best was %s at update %d", plot.Percent(best.rate), best.update)
		}
		list = append(list, text+".")
	}
	if r.test != nil {
		list = append(list, fmt.Sprintf("Test tasks, played once after update %d: %s.", r.test.update, r.test))
	}
	return append(list, r.health()...)
}

// split is what evaluations during the run were on.
func (r *run) split() string { return cmp.Or(r.Head.Tasks.Eval, task.Held(r.Head.Tasks.Set)) }

// best is the evaluation with the highest rate, of equal ones the newest: the one
// whose checkpoint is kept.
func (r *run) best() evaluation {
	best := r.evals[0]
	for _, e := range r.evals {
		if e.rate >= best.rate {
			best = e
		}
	}
	return best
}

// work says how much was sampled and trained.
func (r *run) work() string {
	var parts []string
	for _, m := range []struct{ tokens, seconds, verb string }{
		{monitor.TokensSampled, monitor.SecondsRollout, "sampled"},
		{monitor.TokensTrained, monitor.SecondsTrain, "trained"},
	} {
		n := sum(r.metrics[m.tokens])
		if n == 0 {
			continue
		}
		text := plot.Count(n) + " tokens " + m.verb
		if s := sum(r.metrics[m.seconds]); s > 0 {
			text += fmt.Sprintf(" (%s/s)", plot.Count(n/s))
		}
		parts = append(parts, text)
	}
	if len(parts) == 0 {
		return "no tokens counted"
	}
	return strings.Join(parts, ", ")
}

// health says what share of replies was of a healthy kind at the end.
func (r *run) health() []string {
	var list []string
	sick := func(end func(ends) float64) (polluted, collapsed float64) {
		p, _ := r.ends(monitor.KindPrefix + ballast.KindPolluted.String())
		c, _ := r.ends(monitor.KindPrefix + ballast.KindCollapsed.String())
		return end(p), end(c)
	}
	if e, ok := r.ends(monitor.KindPrefix + ballast.KindCall.String()); ok && e.n >= 3 {
		p0, c0 := sick(func(e ends) float64 { return e.first })
		p1, c1 := sick(func(e ends) float64 { return e.last })
		list = append(list, fmt.Sprintf("Healthy replies: %s at first, %s at the end (%s polluted, %s collapsed).",
			plot.Percent(1-p0-c0), plot.Percent(1-p1-c1), plot.Percent(p1), plot.Percent(c1)))
	}
	if n := sum(r.metrics[monitor.NonFinite]); n > 0 {
		list = append(list, fmt.Sprintf("%s skipped for a non-finite gradient.", plural(int(n), "optimiser step")))
	}
	return list
}

// String is the rate with its interval.
func (e evaluation) String() string {
	if e.all == 0 {
		return plot.Percent(e.rate)
	}
	return fmt.Sprintf("%s (%s%d of %d, 95%% %s to %s)", plot.Percent(e.rate), e.played(), e.ok, e.all, plot.Percent(e.low),
		plot.Percent(e.high))
}

// played says how many episodes were played, where not all were, as the beginning of a
// sentence.
func (e evaluation) played() string {
	if e.left == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d played, %d left out: ", e.all, e.all+e.left, e.left)
}

// cards are the key figures on top of the page.
func (r *run) cards() []card {
	list := []card{{"updates", fmt.Sprint(len(r.x)), duration(r.total)}}
	if e, ok := r.ends(monitor.RewardMean); ok {
		list = append(list, card{"sampled reward", fmt.Sprintf("%.3f", e.last),
			fmt.Sprintf("from %.3f, best %.3f at %d", e.first, e.best, e.bestAt)})
	}
	if e, ok := r.ends(monitor.SuccessMean); ok {
		list = append(list, card{"sampled success", plot.Percent(e.last), "from " + plot.Percent(e.first)})
	}
	score := func(name string, e *evaluation) {
		note := fmt.Sprintf("after update %d", e.update)
		if e.all > 0 {
			note = e.played() + fmt.Sprintf("%d of %d, 95%% %s to %s", e.ok, e.all, plot.Percent(e.low), plot.Percent(e.high))
		}
		list = append(list, card{name + " success", plot.Percent(e.rate), note})
	}
	if n := len(r.evals); n > 0 {
		score(r.split(), &r.evals[n-1])
	}
	if r.test != nil {
		score("test", r.test)
	}
	if e, ok := r.ends(monitor.KL); ok && e.last != 0 {
		list = append(list, card{"KL to reference", plot.Short(e.last), "nats per token, k3"})
	}
	for _, m := range []struct{ label, tokens, seconds string }{
		{"sampling", monitor.TokensSampled, monitor.SecondsRollout}, {"training", monitor.TokensTrained, monitor.SecondsTrain},
	} {
		if n, s := sum(r.metrics[m.tokens]), sum(r.metrics[m.seconds]); n > 0 && s > 0 {
			list = append(list, card{m.label, plot.Count(n/s) + "/s", plot.Count(n) + " tokens"})
		}
	}
	return list
}

// eventRows are the events without the routine ones.
func (r *run) eventRows() (rows []eventRow) {
	for _, e := range r.events {
		if e.Kind() != runlog.KindCheckpoint {
			rows = append(rows, eventRow{e.Update, string(e.Kind()), e.Text})
		}
	}
	return rows
}
