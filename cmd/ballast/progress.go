package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"ballast"
	"ballast/monitor"
	"ballast/recipe"
	"ballast/recipe/loop"
	"ballast/recipe/prepare"
	"ballast/runlog"
	"ballast/safetext"
	"ballast/task"
)

// progress shows a run while it goes: a bar on a terminal, a line an update
// elsewhere, JSON lines on request.
type progress struct {
	out    io.Writer
	json   bool
	run    *loop.Run
	bars   *mpb.Progress
	bar    *mpb.Bar
	status atomic.Value // string
}

func newProgress(out io.Writer, asJSON bool, run *loop.Run) *progress {
	p := &progress{out: out, json: asJSON, run: run}
	p.status.Store("")
	if !asJSON {
		p.bars = bars()
	}
	return p
}

func (p *progress) begin(dir string) {
	if p.json {
		return
	}
	r := &p.run.Recipe
	more := ""
	for _, phase := range r.Phases[min(p.run.State.Phase, len(r.Phases)):] {
		if recipe.Waits(phase.SFT) {
			more = " and those on failures"
		}
	}
	on := fmt.Sprintf("%s, %d training tasks", r.Tasks.Set, len(p.run.Train))
	if prepare.OwnDialogues(r) {
		on = fmt.Sprintf("the dialogues of %s, evaluated on %s", r.SFT.File, r.Tasks.Set)
	}
	safetext.Say(p.out, "%s: %s on %s, %d updates%s -> %s\n", r.Method, r.Model, on, p.run.Total(), more, dir)
	if p.bars != nil {
		p.bar = p.bars.AddBar(int64(p.run.Total()),
			mpb.PrependDecorators(decor.CountersNoUnit("update %d/%d")),
			mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace),
				decor.Any(func(decor.Statistics) string { return p.status.Load().(string) })))
		p.bar.SetCurrent(int64(p.run.State.Update))
	}
}

func (p *progress) update(u ballast.Update, at loop.Progress) {
	switch {
	case p.json:
		text, err := runlog.UpdateLine(u) // encoding/json refuses NaN
		if err != nil {
			panic(err) // numbers and strings always marshal
		}
		p.out.Write(text)
	case p.bar != nil:
		p.status.Store("  " + safetext.Line(line(u, task.Held(p.run.Recipe.Tasks.Set))))
		p.bar.SetCurrent(int64(at.Done))
	default:
		safetext.Say(p.out, "update %d/%d %s\n", at.Done, at.Total, line(u, task.Held(p.run.Recipe.Tasks.Set)))
	}
}

// event shows what a person would want to see at once; the rest stands in events.jsonl.
func (p *progress) event(e runlog.Event) {
	if p.json || !slices.Contains([]runlog.Kind{runlog.KindWarning, runlog.KindAlarm, runlog.KindAction}, e.Kind()) {
		return
	}
	out := p.out
	if p.bars != nil {
		out = p.bars // above the bar
	}
	safetext.Say(out, "update %d: %s: %s\n", e.Update, e.Kind(), e.Text)
}

func (p *progress) end() {
	if p.bar != nil {
		p.bar.Abort(false)
		p.bars.Wait()
	}
}

// line is an update in one short line.
func line(u ballast.Update, split string) string {
	m := u.Metrics
	if u.Phase == "sft" {
		return fmt.Sprintf("sft loss %.3f  %.1fs", m[monitor.LossCE], u.Seconds)
	}
	s := fmt.Sprintf("rl reward %.3f  calls %.0f%% polluted %.0f%% collapsed %.0f%%",
		m[monitor.RewardMean],
		100*m[monitor.KindPrefix+"call"], 100*m[monitor.KindPrefix+"polluted"], 100*m[monitor.KindPrefix+"collapsed"])
	if v, ok := m[monitor.KL]; ok {
		s += fmt.Sprintf("  kl %.4f", v)
	}
	if v, ok := m[monitor.GroupsPlayed]; ok {
		s += fmt.Sprintf("  groups %.0f of %.0f", m[monitor.GroupsKept], v)
	}
	s += fmt.Sprintf("  %.1fs", u.Seconds)
	if v, ok := m[monitor.EvalSuccess]; ok {
		s += fmt.Sprintf("  %s %.1f%%", cmp.Or(split, "test"), 100*v)
	}
	return s
}
