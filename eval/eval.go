// Package eval plays tasks and reports success with intervals. It trains
// nothing, and methods never read its tasks.
//
// What plays them is a Player: a policy, or an endpoint. A Store keeps episodes as
// they end, so that an interrupted evaluation continues and gives the same table.
// Infrastructure failures are left out, counted and named.
package eval

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"ballast"
	"ballast/credit"
	"ballast/monitor"
	"ballast/rollout"
	"ballast/safetext"
)

// Count is a number of successes among a number of episodes.
type Count struct {
	OK  int `json:"ok"`
	All int `json:"all"`
}

// MarshalJSON adds the rate and its interval.
func (c Count) MarshalJSON() ([]byte, error) {
	lo, hi := c.Wilson()
	return fmt.Appendf(nil, `{"ok":%d,"all":%d,"rate":%.4f,"lo":%.4f,"hi":%.4f}`, c.OK, c.All, c.Rate(), lo, hi), nil
}

// Rate is OK/All, 0 when nothing was played.
func (c Count) Rate() float64 {
	if c.All == 0 {
		return 0
	}
	return float64(c.OK) / float64(c.All)
}

// Wilson returns the 95% Wilson score interval of the rate.
func (c Count) Wilson() (lo, hi float64) {
	return monitor.Wilson(float64(c.OK), float64(c.All))
}

// Result is the outcome of an evaluation.
type Result struct {
	Total      Count                 `json:"total"`
	Categories map[string]Count      `json:"categories"`
	Reasons    map[string]int        `json:"reasons"`   // of failures: credit's reasons
	FailTurn   map[int]int           `json:"fail_turn"` // first failing turn, from 1
	Stops      map[ballast.Stop]int  `json:"stops"`
	Forms      [ballast.NumForms]int `json:"forms"`
	Calls      float64               `json:"calls_per_turn"`
	Infra      int                   `json:"infra"`            // episodes left out
	Broken     string                `json:"broken,omitempty"` // the first of them, and why
	Episodes   []ballast.Episode     `json:"-"`
}

// Run plays every task once with a policy and scores it.
func Run(ctx context.Context, policy ballast.Policy, cfg rollout.Config, tasks []ballast.Task, how ballast.Sampling) (Result, error) {
	return RunStored(ctx, nil, tasks, PolicyPlayer(policy, cfg, how))
}

// Tally scores the episodes of tasks, in their order. Infrastructure failures are
// counted and left out.
func Tally(tasks []ballast.Task, eps []ballast.Episode) Result {
	r := Result{Categories: map[string]Count{}, Reasons: map[string]int{}, FailTurn: map[int]int{}, Stops: map[ballast.Stop]int{}, Episodes: eps}
	turns, calls := 0, 0
	for i := range eps {
		ep := &eps[i]
		r.Stops[ep.Stop]++
		if ep.Stop == ballast.StopInfra {
			if r.Infra++; r.Infra == 1 {
				r.Broken = ep.Task + ": " + ep.Error
			}
			continue
		}
		ep.Score = credit.Score(ep, &tasks[i], credit.Options{})
		r.add(&tasks[i], ep.Score)
		for _, t := range ep.Turns {
			turns++
			for _, s := range t.Steps {
				calls += len(s.Calls)
				r.Forms[s.Form]++
			}
		}
	}
	r.Calls = float64(calls) / float64(max(1, turns))
	return r
}

func (r *Result) add(task *ballast.Task, s ballast.Score) {
	c := r.Categories[task.Category]
	c.All++
	r.Total.All++
	if s.Success {
		c.OK++
		r.Total.OK++
	} else {
		r.Reasons[s.Reason]++
		r.FailTurn[s.FailTurn+1]++
	}
	r.Categories[task.Category] = c
}

// Rate is the overall success rate.
func (r Result) Rate() float64 { return r.Total.Rate() }

// String is one line with the overall rate, its interval, the categories, and how
// many episodes are not in it.
func (r Result) String() string {
	lo, hi := r.Total.Wilson()
	var b strings.Builder
	fmt.Fprintf(&b, "%.1f%% (%d/%d, 95%% %.1f-%.1f)", 100*r.Rate(), r.Total.OK, r.Total.All, 100*lo, 100*hi)
	for _, name := range r.names() {
		fmt.Fprintf(&b, " %s %.1f%%", name, 100*r.Categories[name].Rate())
	}
	if r.Infra > 0 {
		fmt.Fprintf(&b, "; %d could not be played", r.Infra)
	}
	return b.String()
}

// Data is the result as event data.
func (r Result) Data() map[string]any {
	d := map[string]any{"ok": r.Total.OK, "all": r.Total.All}
	for name, c := range r.Categories {
		d[name] = c.Rate()
	}
	return d
}

func (r Result) names() []string {
	var names []string
	for name := range r.Categories {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Table is the result for a terminal: a row per category, then why episodes
// failed.
func (r Result) Table() string {
	var b strings.Builder
	row := func(name string, c Count) {
		lo, hi := c.Wilson()
		fmt.Fprintf(&b, "%-14s %4d/%-4d %6.1f%%  [%5.1f, %5.1f]\n", safetext.Line(name), c.OK, c.All, 100*c.Rate(), 100*lo, 100*hi)
	}
	fmt.Fprintf(&b, "%-14s %9s %7s  %s\n", "category", "episodes", "success", "95% interval")
	for _, name := range r.names() {
		row(name, r.Categories[name])
	}
	row("all", r.Total)
	fmt.Fprintf(&b, "calls per turn %.2f; replies:", r.Calls)
	for f, n := range r.Forms {
		fmt.Fprintf(&b, " %s %d", ballast.Form(f), n)
	}
	b.WriteString("\nfailures:")
	if r.Total.OK == r.Total.All {
		b.WriteString(" none")
	}
	for _, k := range []string{"turns", "empty_turn", "state", "response", "calls"} {
		if n := r.Reasons[k]; n > 0 {
			fmt.Fprintf(&b, " %s %d", k, n)
		}
	}
	if turns := slices.Sorted(maps.Keys(r.FailTurn)); len(turns) > 0 {
		b.WriteString("; first failing turn:")
		for _, t := range turns {
			fmt.Fprintf(&b, " %d: %d", t, r.FailTurn[t])
		}
	}
	var stops []string
	for s := range r.Stops {
		stops = append(stops, string(s))
	}
	sort.Strings(stops)
	b.WriteString("; stops:")
	for _, s := range stops {
		fmt.Fprintf(&b, " %s %d", s, r.Stops[ballast.Stop(s)])
	}
	if n := r.Stops[ballast.StopCut]; 2*n >= r.Total.All && n > 0 {
		fmt.Fprintf(&b, "\n%d of %d episodes ended since a reply was longer than budget.reply: the model was cut, not judged; raise it with --set budget.reply=N", n, r.Total.All)
	}
	if r.Infra > 0 {
		fmt.Fprintf(&b, "\n%d episodes could not be played and are left out; the first is %s", r.Infra, safetext.Line(r.Broken))
	}
	b.WriteByte('\n')
	return b.String()
}
