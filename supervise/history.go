package supervise

import (
	"slices"

	"ballast"
)

// Outcome is how the episodes of one group of one update ended.
type Outcome struct {
	Update int
	Task   string
	Played int
	Won    int
	Fail   int // index of the first failing one among the update's episodes, -1 if none
}

// History is the outcomes of recent updates, oldest first. It is part of a run's
// cursor.
type History []Outcome

// Add returns h with the episodes of an update, and without what is more than
// window updates old. Only the policy's own plays count: no gold, no hint, no
// broken machine.
func (h History) Add(update, window int, eps []ballast.Episode) History {
	at := map[string]int{}
	h = slices.Clone(h)
	for i := range eps {
		ep := &eps[i]
		if ep.Stop == ballast.StopInfra || ep.Hinted || demonstrated(ep) {
			continue
		}
		k, ok := at[ep.Task]
		if !ok {
			k = len(h)
			at[ep.Task] = k
			h = append(h, Outcome{Update: update, Task: ep.Task, Fail: -1})
		}
		o := &h[k]
		o.Played++
		switch {
		case ep.Score.Success:
			o.Won++
		case o.Fail < 0:
			o.Fail = i
		}
	}
	return slices.DeleteFunc(h, func(o Outcome) bool { return o.Update <= update-window })
}

func demonstrated(ep *ballast.Episode) bool {
	return len(ep.Turns) > 0 && len(ep.Turns[0].Steps) > 0 && ep.Turns[0].Steps[0].Gold
}

// Rule says which tasks count as failed.
type Rule string

// The rules. The paper's text selects tasks whose every episode failed (section
// 3.4); its code, by a slip, those of which any did.
const (
	RuleAll Rule = "all"
	RuleAny Rule = "any"
)

// Failed lists the failed tasks of the last window updates in the order in which
// they were first played: the newest outcome with a failing episode of each.
func (h History) Failed(window int, rule Rule) []Outcome {
	if len(h) == 0 {
		return nil
	}
	after := h[len(h)-1].Update - window
	var order []string
	sum, bad := map[string]Outcome{}, map[string]Outcome{}
	for _, o := range h {
		if o.Update <= after {
			continue
		}
		if _, ok := sum[o.Task]; !ok {
			order = append(order, o.Task)
		}
		s := sum[o.Task]
		s.Played, s.Won = s.Played+o.Played, s.Won+o.Won
		sum[o.Task] = s
		if o.Fail >= 0 {
			bad[o.Task] = o
		}
	}
	var out []Outcome
	for _, id := range order {
		s := sum[id]
		if o, ok := bad[id]; ok && (rule == RuleAny || s.Won == 0) {
			out = append(out, o)
		}
	}
	return out
}
