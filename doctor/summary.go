package doctor

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"ballast"
	"ballast/doctor/rollouts"
	"ballast/monitor"
	"ballast/monitor/verdict"
	"ballast/report/plot"
)

// advice says what a verdict means, in one sentence each.
var advice = map[verdict.State]string{
	verdict.NonFinite: "Optimiser steps were skipped for non-finite gradients again and again: lower the learning rate, look at the " +
		"largest ratio.",
	verdict.Mismatch: "The sampler's log-probabilities left the learner's: the updates are off-policy without knowing. Look at the " +
		"weights' transfer, the tokenisation of prompts and the sampling precision; signal importance corrects for a gap that stays.",
	verdict.Collapsed: "Replies are little more than control tokens: the policy has found the shortest way to end. Go back to the last " +
		"checkpoint before the onset; train on correct calls first (SFT), or add supervision to the groups.",
	verdict.Polluted: "Calls break and stray tags stand in text: the intermediate stage of the collapse. Go back to a checkpoint " +
		"before the onset; lower the learning rate, warm up, or insert a supervised phase.",
	verdict.Length:    "Replies grow until a budget cuts them. Look at what a cut reply earns, and at length terms of the reward.",
	verdict.Abandoned: "The format is healthy, but the policy has stopped to call tools. Look at what a reply without a call earns.",
	verdict.Hacking:   "The reward holds while success is lost: it pays for something else than the task.",
	verdict.NoSignal: "No group has two different rewards: the only gradient is that of the KL term, which the optimiser rescales to " +
		"full steps. Use easier tasks, more rollouts, or a supervised phase first.",
	verdict.RewardLoss: "The reward is lost although replies are well-formed: not a collapse of the format.",
	verdict.Drifting:   "Early signs: probability moves to control tokens where the format forbids them. Nothing is lost yet.",
	verdict.Plateau:    "Healthy, but the reward has stopped to rise.",
	verdict.Healthy:    "No sign of a collapse.",
	verdict.WellFormed: "The replies are well-formed. Nothing else is judged: ",
	verdict.NotJudged: "Tool calls stand in a syntax that ballast does not read, so the form of the replies is not judged. Name the " +
		"format with --format if it is one of ballast's.",
	verdict.TooShort: "Too few replies to judge.",
}

// fallen replaces the advice of Drifting where the reward is down for good.
const fallen = "Probability moved to control tokens where the format forbids them, and the reward is lost. Go back to a checkpoint " +
	"before the onset; lower the learning rate, warm up, or insert a supervised phase."

// The bounds of what the summary lists.
const (
	mostStretches = 8
	mostFalls     = 4
	mostSigns     = 6
	mostUnread    = 8
)

// words is a state as text.
func words(s verdict.State) string { return strings.ReplaceAll(string(s), "_", " ") }

// at names an update as the trainer counts it.
func (r *Report) at(update int) string {
	if r.Reading != nil {
		return r.Reading.Step(update)
	}
	return fmt.Sprint(update)
}

// Name is that of a run among several in a folder.
func (r *Report) Name() string {
	if r.Reading != nil && r.Reading.Run != "" {
		return r.Reading.Run
	}
	return r.Path
}

// piled reports whether the records have no order in time: a pile of transcripts, not a run.
func (r *Report) piled() bool { return r.Kind != kindRun && r.Reading != nil && r.Reading.Steps == "" }

// settle lets a pile of transcripts speak as a whole. Only where its replies are in
// order as a whole, or change along the file, is the course along the file told.
func (r *Report) settle() {
	d := &r.Diagnosis
	if !r.piled() {
		if calm := d.Verdict == verdict.Healthy || d.Verdict == verdict.Plateau; calm && r.unread() != "" {
			d.Verdict, d.Onset = verdict.WellFormed, 0
			if d.Shares.Verdict().Sick() {
				d.Verdict = d.Shares.Verdict()
			}
		}
		return
	}
	d.Shares = verdict.Pool(r.updates)
	if course := d.Verdict.Sick() && d.Onset > d.First && len(r.updates) >= 2*chunksOfCourse; course {
		return
	}
	d.Verdict, d.Onset, d.Began, d.Alarm, d.Halved = d.Shares.Verdict(), 0, 0, 0, 0
	d.History, d.Falls, d.Moved, d.Tokens, d.Reasons, d.Pushed = nil, nil, nil, nil, nil, nil
}

// chunksOfCourse is how many pieces of a pile its beginning has where its course is told.
const chunksOfCourse = 8

// sentences are the summary.
func (r *Report) sentences() []string {
	d := &r.Diagnosis
	var out []string
	say := func(f string, args ...any) { out = append(out, fmt.Sprintf(f, args...)) }
	span := fmt.Sprintf("updates %s to %s", r.at(d.First), r.at(d.Last))
	switch {
	case r.Kind == kindRun:
		say("%s: %d updates (%d to %d), format %s.", r.Kind, len(r.updates), d.First, d.Last, r.Format)
	case r.piled():
		say("%s: %d records with %d replies in %d file(s), no steps, format %s.", r.Kind, r.Records, r.Replies, r.Files, r.Format)
	default:
		say("%s: %d records with %d replies in %d file(s), %s, format %s.", r.Kind, r.Records, r.Replies, r.Files, span, r.Format)
	}
	if len(d.Spells) == 0 {
		say("No update sampled replies (supervised training only): there is nothing to diagnose.")
		return append(out, r.account()...)
	}
	say("%s", r.verdict())
	say("%s", r.advise())
	out = append(out, r.account()...)
	if s := r.replies(); s != "" {
		say("%s", s)
	}
	out = append(out, r.history()...)
	if d.Verdict.Sick() {
		var order []string
		for _, m := range d.Moved {
			if m.Back == 0 && len(order) < 8 {
				order = append(order, fmt.Sprintf("%s (%s: %s to %s)", m.Signal, r.at(m.Onset), plot.Short(m.Before), plot.Short(m.After)))
			}
		}
		if len(order) > 0 {
			say("Signals in the order in which they moved: %s.", strings.Join(order, ", "))
		}
	}
	if s := r.gap(); s != "" && d.Verdict == verdict.Mismatch {
		say("%s", s)
	}
	if list := rising(d.Tokens, monitor.IllegalAt); list != "" {
		say("Control tokens that rose where the format forbids them: %s.", list)
	}
	if list := rising(d.Reasons, monitor.ReasonFor); list != "" {
		say("Faults of replies that became more frequent: %s.", list)
	}
	for i := range r.Probes {
		out = append(out, r.Probes[i].Sentence())
	}
	return out
}

// verdict is the sentence with the verdict. What was not read stands in it.
func (r *Report) verdict() string {
	d := &r.Diagnosis
	text := "Verdict: " + words(d.Verdict)
	switch {
	case d.Verdict == verdict.TooShort && r.piled():
		text = "Verdict: none, too few replies"
	case d.Verdict == verdict.TooShort:
		text = "Verdict: none, too few updates and replies"
	case d.Verdict.Sick() && len(d.History) == 0: // a pool of replies without a course
		text += ", by the replies as they are"
	case d.Verdict.Sick():
		text += fmt.Sprintf(" since update %s; the first alarm was at update %s", r.at(d.Onset), r.at(d.Alarm))
		if r.piled() {
			text += ", if the order of the file is that of the training"
		}
	case d.Onset > 0:
		text += " since update " + r.at(d.Onset)
	}
	if s := r.unread(); s != "" {
		text += "; " + s
	}
	return text + "."
}

// advise says what the verdict means.
func (r *Report) advise() string {
	d := &r.Diagnosis
	switch d.Verdict {
	case verdict.TooShort:
		if bad := d.Shares.Bad(); d.Shares.Replies > 0 {
			return fmt.Sprintf("Too few replies to decide: %s of them are broken [%s, %s]; from %s on they are polluted, where %s are control "+
				"tokens alone collapsed.",
				percent(bad.Of), percent(bad.Lo), percent(bad.Hi), percent(verdict.MuchBroken), percent(verdict.MuchCollapsed))
		}
	case verdict.WellFormed:
		var lacks []string
		switch {
		case !d.Rewards.Known:
			lacks = append(lacks, "the reward is not known")
		case r.unread() != "":
			lacks = append(lacks, "too few records have a reward; where they are those that succeeded, its mean says nothing")
		}
		switch {
		case r.piled():
			lacks = append(lacks, "the records have no steps, so a course is not known")
		case d.State == verdict.TooShort:
			lacks = append(lacks, fmt.Sprintf("too few updates for a course (%d are needed, in one phase)", verdict.Enough))
		}
		if len(lacks) == 0 {
			lacks = append(lacks, "no course is known")
		}
		return advice[d.Verdict] + strings.Join(lacks, "; ") + "."
	case verdict.Drifting:
		if n := len(d.Falls); n > 0 && d.Falls[n-1].Lasts() {
			return fallen
		}
	case verdict.Plateau, verdict.Healthy:
		return r.calm()
	}
	return advice[d.Verdict]
}

// calm is what a healthy verdict means, with what speaks against it.
func (r *Report) calm() string {
	d := &r.Diagnosis
	text := advice[d.Verdict] + r.earlier()
	switch bad, n := d.Shares.Bad(), len(d.Falls); {
	case n > 0 && d.Falls[n-1].Lasts():
		text = "No sign of a collapse in the replies, but the reward is half of what it was, or less." + r.earlier()
	case d.Shares.Other.Of >= verdict.MuchOther:
		text = "The reward shows no sign of a collapse. The form of the replies is not judged: their calls are in a syntax that ballast " +
			"does not read." + r.earlier()
	case bad.Lo >= verdict.MuchBroken:
		text = fmt.Sprintf("The reward shows no sign of a collapse, but %s of the replies are broken, and they were from the beginning.",
			percent(bad.Of)) + r.earlier()
	case d.Verdict == verdict.Healthy && r.earlier() != "":
		text = "No sign of a collapse at the end." + r.earlier()
	}
	return text
}

// earlier points to sick stretches that are over.
func (r *Report) earlier() string {
	switch n := len(r.Diagnosis.History); n {
	case 0:
		return ""
	case 1:
		return " The run was sick before."
	default:
		return fmt.Sprintf(" The run was sick %d times before.", n)
	}
}

// replies gives the shares of the four kinds with their intervals.
func (r *Report) replies() string {
	s := &r.Diagnosis.Shares
	if s.Replies == 0 {
		return ""
	}
	var list []string
	for f := range ballast.ReplyKind(ballast.NumKinds) {
		x := s.Kinds[f.String()]
		list = append(list, fmt.Sprintf("%s %s [%s, %s]", f, percent(x.Of), percent(x.Lo), percent(x.Hi)))
	}
	text := fmt.Sprintf("%s: %s (95%% intervals).", r.repliesOf(), strings.Join(list, ", "))
	if s.Other.Of > 0 {
		text += fmt.Sprintf(" %s of them hold a tool call in a syntax that is not read.", percent(s.Other.Of))
	}
	if faults := r.faults(s.From, s.To); faults != "" && len(r.Diagnosis.History) == 0 {
		text += " Faults: " + faults + "."
	}
	return text
}

// faults are the most frequent reasons for the form of replies of some updates.
func (r *Report) faults(from, to int) string {
	sum, all := map[string]float64{}, 0.0
	for _, u := range r.updates {
		if u.Index < from || u.Index > to {
			continue
		}
		n := u.Metrics[monitor.Replies]
		all += n
		for k, v := range u.Metrics {
			if strings.HasPrefix(k, monitor.ReasonFor) {
				sum[strings.TrimPrefix(k, monitor.ReasonFor)] += v * n
			}
		}
	}
	names := slices.Sorted(maps.Keys(sum))
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sum[b], sum[a]) })
	var out []string
	for _, k := range names[:min(len(names), 4)] {
		if sum[k] > 0 && all > 0 {
			out = append(out, k+" "+percent(sum[k]/all))
		}
	}
	return strings.Join(out, ", ")
}

// repliesOf says which replies the shares are of.
func (r *Report) repliesOf() string {
	s := &r.Diagnosis.Shares
	if r.piled() {
		return fmt.Sprintf("The %d replies", s.Replies)
	}
	return fmt.Sprintf("The %d replies of updates %s to %s", s.Replies, r.at(s.From), r.at(s.To))
}

// history tells every sick stretch, and every fall of the reward with its first alarm.
func (r *Report) history() []string {
	d := &r.Diagnosis
	var out []string
	say := func(f string, args ...any) { out = append(out, fmt.Sprintf(f, args...)) }
	for i, s := range d.History {
		if i == mostStretches {
			say("%d more sick stretches.", len(d.History)-i)
			break
		}
		var states, signs []string
		for _, sp := range s.States {
			states = append(states, fmt.Sprintf("%s %s to %s", words(sp.State), r.at(sp.From), r.at(sp.To)))
		}
		for _, g := range s.Signals[:min(len(s.Signals), mostSigns)] {
			signs = append(signs, fmt.Sprintf("%s (%s)", g.Signal, r.at(g.Onset)))
		}
		text := fmt.Sprintf("Sick from update %s to %s: %s.", r.at(s.From), r.at(s.To), strings.Join(states, ", "))
		if len(signs) > 0 {
			text += " Signals, by onset: " + strings.Join(signs, ", ") + "."
		}
		say("%s", text)
	}
	told := 0
	for i := range d.Falls {
		f := &d.Falls[i]
		if last := i == len(d.Falls)-1; !f.Told && !(last && f.Lasts()) || told == mostFalls && !last {
			continue
		}
		told++
		say("%s", r.fall(f))
	}
	return out
}

// fall tells a fall of the reward with the lead of the first alarm that belongs to it.
func (r *Report) fall(f *verdict.Fall) string {
	text := fmt.Sprintf("The mean reward of ten updates fell from %s to %s: it was high until update %s and had halved at update %s",
		plot.Short(f.Before), plot.Short(f.After), r.at(f.High), r.at(f.Halved))
	if f.Back > 0 {
		text += ", and was back at update " + r.at(f.Back)
	}
	if f.Ended > 0 {
		text += ", until the supervised update " + r.at(f.Ended)
	}
	lead := f.Halved - f.Alarm
	switch {
	case !f.Told:
		return text + ". No alarm belongs to it."
	case lead > 0:
		return text + fmt.Sprintf(". The first alarm (update %s) came %s before it had halved.", r.at(f.Alarm), updates(lead))
	case lead == 0:
		return text + fmt.Sprintf(". The first alarm (update %s) came with the halving.", r.at(f.Alarm))
	}
	return text + fmt.Sprintf(". The first alarm (update %s) came %s after it had halved.", r.at(f.Alarm), updates(-lead))
}

func updates(n int) string {
	if n == 1 {
		return "1 update"
	}
	return fmt.Sprintf("%d updates", n)
}

// account says what was read of foreign files, and what was decided about them.
func (r *Report) account() []string {
	var out []string
	say := func(f string, args ...any) { out = append(out, fmt.Sprintf(f, args...)) }
	if r.guessed != "" {
		say("%s", r.guessed)
	}
	a := r.Reading
	if a == nil {
		return out
	}
	column := func(what string, c *rollouts.Column) {
		n := c.Records()
		if c.Present == 0 && c.Key == "" && what != "Reward" {
			return
		}
		var rest []string
		for _, x := range []struct {
			n    int
			what string
		}{{c.Missing, "empty"}, {c.Unreadable, "not understood"}, {c.Absent, "without the key"}} {
			if x.n > 0 {
				rest = append(rest, fmt.Sprintf("%d %s", x.n, x.what))
			}
		}
		tail := ""
		if len(rest) > 0 {
			tail = ": " + strings.Join(rest, ", ")
		}
		switch {
		case c.Present > 0:
			say("%s: key %s, in %d of %d records (%s)%s.", what, quoted(c.Key), c.Present, n, percent(c.Share()), tail)
		case c.Key != "":
			say("%s: none, key %s in 0 of %d records%s.", what, quoted(c.Key), n, tail)
		default:
			say("%s: none, no key for one in %d records.", what, n)
		}
	}
	column("Reward", &a.Reward)
	if a.Rivals != "" {
		say("%s.", a.Rivals)
	}
	column("Success", &a.Success)
	if a.Steps != "" {
		say("Steps: %s.", strings.TrimSuffix(a.Steps, "."))
	}
	for i, u := range a.Unread {
		if i == mostUnread {
			say("%d more keys were not understood (diagnosis.json has them).", len(a.Unread)-i)
			break
		}
		where := u.File
		if u.Line > 0 {
			where += fmt.Sprintf(":%d", u.Line)
		}
		value := ""
		if u.Value != "" {
			value = " = " + u.Value
		}
		say("Not understood: key %s%s, %s (%d times, first in %s).", quoted(u.Key), value, u.Why, max(1, u.Count), where)
	}
	for _, text := range a.Decided {
		say("%s.", strings.TrimSuffix(text, "."))
	}
	var left []string
	for i, x := range a.LeftOut {
		if i == mostUnread {
			left = append(left, fmt.Sprintf("%d more", len(a.LeftOut)-i))
			break
		}
		left = append(left, fmt.Sprintf("%s (%s)", x.Path, x.Why))
	}
	if len(left) > 0 {
		say("Left out: %s.", strings.Join(left, ", "))
	}
	return out
}

// quoted is a key as the trainer wrote it.
func quoted(key string) string { return cmp.Or(key, "(none)") }

// percent is a share as a percentage of two digits at least.
func percent(x float64) string {
	p := 100 * x
	if p > 0 && p < 9.95 || p > 90.05 && p < 100 {
		return fmt.Sprintf("%.1f%%", p)
	}
	return fmt.Sprintf("%.0f%%", math.Round(p))
}

// rising lists facts that rose.
func rising(facts []verdict.Fact, prefix string) string {
	var out []string
	for _, f := range facts {
		if f.After > f.Before && f.After-f.Before > 1e-3 && len(out) < 4 {
			name := strings.TrimPrefix(f.Metric, prefix)
			if i := strings.LastIndexByte(name, '/'); i > 0 {
				name = name[:i] + " (" + name[i+1:] + ")"
			}
			out = append(out, fmt.Sprintf("%s %s to %s", name, plot.Short(f.Before), plot.Short(f.After)))
		}
	}
	return strings.Join(out, ", ")
}
