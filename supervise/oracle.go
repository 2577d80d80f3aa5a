package supervise

import (
	"context"
	"fmt"
	"strings"

	"ballast"
	"ballast/chat"
	"ballast/env/sim"
	"ballast/env/words"
	"ballast/safetext"
	"ballast/value"
)

// Oracle is the judge that needs no service: it compares the policy's calls,
// forms and states with gold's and writes what differs. Deterministic.
type Oracle struct{}

// Answer answers the queries.
func (Oracle) Answer(_ context.Context, queries []Query) ([]Answer, Stats, error) {
	out := make([]Answer, len(queries))
	for i, q := range queries {
		switch q.Kind {
		case KindHint:
			out[i].Text = hint(q.Task)
		case KindDialogue:
			out[i].Text = review(q.Task, q.Episode)
		case KindError:
			out[i].Text = diagnose(q.Task, q.Episode)
		default:
			panic("supervise: no kind " + string(q.Kind))
		}
	}
	return out, Stats{Answered: len(queries)}, nil
}

// hint tells the gold calls turn by turn (paper, section 3.3: written from the
// questions and the gold calls).
func hint(task *ballast.Task) string {
	var b strings.Builder
	b.WriteString("Notes that may help; follow them only where they fit.")
	for i, t := range task.Turns {
		if len(t.Gold) == 0 {
			fmt.Fprintf(&b, "\nTurn %d: make no call, say what is missing.", i+1)
			continue
		}
		fmt.Fprintf(&b, "\nTurn %d: %s", i+1, calls(t.Gold))
	}
	return b.String()
}

// review is the analysis of a whole dialogue.
func review(task *ballast.Task, ep *ballast.Episode) string {
	var b strings.Builder
	for i, t := range task.Turns {
		fmt.Fprintf(&b, "Turn %d needed %s. ", i+1, calls(t.Gold))
		switch {
		case i >= len(ep.Turns):
			b.WriteString("It was never reached.\n")
		case ep.Turns[i].Check.Passed && (ep.Score.FailTurn < 0 || i < ep.Score.FailTurn):
			b.WriteString("It passed.\n")
		case ep.Turns[i].Check.Passed:
			b.WriteString("It passed, after the failure.\n")
		default:
			fmt.Fprintf(&b, "It failed: %s.\n", cause(task, ep, i))
		}
	}
	if ep.Score.FailTurn < 0 {
		b.WriteString("The whole dialogue is right.")
	} else {
		fmt.Fprintf(&b, "Everything after turn %d builds on its failure.", ep.Score.FailTurn+1)
	}
	return b.String()
}

// diagnose is the analysis of the first failing turn, in the sections that are
// asked of every judge.
func diagnose(task *ballast.Task, ep *ballast.Episode) string {
	i := ep.Score.FailTurn
	var b strings.Builder
	fmt.Fprintf(&b, "Root cause: %s.\nEvidence:", cause(task, ep, i))
	for _, e := range evidence(task, ep, i) {
		fmt.Fprintf(&b, "\n- %s", e)
	}
	fmt.Fprintf(&b, "\nFix: %s.\nSimilar:", fix(task, ep, i))
	for _, s := range similar(task, i) {
		fmt.Fprintf(&b, "\n- %s", s)
	}
	fmt.Fprintf(&b, "\nCalls: %s", calls(task.Turns[i].Gold))
	return b.String()
}

// cause is the first thing that went wrong in a turn, in one clause.
func cause(task *ballast.Task, ep *ballast.Episode, i int) string {
	if i >= len(ep.Turns) {
		return fmt.Sprintf("the episode ended before this turn (%s)", ep.Stop)
	}
	t := ep.Turns[i]
	for _, s := range t.Steps {
		switch {
		case s.Cut:
			return "a reply was too long and was cut"
		case s.Kind == ballast.KindPolluted:
			return fmt.Sprintf("a reply is neither calls nor plain text (%s)", s.Reason)
		case s.Kind == ballast.KindCollapsed:
			return "a reply holds nothing but control tokens"
		}
	}
	missing, extra := difference(task, t, i)
	switch {
	case t.Check.Reason == sim.ReasonEmpty:
		return "the request needs calls and none was made"
	case !t.Check.Done:
		return fmt.Sprintf("the turn was not finished (%s)", ep.Stop)
	case len(missing) > 0 && len(extra) > 0 && missing[0].Name == extra[0].Name:
		return fmt.Sprintf("%s was called with wrong arguments", missing[0].Name)
	case len(missing) > 0:
		return fmt.Sprintf("%s was not called", missing[0].Name)
	case t.Check.Reason == sim.ReasonCalls:
		return "more calls were made than the request needs"
	case len(extra) > 0:
		return fmt.Sprintf("%s was called although nothing asked for it", extra[0].Name)
	}
	return "the state differs because of an earlier turn"
}

// difference lists gold's calls of a turn that the policy did not make, and the
// policy's calls that gold does not make, in order.
func difference(task *ballast.Task, t ballast.Turn, i int) (missing, extra []ballast.Call) {
	for _, s := range t.Steps {
		extra = append(extra, s.Calls...)
	}
	for _, g := range task.Turns[i].Gold {
		at := -1
		for k, c := range extra {
			if same(g, c, task.Tools) {
				at = k
				break
			}
		}
		if at < 0 {
			missing = append(missing, g)
			continue
		}
		extra = append(extra[:at:at], extra[at+1:]...)
	}
	return missing, extra
}

// same says whether two calls are one call, whatever the order of arguments.
func same(a, b ballast.Call, tools []ballast.Tool) bool {
	if a.Name != b.Name {
		return false
	}
	x, err := chat.Named(a, tools)
	y, err2 := chat.Named(b, tools)
	if err != nil || err2 != nil || len(x.Args) != len(y.Args) {
		return false
	}
	for _, p := range x.Args {
		ok := false
		for _, q := range y.Args {
			ok = ok || p.Name == q.Name && value.Equal(p.Value, q.Value)
		}
		if !ok {
			return false
		}
	}
	return true
}

// evidence is two to four facts about a failing turn.
func evidence(task *ballast.Task, ep *ballast.Episode, i int) []string {
	var out []string
	if i >= len(ep.Turns) {
		return []string{fmt.Sprintf("the dialogue has %d turns, %d were reached", len(task.Turns), len(ep.Turns)),
			fmt.Sprintf("it stopped with %s", ep.Stop)}
	}
	t := ep.Turns[i]
	for _, s := range t.Steps {
		if s.Kind == ballast.KindPolluted || s.Kind == ballast.KindCollapsed {
			out = append(out, fmt.Sprintf("the form of a reply is %s", s.Kind))
			break
		}
		for k, c := range s.Calls {
			if k < len(s.Results) && sim.Failed(task.APIs, s.Results[k]) && len(out) < 1 {
				out = append(out, fmt.Sprintf("%s answered %s", value.FormatCall(c), safetext.Brief(s.Results[k], 100)))
			}
		}
	}
	missing, extra := difference(task, t, i)
	if len(missing) > 0 {
		out = append(out, "missing: "+calls(missing))
	}
	if len(extra) > 0 {
		out = append(out, "not needed: "+calls(extra))
	}
	d, verdict := compare(task, ep, i)
	if d != "" {
		out = append(out, d)
	}
	if t.Check.Done && verdict.Done && !verdict.Response {
		out = append(out, "a needed result never came: "+safetext.Brief(t.Check.Where, 100))
	}
	if t.Check.Reason == sim.ReasonCalls {
		out = append(out, fmt.Sprintf("%d calls too many", verdict.Extra))
	}
	if len(out) < 2 {
		out = append(out, fmt.Sprintf("the turn has %d replies", len(t.Steps)))
	}
	if len(out) < 2 {
		out = append(out, "the calls were compared with gold's")
	}
	return out[:min(len(out), 4)]
}

// compare plays the policy's and gold's calls up to the end of a turn. It names the first
// attribute of an API in which they differ, and has the verdict of the turn.
func compare(task *ballast.Task, ep *ballast.Episode, i int) (where string, verdict sim.Verdict) {
	task, back := words.Own(task)
	mine, err := sim.NewSession(task)
	if err != nil {
		return "", verdict
	}
	gold, err := sim.NewSession(task)
	if err != nil {
		return "", verdict
	}
	for k := 0; k <= i && k < len(ep.Turns); k++ {
		for _, s := range ep.Turns[k].Steps {
			for _, c := range s.Calls[:min(len(s.Calls), len(s.Results))] { // those that were run
				mine.Run(back(c))
			}
		}
		verdict = mine.CloseTurn()
		for _, c := range task.Turns[k].Gold {
			gold.Run(c)
		}
	}
	if mine.Err() != nil || gold.Err() != nil {
		return "", verdict
	}
	a, b := mine.Dump(), gold.Dump()
	for _, name := range task.APIs {
		x, ok1 := a[name].(*value.Dict)
		y, ok2 := b[name].(*value.Dict)
		if !ok1 || !ok2 {
			continue
		}
		for k := range y.Len() {
			key, want := y.At(k)
			if got, _ := x.Get(key); !value.Equal(got, want) {
				return fmt.Sprintf("%s.%v is %s and should be %s", name, key, safetext.Brief(value.Repr(got), 100),
					safetext.Brief(value.Repr(want), 100)), verdict
			}
		}
	}
	return "", verdict
}

// fix is what to do instead in a turn.
func fix(task *ballast.Task, ep *ballast.Episode, i int) string {
	gold := task.Turns[i].Gold
	if len(gold) == 0 {
		return "make no call and say what is missing"
	}
	if i < len(ep.Turns) {
		for _, s := range ep.Turns[i].Steps {
			if s.Kind == ballast.KindPolluted || s.Kind == ballast.KindCollapsed || s.Cut {
				return fmt.Sprintf("write complete calls and nothing after them, then a short reply: %d calls are needed", len(gold))
			}
		}
		if missing, _ := difference(task, ep.Turns[i], i); len(missing) > 0 {
			return "call " + calls(missing)
		}
	}
	return "make exactly these calls: " + calls(gold)
}

// similar names situations that need the same care: one for each function that
// the turn needs, up to five, at least three.
func similar(task *ballast.Task, i int) []string {
	var out []string
	seen := map[string]bool{}
	for _, c := range task.Turns[i].Gold {
		if !seen[c.Name] && len(out) < 3 {
			seen[c.Name] = true
			out = append(out, fmt.Sprintf("a request with other values for %s", c.Name))
		}
	}
	if len(task.Turns[i].Gold) > 1 {
		out = append(out, "a request of several calls, where each is needed and their order counts")
	}
	for _, s := range []string{
		"a later turn that builds on what this one leaves behind",
		"a request whose function or parameter is missing, where no call is right",
		"a failed call, which must be read before the next one",
	} {
		if len(out) < 3 {
			out = append(out, s)
		}
	}
	return out[:min(len(out), 5)]
}
