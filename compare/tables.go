package compare

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ballast"
	"ballast/compare/table"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/task"
)

// Tables returns the tables of groups: success on the suites, categories, what
// became of the runs, what they cost, and what guards did where one acted.
func Tables(groups []Group) []table.Table {
	out := []table.Table{methods(groups), categories(groups), health(groups), costs(groups)}
	if t := guards(groups); len(t.Rows) > 0 {
		out = append(out, t)
	}
	return out
}

// order is that of suites in tables; others follow by name.
var order = []string{"id", "format", "content", "both"}

// suites lists the suites that runs were evaluated on. Runs that were on none show the
// evaluations during training, and the test tasks that were played after it.
func suites(groups []Group) []string {
	seen := map[string]bool{}
	lone := len(groups) == 0
	for _, g := range groups {
		for _, r := range g.Runs {
			own := false
			for name := range r.Suites {
				seen[name] = true
				own = own || name != During && name != Tested
			}
			lone = lone || !own
		}
	}
	tested := seen[Tested]
	delete(seen, During)
	delete(seen, Tested)
	var out []string
	for _, name := range order {
		if seen[name] {
			out = append(out, name)
			delete(seen, name)
		}
	}
	out = append(out, slices.Sorted(maps.Keys(seen))...)
	if lone || len(out) == 0 {
		out = append(out, During)
		if tested {
			out = append(out, Tested)
		}
	}
	return out
}

// title is a suite's name in a head: evaluations during training have that of their split.
func title(groups []Group, suite string) string {
	if suite != During {
		return suite
	}
	name := ""
	for _, g := range groups {
		for _, r := range g.Runs {
			tasks, _ := r.Recipe["tasks"].(map[string]any)
			split, _ := tasks["eval"].(string) // of the version before
			set, _ := tasks["set"].(string)
			if split = cmp.Or(split, task.Held(set)); name != "" && name != split {
				return During
			}
			name = split
		}
	}
	if name == "test" && slices.Contains(suites(groups), Tested) {
		return During
	}
	return cmp.Or(name, During)
}

// column is a suite at a checkpoint.
type column struct {
	suite string
	which Which
}

// columns are the suites at the final and at the best checkpoint. Test tasks are played once,
// with the final one.
func columns(names []string) (out []column) {
	for _, which := range []Which{Last, Top} {
		for _, s := range names {
			if s != Tested || which == Last {
				out = append(out, column{s, which})
			}
		}
	}
	return out
}

// played says for a table's head how many episodes of a suite were played, where not all
// were: of all groups' runs together, "" else.
func played(groups []Group, suite string, which Which) string {
	all, left := 0, 0
	for i := range groups {
		for _, r := range groups[i].Runs {
			if s, ok := r.Score(suite, which); ok {
				all, left = all+s.Total.All, left+s.Left
			}
		}
	}
	if left == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d played, %d left out)", all, all+left, left)
}

// interval is the note below tables with figures over seeds.
const interval = "Mean over the seeds +- half of a 95% t interval over them; of two runs both values, of one its value, with the 95% " +
	"Wilson interval over its tasks in brackets where they were counted. n is the number of runs, and a number in parentheses that of " +
	"the runs that have the figure."

// headed says in a table's title what its figures are.
func headed(t table.Table) table.Table {
	if kinds := t.Kinds("runs", "tasks"); kinds != "" {
		t.Title += " (" + kinds + ")"
	}
	return t
}

// methods is the table of success on every suite, at the final and the best
// checkpoint.
func methods(groups []Group) table.Table {
	t := table.Table{Name: "methods", Title: "Success in percent, final and best checkpoint", Notes: []string{interval},
		Head: []string{"method", "n"}}
	list := columns(suites(groups))
	for _, c := range list {
		t.Head = append(t.Head, string(c.which)+" "+title(groups, c.suite)+played(groups, c.suite, c.which))
	}
	for i := range groups {
		g := &groups[i]
		row := []table.Cell{table.Textf("%s", g.Label), table.Textf("%d", len(g.Runs))}
		for _, c := range list {
			row = append(row, table.Figure(g.Score(c.suite, c.which), table.Share))
		}
		t.Rows = append(t.Rows, row)
	}
	return headed(t)
}

// categories is the table of success by category of the first suite.
func categories(groups []Group) table.Table {
	suite := suites(groups)[0]
	t := table.Table{Name: "categories", Title: "Success in percent by category, suite " + title(groups, suite),
		Notes: []string{interval}, Head: []string{"method", "n"}}
	seen := map[string]bool{}
	for _, g := range groups {
		for _, r := range g.Runs {
			for _, s := range r.Suites[suite] {
				for c := range s.Categories {
					seen[c] = true
				}
			}
		}
	}
	names := slices.Sorted(maps.Keys(seen))
	for _, which := range []Which{Last, Top} {
		for _, c := range names {
			t.Head = append(t.Head, string(which)+" "+c+played(groups, suite, which))
		}
	}
	for i := range groups {
		g := &groups[i]
		row := []table.Cell{table.Textf("%s", g.Label), table.Textf("%d", len(g.Runs))}
		for _, which := range []Which{Last, Top} {
			for _, c := range names {
				row = append(row, table.Figure(g.Stat(categoryOf(suite, c, which)), table.Share))
			}
		}
		t.Rows = append(t.Rows, row)
	}
	return headed(t)
}

// Differences is the table of success less that of a base group, seed by seed, at the
// final checkpoint: what a method gains in distribution and loses out of it.
func Differences(groups []Group, base *Group) table.Table {
	t := table.Table{Name: "differences", Title: "Points of success more than " + base.Label + ", final checkpoint",
		Notes: []string{"Mean difference, seed by seed, +- half of a 95% t interval over the seeds, of two seeds both differences; nothing " +
			"where the two rows play other tasks, or under other budgets."}, Head: []string{"method", "n"}}
	names := suites(append(slices.Clone(groups), *base))
	for _, s := range names {
		t.Head = append(t.Head, title(groups, s)+played(append(slices.Clone(groups), *base), s, Last))
	}
	for i := range groups {
		g := &groups[i]
		if g.Label == base.Label {
			continue
		}
		row := []table.Cell{table.Textf("%s", g.Label), table.Textf("%d", len(g.Runs))}
		for _, s := range names {
			row = append(row, table.Figure(Difference(g, base, Success(s, Last)), table.Share))
		}
		t.Rows = append(t.Rows, row)
	}
	return headed(t)
}

// tail is how many RL updates in a row a figure averages, at the end of a run and anywhere.
const tail = 10

// atEnd is the mean of a metric over the last updates that have it.
func atEnd(name string) func(*Run) (float64, bool) {
	return func(r *Run) (float64, bool) {
		y := plot.Finite(r.Metrics[name])
		y = y[max(0, len(y)-tail):]
		return table.NewStat(y).Mean, len(y) > 0
	}
}

// sliding are the means of every tail values in a row, of those that there are.
func sliding(values []float64) (means []float64) {
	y := plot.Finite(values)
	for end := tail; end <= len(y); end++ {
		means = append(means, table.NewStat(y[end-tail:end]).Mean)
	}
	return means
}

// highest is the largest of the values, at least 0.
func highest(values []float64) (top float64) {
	for _, v := range values {
		top = max(top, v)
	}
	return top
}

// health is the table of what became of the runs: how many ended and collapsed, the
// monitor's verdicts with onset and the signals that moved first, and the replies
// at the end.
func health(groups []Group) table.Table {
	t := table.Table{Name: "health", Title: "What became of the runs",
		Notes: []string{fmt.Sprintf("Collapsed: success at the end under 20%% of the run's best, of the runs that had something to lose; "+
			"since is the evaluation during training from which on, where those show it; gone, the update from which on the mean reward of %d "+
			"RL updates stays under 20%% of its highest. "+
			"Verdict, onset, the first signals and the forbidden control token whose probability changed most "+
			"around the onset, with its place, are those of `ballast doctor`; forms (percent of replies), reward and KL are means of the "+
			"last %d RL updates; at most, of each run and sorted, is the highest mean of collapsed replies over %d RL updates.",
			tail, tail, tail)},
		Head: []string{"method", "n", "done", "stopped", "collapsed", "since", "gone", "verdict", "onset", "first to move", "tokens",
			"reward", "polluted", "collapsed replies", "at most", "KL"}}
	for i := range groups {
		g := &groups[i]
		endings, verdicts, signals, tokens := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}
		fallen, known := 0, 0
		var since, gone, onset, peaks []float64
		for _, r := range g.Runs {
			endings[string(r.Ending)]++
			yes, may, at := r.Collapsed()
			if may {
				known++
			}
			if yes {
				fallen++
				if at > 0 {
					since = append(since, float64(at))
				}
			}
			if yes, _, at := r.Gone(); yes {
				gone = append(gone, float64(at))
			}
			if means := sliding(r.Metrics[monitor.KindPrefix+ballast.KindCollapsed.String()]); len(means) > 0 {
				peaks = append(peaks, 100*highest(means))
			}
			if d := &r.Diagnosis; d.Last > 0 {
				verdicts[string(d.Verdict)]++
				if d.Onset > 0 && d.Verdict.Sick() {
					onset = append(onset, float64(d.Onset))
					for _, m := range d.Moved[:min(2, len(d.Moved))] {
						signals[m.Signal]++
					}
					for _, f := range d.Tokens[:min(1, len(d.Tokens))] {
						tokens[strings.TrimPrefix(f.Metric, monitor.IllegalAt)]++
					}
				}
			}
		}
		t.Rows = append(t.Rows, []table.Cell{table.Textf("%s", g.Label), table.Textf("%d", len(g.Runs)),
			table.Textf("%d", endings[string(Done)]), table.Textf("%d", endings[string(Stopped)]),
			table.Textf("%d/%d", fallen, known), numbers(since, 0), numbers(gone, 0), table.Textf("%s", counted(verdicts, 3)),
			numbers(onset, 0), table.Textf("%s", counted(signals, 3)), table.Textf("%s", counted(tokens, 3)),
			table.Figure(g.Stat(atEnd(monitor.RewardMean)), table.Number),
			table.Figure(g.Stat(atEnd(monitor.KindPrefix+ballast.KindPolluted.String())), table.Share),
			table.Figure(g.Stat(atEnd(monitor.KindPrefix+ballast.KindCollapsed.String())), table.Share), numbers(peaks, 1),
			table.Figure(g.Stat(atEnd(monitor.KL)), table.Number)})
	}
	return headed(t)
}

// numbers lists numbers in order, such as the updates at which something happened.
func numbers(all []float64, decimals int) table.Cell {
	slices.Sort(all)
	var parts []string
	for _, x := range all {
		parts = append(parts, strconv.FormatFloat(x, 'f', decimals, 64))
	}
	return table.Textf("%s", cmp.Or(strings.Join(parts, " "), "-"))
}

// counted lists the most frequent names with their counts.
func counted(m map[string]int, most int) string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(m[b]-m[a], cmp.Compare(a, b)) })
	var parts []string
	for _, n := range names[:min(most, len(names))] {
		parts = append(parts, fmt.Sprintf("%s %d", n, m[n]))
	}
	return cmp.Or(strings.Join(parts, ", "), "-")
}

// costs is the table of what runs took.
func costs(groups []Group) table.Table {
	t := table.Table{Name: "costs", Title: "Cost of a run",
		Notes: []string{"Minutes of the updates with their evaluations, and of processor time of training where it was recorded; tokens in " +
			"thousands. Supervised tokens are those of demonstrations and reflections that were trained on."},
		Head: []string{"method", "n", "updates", "minutes", "CPU minutes", "sampled", "supervised"}}
	total := func(name string) func(*Run) (float64, bool) {
		return func(r *Run) (float64, bool) {
			sum := 0.0
			for _, v := range plot.Finite(r.Metrics[name]) {
				sum += v
			}
			return sum, true
		}
	}
	for i := range groups {
		g := &groups[i]
		t.Rows = append(t.Rows, []table.Cell{table.Textf("%s", g.Label), table.Textf("%d", len(g.Runs)),
			table.Figure(g.Stat(func(r *Run) (float64, bool) { return float64(r.Updates), true }), table.Whole),
			table.Figure(g.Stat(func(r *Run) (float64, bool) { return r.Seconds, true }), table.Time),
			table.Figure(g.Stat(func(r *Run) (float64, bool) { return r.CPU, plot.IsFinite(r.CPU) }), table.Time),
			table.Figure(g.Stat(total(monitor.TokensSampled)), table.Tokens),
			table.Figure(g.Stat(func(r *Run) (float64, bool) { return r.Supervised, true }), table.Tokens)})
	}
	return headed(t)
}
