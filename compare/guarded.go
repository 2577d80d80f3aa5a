package compare

import (
	"fmt"
	"slices"
	"strings"

	"ballast/compare/table"
	"ballast/monitor"
	"ballast/report/plot"
	"ballast/runlog"
)

// guarded is what a run's guard did, as the events tell it.
type guarded struct {
	acts        int      // actions, a stop included
	sick        [][2]int // stretches: the update each began at and that of its alarm
	checkpoints []int    // all that were written, pruned ones too
	use         int      // update of the checkpoint that a stop named; -1 where there is none
}

// event takes an event of the run; others than a guard's and checkpoints tell nothing.
func (g *guarded) event(e runlog.Event) {
	switch w := e.What.(type) {
	case runlog.Saved:
		g.checkpoints = append(g.checkpoints, e.Update)
	case runlog.Alarm:
		if w.Began > 0 {
			g.sick = append(g.sick, [2]int{w.Began, e.Update})
		}
	case runlog.Acted:
		g.acts++
		if w.Do == runlog.DoStop && w.Checkpoint != nil {
			g.use = *w.Checkpoint
		}
	case runlog.Resumed: // it goes on
		g.use = -1
	}
}

// well reports whether an update lies outside the sick stretches.
func (g *guarded) well(update int) bool {
	return !slices.ContainsFunc(g.sick, func(s [2]int) bool { return update >= s[0] && update <= s[1] })
}

// around is the mean sampled reward of the ten updates around a checkpoint, sick ones
// and those of other phases left out: five up to it and five of its weights on. ok is
// false where no reward was sampled with its weights.
func (r *Run) around(checkpoint int) (mean float64, ok bool) {
	reward := r.Metrics[monitor.RewardMean]
	at := func(u int) bool { return u >= 1 && u <= len(reward) && plot.IsFinite(reward[u-1]) && r.guard.well(u) }
	if !at(checkpoint + 1) {
		return 0, false
	}
	var y []float64
	for u := checkpoint - tail/2 + 1; u <= checkpoint+tail/2; u++ {
		if at(u) {
			y = append(y, reward[u-1])
		}
	}
	return table.NewStat(y).Mean, true
}

// Healthy is the best mean reward around a checkpoint that the run had before its guard
// acted last, of those that no sick stretch covers.
func (r *Run) Healthy() (best float64, ok bool) {
	if len(r.guard.sick) == 0 {
		return 0, false
	}
	last := r.guard.sick[len(r.guard.sick)-1][1]
	for _, c := range r.guard.checkpoints {
		if v, may := r.around(c); may && c < last && r.guard.well(c) && (!ok || v > best) {
			best, ok = v, true
		}
	}
	return best, ok
}

// End is the mean reward that a run ends with: of its last RL updates, or around the
// checkpoint that its guard named when it stopped.
func (r *Run) End() (float64, bool) {
	if r.Ending == Stopped && r.guard.use >= 0 {
		return r.around(r.guard.use)
	}
	return atEnd(monitor.RewardMean)(r)
}

// Kept says whether the run ends with a reward no lower than at its best healthy
// checkpoint; known is false where no guard acted.
func (r *Run) Kept() (kept, known bool) {
	was, ok1 := r.Healthy()
	end, ok2 := r.End()
	return ok1 && ok2 && end >= was-1e-9, ok1 && ok2 // means of equal numbers are equal
}

// guards is the table of what guards did: how often they acted and stopped, the mean
// reward at the best healthy checkpoint and at the end, and in how many runs the end is
// no lower. Groups without a guard's action have no line.
func guards(groups []Group) table.Table {
	t := table.Table{Name: "guards", Title: "What guards did",
		Notes: []string{fmt.Sprintf("Of the runs whose guard acted. Sampled reward: at the best healthy checkpoint, the highest mean over "+
			"the %d updates around a checkpoint from before the last action and outside the sick stretches; "+
			"at the end, the mean of the last %d RL updates, or around the checkpoint that a stop named. Kept: runs whose end is no lower. By "+
			"seed: healthy > end.", tail, tail)},
		Head: []string{"method", "n", "acted", "actions", "stopped", "healthy", "end", "kept", "by seed"}}
	for i := range groups {
		g := Group{Label: groups[i].Label}
		stopped, kept := 0, 0
		var seeds []string
		for _, r := range groups[i].Runs {
			if r.guard.acts == 0 {
				continue
			}
			g.Runs = append(g.Runs, r)
			if r.Ending == Stopped {
				stopped++
			}
			if yes, _ := r.Kept(); yes {
				kept++
			}
			was, _ := r.Healthy()
			end, _ := r.End()
			seeds = append(seeds, fmt.Sprintf("%.3f > %.3f", was, end))
		}
		if len(g.Runs) == 0 {
			continue
		}
		t.Rows = append(t.Rows, []table.Cell{table.Textf("%s", g.Label), table.Textf("%d", len(groups[i].Runs)), table.Textf("%d", len(g.Runs)),
			table.Figure(g.Stat(func(r *Run) (float64, bool) { return float64(r.guard.acts), true }), table.Number), table.Textf("%d", stopped),
			table.Figure(g.Stat((*Run).Healthy), table.Number), table.Figure(g.Stat((*Run).End), table.Number),
			table.Textf("%d/%d", kept, len(g.Runs)), table.Textf("%s", strings.Join(seeds, ", "))})
	}
	return t
}
